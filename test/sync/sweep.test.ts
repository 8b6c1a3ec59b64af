import assert from 'node:assert/strict';
import { after, before, describe, type TestContext, test } from 'node:test';
import { localBankAccountId } from '../../infra/local/wave/server.ts';
import { type Pair, pairs, type RecordRef } from '../../lib/domain/record.ts';
import { RemoteUnavailableError } from '../../lib/errors.ts';
import { excludeRecord, linkRecords } from '../../lib/sync/decisions.ts';
import type { Cause, Engine } from '../../lib/sync/engine.ts';
import { blownSince } from '../../lib/sync/fuses.ts';
import { handleBatch } from '../../lib/sync/handle-batch.ts';
import { tidy } from '../../lib/sync/janitor.ts';
import { linkKey } from '../../lib/sync/keys.ts';
import { findLink } from '../../lib/sync/links.ts';
import { park } from '../../lib/sync/parking.ts';
import { pause, resume } from '../../lib/sync/pause.ts';
import { pollCustomcrm } from '../../lib/sync/poll-customcrm.ts';
import type { Doorbell } from '../../lib/sync/ports.ts';
import { recordStateOf } from '../../lib/sync/record-state.ts';
import { noteSighting, seenSince } from '../../lib/sync/sighting.ts';
import { startPair, startSweep, sweep } from '../../lib/sync/sweep.ts';
import { sweepProgress } from '../../lib/sync/sweep-progress.ts';
import { outstandingLimit } from '../../lib/sync/sweep-ring.ts';
import { storedRun } from '../../lib/sync/sweep-run.ts';
import { mappingSettings } from '../support/mapping-facts.ts';
import { ring } from '../support/sync-steps.ts';
import { type Database, type SyncWorld, startDatabase, startSyncWorld } from '../support/sync-world.ts';

let database: Database;
before(async () => {
  database = await startDatabase();
});
after(() => database.close());

const dayMs = 24 * 3600_000;
const allStarted = { startedPairs: () => true };
const customers = (count: number) => Array.from({ length: count }, (_, index) => `Customer ${index + 1}`);

/** Linked customers of both systems, at rest. */
async function linkedCustomers(world: SyncWorld, count: number): Promise<readonly RecordRef[]> {
  const made = await Promise.all(
    customers(count).map((Name) => world.make('customcrm', 'customer', { Name })),
  );
  await fullSweep(world);
  await world.drain();
  world.takeRung();
  return made.map(({ system, pair, id }) => ({ system, pair, id }));
}

async function fullSweep(world: SyncWorld, swept: readonly Pair[] = ['customer']): Promise<void> {
  await startSweep(world.engine, { pairs: swept });
  await sweep(world.engine, world.call());
}

/** Its user deletes it. */
async function remove({ engine, call }: SyncWorld, { system, pair, id }: RecordRef): Promise<void> {
  const reading = await engine.systems[system].read(pair, id, call());
  assert.ok(reading.state === 'living');
  await engine.systems[system].remove(pair, reading.snapshot, call());
}

const named = (refs: readonly RecordRef[]) =>
  refs.map(({ system, pair, id }) => `${system} ${pair} ${id}`).sort();

