import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { RecordRef, Snapshot } from '../../lib/domain/record.ts';
import {
  accept,
  excludeRecord,
  includeRecord,
  linkRecords,
  recreate,
  relink,
  unlinkRecords,
} from '../../lib/sync/decisions.ts';
import { handleDoorbell } from '../../lib/sync/handle-doorbell.ts';
import { linkKey } from '../../lib/sync/keys.ts';
import { findLink } from '../../lib/sync/links.ts';
import { retry } from '../../lib/sync/operate.ts';
import { pause, resume } from '../../lib/sync/pause.ts';
import { recordStateOf } from '../../lib/sync/record-state.ts';
import { linkedOrder } from '../support/sync-steps.ts';
import { type Database, type SyncWorld, startDatabase, startSyncWorld } from '../support/sync-world.ts';

let database: Database;
before(async () => {
  database = await startDatabase();
});
after(() => database.close());

const start = () => startSyncWorld(database, { startedPairs: () => true });

/** A doorbell of this record is worked on. */
const ring = (world: SyncWorld, { system, pair, id }: RecordRef) =>
  handleDoorbell(
    world.engine,
    { system, pair, id, eventId: 'webhook', at: world.engine.clock.now() },
    world.call(),
  );

/** Two records of Customcrm and one of Wave that say the same e-mail address. */
async function ambiguous(world: SyncWorld) {
  const Email = 'same@twin.example';
  const one = await world.make('customcrm', 'customer', { Name: 'One', Email });
  const two = await world.make('customcrm', 'customer', { Name: 'Two', Email });
  const there = await world.make('wave', 'customer', { name: 'Two', email: Email });
  for (const record of [one, two, there]) await ring(world, record);
  return { one, two, there };
}

const stateOf = async (world: SyncWorld, ref: RecordRef) => (await recordStateOf(world.engine, ref))?.state;

