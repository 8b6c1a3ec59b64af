import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Body, RecordRef } from '../../lib/domain/record.ts';
import { RemoteOutcomeUnknownError } from '../../lib/errors.ts';
import { losersOf } from '../../lib/sync/conflict-log.ts';
import type { Engine } from '../../lib/sync/engine.ts';
import { blowFuse, mendFuse } from '../../lib/sync/fuses.ts';
import { anHour, linkedOrder, linkedPair, linkOf, ring, withWave } from '../support/sync-steps.ts';
import { type Database, type SyncWorld, startDatabase, startSyncWorld } from '../support/sync-world.ts';

// What a user types while something of the record is under way.

let database: Database;
before(async () => {
  database = await startDatabase();
});
after(() => database.close());

const started = { startedPairs: () => true };
const minuteMs = 60_000;

/** The polls have seen it, and nothing waits. */
async function polled(world: SyncWorld): Promise<void> {
  await world.poll();
  await world.drain();
}

/** The engine while updates arrive in Wave, and no answer comes back. */
const losingAnswers = ({ engine }: SyncWorld): Engine =>
  withWave(engine, {
    async update(...asked) {
      await engine.systems.wave.update(...asked);
      throw new RemoteOutcomeUnknownError('wave', 'no answer');
    },
  });

/** Wave's user gives the customer another city, and leaves the rest of its address. */
async function editCity(world: SyncWorld, customer: RecordRef, city: string): Promise<void> {
  const { address } = await world.read(customer);
  await world.edit(customer, { address: { ...(address as object), city } });
}

describe('an edit in Wave that a poll has seen, and a read by id does not show yet', () => {
  /** Customcrm's user edits the customer meanwhile. */
  async function editedMeanwhile(world: SyncWorld, edit: { readonly [name: string]: string }) {
    const body = { Name: 'One', StreetAddress1: '1 Quay', City: 'Halifax' };
    const { crm, wave } = await linkedPair(world, 'customer', body);
    await polled(world);
    const { read } = world.engine.systems.wave;
    const old = await read('customer', wave.id, world.call());
    await editCity(world, wave, 'Dartmouth');
    await world.poll();
    assert.ok(world.queued() > 0);
    await world.edit(crm, edit);
    let lags = 1;
    const lagging = withWave(world.engine, { read: async (...asked) => (lags-- > 0 ? old : read(...asked)) });
    await ring(world, crm, lagging);
    world.pass(minuteMs);
    await polled(world);
    const { address } = await world.read(wave);
    const cities = [(await world.read(crm)).City, (address as { readonly city: string }).city];
    const { table, settings, clock } = world.engine;
    const losers = await losersOf(table, settings.keys, crm, clock.now());
    return { cities, lost: losers.map(({ value }) => value) };
  }

  test('stands beside an edit in Customcrm of another part of the same address', async (t) => {
    const world = await startSyncWorld(database, started);
    t.after(world.close);
    const { cities, lost } = await editedMeanwhile(world, { StreetAddress1: '9 New Road' });
    assert.deepEqual([cities, lost], [['Dartmouth', 'Dartmouth'], []]);
  });

  test('is in the conflict log when Customcrm has a later edit of the same row', async (t) => {
    const world = await startSyncWorld(database, started);
    t.after(world.close);
    const { cities, lost } = await editedMeanwhile(world, { City: 'Sydney' });
    assert.deepEqual([cities, lost], [['Sydney', 'Sydney'], ['Dartmouth']]);
  });
});