describe('what a sweep rings for', () => {
  test('can be found by its keys from then on, also what no webhook and no poll has told of', async (t) => {
    const world = await startSyncWorld(database, allStarted);
    t.after(world.close);
    const there = await world.make('wave', 'customer', { name: 'Hill Farm', email: 'farm@example.com' });
    const keys = async () => {
      const entries = (await world.items()).filter(({ pk }) => pk.startsWith('key#wave#customer#'));
      return entries.filter(({ sk }) => sk === there.id).length;
    };
    assert.equal(await keys(), 0);
    await fullSweep(world);
    assert.equal(await keys(), 2, 'by name and by e-mail');
  });

  test('every record that is not linked, and afterwards nothing', async (t) => {
    const world = await startSyncWorld(database, allStarted);
    t.after(world.close);
    const here = await world.make('customcrm', 'customer', { Name: 'Corner Bakery' });
    const there = await world.make('wave', 'customer', { name: 'Hill Farm' });
    await fullSweep(world);
    const rung = world.takeRung();
    assert.deepEqual(named(rung), named([here, there]));
    assert.ok(rung.every(({ background }) => background));
    await world.drain();
    assert.ok(await world.counterpart(here));
    assert.ok(await world.counterpart(there));
    world.takeRung();
    await fullSweep(world);
    assert.deepEqual(world.takeRung(), []);
  });

  test('a record that differs, judged by its rows and not by its time', async (t) => {
    const world = await startSyncWorld(database, allStarted);
    t.after(world.close);
    const refs = await linkedCustomers(world, 2);
    const edited = refs[1];
    assert.ok(edited);
    const there = await world.counterpart(edited);
    assert.ok(there);
    await world.edit(there, { phone: '+1 555 0199' });
    await fullSweep(world);
    assert.deepEqual(named(world.takeRung()), named([there]));
    await world.drain();
    assert.equal((await world.read(edited)).Phone, '+1 555 0199');
  });

  test('archived products of Wave as well', async (t) => {
    const world = await startSyncWorld(database, allStarted);
    t.after(world.close);
    const product = await world.make('wave', 'product', { name: 'Old ladder', unitPrice: '5' });
    await world.edit(product, { isArchived: true });
    await fullSweep(world, ['product']);
    assert.ok(world.takeRung().some(({ id }) => id === product.id));
  });

  test('a deleted record, and one that no list shows any more', async (t) => {
    const world = await startSyncWorld(database, allStarted);
    t.after(world.close);
    const [first] = await linkedCustomers(world, 3);
    assert.ok(first);
    await remove(world, first);
    const order = await draftOrder(world);
    await fullSweep(world, pairs);
    const rung = world.takeRung().filter(({ pair }) => pair !== 'product');
    assert.deepEqual(named(rung), named([first, order.wave]));
    await world.drain();
    assert.equal((await findLink(world.engine.table, order.customcrm))?.state, 'deletion-suspected');
  });

  test('no deleted record of a pair that is not started, though it was excluded before', async (t) => {
    const world = await startSyncWorld(database);
    t.after(world.close);
    const here = await world.make('customcrm', 'customer', { Name: 'Same' });
    const there = await world.make('wave', 'customer', { name: 'Same' });
    assert.equal((await linkRecords(world.engine, here, there, world.call())).done, true);
    await world.drain();
    const gone = await world.make('customcrm', 'customer', { Name: 'Gone' });
    assert.equal((await excludeRecord(world.engine, gone, world.call())).done, true);
    await remove(world, gone);
    world.takeRung();
    await fullSweep(world);
    assert.deepEqual(world.takeRung(), []);
  });

  test('every page of long lists, more than one invocation and one doorbell limit long', async (t) => {
    const world = await startSyncWorld(database, allStarted);
    t.after(world.close);
    for (let first = 0; first < 240; first += 20)
      await Promise.all(
        customers(20).map((name, index) =>
          world.make('wave', 'customer', { name: `${name} of ${first + index}` }),
        ),
      );
    await startSweep(world.engine, { pairs: ['customer'] });
    const rung = new Set<string>();
    let longest = 0;
    for (let invocation = 0; invocation < 60; invocation++) {
      const progress = await sweep(world.engine, world.call(8_000));
      longest = Math.max(longest, (await sweepProgress(world.engine, 10))?.leftMs ?? 0);
      assert.ok(
        world.queued() < outstandingLimit + 10,
        `${world.queued()} doorbells are ahead of the workers`,
      );
      for (const ref of world.takeRung()) rung.add(ref.id);
      await world.engine.queues.wave.depth?.();
      forget(world);
      if (progress?.finishedAt !== undefined) break;
    }
    const progress = await sweepProgress(world.engine);
    assert.equal(progress?.phase, 'finished');
    assert.equal(progress?.total, 240);
    assert.equal(rung.size, 240);
    const days = longest / (24 * 3600_000);
    assert.ok(days > 1 && days <= (240 * 0.6) / 10, `${days} days left where ten requests a day are allowed`);
  });
});

/** Records that have waited for an answer, as many as the limit of a sweep allows at once. */
async function parkMany(world: SyncWorld, hours: number): Promise<void> {
  const { table, clock } = world.engine;
  const since = clock.now() - hours * 3600_000;
  for (let index = 0; index < outstandingLimit; index++)
    await table.write([
      {
        put: {
          pk: 'parked#unavailable',
          sk: `customcrm#order#stuck${index}`,
          name: 'unavailable',
          state: 'parked',
          since,
          due: clock.now() + 900_000,
        },
      },
    ]);
}