describe('a person who decides', () => {
  test('ends a link whose Wave half belongs to another one, and leaves that one alone', async (t) => {
    const world = await start();
    t.after(world.close);
    const one = await world.make('customcrm', 'customer', { Name: 'One' });
    const two = await world.make('customcrm', 'customer', { Name: 'Two' });
    for (const record of [one, two]) await ring(world, record);
    const foreign = await world.counterpart(two);
    const main = await world.engine.table.get(linkKey(one));
    assert.ok(foreign && main);
    await world.engine.table.write([{ put: { ...main, waveId: foreign.id } }]);
    assert.equal((await unlinkRecords(world.engine, one, world.call())).done, true);
    assert.equal(await stateOf(world, one), 'excluded');
    assert.equal(await stateOf(world, foreign), undefined);
    assert.equal((await world.counterpart(foreign))?.id, two.id);
  });

  test('cannot link the product that stands for lines without one', async (t) => {
    const world = await start();
    t.after(world.close);
    const here = await world.make('customcrm', 'product', { Name: 'Ladder', UnitPrice: '1' });
    const there = await world.make('wave', 'product', { name: 'Anything', unitPrice: '1' });
    const { settings } = world.engine;
    const mapping = { ...settings.mapping, waveFallbackProductId: there.id };
    const engine = { ...world.engine, settings: { ...settings, mapping } };
    const decided = await linkRecords(engine, here, there, world.call());
    assert.match(decided.done ? '' : decided.because, /^the settings leave wave#product#\S+ out/);
  });

  test('links an ambiguous record, and what differs flows or is held by policy', async (t) => {
    const world = await start();
    t.after(world.close);
    const { one, two, there } = await ambiguous(world);
    assert.equal(await stateOf(world, two), 'ambiguous');
    const decided = await linkRecords(world.engine, two, there, world.call());
    assert.equal(decided.done, true);
    assert.deepEqual(await world.counterpart(two), { system: 'wave', pair: 'customer', id: there.id });
    assert.equal(await stateOf(world, two), undefined);
    assert.equal(await stateOf(world, there), undefined);
    await ring(world, one);
    assert.notEqual((await world.counterpart(one))?.id, there.id);
    assert.ok(await world.counterpart(one), 'nothing is ambiguous any more');
  });

  test('has agreed on what was equal then: what is emptied while the first plan waits is emptied', async (t) => {
    const world = await start();
    t.after(world.close);
    const { two, there } = await ambiguous(world);
    await world.edit(two, { Phone: '7' });
    await world.edit(there, { phone: '7' });
    await pause(world.engine, 'all', 'for a test');
    assert.equal((await linkRecords(world.engine, two, there, world.call())).done, true);
    await world.edit(there, { phone: '' });
    await resume(world.engine, 'all');
    await world.drain();
    assert.deepEqual([(await world.read(two)).Phone, (await world.read(there)).phone || null], [null, null]);
  });

  test('cannot link a record twice, nor one that is gone, nor two of one system', async (t) => {
    const world = await start();
    t.after(world.close);
    const { one, two, there } = await ambiguous(world);
    await linkRecords(world.engine, two, there, world.call());
    const twice = await linkRecords(world.engine, one, there, world.call());
    assert.match(twice.done ? '' : twice.because, /linked with .* already/);
    const gone = await linkRecords(world.engine, { ...one, id: 'nobody' }, there, world.call());
    assert.match(gone.done ? '' : gone.because, /not-found/);
    await assert.rejects(linkRecords(world.engine, one, two, world.call()), RangeError);
  });

  test('cannot link a cancelled order: the draft would be deleted with it', async (t) => {
    const world = await start();
    t.after(world.close);
    const { crm, customer, product } = await linkedOrder(world);
    const draft = await world.make('wave', 'order', {
      customer: { id: customer.wave.id },
      currency: { code: 'CAD' },
      invoiceDate: '2026-10-01',
      items: [{ product: { id: product.wave.id }, quantity: '1', price: '5', taxes: [] }],
    });
    await world.edit(crm, { Status: 'cancelled' });
    await ring(world, crm);
    const decided = await linkRecords(world.engine, crm, draft, world.call());
    assert.match(decided.done ? '' : decided.because, /is cancelled, and a draft .* would be deleted/);
    await world.drain();
    assert.equal((await world.read(draft)).id, draft.id);
  });

  test('leaves a record alone while a worker is at it', async (t) => {
    const world = await start();
    t.after(world.close);
    const { two, there } = await ambiguous(world);
    const until = world.engine.clock.now() + 60_000;
    const lease = { pk: `wave#customer#${there.id}`, sk: 'lease', owner: 'a worker', until };
    await world.engine.table.write([{ put: lease }]);
    const refused = await linkRecords(world.engine, two, there, world.call());
    assert.match(refused.done ? '' : refused.because, /a worker is at this record/);
    assert.equal(await world.counterpart(two), undefined);
    await world.engine.table.write([{ delete: lease }]);
    assert.equal((await linkRecords(world.engine, two, there, world.call())).done, true);
  });

  test('unlinks two records for good: neither gets another counterpart, nor is taken for one', async (t) => {
    const world = await start();
    t.after(world.close);
    const { two, there } = await ambiguous(world);
    await linkRecords(world.engine, two, there, world.call());
    assert.equal((await unlinkRecords(world.engine, there, world.call())).done, true);
    const writes = await world.writes();
    await world.edit(two, { Phone: '+1 555 0100' });
    await ring(world, two);
    await ring(world, there);
    const rival = await world.make('customcrm', 'customer', { Name: 'Rival', Email: 'same@twin.example' });
    assert.equal(await world.counterpart(two), undefined);
    assert.equal(await stateOf(world, two), 'excluded');
    assert.equal((await world.writes()).wave, writes.wave);
    await ring(world, rival);
    assert.notEqual((await world.counterpart(rival))?.id, there.id);
    assert.equal((await unlinkRecords(world.engine, two, world.call())).done, false);
  });

  test('links one record with another than before; the former counterpart stays alone', async (t) => {
    const world = await start();
    t.after(world.close);
    const { one, two, there } = await ambiguous(world);
    await linkRecords(world.engine, one, there, world.call());
    assert.equal((await relink(world.engine, two, there, world.call())).done, true);
    assert.equal((await world.counterpart(two))?.id, there.id);
    assert.equal(await world.counterpart(one), undefined);
    assert.equal(await stateOf(world, one), 'excluded');
    assert.equal((await includeRecord(world.engine, one)).done, true);
    await world.drain();
    assert.match((await recordStateOf(world.engine, one))?.reason ?? '', /carries the marker of/);
    await world.edit(one, { ExternalId: null });
    await ring(world, one);
    assert.ok(await world.counterpart(one));
  });

  test('ends no link for another one while a worker is at what that was', async (t) => {
    const world = await start();
    t.after(world.close);
    const { one, two, there } = await ambiguous(world);
    await linkRecords(world.engine, one, there, world.call());
    const own = await world.make('wave', 'customer', { name: 'Two' });
    await linkRecords(world.engine, two, own, world.call());
    const until = world.engine.clock.now() + 60_000;
    const lease = { pk: `customcrm#customer#${one.id}`, sk: 'lease', owner: 'a worker', until };
    await world.engine.table.write([{ put: lease }]);
    const refused = await relink(world.engine, two, there, world.call());
    assert.match(refused.done ? '' : refused.because, /a worker is at this record/);
    assert.equal((await world.counterpart(one))?.id, there.id);
    assert.equal((await world.counterpart(two))?.id, own.id);
    assert.equal(await stateOf(world, two), undefined);
    await world.engine.table.write([{ delete: lease }]);
    assert.equal((await relink(world.engine, two, there, world.call())).done, true);
    assert.equal((await world.counterpart(two))?.id, there.id);
    for (const left of [one, own]) assert.equal(await stateOf(world, left), 'excluded');
  });

  test('excludes a record, and takes that back', async (t) => {
    const world = await start();
    t.after(world.close);
    const record = await world.make('wave', 'customer', { name: 'Hill Farm' });
    assert.equal((await includeRecord(world.engine, record)).done, false);
    assert.equal((await excludeRecord(world.engine, record, world.call())).done, true);
    await ring(world, record);
    assert.equal(await world.counterpart(record), undefined);
    assert.equal(await stateOf(world, record), 'excluded');
    await includeRecord(world.engine, record);
    await world.drain();
    assert.ok(await world.counterpart(record));
    assert.equal((await excludeRecord(world.engine, record, world.call())).done, false);
  });

  test('leaves what a record shows when the queue does not answer, and can be said again', async (t) => {
    const world = await start();
    t.after(world.close);
    const silent = { ring: () => Promise.reject(new Error('the queue did not answer')) };
    const engine = { ...world.engine, queues: { customcrm: silent, wave: silent } };
    const { one: held } = await ambiguous(world);
    const excluded = await world.make('wave', 'customer', { name: 'Hill Farm' });
    await excludeRecord(world.engine, excluded, world.call());
    for (const [record, shows, run] of [
      [held, 'ambiguous', () => retry(engine, held)],
      [held, 'ambiguous', () => recreate(engine, held)],
      [excluded, 'excluded', () => includeRecord(engine, excluded)],
    ] as const) {
      await assert.rejects(run(), /did not answer/);
      assert.equal(await stateOf(world, record), shows);
    }
    assert.equal((await includeRecord(world.engine, excluded)).done, true);
    assert.equal((await recreate(world.engine, held)).done, true);
    await world.drain();
    for (const record of [excluded, held]) assert.ok(await world.counterpart(record));
  });

  test('mends a broken link by unlinking and linking again', async (t) => {
    const world = await start();
    t.after(world.close);
    const { two, there } = await ambiguous(world);
    await linkRecords(world.engine, two, there, world.call());
    await world.engine.table.write([{ delete: linkKey(two) }]);
    await assert.rejects(findLink(world.engine.table, there), /do not mirror/);
    assert.equal((await unlinkRecords(world.engine, there, world.call())).done, true);
    assert.equal((await linkRecords(world.engine, two, there, world.call())).done, true);
    assert.equal((await findLink(world.engine.table, there))?.customcrmId, two.id);
  });

  test('does not take the Wave half of another link away', async (t) => {
    const world = await start();
    t.after(world.close);
    const { one, two, there } = await ambiguous(world);
    await linkRecords(world.engine, two, there, world.call());
    const stolen = await world.engine.table.get(linkKey(there));
    assert.ok(stolen);
    await world.engine.table.write([{ put: { ...stolen, linkId: 'another', customcrmId: one.id } }]);
    assert.equal((await unlinkRecords(world.engine, two, world.call())).done, true);
    assert.equal((await world.engine.table.get(linkKey(there)))?.linkId, 'another');
    assert.equal(await findLink(world.engine.table, two), undefined);
  });
});

describe('the survivor of a deletion', () => {
  /** A customer of Wave whose counterpart in Customcrm was deleted. */
  async function survivor(
    world: SyncWorld,
  ): Promise<{ readonly deleted: Snapshot; readonly left: RecordRef }> {
    const deleted = await world.make('customcrm', 'customer', { Name: 'Corner Bakery' });
    await ring(world, deleted);
    const left = await world.counterpart(deleted);
    assert.ok(left);
    const reading = await world.engine.systems.customcrm.read('customer', deleted.id, world.call());
    assert.ok(reading.state === 'living');
    await world.engine.systems.customcrm.remove('customer', reading.snapshot, world.call());
    await ring(world, deleted);
    assert.equal(await stateOf(world, left), 'unlinked');
    return { deleted, left };
  }

  test('gets a new counterpart when a person says so', async (t) => {
    const world = await start();
    t.after(world.close);
    const { deleted, left } = await survivor(world);
    await ring(world, left);
    assert.equal(await world.counterpart(left), undefined);
    assert.equal((await recreate(world.engine, left)).done, true);
    await world.drain();
    const made = await world.counterpart(left);
    assert.ok(made && made.id !== deleted.id);
    assert.equal((await recreate(world.engine, left)).done, false);
  });

  test('stays alone when a person accepts that', async (t) => {
    const world = await start();
    t.after(world.close);
    const { left } = await survivor(world);
    assert.equal((await accept(world.engine, left, world.call())).done, true);
    await ring(world, left);
    assert.equal(await stateOf(world, left), 'excluded');
    assert.equal(await world.counterpart(left), undefined);
    const other = await world.make('wave', 'customer', { name: 'Hill Farm' });
    assert.equal((await accept(world.engine, other, world.call())).done, false);
  });
});
