import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, test } from 'node:test';
import { randomOf } from '../../infra/local/faults.ts';
import { RemoteUnavailableError } from '../../lib/errors.ts';
import type { Call, Table } from '../../lib/sync/ports.ts';
import { type RequestBudget, requestBudget } from '../../lib/sync/request-budget.ts';
import { allowedFor, type BudgetLimits, nothingYet, type Want } from '../../lib/sync/request-slots.ts';
import { memoryTable } from '../wave/memory-table.ts';
import { type VirtualTime, virtualTime } from '../wave/virtual-time.ts';

const minute = 60_000;
const hour = 60 * minute;
const limits: BudgetLimits = {
  perMinute: 60,
  inFlight: 2,
  perDay: 1_000_000,
  leaseMs: 30_000,
  windowMs: minute,
};

const budgetOf = (time: VirtualTime, table: Table, given: Partial<BudgetLimits> = {}, aheadMs = 0) =>
  requestBudget({
    table,
    clock: time.clock(aheadMs),
    newId: randomUUID,
    random: randomOf(aheadMs + 7),
    limits: { ...limits, ...given },
  });

const wanting = (time: VirtualTime, given: Partial<Want> & { priority?: Call['priority'] } = {}): Want => ({
  cost: 1,
  intention: 'write',
  call: { deadline: time.now() + hour, priority: given.priority ?? 'live' },
  ...given,
});

/** Wave's door as it is thought to be: nobody tells us, so everything that arrives is kept. */
function door(time: VirtualTime) {
  const arrivals: { readonly at: number; readonly cost: number }[] = [];
  let inside = 0;
  let mostInside = 0;
  return {
    arrivals,
    mostInside: () => mostInside,
    async serve(cost: number, travelMs: number, workMs: number) {
      await time.sleep(travelMs);
      arrivals.push({ at: time.now(), cost });
      inside += 1;
      mostInside = Math.max(mostInside, inside);
      await time.sleep(workMs);
      inside -= 1;
      await time.sleep(travelMs);
    },
    /** The most that any window of this length held. */
    fullest(windowMs: number) {
      let [from, sum, most] = [0, 0, 0];
      for (const { at, cost } of arrivals) {
        sum += cost;
        for (let first = arrivals[from]; first && first.at <= at - windowMs; first = arrivals[++from])
          sum -= first.cost;
        most = Math.max(most, sum);
      }
      return most;
    },
  };
}

/** Works without a pause, as one of many; now and then the worker dies with a request under way. */
async function work(
  time: VirtualTime,
  budget: RequestBudget,
  wave: ReturnType<typeof door>,
  random: () => number,
  how: { readonly until: number; readonly cost: number; readonly dies: number; readonly want: Partial<Want> },
): Promise<void> {
  while (time.now() < how.until) {
    const slot = await budget.take(wanting(time, { cost: how.cost, ...how.want })).catch(async (error) => {
      assert.ok(error instanceof RemoteUnavailableError);
      await time.sleep(error.retryAfterMs ?? 1_000);
    });
    if (!slot) continue;
    await wave.serve(slot.cost, 5 + 30 * random(), 50 + 700 * random());
    const fate = random();
    if (fate < how.dies) continue;
    await slot.end({ did: fate < how.dies + 0.02 ? 'unanswered' : 'answered' });
  }
}