describe('a sweep among records that wait for an answer', () => {
  const rungAmong = async (t: TestContext, hours: number): Promise<number> => {
    const world = await startSyncWorld(database, allStarted);
    t.after(world.close);
    await parkMany(world, hours);
    await Promise.all(customers(3).map((Name) => world.make('customcrm', 'customer', { Name })));
    await startSweep(world.engine, { pairs: ['customer'] });
    await sweep(world.engine, world.call(20_000));
    return world.takeRung().length;
  };

  test('rings for no more of them while that is an outage', async (t) => {
    assert.equal(await rungAmong(t, 0.5), 0);
  });

  test('goes on beside those that keep failing', async (t) => {
    assert.equal(await rungAmong(t, 2), 3);
  });
});

/** The workers did it. */
function forget(world: SyncWorld): void {
  (world.engine.queues.wave as unknown as { take: (limit: number) => unknown }).take(1_000);
}

const ringFor = (world: SyncWorld, { system, pair, id }: RecordRef) =>
  world.engine.queues[system].ring([{ system, pair, id, eventId: 'webhook', at: world.engine.clock.now() }]);

/** A linked order and its draft invoice. */
async function linkedOrder(world: SyncWorld) {
  const product = await world.make('customcrm', 'product', {
    Name: 'Ladder',
    UnitPrice: '49.9',
    Active: true,
  });
  const customer = await world.make('customcrm', 'customer', { Name: 'Corner Bakery', Currency: 'CAD' });
  const customcrm = await world.make('customcrm', 'order', {
    OrderNumber: 'SO-1',
    Status: 'draft',
    CustomerId: customer.id,
    Currency: 'CAD',
    OrderDate: '2026-05-04',
    Lines: [{ ProductId: product.id, Description: 'Ladder', Quantity: '1', UnitPrice: '49.9' }],
  });
  for (const ref of [customer, product, customcrm]) await ringFor(world, ref);
  await world.drain();
  const wave = await world.counterpart(customcrm);
  assert.ok(wave);
  world.takeRung();
  return { customcrm, wave };
}

/** A linked order whose draft invoice the Wave user has deleted. */
async function draftOrder(world: SyncWorld) {
  const { customcrm, wave } = await linkedOrder(world);
  await remove(world, wave);
  world.takeRung();
  return { customcrm, wave };
}

