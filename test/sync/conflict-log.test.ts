import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { pairs, refKey } from '../../lib/domain/record.ts';
import { mappings } from '../../lib/mappings/pairs.ts';
import { keepLosers, losersOf, recentLosers } from '../../lib/sync/conflict-log.ts';
import { forget } from '../../lib/sync/operate.ts';
import { linkedOrder, linkedPair, ring, withWave } from '../support/sync-steps.ts';
import { type Database, type SyncWorld, startDatabase, startSyncWorld } from '../support/sync-world.ts';

let database: Database;
let world: SyncWorld;
before(async () => {
  database = await startDatabase();
  world = await startSyncWorld(database, { startedPairs: () => true });
});
after(async () => {
  await world.close();
  await database.close();
});

/** Both users type another fax number, and Customcrm's stays. */
async function twoMinds(name: string) {
  const { crm, wave } = await linkedPair(world, 'customer', { Name: name, Fax: '1' });
  await world.edit(crm, { Fax: '555-0101' });
  await world.edit(wave, { fax: '555-0199' });
  await ring(world, crm);
  return { crm, wave };
}
const recent = (limit = 10) => recentLosers(world.engine.table, world.engine.clock.now(), limit);

describe('a value that lost a conflict', () => {
  test('is told of by its row and its system, never by what it was', async () => {
    const { crm, wave } = await twoMinds('One');
    const told = world.outcomes.filter(({ message }) => message === 'conflict decided');
    const { system, pair, id } = crm;
    assert.deepEqual(told, [
      {
        message: 'conflict decided',
        system,
        pair,
        id,
        counterpart: wave.id,
        eventId: 'webhook',
        rows: ['Fax: wave lost'],
      },
    ]);
    assert.doesNotMatch(JSON.stringify(world.outcomes), /555-01/);
  });

  test('is on one list with those of other records, newest first, until it is forgotten', async () => {
    const { crm: earlier } = await twoMinds('Two');
    world.pass(1_000);
    const { crm: later } = await twoMinds('Three');
    const [first, second] = await recent();
    assert.deepEqual([first?.ref, second?.ref], [later, earlier]);
    assert.deepEqual([first?.row, first?.system], ['Fax', 'wave']);
    const [kept] = await losersOf(world.engine.table, world.engine.settings.keys, later, Number(first?.at));
    assert.equal(kept?.at, first?.at);
    assert.equal((await recent(1)).length, 1);
    assert.equal(await forget(world.engine, later), 1);
    assert.deepEqual((await recent())[0]?.ref, earlier);
  });

  test('is kept as well where only one side may send, and both changed', async () => {
    const { crm, wave } = await linkedOrder(world);
    await world.inWave('invoicePatch', { id: wave.id, poNumber: 'A' });
    await ring(world, wave);
    await world.edit(crm, { PurchaseOrderNumber: 'typed by a person' });
    await world.inWave('invoicePatch', { id: wave.id, poNumber: 'C' });
    await ring(world, crm);
    assert.equal((await world.read(crm)).PurchaseOrderNumber, 'C');
    const losers = await losersOf(
      world.engine.table,
      world.engine.settings.keys,
      crm,
      world.engine.clock.now(),
    );
    assert.deepEqual(
      losers.map(({ row, system, value }) => [row, system, value]),
      [['PurchaseOrderNumber', 'customcrm', 'typed by a person']],
    );
  });

  test('is not listed any longer than it is kept', async () => {
    await twoMinds('Four');
    const days = (n: number) => world.engine.clock.now() + n * 24 * 3600_000;
    assert.ok((await recentLosers(world.engine.table, days(89), 10)).length > 0);
    assert.deepEqual(await recentLosers(world.engine.table, days(91), 10), []);
  });

  test('fits the one transaction that keeps it, with every other row of its record', () => {
    /** The link, the lease, and what people said at three fuses under both halves; rather more than that. */
    const beside = 30;
    for (const pair of pairs) {
      const lost = mappings[pair].everyRow.map(
        ({ id }) => ({ row: id, system: 'wave', value: '1' }) as const,
      );
      const writes = keepLosers(world.engine, { system: 'customcrm', pair, id: '1' }, lost);
      assert.ok(writes.length + beside <= 100, pair);
      const keys = writes.map((write) => ('put' in write ? `${write.put.pk} ${write.put.sk}` : ''));
      assert.equal(new Set(keys).size, writes.length, refKey({ system: 'customcrm', pair, id: '1' }));
    }
  });
});

describe('a huge value that loses a conflict', () => {
  for (const [what, typed] of [
    ['that compresses', 'x'.repeat(420_000)],
    ['that needs several items', randomBytes(600_000).toString('base64')],
  ] as const)
    test(`is kept, listed and forgotten like any other: one ${what}`, async () => {
      const { crm, wave } = await linkedPair(world, 'customer', { Name: what, Description: 'short' });
      await world.edit(crm, { Description: 'typed here' });
      await world.edit(wave, { internalNotes: typed });
      await ring(world, crm);
      assert.equal((await world.read(wave)).internalNotes, 'typed here');
      const { table, settings, clock } = world.engine;
      const [kept] = await losersOf(table, settings.keys, crm, clock.now());
      assert.equal(kept?.value, typed);
      assert.equal(await forget(world.engine, crm), 1);
      const left = await table.query(refKey(crm), { limit: 100 });
      assert.deepEqual(
        left.filter(({ sk }) => sk.includes('loser')),
        [],
      );
    });

  test('beyond all measure lets its record wait, and its message does not fail', async () => {
    const { crm, wave } = await linkedPair(world, 'customer', { Name: 'Book', Description: 'short' });
    await world.edit(crm, { Description: 'typed here' });
    await world.edit(wave, { internalNotes: 'short too' });
    const read = world.engine.systems.wave.read;
    const typed = randomBytes(3_000_000).toString('base64');
    const engine = withWave(world.engine, {
      async read(...args) {
        const reading = await read(...args);
        if (reading.state !== 'living') return reading;
        const { snapshot } = reading;
        return { ...reading, snapshot: { ...snapshot, body: { ...snapshot.body, internalNotes: typed } } };
      },
    });
    const handled = await ring(world, crm, engine);
    assert.equal(handled.did === 'parked' && handled.cause.name, 'unavailable');
    assert.equal((await world.read(wave)).internalNotes, 'short too');
  });
});