/** Workers of one queue, as Lambda runs them: each takes up to ten of the changes that wait, reads, writes, and rests. */
async function sync(rate: number, given: { readonly workers?: number; readonly random?: () => number } = {}) {
  const { workers = 2, random = randomOf(5) } = given;
  const time = virtualTime();
  const table = memoryTable({ before: () => time.sleep(5 + 10 * random()) });
  const until = time.now() + 5 * minute;
  const queue: number[] = [];
  const tookMs: number[] = [];
  const restedMs: number[] = [];
  let requests = 0;
  async function arrive(): Promise<void> {
    for (; time.now() < until; queue.push(time.now())) await time.sleep((2_000 / rate) * random());
  }
  async function apply(budget: RequestBudget): Promise<void> {
    while (time.now() < until || queue.length > 0) {
      const batch = queue.splice(0, 10);
      if (batch.length === 0) {
        await time.sleep(20);
        continue;
      }
      const records = batch.length;
      for (const want of [
        { intention: 'read', records },
        { intention: 'write', records },
      ] as const) {
        const slot = await budget.take(wanting(time, want));
        requests += 1;
        await time.sleep(150 + 300 * random());
        await slot.end({ did: 'answered' });
      }
      tookMs.push(...batch.map((madeAt) => time.now() - madeAt));
      const doneAt = time.now();
      await budget.rest(doneAt + minute, records === 10);
      restedMs.push(time.now() - doneAt);
    }
  }
  const all = [arrive(), ...Array.from({ length: workers }, () => apply(budgetOf(time, table)))];
  await time.runUntil(until + 10 * minute);
  await Promise.all(all);
  const sorted = tookMs.sort((a, b) => a - b);
  return {
    each: requests / tookMs.length,
    p95Ms: sorted[Math.floor(0.95 * sorted.length)] ?? 0,
    longestMs: sorted.at(-1) ?? 0,
    longestRestMs: Math.max(...restedMs),
  };
}

