import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { handleBatch } from '../../lib/sync/handle-batch.ts';
import { pause, resume } from '../../lib/sync/pause.ts';
import { markStarted } from '../../lib/sync/started-pairs.ts';
import { linkedOrder, linkedPair, ring } from '../support/sync-steps.ts';
import { type Database, type SyncWorld, startDatabase, startSyncWorld } from '../support/sync-world.ts';

let database: Database;
before(async () => {
  database = await startDatabase();
});
after(() => database.close());

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;
const start = () => startSyncWorld(database, { startedPairs: () => true });

/** The last outcome of this name that is about a record made here. */
const lineOf = (world: SyncWorld, message: string) =>
  world.outcomes.findLast((line) => line.message === message && line.system === 'customcrm');
const lagOf = (world: SyncWorld, message = 'change applied') => {
  const { lagMs } = world.outcomes.findLast((line) => line.message === message) ?? {};
  assert.ok(lagMs !== undefined, message);
  return lagMs;
};

describe('the lag of a change', () => {
  for (const system of ['customcrm', 'wave'] as const)
    test(`is that from the edit in ${system}, however late it was heard of`, async (t) => {
      const world = await start();
      t.after(world.close);
      const { crm, wave } = await linkedPair(world, 'customer', { Name: 'One', Phone: '1' });
      if (system === 'customcrm') await world.edit(crm, { Phone: '2' });
      else await world.edit(wave, { phone: '2' });
      world.pass(10 * minuteMs);
      await ring(world, system === 'customcrm' ? crm : wave);
      const lag = lagOf(world);
      assert.ok(lag >= 10 * minuteMs && lag < 20 * minuteMs, String(lag));
    });

  test('of a record that gets its counterpart is that from its own last edit', async (t) => {
    const world = await start();
    t.after(world.close);
    const crm = await world.make('customcrm', 'product', { Name: 'Ladder', UnitPrice: '1' });
    world.pass(10 * minuteMs);
    await world.poll();
    await ring(world, crm);
    const lag = lagOf(world, 'counterpart created');
    assert.ok(lag >= 10 * minuteMs && lag < 20 * minuteMs, String(lag));
  });

  test('grows while a record waits, although its last edit is a younger one', async (t) => {
    const world = await start();
    t.after(world.close);
    const { crm } = await linkedPair(world, 'customer', { Name: 'One', Phone: '1' });
    const at = world.engine.clock.now();
    world.pass(10 * minuteMs);
    await world.edit(crm, { Phone: '2' });
    await ring(world, crm, world.engine, { at });
    assert.ok(lagOf(world) >= 10 * minuteMs);
  });

  test('begins when it is heard of where the record was there long before anybody looked', async (t) => {
    const world = await start();
    t.after(world.close);
    const { crm } = await linkedPair(world, 'customer', { Name: 'One', Phone: '1' });
    await world.edit(crm, { Phone: '2' });
    world.pass(2 * dayMs);
    await ring(world, crm);
    assert.ok(lagOf(world) < dayMs);
  });

  test('begins when it is heard of where the record was there before its pair was started', async (t) => {
    const world = await startSyncWorld(database);
    t.after(world.close);
    const crm = await world.make('customcrm', 'product', { Name: 'Ladder', UnitPrice: '1' });
    world.pass(10 * minuteMs);
    await world.poll();
    await markStarted(world.engine, 'product');
    await ring(world, crm);
    assert.ok(lagOf(world, 'counterpart created') < 10 * minuteMs);
  });

  test('of what is put back is that from the edit which was not to be', async (t) => {
    const world = await start();
    t.after(world.close);
    const { crm } = await linkedOrder(world);
    await world.edit(crm, { InvoiceNumber: 'typed here' });
    world.pass(10 * minuteMs);
    await ring(world, crm);
    assert.deepEqual(lineOf(world, 'change applied')?.rows, ['InvoiceNumber->customcrm']);
    const lag = lagOf(world);
    assert.ok(lag >= 10 * minuteMs && lag < 20 * minuteMs, String(lag));
  });

  test('is never below nothing, whatever the clocks say', async (t) => {
    const world = await start();
    t.after(world.close);
    const { crm } = await linkedPair(world, 'customer', { Name: 'One', Phone: '1' });
    await world.edit(crm, { Phone: '2' });
    world.pass(2 * dayMs);
    await ring(world, crm, world.engine, { at: world.engine.clock.now() + 10 * minuteMs });
    assert.equal(lagOf(world), 0);
    await ring(world, crm, world.engine, { updatedAt: 'no time' });
    assert.ok(lagOf(world, 'nothing to do') >= 0);
  });
});

describe('the delivery that began it', () => {
  test('is told of on every line of a record that waited, however often it was rung for', async (t) => {
    const world = await start();
    t.after(world.close);
    const { crm } = await linkedPair(world, 'customer', { Name: 'One', Phone: '1' });
    await pause(world.engine, 'all', 'for a test');
    await world.edit(crm, { Phone: '2' });
    await ring(world, crm, world.engine, { eventId: 'webhook 1' });
    assert.equal(lineOf(world, 'record waits')?.causedBy, undefined);
    await ring(world, crm, world.engine, { eventId: 'webhook 2' });
    await resume(world.engine, 'all');
    await pause(world.engine, 'all', 'once more');
    // Who is at work hears of it within three seconds.
    world.pass(4_000);
    await world.drain();
    assert.equal(lineOf(world, 'record waits')?.causedBy, 'webhook 1');
    await resume(world.engine, 'all');
    world.pass(4_000);
    await world.drain();
    const { causedBy, eventId = '' } = lineOf(world, 'change applied') ?? {};
    assert.equal(causedBy, 'webhook 1');
    assert.match(eventId, /^wake:/);
  });

  test('is the first of those that are worked on together', async (t) => {
    const world = await start();
    t.after(world.close);
    const { crm } = await linkedPair(world, 'customer', { Name: 'One', Phone: '1' });
    await world.edit(crm, { Phone: '2' });
    const at = world.engine.clock.now();
    const messages = ['webhook 1', 'webhook 2'].map((eventId) => ({
      messageId: eventId,
      receiveCount: 1,
      doorbell: { ...crm, eventId, at },
    }));
    await handleBatch(world.engine, messages, world.call());
    const { causedBy, eventId } = lineOf(world, 'change applied') ?? {};
    assert.deepEqual([causedBy, eventId], ['webhook 1', 'webhook 2']);
  });
});
