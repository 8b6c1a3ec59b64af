import { RemoteUnavailableError } from '../errors.ts';
import type { Call, Clock, Item, Key, Table } from './ports.ts';
import {
  aged,
  allowedFor,
  type BudgetLimits,
  costOf,
  type Ending,
  ended,
  gapOf,
  type Lack,
  nothingYet,
  restShare,
  type Slots,
  taken,
  verdictOn,
  type Want,
} from './request-slots.ts';

// One item of the table holds every request to Wave that still counts, whoever made it. It is taken and given back by conditional
// writes on its revision.

/** The right to send one request now. */
export interface Slot {
  readonly cost: number;
  readonly waitedMs: number;
  /** What the budget still allows at this moment, in requests or fields. */
  readonly left: number;
  /** To be called once, when the request has ended. Never throws: a slot that is not given back runs out by itself. */
  readonly end: (ending: Ending) => Promise<void>;
}

export interface RequestBudget {
  /**
   * Waits for a slot, within the call. @throws RemoteUnavailableError with `retryAfterMs` when none comes free in time, or the table
   * does not answer: nothing was sent.
   */
  take(want: Want): Promise<Slot>;
  /** Whether changes come faster than they can be carried one by one, as far as this container knows. */
  readonly isPressed: () => boolean;
  /**
   * For a worker that has done its changes. While too many come for requests of their own, workers go for more one after the other,
   * with a pause in between, so that changes gather in the queue and share requests. Waits for one's turn, at the most a quarter of the
   * window and within the deadline (ms since 1970); not at all otherwise. The pause is half as long where `moreWait` in the queue
   * already. Never throws.
   */
  rest(deadline: number, moreWait: boolean): Promise<void>;
  /**
   * For a worker before background changes: waits until there is a slot for one, at the most two fifths of the time that is left, so
   * that they wait in the queue, where whoever comes first finds them. Never throws.
   */
  ready(call: Call): Promise<void>;
}

const key: Key = { pk: 'budget#wave', sk: 'slots' };
/** The longest wait for a slot, ms. A write is based on what was read before: it waits shortly and is then planned anew. */
const patienceMs = { read: 20_000, write: 2_000 } as const;
/** What must be left of the deadline for the request itself, ms. */
const requestReserveMs = 1_000;
/** Writes that may fail because another container was faster, and looks at the item, for one slot. */
const tryLimit = 200;
const endTryLimit = 25;
const failureLimit = 3;
/** Of the time that is left to a worker, the most that it waits before it begins. */
const readyShare = 2 / 5;