describe('the request budget', () => {
  for (const countsFields of [false, true]) {
    test(`of many containers with different clocks never fills a minute beyond the limit, and uses nine tenths of it${countsFields ? ', fields counted' : ''}`, async () => {
      const time = virtualTime();
      const random = randomOf(11);
      const table = memoryTable({ before: () => time.sleep(2 + 8 * random()) });
      const wave = door(time);
      const startedAt = time.now();
      const until = startedAt + 15 * minute;
      const workers = Array.from({ length: 12 }, (_, index) => {
        const budget = budgetOf(time, table, {}, (index % 4) * 50);
        const how = { until, cost: countsFields ? 1 + (index % 5) : 1, dies: 0.002, want: {} };
        return work(time, budget, wave, random, how);
      });
      await time.runUntil(until + 2 * minute);
      await Promise.all(workers);
      assert.ok(wave.fullest(minute) <= 60, `${wave.fullest(minute)} in a minute`);
      assert.ok(wave.mostInside() <= 2, `${wave.mostInside()} at once`);
      const used = wave.arrivals.filter(({ at }) => at < until).reduce((sum, { cost }) => sum + cost, 0);
      assert.ok(used >= 0.9 * 60 * 15, `${used} of ${60 * 15} used`);
    });
  }

  test('counts a request that nobody ended until a minute after its lease', async () => {
    const time = virtualTime();
    const table = memoryTable();
    const budget = budgetOf(time, table, { perMinute: 1, inFlight: 1, leaseMs: 30_000 });
    await budget.take(wanting(time));
    const waits = async () =>
      assert.rejects(
        budgetOf(time, table, { perMinute: 1, inFlight: 1, leaseMs: 30_000 }).take(wanting(time)),
        (error) => error instanceof RemoteUnavailableError && (error.retryAfterMs ?? 0) > 2_000,
      );
    await waits();
    await time.runUntil(time.now() + 80_000);
    await waits();
    await time.runUntil(time.now() + 10_300);
    await budget.take(wanting(time));
  });

  test('lets no more at once to a Wave that goes on with what nobody awaits any more', async () => {
    const time = virtualTime();
    const table = memoryTable();
    const wave = door(time);
    const until = time.now() + 5 * minute;
    async function impatient(): Promise<void> {
      const budget = budgetOf(time, table);
      while (time.now() < until) {
        const slot = await budget.take(wanting(time, { intention: 'read' })).catch(() => time.sleep(1_000));
        if (!slot) continue;
        const served = wave.serve(1, 10, 28_000);
        await time.sleep(20_000);
        await slot.end({ did: 'abandoned' });
        void served;
      }
    }
    const all = [impatient(), impatient(), impatient()];
    await time.runUntil(until + 2 * minute);
    await Promise.all(all);
    assert.ok(wave.arrivals.length > 10);
    assert.equal(wave.mostInside(), 2);
  });

  test('gives back at once what was never sent', async () => {
    const time = virtualTime();
    const budget = budgetOf(time, memoryTable(), { perMinute: 1, perDay: 1 });
    for (let count = 0; count < 5; count++) await (await budget.take(wanting(time))).end({ did: 'unsent' });
  });

  /** What each kind of request may fill a window of 60 up to, a minute after so many live changes: background reads and writes, live reads and writes. */
  function sharesAfter(records: number): readonly number[] {
    const slots = { ...nothingYet, demand: { records, at: 0 } };
    return (['background', 'live'] as const).flatMap((priority) =>
      (['read', 'write'] as const).map((intention) =>
        allowedFor(slots, limits, { cost: 1, intention, call: { deadline: hour, priority } }, minute),
      ),
    );
  }

  test('keeps a fifth at the most for live work, and the last of each share for writes', () => {
    assert.deepEqual(sharesAfter(200), [48, 50, 58, 60]);
  });

  test('keeps what live changes take in an eighth of the window that come as they came of late', () => {
    assert.deepEqual(sharesAfter(60), [53, 55, 58, 60]);
  });

  test('keeps some for polls and the first changes while there are none', () => {
    assert.deepEqual(sharesAfter(0), [56, 58, 59, 60]);
  });

  test('lets background work take no more than its part of a quarter of the window, and live work what is left', async () => {
    const time = virtualTime();
    const budget = budgetOf(time, memoryTable(), { inFlight: 1_000 });
    const taken = async (priority: Call['priority']) => {
      for (let count = 0; count < 100; count++) {
        const call = { deadline: time.now(), priority };
        const slot = await budget.take(wanting(time, { intention: 'read', call })).catch(() => undefined);
        if (!slot) return count;
        await slot.end({ did: 'answered' });
      }
      return 100;
    };
    assert.equal(await taken('background'), 16);
    await time.runUntil(time.now() + 16_000);
    assert.equal(await taken('background'), 16);
    assert.equal(await taken('live'), 27);
  });

  for (const perMinute of [3, 6, 8, 12])
    test(`lets background changes be read and written with ${perMinute} requests a minute`, async () => {
      const time = virtualTime();
      const budget = budgetOf(time, memoryTable(), { perMinute });
      const until = time.now() + 30 * minute;
      let written = 0;
      async function change(): Promise<void> {
        while (time.now() < until) {
          for (const intention of ['read', 'write'] as const) {
            const want = wanting(time, { intention, priority: 'background' });
            const call = { ...want.call, priority: 'background' } as const;
            const slot = await budget.take({ ...want, call }).catch(() => undefined);
            if (!slot) break;
            await time.sleep(300);
            await slot.end({ did: 'answered' });
            if (intention === 'write') written += 1;
          }
          await time.sleep(1_000);
        }
      }
      const changing = change();
      await time.runUntil(until + minute);
      await changing;
      assert.ok(written >= 10 * perMinute - 10, `${written} in half an hour`);
    });

  test('is ready for background changes when there is a slot, at once or within two fifths of the time that is left', async () => {
    const time = virtualTime();
    const budget = budgetOf(time, memoryTable(), { perMinute: 10, inFlight: 100 });
    const readyAfter = async (ms: number) => {
      const startedAt = time.now();
      let after: number | undefined;
      const ready = budget.ready({ deadline: startedAt + ms, priority: 'background' }).then(() => {
        after = time.now() - startedAt;
      });
      await time.runUntil(startedAt + ms);
      await ready;
      return after ?? Number.NaN;
    };
    assert.equal(await readyAfter(50_000), 0);
    for (let count = 0; count < 9; count++) await (await budget.take(wanting(time))).end({ did: 'answered' });
    const givenUp = await readyAfter(50_000);
    assert.ok(givenUp >= 20_000 && givenUp < 25_000, String(givenUp));
    const waited = await readyAfter(50_000);
    assert.ok(waited > 5_000 && waited < 15_000, String(waited));
  });

  test('uses nine tenths for background work while nobody changes anything, polls included', async () => {
    const time = virtualTime();
    const random = randomOf(3);
    const table = memoryTable({ before: () => time.sleep(5 + 10 * random()) });
    const wave = door(time);
    const startedAt = time.now();
    const until = startedAt + 10 * minute;
    const call = { deadline: until + hour, priority: 'background' } as const;
    const wants = [
      { intention: 'read', call },
      { intention: 'write', call },
    ] as const;
    const workers = wants.flatMap((want) =>
      [1, 2].map(() => work(time, budgetOf(time, table), wave, random, { until, cost: 1, dies: 0, want })),
    );
    async function poll(): Promise<void> {
      for (; time.now() < until; await time.sleep(minute)) {
        const slot = await budgetOf(time, table).take(wanting(time, { intention: 'read' }));
        await wave.serve(1, 10, 300);
        await slot.end({ did: 'answered' });
      }
    }
    const all = [poll(), ...workers];
    await time.runUntil(until + 2 * minute);
    await Promise.all(all);
    const used = wave.arrivals.filter(({ at }) => at < until).length;
    assert.ok(used >= 0.9 * 60 * 10, `${used} of ${60 * 10} used`);
  });

  test('keeps one of the requests at once for live work', async () => {
    const time = virtualTime();
    const budget = budgetOf(time, memoryTable());
    const first = await budget.take(wanting(time, { priority: 'background' }));
    const second = budget.take(wanting(time, { priority: 'background', intention: 'read' }));
    let isThere = false;
    const noted = second.then(() => {
      isThere = true;
    });
    await time.runUntil(time.now() + 1_000);
    assert.equal(isThere, false);
    const live = await budget.take(wanting(time));
    await first.end({ did: 'answered' });
    await time.runUntil(time.now() + 1_000);
    assert.equal(isThere, false, 'live work still has one');
    await live.end({ did: 'answered' });
    await time.runUntil(time.now() + 1_000);
    await noted;
  });

  test('stops everybody after a 429 for as long as Wave says, then sends one request to try', async () => {
    const time = virtualTime();
    const table = memoryTable();
    const [one, other] = [budgetOf(time, table), budgetOf(time, table)];
    const slot = await one.take(wanting(time));
    await slot.end({ did: 'refused', retryAfterMs: 30_000 });
    const startedAt = time.now();
    await assert.rejects(other.take(wanting(time)), {
      retryAfterMs: 30_250,
      message: 'wave is unavailable: Wave asked for a pause (429)',
    });
    await time.runUntil(startedAt + 30_250);
    const probe = await other.take(wanting(time));
    const next = one.take(wanting(time));
    await time.runUntil(time.now() + 1_000);
    await probe.end({ did: 'answered' });
    await time.runUntil(time.now() + 1_000);
    assert.ok((await next).waitedMs >= 1_000);
  });

  test('pauses twice as long each time when 429s follow one another, even against a short Retry-After', async () => {
    const time = virtualTime();
    const budget = budgetOf(time, memoryTable());
    const pauses: number[] = [];
    for (let count = 0; count < 9; count++) {
      const slot = await budget.take(wanting(time));
      await slot.end({ did: 'refused', retryAfterMs: count % 2 === 0 ? undefined : 1_000 });
      const call = { deadline: time.now(), priority: 'live' } as const;
      const error = await budget.take(wanting(time, { call })).catch((refusal) => refusal);
      pauses.push(error.retryAfterMs - 250);
      await time.runUntil(time.now() + error.retryAfterMs);
    }
    assert.deepEqual(
      pauses,
      [5, 10, 20, 40, 80, 160, 300, 300, 300].map((seconds) => seconds * 1000),
    );
  });

  test('pauses no longer for a 429 now and then, and forgets many after as many quiet minutes', async () => {
    const time = virtualTime();
    const budget = budgetOf(time, memoryTable());
    const pauses: number[] = [];
    const quietMinutes = [...Array(5).fill(2), ...Array(9).fill(0), 5, 9];
    for (const minutes of quietMinutes) {
      await time.runUntil(time.now() + minutes * minute);
      await (await budget.take(wanting(time))).end({ did: 'refused', retryAfterMs: undefined });
      const call = { deadline: time.now(), priority: 'live' } as const;
      const error = await budget.take(wanting(time, { call })).catch((refusal) => refusal);
      pauses.push((error.retryAfterMs - 250) / 1000);
      await time.runUntil(time.now() + error.retryAfterMs);
    }
    assert.deepEqual(pauses, [5, 5, 5, 5, 5, 10, 20, 40, 80, 160, 300, 300, 300, 300, 20, 5]);
  });

  test('obeys the limit of a day, whatever the minutes allow', async () => {
    const time = virtualTime();
    const budget = budgetOf(time, memoryTable(), { perDay: 20 });
    let count = 0;
    let last: RemoteUnavailableError | undefined;
    for (; count < 100 && !last; count++) {
      await time.runUntil(time.now() + 30 * minute);
      const slot = await budget.take(wanting(time)).catch((error: RemoteUnavailableError) => {
        last = error;
      });
      await slot?.end({ did: 'answered' });
    }
    assert.equal(count - 1, 20);
    // Who waits looks again sooner, as the limit may be raised; until then there is nothing to be had.
    assert.equal(last?.retryAfterMs, 15 * minute);
    assert.match(
      last?.message ?? '',
      /the request budget of a day \(WAVE_MAX_REQUESTS_PER_DAY\) is used up$/,
    );
    await time.runUntil(time.now() + 12 * hour);
    await assert.rejects(budget.take(wanting(time)));
    await time.runUntil(time.now() + 13 * hour);
    await budget.take(wanting(time));
  });

  test('leaves enough of a day for a poll each minute, however much background work there is', async () => {
    const time = virtualTime();
    const budget = budgetOf(time, memoryTable(), { perDay: 5_000 });
    let [polls, others] = [0, 0];
    for (let minutes = 0; minutes < 24 * 60; minutes++) {
      await (await budget.take(wanting(time, { intention: 'read' }))).end({ did: 'answered' });
      polls += 1;
      for (let more = 0; more < 10; more++) {
        const call = { deadline: time.now(), priority: 'background' } as const;
        const slot = await budget.take(wanting(time, { call })).catch(() => undefined);
        await slot?.end({ did: 'answered' });
        others += slot ? 1 : 0;
      }
      await time.runUntil(time.now() + minute);
    }
    assert.deepEqual([polls, others < 3_000, others > 2_500], [1_440, true, true]);
  });

  test('charges a document that cannot be cut all that it costs, however little is allowed', async () => {
    const time = virtualTime();
    const budget = budgetOf(time, memoryTable(), { perMinute: 3 });
    const poll = { cost: 3, intention: 'read', isWhole: true } as const;
    const slot = await budget.take(wanting(time, poll));
    assert.equal(slot.cost, 3);
    await slot.end({ did: 'answered' });
    const call = { deadline: time.now(), priority: 'live' } as const;
    await assert.rejects(budget.take(wanting(time, { call })), { message: /the request budget is used up$/ });
  });

  test('waits for a slot no longer than what it is wanted for stays young', async () => {
    const time = virtualTime();
    const budget = budgetOf(time, memoryTable(), { perMinute: 1 });
    await (await budget.take(wanting(time))).end({ did: 'answered' });
    const startedAt = time.now();
    const call = { deadline: startedAt + hour, priority: 'live', sendBy: startedAt + 500 } as const;
    await assert.rejects(budget.take(wanting(time, { call })));
    assert.ok(time.now() - startedAt <= 500);
  });

  test('does not lose that Wave asked for a pause when the table fails twice', async () => {
    const time = virtualTime();
    let failures = 0;
    const table = memoryTable({
      before: async () => {
        if (failures > 0) {
          failures -= 1;
          throw new Error('the table does not answer');
        }
      },
    });
    const budget = budgetOf(time, table);
    const slot = await budget.take(wanting(time));
    failures = 2;
    const ended = slot.end({ did: 'refused', retryAfterMs: 30_000 });
    await time.runUntil(time.now() + 1_000);
    await ended;
    await assert.rejects(budgetOf(time, table).take(wanting(time)), { message: /asked for a pause/ });
  });

  test('lets a document through alone that costs more than everything', async () => {
    const time = virtualTime();
    const budget = budgetOf(time, memoryTable(), { perMinute: 10 });
    const slot = await budget.take(wanting(time, { cost: 25 }));
    assert.equal(slot.cost, 10);
    assert.equal(slot.left, 0);
  });

  for (const rate of [1, 1.5, 2, 4])
    test(`takes at most 0.4 requests a change when ${rate} come each second, more than it has requests`, async () => {
      const { each, p95Ms } = await sync(rate);
      assert.ok(each <= 0.4, `${each} a change`);
      assert.ok(p95Ms < 20_000, `${p95Ms} ms`);
    });

  test('lets nobody rest while it carries each change by itself', async () => {
    const { longestRestMs, longestMs } = await sync(0.2);
    assert.equal(longestRestMs, 0);
    assert.ok(longestMs < 2_000, `${longestMs} ms`);
  });

  test('ends each rest after a quarter of the window, however many workers wait for their turn', async () => {
    for (const workers of [2, 5]) {
      const { longestRestMs } = await sync(1, { workers });
      assert.ok(longestRestMs > 1_000, 'they do rest');
      assert.ok(longestRestMs <= minute / 4 + 200, `${longestRestMs} ms`);
    }
  });

  test('ends a rest before the deadline, and when the table does not answer', async () => {
    const time = virtualTime();
    let isThere = true;
    const before = async () => assert.ok(isThere);
    const budget = budgetOf(time, memoryTable({ before }), { inFlight: 100 });
    for (let count = 0; count < 10; count++)
      await budget.take(wanting(time, { intention: 'read', records: 3 }));
    await budget.rest(time.now() + minute, false);
    const startedAt = time.now();
    const resting = budget.rest(startedAt + 3_000, false);
    await time.runUntil(startedAt + 3_000);
    await resting;
    isThere = false;
    await budget.rest(time.now() + minute, false);
    assert.equal(time.now(), startedAt + 3_000);
  });

  test('waits no longer than the deadline allows', async () => {
    const time = virtualTime();
    const budget = budgetOf(time, memoryTable(), { inFlight: 1 });
    await budget.take(wanting(time));
    const startedAt = time.now();
    const call = { deadline: startedAt + 5_000, priority: 'live' } as const;
    const waiting = assert.rejects(budget.take(wanting(time, { intention: 'read', call })), (error) => {
      assert.ok(time.now() - startedAt <= 4_300);
      return error instanceof RemoteUnavailableError;
    });
    await time.runUntil(startedAt + 10_000);
    await waiting;
  });

  test('is taken when the answer to its own write was lost', async () => {
    const time = virtualTime();
    let fails = true;
    const table = memoryTable({
      after: async () => {
        if (!fails) return;
        fails = false;
        throw new Error('no answer');
      },
    });
    const budget = budgetOf(time, table);
    await assert.rejects(budget.take(wanting(time)), RemoteUnavailableError);
    await budget.take(wanting(time));
  });

  test('keeps its item small however high the limit is', async () => {
    const time = virtualTime();
    const table = memoryTable();
    const budget = budgetOf(time, table, { perMinute: 100_000 });
    for (let count = 0; count < 2_000; count++) {
      await (await budget.take(wanting(time))).end({ did: 'answered' });
      await time.runUntil(time.now() + 25);
    }
    const [item] = [...table.items.values()];
    assert.ok(JSON.stringify(item).length < 12_000, `${JSON.stringify(item).length} characters`);
  });
});
