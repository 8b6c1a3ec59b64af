import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Snapshot, System } from '../../lib/domain/record.ts';
import { RemoteOutcomeUnknownError, RemoteUnavailableError } from '../../lib/errors.ts';
import { excludeRecord, includeRecord, recreate, unlinkRecords } from '../../lib/sync/decisions.ts';
import { findIntent, openIntent, updateIntent } from '../../lib/sync/intents.ts';
import { holdersOf, indexKeys, keysOf } from '../../lib/sync/key-index.ts';
import { takeLease } from '../../lib/sync/leases.ts';
import { deniedOf, recordStateOf, setRecordState } from '../../lib/sync/record-state.ts';
import {
  aDay,
  anHour,
  deleteIn,
  linkedOrder,
  linkedPair,
  losingCreates,
  orderToType,
  ring,
  withWave,
} from '../support/sync-steps.ts';
import { type Database, type SyncWorld, startDatabase, startSyncWorld } from '../support/sync-world.ts';

let database: Database;
before(async () => {
  database = await startDatabase();
});
after(() => database.close());

const start = () => startSyncWorld(database, { startedPairs: () => true });
const minuteMs = 60_000;
const garage = { Name: 'Garage', Email: 'g@garage.example' };

/** What all customers there have as this property. */
async function customersIn(world: SyncWorld, system: System, property: string) {
  const { changes } = await world.engine.systems[system].changedSince('customer', 0, undefined, world.call());
  return changes
    .flatMap((change) => (change.state === 'living' ? [String(change.snapshot.body[property])] : []))
    .sort();
}

describe('a record of which a person said that it gets a counterpart of its own', () => {
  /** A third one that has the address of two in Wave. */
  async function ambiguous(world: SyncWorld) {
    const email = 'same@twin.example';
    const first = await world.make('wave', 'customer', { name: 'Same', email });
    const second = await world.make('wave', 'customer', { name: 'Same too', email });
    const here = await world.make('customcrm', 'customer', { Name: 'Third', Email: email });
    await ring(world, here);
    await world.drain();
    assert.equal((await recordStateOf(world.engine, here))?.state, 'ambiguous');
    return { here, first, second };
  }

  for (const how of ['excluded', 'deleted'] as const)
    test(`is not taken for that of another one before it has it, though the rival of that one is ${how}`, async (t) => {
      const world = await start();
      t.after(world.close);
      const { here, first, second } = await ambiguous(world);
      for (const ref of [first, second]) await ring(world, ref);
      assert.equal((await recreate(world.engine, here)).done, true);
      const unavailable = new RemoteUnavailableError('wave', 'HTTP 503');
      await world.drain(withWave(world.engine, { create: () => Promise.reject(unavailable) }));
      assert.equal(await world.counterpart(here), undefined);
      if (how === 'excluded') await excludeRecord(world.engine, second, world.call());
      else await world.inWave('customerDelete', { id: second.id });
      await world.edit(first, { phone: '1' });
      for (let look = 1; look <= 3; look++) {
        await ring(world, first);
        world.pass(11 * minuteMs);
      }
      assert.notEqual((await world.counterpart(here))?.id, first.id);
    });

  test('finds that one again when both were unlinked and included', async (t) => {
    const world = await start();
    t.after(world.close);
    const { here } = await ambiguous(world);
    assert.equal((await recreate(world.engine, here)).done, true);
    await world.drain();
    const own = await world.counterpart(here);
    assert.ok(own);
    assert.equal((await unlinkRecords(world.engine, here, world.call())).done, true);
    for (const ref of [here, own]) assert.equal((await includeRecord(world.engine, ref)).done, true);
    await world.drain();
    await anHour(world);
    assert.deepEqual(await customersIn(world, 'wave', 'name'), ['Same', 'Same too', 'Third']);
    assert.ok(await world.counterpart(own));
  });
});

test('what a person says about one create says nothing about another one, whose result that record may be', async (t) => {
  const world = await start();
  t.after(world.close);
  await linkedPair(world, 'customer', { Name: 'Witness' });
  const shared = { Name: 'Garage', Phone: '1', City: 'Hull', ZipCode: 'H1', StreetAddress1: 'Lane 1' };
  const made = async (Email: string) =>
    world.make('customcrm', 'customer', { ...shared, Description: 'x', Email });
  const first = await made('first@garage.example');
  const second = await made('second@garage.example');
  const { create } = world.engine.systems.wave;
  const unanswered = withWave(world.engine, {
    async create(...asked) {
      await create(...asked);
      throw new RemoteOutcomeUnknownError('wave', 'no answer');
    },
  });
  const lost = losingCreates(world.engine);
  await ring(world, first, unanswered);
  await ring(world, second, lost);
  const other = await world.make('wave', 'customer', { name: 'Somebody', email: 'first@garage.example' });
  world.pass(3 * minuteMs);
  for (const ref of [first, second]) {
    await ring(world, ref, lost);
    assert.equal((await recordStateOf(world.engine, ref))?.state, 'ambiguous');
  }
  const before = await customersIn(world, 'customcrm', 'Email');
  assert.equal((await recreate(world.engine, second)).done, true);
  await world.drain();
  for (let hour = 1; hour <= 2; hour++) await anHour(world);
  assert.notEqual((await world.counterpart(first))?.id, other.id);
  assert.deepEqual(await customersIn(world, 'customcrm', 'Email'), before);
});