describe('a sweep', () => {
  test('writes to neither system and to no link', async (t) => {
    const world = await startSyncWorld(database, allStarted);
    t.after(world.close);
    const [first] = await linkedCustomers(world, 2);
    assert.ok(first);
    await world.edit(first, { Phone: '+1 555 0100' });
    await world.make('wave', 'customer', { name: 'Hill Farm' });
    const writes = await world.writes();
    const links = async () => (await world.items()).filter(({ sk }) => sk === 'link');
    const linksBefore = await links();
    await fullSweep(world);
    assert.equal(world.takeRung().length, 2);
    assert.deepEqual(await world.writes(), writes);
    assert.deepEqual(await links(), linksBefore);
  });

  test('compares every row once, though it is killed and Wave takes ever fewer rows at once', async (t) => {
    const world = await startSyncWorld(database, allStarted);
    t.after(world.close);
    for (let some = 0; some < 6; some++)
      await Promise.all(
        customers(25).map((name) => world.make('wave', 'customer', { name: `${name} ${some}` })),
      );
    await startSweep(world.engine, { pairs: ['customer'] });
    let pages = 0;
    const { feed } = world.engine;
    const listAll: typeof feed.listAll = async (...asked) => {
      if (pages === 2) throw new Error('killed');
      const page = await feed.listAll(...asked);
      pages += 1;
      await world.behave({ maximumCost: pages === 1 ? 30 : 7 });
      return page;
    };
    await assert.rejects(sweep({ ...world.engine, feed: { ...feed, listAll } }, world.call()), /killed/);
    world.pass(60_000);
    const progress = await sweep(world.container(), world.call(600_000));
    assert.deepEqual([progress?.compared, progress?.total], [150, 150]);
  });

  test('counts as repairs only what webhook and poll have missed for a quarter of an hour', async (t) => {
    const world = await startSyncWorld(database, allStarted);
    t.after(world.close);
    const [first, second] = await linkedCustomers(world, 2);
    assert.ok(first && second);
    await world.edit(first, { Phone: '+1 555 0100' });
    await fullSweep(world);
    assert.equal((await sweepProgress(world.engine))?.repairs, 0);
    await world.drain();
    await world.edit(second, { Phone: '+1 555 0101' });
    world.pass(16 * 60_000);
    await fullSweep(world);
    assert.equal((await sweepProgress(world.engine))?.repairs, 0, 'the poll may still find it');
    world.takeRung();
    const lost = { ring: async () => undefined };
    await pollCustomcrm({ ...world.engine, queues: { customcrm: lost, wave: lost } }, world.call());
    await fullSweep(world);
    assert.equal((await sweepProgress(world.engine))?.repairs, 1);
    assert.equal(world.outcomes.filter(({ message }) => message === 'missed change found').length, 1);
  });

  test('calls nothing missed that waits already', async (t) => {
    const world = await startSyncWorld(database, allStarted);
    t.after(world.close);
    const refs = await linkedCustomers(world, 2);
    const [waiting] = refs;
    assert.ok(waiting);
    for (const ref of refs) await world.edit(ref, { Phone: '+1 555 0100' });
    await park(world.engine, waiting, { name: 'unavailable', key: 'unavailable', due: 0 });
    world.pass(16 * 60_000);
    // A poll that does not see them.
    const { customcrm } = world.engine.systems;
    const blind: typeof customcrm = {
      ...customcrm,
      changedSince: async (...of) => ({ ...(await customcrm.changedSince(...of)), changes: [] }),
    };
    const systems = { ...world.engine.systems, customcrm: blind };
    await pollCustomcrm({ ...world.engine, systems }, world.call());
    await fullSweep(world);
    const progress = await sweepProgress(world.engine);
    assert.deepEqual([progress?.total, progress?.repairs], [2, 1]);
  });

  test('calls nothing missed while live changes are queued, of which this may be one', async (t) => {
    const world = await startSyncWorld(database, allStarted);
    t.after(world.close);
    const [first] = await linkedCustomers(world, 1);
    assert.ok(first);
    await world.edit(first, { Phone: '+1 555 0100' });
    await world.engine.queues.customcrm.ring([
      { ...first, eventId: 'webhook', at: world.engine.clock.now() },
    ]);
    world.pass(16 * 60_000);
    await fullSweep(world);
    const progress = await sweepProgress(world.engine);
    assert.deepEqual([progress?.total, progress?.repairs], [1, 0]);
  });

  test('calls nothing missed that Wave computes by itself: a payment need not move the stamp of its invoice', async (t) => {
    const world = await startSyncWorld(database, allStarted);
    t.after(world.close);
    await world.behave({ paymentMovesInvoice: false });
    const { customcrm, wave } = await linkedOrder(world);
    await world.inWave('invoiceApprove', { invoiceId: wave.id });
    await world.poll();
    await world.drain();
    await world.inWave('invoicePaymentCreateManual', {
      invoiceId: wave.id,
      paymentAccountId: localBankAccountId,
      amount: '10',
      paymentDate: '2026-11-01',
      paymentMethod: 'CASH',
      exchangeRate: '1',
    });
    world.pass(24 * 3600_000);
    world.takeRung();
    await fullSweep(world, ['order']);
    assert.ok(
      world.takeRung().some(({ id }) => id === wave.id),
      'rung for although its stamp stands still',
    );
    assert.equal((await sweepProgress(world.engine))?.repairs, 0);
    await world.drain();
    assert.equal((await world.read(customcrm)).AmountPaid, '10.00');
  });

  test('calls nothing missed that waits for a row about which a person is asked', async (t) => {
    const mapping = { ...mappingSettings, approveInvoices: 'on-confirm' } as const;
    const world = await startSyncWorld(database, { ...allStarted, mapping, conflict: () => 'hold' });
    t.after(world.close);
    const { customcrm, wave } = await linkedOrder(world);
    await ring(world, customcrm);
    await world.edit(customcrm, { Status: 'confirmed', Title: 'Here' });
    await world.edit(wave, { title: 'There' });
    await ring(world, customcrm);
    world.pass(16 * 60_000);
    await fullSweep(world, ['order']);
    assert.equal((await sweepProgress(world.engine))?.repairs, 0);
  });

  test('rings again for a doorbell that was lost, unless something shows why it is not settled', async (t) => {
    const world = await startSyncWorld(database, allStarted);
    t.after(world.close);
    const lost = await world.make('customcrm', 'customer', { Name: 'Corner Bakery' });
    await fullSweep(world);
    assert.equal(world.takeRung().length, 1);
    forgetAll(world);
    await fullSweep(world);
    assert.deepEqual(named(world.takeRung()), named([lost]));
    const show = (state: string) =>
      world.engine.table.write([
        { put: { pk: `customcrm#customer#${lost.id}`, sk: 'state', state, due: 1, reason: 'because' } },
      ]);
    for (const mayHaveEnded of ['blocked', 'ambiguous', 'excluded', 'unlinked']) {
      forgetAll(world);
      await show(mayHaveEnded);
      await fullSweep(world);
      assert.deepEqual(named(world.takeRung()), named([lost]), mayHaveEnded);
    }
    assert.equal((await excludeRecord(world.engine, lost, world.call())).done, true);
    for (const decided of ['excluded', 'failed']) {
      forgetAll(world);
      await show(decided);
      await fullSweep(world);
      assert.deepEqual(world.takeRung(), [], decided);
    }
  });

  test("rings again for a buyer's number that was typed over ours, and whose doorbell was lost", async (t) => {
    const world = await startSyncWorld(database, allStarted);
    t.after(world.close);
    const { customcrm, wave } = await linkedOrder(world);
    await ring(world, customcrm);
    await world.edit(wave, { poNumber: 'theirs' });
    await fullSweep(world, ['order']);
    world.takeRung();
    forgetAll(world);
    await fullSweep(world, ['order']);
    assert.ok(world.takeRung().some(({ id }) => id === wave.id));
    await world.drain();
    assert.equal((await world.read(customcrm)).PurchaseOrderNumber, 'theirs');
  });

  test('goes on where the last invocation stopped, however short each of them is', async (t) => {
    const world = await startSyncWorld(database, allStarted);
    t.after(world.close);
    const here = await world.make('customcrm', 'customer', { Name: 'Corner Bakery' });
    const there = await world.make('wave', 'customer', { name: 'Hill Farm' });
    await startSweep(world.engine, { pairs: ['customer'] });
    const { feed, systems } = world.engine;
    const slow = async <T>(answer: Promise<T>): Promise<T> => {
      await answer;
      world.pass(60_000);
      return answer;
    };
    const engine: Engine = {
      ...world.engine,
      feed: { ...feed, listAll: (...asked) => slow(feed.listAll(...asked)) },
      systems: {
        ...systems,
        customcrm: {
          ...systems.customcrm,
          changedSince: (...asked) => slow(systems.customcrm.changedSince(...asked)),
        },
      },
    };
    const phases: unknown[] = [];
    for (let invocation = 0; invocation < 5; invocation++) {
      const progress = await sweep(engine, world.call());
      phases.push(progress?.phase);
      if (progress?.finishedAt !== undefined) break;
    }
    assert.deepEqual(phases, ['wave', 'links', 'finished']);
    assert.deepEqual(named(world.takeRung()), named([here, there]));
  });

  test('is background work, also in the hands of the workers', async (t) => {
    const world = await startSyncWorld(database, allStarted);
    t.after(world.close);
    const record = await world.make('customcrm', 'customer', { Name: 'Corner Bakery' });
    const { customcrm } = world.engine.systems;
    const priorities: string[] = [];
    const read: typeof customcrm.read = (pair, id, call) => {
      priorities.push(call.priority);
      return customcrm.read(pair, id, call);
    };
    const engine = {
      ...world.engine,
      systems: { ...world.engine.systems, customcrm: { ...customcrm, read } },
    };
    const { system, pair, id } = record;
    const message = (eventId: string, lane: Pick<Doorbell, 'background'> = {}) => ({
      messageId: eventId,
      doorbell: { system, pair, id, eventId, at: 0, ...lane },
      receiveCount: 1,
    });
    await handleBatch(engine, [message('sweep:1', { background: true })], world.call());
    assert.deepEqual([...new Set(priorities)], ['background']);
    priorities.length = 0;
    await handleBatch(engine, [message('sweep:2', { background: true }), message('webhook')], world.call());
    assert.deepEqual([...new Set(priorities)], ['live']);
  });

  test('is still background work when it was parked and is rung for again, unless a live change waits as well', async (t) => {
    const world = await startSyncWorld(database, allStarted);
    t.after(world.close);
    const cause: Cause = { name: 'unavailable', key: 'unavailable', due: 0 };
    const ref = (id: string) => ({ system: 'customcrm', pair: 'customer', id }) as const;
    await park(world.engine, { ...ref('later'), background: true }, cause);
    await park(world.engine, ref('soon'), cause);
    await park(world.engine, { ...ref('soon'), background: true }, cause);
    await park(world.engine, { ...ref('changed'), background: true }, cause);
    await park(world.engine, ref('changed'), cause);
    await tidy(world.engine);
    const lanes = world.takeRung().map(({ id, background = false }) => `${id} ${background}`);
    assert.deepEqual(lanes.sort(), ['changed false', 'later true', 'soon false']);
  });

  test('is worked on by one invocation at a time', async (t) => {
    const world = await startSyncWorld(database, allStarted);
    t.after(world.close);
    await world.make('customcrm', 'customer', { Name: 'Corner Bakery' });
    await startSweep(world.engine, { pairs: ['customer'] });
    await Promise.all([1, 2, 3].map(() => sweep(world.engine, world.call())));
    assert.equal(world.takeRung().length, 1);
    assert.equal((await sweepProgress(world.engine))?.phase, 'finished');
  });

  test('is taken over within one invocation from another that was killed at its work', async (t) => {
    const world = await startSyncWorld(database, allStarted);
    t.after(world.close);
    await world.make('customcrm', 'customer', { Name: 'Customer 1' });
    await startSweep(world.engine, { pairs: ['customer'] });
    const never = new Promise<never>(() => undefined);
    const { promise: reached, resolve: reach } = Promise.withResolvers<void>();
    const listAll = () => {
      reach();
      return never;
    };
    const { feed } = world.engine;
    void sweep({ ...world.engine, feed: { ...feed, listAll } }, world.call());
    await reached;
    const before = world.engine.clock.now();
    assert.equal((await sweep(world.engine, world.call()))?.phase, 'finished');
    assert.ok(world.engine.clock.now() - before >= 25_000, 'the one that may live is waited for');
  });

  test('begins by itself once a day, and not while no pair is started', async (t) => {
    const world = await startSyncWorld(database);
    t.after(world.close);
    assert.equal(await sweep(world.engine, world.call()), undefined);
    await startPair(world.engine, 'customer');
    const first = await sweep(world.engine, world.call());
    world.pass(23 * 3600_000);
    assert.equal((await sweep(world.engine, world.call()))?.startedAt, first?.startedAt);
    world.pass(2 * 3600_000);
    assert.notEqual((await sweep(world.engine, world.call()))?.startedAt, first?.startedAt);
  });

  test('compares everything once a day also while a first load still rings', async (t) => {
    const world = await startSyncWorld(database);
    t.after(world.close);
    const names = customers(outstandingLimit + 5);
    await Promise.all(names.map((Name) => world.make('customcrm', 'customer', { Name })));
    await startPair(world.engine, 'customer');
    const first = await sweep(world.engine, world.call());
    assert.equal(first?.phase, 'ring');
    world.pass(23 * 3600_000);
    assert.equal((await sweep(world.engine, world.call()))?.startedAt, first?.startedAt);
    await world.drain();
    world.pass(2 * 3600_000);
    const second = await sweep(world.engine, world.call());
    assert.notEqual(second?.startedAt, first?.startedAt);
    // On a machine with much to do some of those that it rang for may wait as well.
    const created = world.outcomes.filter(({ message }) => message === 'counterpart created').length;
    assert.ok(created > 0 && created <= outstandingLimit, `${created} created`);
    assert.deepEqual(
      [second?.phase, second?.total],
      ['finished', names.length - created],
      'the rest is found again',
    );
  });

  test('is told to be old when it comes to no end, and not while a first load rings for days', async (t) => {
    const world = await startSyncWorld(database, { startedPairs: (pair) => pair === 'customer' });
    t.after(world.close);
    const age = async () => (await tidy(world.engine)).sweepAgeMs;
    assert.equal(await age(), undefined);
    await world.make('customcrm', 'customer', { Name: 'Corner Bakery' });
    await fullSweep(world);
    assert.ok(((await age()) ?? dayMs) < dayMs);
    world.pass(dayMs);
    const unread: Engine = {
      ...world.engine,
      feed: { ...world.engine.feed, listAll: () => Promise.reject(new RemoteUnavailableError('wave', 'no')) },
    };
    await sweep(unread, world.call());
    world.pass(2 * dayMs);
    await sweep(unread, world.call());
    assert.ok(((await age()) ?? 0) >= 2 * dayMs, 'it is still at its comparison');
    await pause(world.engine, 'all', 'by a test');
    await sweep(world.engine, world.call());
    const { phase } = (await sweepProgress(world.engine)) ?? {};
    assert.deepEqual([phase, await age()], ['ring', undefined], 'a pause is told otherwise');
    await resume(world.engine, 'all');
    const depth = async () => ({ live: 0, background: outstandingLimit });
    const { customcrm, wave } = world.engine.queues;
    const queues = { customcrm: { ...customcrm, depth }, wave: { ...wave, depth } };
    await sweep({ ...world.engine, queues }, world.call());
    assert.ok(((await age()) ?? 0) >= 2 * dayMs, 'it cannot begin to ring');
    await sweep(world.engine, world.call());
    assert.ok(((await age()) ?? dayMs) < dayMs);
  });

  test('rings for nothing while everything stands still', async (t) => {
    const world = await startSyncWorld(database, allStarted);
    t.after(world.close);
    await world.make('customcrm', 'customer', { Name: 'Corner Bakery' });
    await pause(world.engine, 'all', 'by a test');
    await fullSweep(world);
    assert.deepEqual(world.takeRung(), []);
    const progress = await sweepProgress(world.engine);
    assert.deepEqual([progress?.phase, progress?.paused], ['ring', true]);
    await resume(world.engine, 'all');
    await sweep(world.engine, world.call());
    assert.equal(world.takeRung().length, 1);
  });

  test('leaves out a pair that stands still, and goes on with the others', async (t) => {
    const world = await startSyncWorld(database, allStarted);
    t.after(world.close);
    const customer = await world.make('customcrm', 'customer', { Name: 'Corner Bakery' });
    const product = await world.make('customcrm', 'product', { Name: 'Ladder', UnitPrice: '1' });
    const rung = async () => {
      await startSweep(world.engine);
      assert.equal((await sweep(world.engine, world.call()))?.phase, 'finished');
      return world.takeRung().flatMap(({ system, id }) => (system === 'customcrm' ? [id] : []));
    };
    await pause(world.engine, 'customer', 'by a test');
    assert.deepEqual(await rung(), [product.id]);
    await resume(world.engine, 'customer');
    assert.ok((await rung()).includes(customer.id));
  });

  test('that a person has confirmed stays so when another pair joins it', async (t) => {
    const world = await startSyncWorld(database, allStarted);
    t.after(world.close);
    const isConfirmed = async () => (await storedRun(world.engine))?.run.confirmed;
    await startSweep(world.engine, { pairs: ['customer'], confirmed: true });
    await startSweep(world.engine, { pairs: ['product'] });
    assert.equal(await isConfirmed(), true);
    await sweep(world.engine, world.call());
    await startSweep(world.engine, { pairs: ['product'] });
    assert.equal(await isConfirmed(), false);
  });

  test('tells who reads a record of the latest picture that anybody has seen of it', async (t) => {
    const world = await startSyncWorld(database, allStarted);
    t.after(world.close);
    const [crm] = await linkedCustomers(world, 1);
    assert.ok(crm);
    const wave = await world.counterpart(crm);
    assert.ok(wave);
    await world.edit(wave, { phone: '+1 555 0100' });
    // Rung for long ago, in a life before its system was restored: no picture of today is as late.
    await noteSighting(world.engine, wave, 'of before', Date.now() + 9 * 3600_000);
    world.pass(60_000);
    await fullSweep(world);
    const rungFor = () => world.takeRung().find(({ id }) => id === wave.id);
    const compared = rungFor();
    assert.ok(compared?.seen && compared.seen < Date.now() + 3600_000);

    const later = Date.now() + 3600_000;
    await world.edit(wave, { phone: '+1 555 0101' });
    const { feed } = world.engine;
    const listAll: typeof feed.listAll = async (...asked) => {
      const page = await feed.listAll(...asked);
      world.pass(1_000);
      await noteSighting(world.engine, wave, 'a later picture', later);
      return page;
    };
    await startSweep(world.engine, { pairs: ['customer'] });
    await sweep({ ...world.engine, feed: { ...feed, listAll } }, world.call());
    assert.equal(rungFor()?.seen, later);
    assert.equal((await seenSince(world.engine, wave, 0))?.seen, later);
  });

  test('takes over what an unfinished run still had to do', async (t) => {
    const world = await startSyncWorld(database);
    t.after(world.close);
    await startPair(world.engine, 'customer');
    await startPair(world.engine, 'product');
    assert.deepEqual((await sweepProgress(world.engine))?.pairs, ['customer', 'product']);
    await sweep(world.engine, world.call());
    await startSweep(world.engine, { pairs: ['product'] });
    assert.deepEqual((await sweepProgress(world.engine))?.pairs, ['product']);
    await sweep(world.engine, world.call());
    await assert.rejects(startSweep(world.engine, { pairs: ['order'] }), RangeError);
  });

  test('says how far it is', async (t) => {
    const world = await startSyncWorld(database, allStarted);
    t.after(world.close);
    await Promise.all(customers(12).map((Name) => world.make('customcrm', 'customer', { Name })));
    await fullSweep(world);
    const rung = await sweepProgress(world.engine);
    assert.deepEqual(
      [rung?.phase, rung?.compared, rung?.total, rung?.done, rung?.outstanding],
      ['finished', 12, 12, 0, 12],
    );
    await world.drain();
    world.pass(60_000);
    const worked = await sweepProgress(world.engine);
    assert.equal(worked?.done, 12);
    assert.ok(worked?.perMinute && worked.perMinute <= 12);
  });
});