/** The shared budget of all requests to Wave. */
export function requestBudget(options: {
  readonly table: Table;
  readonly clock: Clock;
  readonly newId: () => string;
  readonly random?: () => number;
  readonly limits: BudgetLimits;
}): RequestBudget {
  const { table, clock, newId, limits, random = Math.random } = options;
  let known: Slots | undefined;
  const jitter = (ms: number) => Math.ceil(ms * (0.5 + random()));

  async function read(): Promise<Slots> {
    known = slotsOf(await table.get(key));
    return known;
  }

  /** Answers whether it was written; if not, `known` is what was there instead. */
  async function write(before: Slots, after: Slots): Promise<boolean> {
    const next = { ...after, revision: before.revision + 1 };
    const when = before.revision === 0 ? 'absent' : { equals: { revision: before.revision } };
    const result = await table.write([{ put: { ...key, ...next }, when }]);
    known = result.done ? next : slotsOf(result.failed.get(0));
    return result.done;
  }

  async function take(want: Want): Promise<Slot> {
    const id = newId();
    const startedAt = clock.now();
    const { deadline, sendBy = Number.POSITIVE_INFINITY } = want.call;
    const latest = Math.min(startedAt + patienceMs[want.intention], deadline - requestReserveMs, sendBy);
    let slots = known ?? (await read());
    let isFresh = false;
    for (let attempt = 1; attempt <= tryLimit; attempt++) {
      const now = clock.now();
      if (now > sendBy) throw noSlot(0, 'minute', want);
      const current = aged(slots, limits, now);
      // A write of ours that nobody answered may have happened.
      if (current.underWay.some((holder) => holder.id === id)) return slotFor(id, want, startedAt, current);
      const verdict = verdictOn(current, limits, want, now);
      if ('at' in verdict && !isFresh) slots = await read();
      else if ('at' in verdict) {
        if ((verdict.at ?? now) > latest)
          throw noSlot((verdict.at ?? now + limits.windowMs / 60) - now, verdict.lack, want);
        // An answer comes at any time; a slot that comes free by time is wanted by everybody at once.
        if (verdict.at === undefined) await clock.sleep(jitter(Math.min(10 * attempt, 100)));
        else await clock.sleep(verdict.at - now + jitter(Math.min(100, limits.windowMs / 100)));
        slots = await read();
      } else {
        const holder = { id, cost: verdict.cost, until: now + limits.leaseMs };
        const after = taken(current, limits, holder, want, now);
        if (await write(slots, after)) return slotFor(id, want, startedAt, after);
        slots = known ?? nothingYet;
        if (clock.now() > latest) break;
        if (attempt > 2) await clock.sleep(jitter(Math.min(10 * attempt, 100)));
      }
      isFresh = true;
    }
    throw noSlot(limits.windowMs / 60, 'minute', want);
  }

  function slotFor(id: string, want: Want, startedAt: number, slots: Slots): Slot {
    const cost = slots.underWay.find((holder) => holder.id === id)?.cost ?? 1;
    const allowed = allowedFor(slots, limits, want, clock.now());
    return {
      cost,
      waitedMs: clock.now() - startedAt,
      left: Math.max(0, allowed - costOf([...slots.spent, ...slots.underWay])),
      end: (ending) => end(id, ending).catch(() => undefined),
    };
  }

  async function end(id: string, ending: Ending): Promise<void> {
    let slots = known ?? (await read());
    let failures = 0;
    for (let attempt = 1; attempt <= endTryLimit; attempt++) {
      const now = clock.now();
      const after = ended(aged(slots, limits, now), limits, id, ending, now);
      // That Wave asked for a pause is not lost because the table does not answer once.
      const isWritten = await write(slots, after).catch((error: unknown) => {
        failures += 1;
        if (failures === failureLimit) throw error;
        return false;
      });
      if (isWritten) return;
      slots = known ?? nothingYet;
      if (attempt > 2) await clock.sleep(jitter(Math.min(5 * attempt, 60)));
    }
  }

  async function rest(deadline: number, moreWait: boolean): Promise<void> {
    if (!isPressed()) return;
    const latest = Math.min(clock.now() + limits.windowMs * restShare, deadline - requestReserveMs);
    for (let attempt = 1; attempt <= tryLimit; attempt++) {
      const slots = await read();
      const now = clock.now();
      const gap = gapOf(slots, limits, now) / (moreWait ? 2 : 1);
      if (gap === 0 || now >= latest) return;
      const turn = Math.min(latest, slots.turnAt + gap);
      // Who has rested longest is the first to go.
      const stepsBack = (latest - turn) / 50;
      if (turn > now) await clock.sleep(turn - now + stepsBack + jitter(Math.min(20, limits.windowMs / 100)));
      else if (await write(slots, { ...slots, turnAt: now })) return;
    }
  }

  async function ready(call: Call): Promise<void> {
    const startedAt = clock.now();
    const latest = startedAt + (call.deadline - startedAt) * readyShare;
    const want: Want = { cost: 1, intention: 'read', call };
    for (let attempt = 1; attempt <= tryLimit; attempt++) {
      const now = clock.now();
      const verdict = verdictOn(aged(await read(), limits, now), limits, want, now);
      if ('cost' in verdict || now >= latest) return;
      const at = Math.min(latest, verdict.at ?? now);
      await clock.sleep(at - now + jitter(Math.min(200, limits.windowMs / 100)));
    }
  }

  const isPressed = (): boolean => known !== undefined && gapOf(known, limits, clock.now()) > 0;

  return {
    isPressed,
    // Who cannot look goes on: the budget itself is kept by those who take.
    rest: (deadline, moreWait) => rest(deadline, moreWait).catch(() => undefined),
    ready: (call) => ready(call).catch(() => undefined),
    take: (want) =>
      take(want).catch((cause: unknown) => {
        if (cause instanceof RemoteUnavailableError) throw cause;
        throw new RemoteUnavailableError('wave', 'the request budget could not be read', { cause });
      }),
  };
}

const slotsOf = (item: Item | undefined): Slots =>
  item ? ({ ...nothingYet, ...item } as Slots) : nothingYet;

/** Looking costs no request, and an operator may have raised the limit of a day, ms. */
const lookAgainMs = 15 * 60_000;

const lackWords: Readonly<Record<Lack, string>> = {
  minute: 'the request budget is used up',
  day: 'the request budget of a day (WAVE_MAX_REQUESTS_PER_DAY) is used up',
  pause: 'Wave asked for a pause (429)',
};

const noSlot = (retryAfterMs: number, lack: Lack, { call }: Want): RemoteUnavailableError =>
  new RemoteUnavailableError(
    'wave',
    `${lackWords[lack]}${call.priority === 'live' ? '' : ', for background work'}`,
    {
      retryAfterMs: Math.min(Math.max(0, Math.ceil(retryAfterMs)), lookAgainMs),
    },
  );
