import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { refKey } from '../../lib/domain/record.ts';
import { pause, resume } from '../../lib/sync/pause.ts';
import { linkedPair, ring } from '../support/sync-steps.ts';
import { type Database, startDatabase, startSyncWorld } from '../support/sync-world.ts';

let database: Database;
before(async () => {
  database = await startDatabase();
});
after(() => database.close());

describe('a pause', () => {
  test('leaves nothing waiting behind it, also for a pair that is not started', async (t) => {
    const world = await startSyncWorld(database, { startedPairs: () => false });
    t.after(world.close);
    const record = await world.make('customcrm', 'customer', { Name: 'Hill Farm' });
    await pause(world.engine, 'all', 'for a test');
    assert.equal((await ring(world, record)).did, 'parked');
    assert.equal(await resume(world.engine, 'all'), 1);
    await world.drain();
    const waiting = (await world.items()).filter(({ pk, sk }) => pk.startsWith('parked#') || sk === 'parked');
    assert.deepEqual(waiting, []);
  });

  for (const system of ['customcrm', 'wave'] as const)
    test(`of one half of a link, that of ${system}, is one of the other half as well`, async (t) => {
      const world = await startSyncWorld(database, { startedPairs: () => true });
      t.after(world.close);
      const { crm, wave } = await linkedPair(world, 'customer', { Name: 'Hill Farm', Phone: '1' });
      const scope = refKey(system === 'customcrm' ? crm : wave);
      await pause(world.engine, scope, 'for a test');
      await world.edit(wave, { phone: '2' });
      const handled = await ring(world, wave);
      assert.equal(handled.did === 'parked' && handled.cause.name, 'pause');
      assert.equal((await world.read(crm)).Phone, '1');
      assert.equal(await resume(world.engine, scope), 1);
      await world.drain();
      assert.equal((await world.read(crm)).Phone, '2');
    });

  test('of customers rings for none of them, however many orders wait for it at once', async (t) => {
    const world = await startSyncWorld(database, { startedPairs: () => true });
    t.after(world.close);
    const customer = await world.make('customcrm', 'customer', { Name: 'Hill Farm' });
    const order = { CustomerId: customer.id, Currency: 'CAD', OrderDate: '2026-10-01', Lines: [] };
    const orders = await Promise.all(
      Array.from({ length: 12 }, () => world.make('customcrm', 'order', order)),
    );
    await pause(world.engine, 'customer', 'for a test');
    await Promise.all(orders.map((each) => ring(world, each)));
    assert.deepEqual(world.takeRung(), []);
  });
});
