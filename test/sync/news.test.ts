import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { findLink, linkWrite } from '../../lib/sync/links.ts';
import { retry } from '../../lib/sync/operate.ts';
import { linkedPair, ring } from '../support/sync-steps.ts';
import { type Database, type SyncWorld, startDatabase, startSyncWorld } from '../support/sync-world.ts';

let database: Database;
let world: SyncWorld;
before(async () => {
  database = await startDatabase();
  world = await startSyncWorld(database, {
    startedPairs: () => true,
    conflict: (_pair, row) => (row === 'Fax' ? 'hold' : 'latest'),
  });
});
after(async () => {
  await world.close();
  await database.close();
});

/** What the last outcome said of the state that the record shows. */
function said() {
  const { message, because, rows, again } = world.outcomes.at(-1) ?? {};
  return { message, because, rows, again };
}

describe('what a record shows is news once', () => {
  test('a conflict, when it is found, and not when it is looked at again', async () => {
    const { crm, wave } = await linkedPair(world, 'customer', { Name: 'One', Fax: '0', Phone: '1' });
    await world.edit(crm, { Fax: '1' });
    await world.edit(wave, { fax: '2' });
    await ring(world, crm);
    assert.deepEqual(said(), {
      message: 'change held',
      because: 'conflict',
      rows: ['Fax'],
      again: undefined,
    });
    await ring(world, crm);
    assert.deepEqual(said(), { message: 'nothing to do', because: 'conflict', rows: undefined, again: true });
    await world.edit(crm, { Phone: '2' });
    await ring(world, crm);
    assert.deepEqual(said(), {
      message: 'change applied',
      because: 'conflict',
      rows: ['Phone->wave'],
      again: true,
    });
    await world.edit(crm, { Fax: '2' });
    await ring(world, crm);
    assert.deepEqual(said(), {
      message: 'nothing to do',
      because: 'equal',
      rows: undefined,
      again: undefined,
    });
  });

  test('what a system refuses, also when it took two rounds to know what', async () => {
    const { crm } = await linkedPair(world, 'customer', { Name: 'Two' });
    await world.edit(crm, { Currency: 'VES', City: 'Halifax' });
    await ring(world, crm);
    const { because, again } = said();
    assert.deepEqual([because, again], ['blocked', undefined]);
    await ring(world, crm);
    assert.equal(said().again, true);
    await retry(world.engine, crm);
    await ring(world, crm);
    assert.deepEqual([said().message, said().again], ['change blocked', true]);
  });

  test('another reason is news', async () => {
    const { crm } = await linkedPair(world, 'customer', { Name: 'Three' });
    await world.edit(crm, { Currency: 'VES' });
    await ring(world, crm);
    const link = await findLink(world.engine.table, crm);
    assert.ok(link);
    await world.engine.table.write([linkWrite(link, { ...link, reasons: ['Currency: something else'] })]);
    await ring(world, crm);
    assert.deepEqual(said(), {
      message: 'change blocked',
      because: 'blocked',
      rows: ['Currency'],
      again: undefined,
    });
  });

  test('a record without a link, and it keeps showing since when', async () => {
    const crm = await world.make('customcrm', 'product', {
      Name: 'Four',
      UnitPrice: '1',
      TaxCodes: ['NOPE'],
    });
    await ring(world, crm);
    assert.deepEqual([said().message, said().again], ['record blocked', undefined]);
    const due = async () =>
      (await world.engine.table.get({ pk: `customcrm#product#${crm.id}`, sk: 'state' }))?.due;
    const since = await due();
    world.pass(60_000);
    await ring(world, crm);
    assert.deepEqual([said().message, said().again], ['record blocked', true]);
    assert.equal(await due(), since);
  });
});
