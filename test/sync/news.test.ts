import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { excludeRecord } from '../../lib/sync/decisions.ts';
import { findLink, linkWrite } from '../../lib/sync/links.ts';
import { retry } from '../../lib/sync/operate.ts';
import { linkedOrder, linkedPair, linkOf, ring } from '../support/sync-steps.ts';
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
    const { reason } = world.outcomes.at(-1) ?? {};
    assert.deepEqual(reason, (await linkOf(world, crm)).reasons.join('; '));
    assert.match(String(reason), /^Currency: /);
    await ring(world, crm);
    assert.equal(world.outcomes.at(-1)?.reason, reason);
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

  test('a block of a link that waits for a parent who waits for a person', async () => {
    const { crm, customer } = await linkedOrder(world);
    const excluded = await world.make('customcrm', 'customer', { Name: 'Nobody' });
    await excludeRecord(world.engine, excluded, world.call());
    await world.edit(crm, { CustomerId: excluded.id });
    const waits = { message: 'record waits', because: 'parent', reason: 'its customer is excluded' };
    const heard = async () => {
      await ring(world, crm);
      const { message, because, reason, again } = world.outcomes.at(-1) ?? {};
      return { message, because, reason, ...(again && { again }) };
    };
    assert.deepEqual(await heard(), waits);
    assert.deepEqual(await heard(), { ...waits, again: true });
    await world.edit(crm, { CustomerId: customer.crm.id });
    await ring(world, crm);
    assert.equal(world.outcomes.at(-1)?.reason, undefined);
    await world.edit(crm, { CustomerId: excluded.id });
    assert.deepEqual(await heard(), waits);
  });

  test('a record that its counterpart left', async () => {
    const { crm, wave } = await linkedPair(world, 'customer', { Name: 'Left' });
    const reading = await world.engine.systems.customcrm.read('customer', crm.id, world.call());
    assert.ok(reading.state === 'living');
    await world.engine.systems.customcrm.remove('customer', reading.snapshot, world.call());
    const unlinked = () =>
      world.outcomes.filter(
        ({ message, id }) => message === 'record unlinked' && (id === crm.id || id === wave.id),
      );
    for (let looks = 0; looks < 5; looks++) {
      await ring(world, looks === 0 ? crm : wave);
      world.pass(3600_000);
    }
    const [first, ...others] = unlinked().map(({ again }) => again === true);
    assert.equal(first, false);
    assert.ok(others.length > 0 && others.every(Boolean), String(others));
    assert.equal(new Set(unlinked().map(({ because }) => because)).size, 1);
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