test('what a person denied stays denied when something else may be the result of the same create, and is denied too', async (t) => {
  const world = await start();
  t.after(world.close);
  const { engine } = world;
  /** A create that was lost, and may have made this. */
  async function lost(id: string, suspect: string) {
    const origin = { system: 'customcrm', pair: 'customer', id } as const;
    const now = engine.clock.now();
    const lease = { ref: origin, owner: id, until: now + 10 * minuteMs };
    await takeLease(engine.table, lease, now);
    const sent = { opId: id, bodyHash: '', startedAt: now, sentAt: now, attempts: 1, keys: [], sent: {} };
    const opened = await openIntent(engine, { ...sent, origin, suspects: [suspect] }, lease);
    assert.deepEqual(opened, { opened: true });
    return { origin, lease };
  }
  const { origin, lease } = await lost('one', 'first');
  await lost('rival', 'first');
  await setRecordState(engine, origin, 'ambiguous', 'for a test');
  assert.equal((await recreate(engine, origin)).done, true);
  const found = await findIntent(engine, origin);
  assert.ok(found);
  assert.ok(await updateIntent(engine, found, { ...found, suspects: ['second'], attempts: 2 }, lease));
  assert.equal((await recreate(engine, origin)).done, true);
  assert.deepEqual([...(await deniedOf(engine, origin))].sort(), ['first', 'second']);
});

test('of two results of one create the linked one is deleted: the other one, which was held, is the counterpart then', async (t) => {
  const world = await start();
  t.after(world.close);
  await linkedPair(world, 'customer', { Name: 'Witness' });
  const here = await world.make('customcrm', 'customer', garage);
  await ring(world, here, losingCreates(world.engine));
  for (let look = 1; look <= 4 && !(await world.counterpart(here)); look++) {
    world.pass(3 * minuteMs);
    await ring(world, here);
  }
  const linked = await world.counterpart(here);
  assert.ok(linked);
  const late = await world.make('wave', 'customer', { name: garage.Name, email: garage.Email });
  await ring(world, late);
  assert.equal((await recordStateOf(world.engine, late))?.state, 'ambiguous');
  await world.inWave('customerDelete', { id: linked.id });
  for (let look = 1; look <= 3; look++) {
    await ring(world, here);
    world.pass(11 * minuteMs);
  }
  await world.drain();
  for (let day = 1; day <= 2; day++) await aDay(world);
  assert.equal((await world.counterpart(here))?.id, late.id);
});

test('an invoice that somebody has typed is not deleted because the order with its number is cancelled, whose create was lost', async (t) => {
  const world = await start();
  t.after(world.close);
  const { order, typeInvoice } = await orderToType(world, await linkedOrder(world));
  await ring(world, order, losingCreates(world.engine));
  const own = await typeInvoice({ invoiceDate: '2026-10-02', title: 'Hers' });
  await world.edit(order, { Status: 'cancelled' });
  await anHour(world);
  assert.equal((await world.read(own)).memo, 'Typed by the bookkeeper');
});

for (const isDeleted of [false, true])
  test(`somebody's own record with the number, but not the address, of what was lost is held for a person${isDeleted ? ', also when that is deleted' : ''}`, async (t) => {
    const world = await start();
    t.after(world.close);
    await linkedPair(world, 'customer', { Name: 'Witness' });
    const here = await world.make('customcrm', 'customer', { ...garage, Number: '1' });
    const lost = losingCreates(world.engine);
    await ring(world, here, lost);
    const bakery = { name: 'Bakery', email: 'b@bakery.example', displayId: '1' };
    const own = await world.make('wave', 'customer', bakery);
    if (isDeleted) await deleteIn(world, here);
    await anHour(world, lost);
    await ring(world, own);
    await anHour(world);
    assert.equal(await world.counterpart(own), undefined);
    assert.equal((await recordStateOf(world.engine, own))?.state, 'ambiguous');
    const reason = isDeleted ? /needs no counterpart any more/ : /another key differs/;
    assert.match((await recordStateOf(world.engine, here))?.reason ?? '', reason);
  });

test('a list that lags does not bring back the match keys of a picture that was replaced since', async (t) => {
  const world = await start();
  t.after(world.close);
  const picture = (email: string, modifiedAt: number): Snapshot => ({
    system: 'wave',
    pair: 'customer',
    id: 'one',
    createdAt: 1_000,
    modifiedAt,
    body: { name: 'Garage', email },
  });
  const right = picture('right@garage.example', 1_000);
  await indexKeys(world.engine, right);
  await indexKeys(world.engine, picture('right@garage.example', 5_000));
  await indexKeys(world.engine, picture('wrong@garage.example', 3_000));
  const key = keysOf(world.engine, right).find(({ name }) => name === 'email');
  assert.ok(key);
  assert.deepEqual(await holdersOf(world.engine, 'wave', 'customer', key), ['one']);
});