describe("a buyer's number that is taken away in Wave goes in Customcrm too", () => {
  async function buyersNumber(world: SyncWorld) {
    const { crm, wave } = await linkedOrder(world);
    await world.edit(wave, { poNumber: 'PO-9' });
    await ring(world, wave);
    await ring(world, crm);
    const { PurchaseOrderNumber, OrderNumber } = await world.read(crm);
    assert.equal(PurchaseOrderNumber, 'PO-9');
    return { crm, wave, ours: OrderNumber as string };
  }

  /** Customcrm's user edits the order while the invoice is written for the first time. */
  function editedMeanwhile({ engine, edit }: SyncWorld, order: RecordRef): Engine {
    let isFirst = true;
    return withWave(engine, {
      async update(...asked) {
        if (isFirst) await edit(order, { Footer: 'Thank you' });
        isFirst = false;
        return engine.systems.wave.update(...asked);
      },
    });
  }

  for (const [how, engineFor, isOurs] of [
    ['at once', ({ engine }: SyncWorld) => engine, false],
    ["though Customcrm's user edits the order meanwhile", editedMeanwhile, false],
    ['though the answer to our write is lost', losingAnswers, false],
    ['when it is replaced by our own', ({ engine }: SyncWorld) => engine, true],
  ] as const)
    test(how, async (t) => {
      const world = await startSyncWorld(database, started);
      t.after(world.close);
      const { crm, wave, ours } = await buyersNumber(world);
      await world.edit(wave, { poNumber: isOurs ? ours : null });
      await ring(world, wave, engineFor(world, crm));
      for (let look = 1; look <= 2; look++) {
        world.pass(3 * minuteMs);
        await ring(world, crm);
        await ring(world, wave);
        await polled(world);
      }
      const numbers = [
        (await world.read(crm)).PurchaseOrderNumber ?? null,
        (await world.read(wave)).poNumber,
      ];
      assert.deepEqual(numbers, [null, ours]);
    });

  async function takenAway(world: SyncWorld) {
    const { crm, wave, ours } = await buyersNumber(world);
    await world.edit(wave, { poNumber: ours });
    await ring(world, wave);
    return { crm, wave };
  }

  test('and leaves the link in sync', async (t) => {
    const world = await startSyncWorld(database, started);
    t.after(world.close);
    const { crm } = await takenAway(world);
    await polled(world);
    const { state, reasons } = await linkOf(world, crm);
    assert.deepEqual([state, reasons], ['in-sync', []]);
  });

  for (const isFirst of [false, true])
    test(`and what is typed in Customcrm ${isFirst ? 'without that' : 'then'} stays when the order gets another number`, async (t) => {
      const world = await startSyncWorld(database, started);
      t.after(world.close);
      const { crm, wave } = await (isFirst ? linkedOrder(world) : takenAway(world));
      await ring(world, crm);
      await world.edit(crm, { PurchaseOrderNumber: 'PO-typed' });
      await ring(world, crm);
      await world.edit(crm, { OrderNumber: 'SO-new' });
      for (let look = 1; look <= 2; look++) await ring(world, crm);
      assert.equal((await world.read(wave)).poNumber, 'SO-new');
      assert.equal((await world.read(crm)).PurchaseOrderNumber, 'PO-typed');
    });
});

test('an order of 300 lines is written at once when each of them gets another description', async (t) => {
  const world = await startSyncWorld(database, { ...started, maxReadToWriteMs: 2_000 });
  t.after(world.close);
  const { crm, wave } = await linkedOrder(world);
  const [line] = (await world.read(crm)).Lines as readonly Body[];
  for (const word of ['Ladder', 'Rope']) {
    const Lines = Array.from({ length: 300 }, (_, index) => ({ ...line, Description: `${word} ${index}` }));
    await world.edit(crm, { Lines });
    assert.notEqual((await ring(world, crm)).did, 'parked');
    const items = (await world.read(wave)).items as readonly { readonly description: string }[];
    assert.deepEqual(
      items.map(({ description }) => description),
      Lines.map(({ Description }) => Description),
    );
  }
});

test('lines without tax codes that arrived without an answer do not overwrite what their user types next', async (t) => {
  const world = await startSyncWorld(database, started);
  t.after(world.close);
  const { crm, wave } = await linkedOrder(world);
  const rope = await linkedPair(world, 'product', { Name: 'Rope', UnitPrice: '5' });
  await polled(world);
  const Lines = (await world.read(crm)).Lines as readonly object[];
  const withRope = (Quantity: string) => ({
    Lines: [...Lines, { ProductId: rope.crm.id, Description: 'Rope', Quantity, UnitPrice: '5' }],
  });
  const quantities = async () =>
    [(await world.read(crm)).Lines, (await world.read(wave)).items].map((lines) =>
      (lines as { Quantity?: string; quantity?: string }[]).map((line) => line.Quantity ?? line.quantity),
    );
  await world.edit(crm, withRope('1'));
  await ring(world, crm, losingAnswers(world));
  assert.deepEqual((await quantities())[1], ['2', '1']);
  world.pass(minuteMs / 2);
  await polled(world);
  world.pass(minuteMs / 2);
  await world.edit(crm, withRope('7'));
  await polled(world);
  await anHour(world);
  assert.deepEqual(await quantities(), [
    ['2', '7'],
    ['2', '7'],
  ]);
});

for (const policy of ['customcrm', 'hold'] as const)
  test(`what Wave's user types is no conflict with what arrived without an answer, though the record waits at a fuse: ${policy}`, async (t) => {
    const world = await startSyncWorld(database, { ...started, conflict: () => policy });
    t.after(world.close);
    const { crm, wave } = await linkedPair(world, 'customer', { Name: 'One', City: 'Halifax', Phone: '1' });
    await world.edit(crm, { City: 'Sydney' });
    await ring(world, crm, losingAnswers(world));
    await blowFuse(world.engine, 'emptied');
    await world.edit(crm, { Phone: null });
    world.pass(3 * minuteMs);
    const waits = await ring(world, crm);
    assert.equal(waits.did === 'parked' && waits.cause.name, 'fuse');
    await editCity(world, wave, 'Dartmouth');
    await mendFuse(world.engine, 'emptied', true);
    await world.drain();
    await ring(world, wave);
    await ring(world, crm);
    assert.equal((await world.read(crm)).City, 'Dartmouth');
    assert.equal((await linkOf(world, crm)).state, 'in-sync');
  });