function forgetAll(world: SyncWorld): void {
  for (const queue of Object.values(world.engine.queues))
    (queue as unknown as { take: (limit: number) => unknown }).take(1_000);
}

describe('a sweep that finds what cannot be', () => {
  const small = { ...allStarted, fuseLimit: 3 };

  test('stops at an empty list while records are linked', async (t) => {
    const world = await startSyncWorld(database, small);
    t.after(world.close);
    await linkedCustomers(world, 2);
    await world.emptyWave();
    await fullSweep(world);
    const progress = await sweepProgress(world.engine);
    assert.equal(progress?.phase, 'stopped');
    assert.match(progress?.stopped ?? '', /customer in wave is empty/);
    assert.deepEqual(world.takeRung(), []);
    assert.ok(await blownSince(world.engine, 'deletions'));
    assert.equal(world.outcomes.at(-1)?.message, 'fuse blown');
  });

  test('stops when nearly all linked records changed at once, until a person has looked', async (t) => {
    const world = await startSyncWorld(database, small);
    t.after(world.close);
    const refs = await linkedCustomers(world, 5);
    for (const ref of refs) await world.edit(ref, { Phone: '+1 555 0100' });
    await fullSweep(world);
    assert.match((await sweepProgress(world.engine))?.stopped ?? '', /5 of 5 linked records/);
    assert.deepEqual(world.takeRung(), []);
    assert.ok(await blownSince(world.engine, 'changed'));
    await startSweep(world.engine, { pairs: ['customer'], confirmed: true });
    await sweep(world.engine, world.call());
    assert.deepEqual(named(world.takeRung()), named(refs));
  });

  test('stops when nearly all linked records are missing, but not because they were linked just now', async (t) => {
    const world = await startSyncWorld(database, small);
    t.after(world.close);
    await linkedCustomers(world, 5);
    await world.emptyWave();
    await world.make('wave', 'customer', { name: 'The only one' });
    await fullSweep(world);
    assert.match(
      (await sweepProgress(world.engine))?.stopped ?? '',
      /5 of 5 linked records .* missing in wave/,
    );
    const fresh = await startSyncWorld(database, small);
    t.after(fresh.close);
    const { feed } = fresh.engine;
    const listAll: typeof feed.listAll = async (...asked) => {
      const page = await feed.listAll(...asked);
      for (const Name of customers(5))
        await ringFor(fresh, await fresh.make('customcrm', 'customer', { Name }));
      await fresh.drain();
      return page;
    };
    await startSweep(fresh.engine, { pairs: ['customer'] });
    const progress = await sweep({ ...fresh.engine, feed: { ...feed, listAll } }, fresh.call());
    assert.equal(progress?.phase, 'finished');
  });

  test('lets a few changes at once pass', async (t) => {
    const world = await startSyncWorld(database, small);
    t.after(world.close);
    const refs = await linkedCustomers(world, 3);
    for (const ref of refs) await world.edit(ref, { Phone: '+1 555 0100' });
    await fullSweep(world);
    assert.equal(world.takeRung().length, 3);
  });

  test('shows a broken link, leaves it as it is, and looks at the others', async (t) => {
    const world = await startSyncWorld(database, allStarted);
    t.after(world.close);
    const [whole, half, other] = await linkedCustomers(world, 3);
    assert.ok(whole && half && other);
    const there = await world.counterpart(half);
    assert.ok(there);
    const foreign = await world.counterpart(other);
    assert.ok(foreign);
    await world.engine.table.write([{ delete: linkKey(there) }]);
    const wrong = await world.engine.table.get(linkKey(foreign));
    assert.ok(wrong);
    await world.engine.table.write([{ put: { ...wrong, linkId: 'another' } }]);
    await world.edit(whole, { Phone: '+1 555 0100' });
    const links = (await world.items()).filter(({ sk }) => sk === 'link');
    await fullSweep(world);
    assert.match((await recordStateOf(world.engine, half))?.reason ?? '', /do not mirror/);
    assert.match((await recordStateOf(world.engine, other))?.reason ?? '', /do not mirror/);
    assert.ok(world.takeRung().some(({ id }) => id === whole.id));
    assert.deepEqual(
      (await world.items()).filter(({ sk }) => sk === 'link'),
      links,
    );
  });
});
