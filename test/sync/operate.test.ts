import assert from 'node:assert/strict';
import { after, before, describe, type TestContext, test } from 'node:test';
import type { RecordRef } from '../../lib/domain/record.ts';
import { RemoteRejectedError } from '../../lib/errors.ts';
import { keepLosers, losersOf } from '../../lib/sync/conflict-log.ts';
import type { Engine } from '../../lib/sync/engine.ts';
import { findLink } from '../../lib/sync/links.ts';
import { forget, restoreLoser } from '../../lib/sync/operate.ts';
import { linkedOrder, linkedPair, ring } from '../support/sync-steps.ts';
import { type Database, type SyncWorld, startDatabase, startSyncWorld } from '../support/sync-world.ts';

let database: Database;
before(async () => {
  database = await startDatabase();
});
after(() => database.close());

describe('restoring what lost a conflict', () => {
  const settings = { startedPairs: () => true, conflict: () => 'customcrm' as const };
  const loserOf = async ({ engine }: SyncWorld, ref: RecordRef) => {
    const [loser] = await losersOf(engine.table, engine.settings.keys, ref, engine.clock.now());
    assert.ok(loser);
    return loser;
  };

  test('puts nothing into an invoice that was issued meanwhile', async (t) => {
    const world = await startSyncWorld(database, settings);
    t.after(world.close);
    const { crm, wave, product } = await linkedOrder(world);
    const line = { ProductId: product.crm.id, Description: 'Ladder', UnitPrice: '100', TaxCodes: [] };
    await world.edit(crm, { Lines: [{ ...line, Quantity: '3' }] });
    const item = { productId: product.wave.id, description: 'Ladder', unitPrice: '100', taxes: [] };
    await world.inWave('invoicePatch', { id: wave.id, items: [{ ...item, quantity: '7' }] });
    await ring(world, crm);
    await world.inWave('invoiceApprove', { invoiceId: wave.id });
    await ring(world, wave);
    const before = await world.read(wave);
    const { at, row } = await loserOf(world, crm);
    await assert.rejects(
      restoreLoser(world.engine, crm, at, row, world.call()),
      (error) => error instanceof RemoteRejectedError && /issued|locked/.test(error.reason),
    );
    assert.deepEqual((await world.read(wave)).items, before.items);
  });

  test('takes no record out of use', async (t) => {
    const world = await startSyncWorld(database, settings);
    t.after(world.close);
    const { crm, wave } = await linkedPair(world, 'product', { Name: 'Ladder', UnitPrice: '1' });
    await world.inWave('productArchive', { id: wave.id });
    await world.edit(crm, { Name: 'Ladder 2' });
    await keepLoser(world, crm);
    const { at, row } = await loserOf(world, crm);
    await assert.rejects(restoreLoser(world.engine, crm, at, row, world.call()), /cannot be undone/);
  });

  const keepLoser = async ({ engine }: SyncWorld, ref: RecordRef) => {
    await engine.table.write([...keepLosers(engine, ref, [{ row: 'Active', system: 'wave', value: false }])]);
  };
});

describe('forgetting what is personal about a record', () => {
  async function linked(t: TestContext) {
    const world = await startSyncWorld(database, { startedPairs: () => true });
    t.after(world.close);
    const made = await world.make('customcrm', 'customer', { Name: 'Rowan', Email: 'a@rowan.example' });
    await world.engine.queues.customcrm.ring([
      { system: 'customcrm', pair: 'customer', id: made.id, eventId: 'made', at: world.engine.clock.now() },
    ]);
    await world.drain();
    assert.ok((await historyOf(world, made.id)).length > 0);
    return { world, made };
  }
  const historyOf = async ({ engine }: SyncWorld, id: string) =>
    (await findLink(engine.table, { system: 'customcrm', pair: 'customer', id }))?.history ?? [];
  /** A worker is faster than each of the next `times` writes of a link. */
  function overtaken({ engine }: SyncWorld, times: number): Engine {
    let left = times;
    return {
      ...engine,
      table: {
        ...engine.table,
        async write(writes) {
          const isLink = writes.some((write) => 'put' in write && write.put.sk === 'link');
          if (isLink && left-- > 0) return { done: false, failed: new Map() };
          return engine.table.write(writes);
        },
      },
    };
  }

  test('goes on when a worker was faster', async (t) => {
    const { world, made } = await linked(t);
    assert.equal(await forget(overtaken(world, 2), made), 0);
    assert.deepEqual(await historyOf(world, made.id), []);
  });

  test('never says that it is done when it is not', async (t) => {
    const { world, made } = await linked(t);
    assert.equal(await forget(overtaken(world, 1000), made), undefined);
    assert.ok((await historyOf(world, made.id)).length > 0);
  });
});
