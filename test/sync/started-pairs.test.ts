import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { markStarted, pairStates } from '../../lib/sync/started-pairs.ts';
import { startPair, sweep } from '../../lib/sync/sweep.ts';
import { type Database, startDatabase, startSyncWorld } from '../support/sync-world.ts';

describe('a pair that nobody has started', () => {
  let database: Database;
  before(async () => {
    database = await startDatabase();
  });
  after(() => database.close());

  test('gives no record a counterpart, and counts the records that changed', async (t) => {
    const world = await startSyncWorld(database);
    t.after(world.close);
    const { id } = await world.make('customcrm', 'customer', { Name: 'Corner Bakery' });
    const doorbell = { system: 'customcrm', pair: 'customer', id, at: world.engine.clock.now() } as const;
    await world.engine.queues.customcrm.ring([{ ...doorbell, eventId: 'one' }]);
    await world.engine.queues.customcrm.ring([{ ...doorbell, eventId: 'two' }]);
    await world.drain();
    assert.equal(world.outcomes.at(-1)?.because, 'pair not started');
    assert.equal((await world.writes()).wave, 0);
    const [customer, product] = await pairStates(world.engine);
    assert.deepEqual(customer, { pair: 'customer', started: false, startedAt: undefined, changedEarly: 1 });
    assert.equal(product?.changedEarly, 0);
  });

  test('is not rung for by a poll', async (t) => {
    const world = await startSyncWorld(database);
    t.after(world.close);
    await world.make('customcrm', 'customer', { Name: 'Corner Bakery' });
    await world.make('wave', 'customer', { name: 'Hill Farm' });
    await world.poll();
    assert.equal(world.queued(), 0);
  });

  test('gives every record its counterpart once it is started', async (t) => {
    const world = await startSyncWorld(database);
    t.after(world.close);
    const here = await world.make('customcrm', 'customer', { Name: 'Corner Bakery' });
    const there = await world.make('wave', 'customer', { name: 'Hill Farm' });
    await startPair(world.engine, 'customer');
    await sweep(world.engine, world.call());
    await world.drain();
    assert.ok(await world.counterpart(here));
    assert.ok(await world.counterpart(there));
    const [customer] = await pairStates(world.engine);
    assert.equal(customer?.started, true);
    assert.ok(customer?.startedAt);
  });

  test('cannot be the pair of orders before customers and products are started', async (t) => {
    const world = await startSyncWorld(database);
    t.after(world.close);
    await assert.rejects(startPair(world.engine, 'order'), RangeError);
    await markStarted(world.engine, 'customer');
    await assert.rejects(startPair(world.engine, 'order'), /product/);
    await markStarted(world.engine, 'product');
    await startPair(world.engine, 'order');
    assert.deepEqual(
      (await pairStates(world.engine)).map(({ started }) => started),
      [true, true, true],
    );
  });

  test('is started with others or not at all', async (t) => {
    const world = await startSyncWorld(database);
    t.after(world.close);
    const started = async () => (await pairStates(world.engine)).map(({ started }) => started);
    await assert.rejects(markStarted(world.engine, 'customer', 'order'), /Start the pair product first/);
    assert.deepEqual(await started(), [false, false, false]);
    await markStarted(world.engine, 'customer', 'product', 'order');
    assert.deepEqual(await started(), [true, true, true]);
  });

  test('is started by the settings as well', async (t) => {
    const world = await startSyncWorld(database, { startedPairs: (pair) => pair === 'product' });
    t.after(world.close);
    const states = await pairStates(world.engine);
    assert.deepEqual(
      states.map(({ pair, started }) => [pair, started]),
      [
        ['customer', false],
        ['product', true],
        ['order', false],
      ],
    );
  });
});
