import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { System } from '../../lib/domain/record.ts';
import { excludeRecord, linkRecords, unlinkRecords } from '../../lib/sync/decisions.ts';
import { handleDoorbell } from '../../lib/sync/handle-doorbell.ts';
import { pause, resume } from '../../lib/sync/pause.ts';
import { linkedOrder, linkedPair, linkOf, ring } from '../support/sync-steps.ts';
import { type Database, type SyncWorld, startDatabase, startSyncWorld } from '../support/sync-world.ts';

let database: Database;
before(async () => {
  database = await startDatabase();
});
after(() => database.close());

const minuteMs = 60_000;

/** A linked customer, and the hands of a user in each system. */
async function twoUsers(world: SyncWorld) {
  const { crm, wave } = await linkedPair(world, 'customer', { Name: 'One', Phone: '1' });
  const refs = { customcrm: crm, wave };
  const edits = {
    customcrm: () => world.edit(crm, { Phone: 'customcrm' }),
    wave: () => world.edit(wave, { phone: 'wave' }),
  };
  return {
    refs,
    edit: (system: System) => edits[system](),
    winner: async () => {
      const [here, there] = [(await world.read(crm)).Phone, (await world.read(wave)).phone];
      assert.equal(here, there);
      return here;
    },
  };
}

const start = () => startSyncWorld(database, { startedPairs: () => true });

describe('of two edits of the same row the one that was heard of later stays', () => {
  for (const first of ['customcrm', 'wave'] as const)
    for (const later of ['customcrm', 'wave'] as const)
      test(`${later}'s, when both waited and ${first}'s doorbell is handled first, long afterwards`, async (t) => {
        const world = await start();
        t.after(world.close);
        const { refs, edit, winner } = await twoUsers(world);
        const earlier = later === 'wave' ? 'customcrm' : 'wave';
        await pause(world.engine, 'all', 'for a test');
        for (const system of [earlier, later] as const) {
          await edit(system);
          await ring(world, refs[system]);
          world.pass(10 * minuteMs);
        }
        await resume(world.engine, 'all');
        const doorbell = world.takeRung().find(({ system }) => system === first);
        assert.ok(doorbell);
        await handleDoorbell(world.engine, doorbell, world.call());
        assert.equal(await winner(), later);
      });

  test("Wave's, when a poll has rung for it and its doorbell is still on its way", async (t) => {
    const world = await start();
    t.after(world.close);
    const { refs, edit, winner } = await twoUsers(world);
    await world.poll();
    await edit('customcrm');
    const heardAt = world.engine.clock.now();
    world.pass(minuteMs);
    await edit('wave');
    await world.poll();
    world.pass(minuteMs);
    await ring(world, refs.customcrm, world.engine, { at: heardAt });
    assert.equal(await winner(), 'wave');
  });
});

describe("Customcrm's stays", () => {
  test('when nobody has heard of an edit in Wave, however late the worker is', async (t) => {
    const world = await start();
    t.after(world.close);
    const { refs, edit, winner } = await twoUsers(world);
    await edit('wave');
    await edit('customcrm');
    const at = world.engine.clock.now();
    world.pass(minuteMs);
    await ring(world, refs.customcrm, world.engine, { at });
    assert.equal(await winner(), 'customcrm');
  });

  test('when both were heard of within five seconds', async (t) => {
    const world = await start();
    t.after(world.close);
    const { refs, edit, winner } = await twoUsers(world);
    await pause(world.engine, 'all', 'for a test');
    for (const system of ['customcrm', 'wave'] as const) {
      await edit(system);
      await ring(world, refs[system]);
      world.pass(2_000);
    }
    await resume(world.engine, 'all');
    world.pass(minuteMs);
    await world.drain();
    assert.equal(await winner(), 'customcrm');
  });
});

describe('while a row of an order was decided, and waits', () => {
  /** Both sides name another customer; Customcrm's is excluded. */
  const waiting = async (world: SyncWorld) => {
    const { crm, wave } = await linkedOrder(world);
    const { wave: other } = await linkedPair(world, 'customer', { Name: 'Garage', Currency: 'CAD' });
    const excluded = await world.make('customcrm', 'customer', { Name: 'Nobody', Currency: 'CAD' });
    await excludeRecord(world.engine, excluded, world.call());
    await world.edit(crm, { CustomerId: excluded.id });
    await world.edit(wave, { customer: { id: other.id } });
    await ring(world, crm);
    assert.equal((await linkOf(world, crm)).state, 'blocked');
    world.pass(60 * minuteMs);
    return { crm, wave, excluded };
  };

  test('the later of two edits of another row stays', async (t) => {
    const world = await start();
    t.after(world.close);
    const { crm, wave } = await waiting(world);
    await pause(world.engine, 'all', 'for a test');
    await world.edit(crm, { Title: 'typed first' });
    await ring(world, crm);
    world.pass(60 * minuteMs);
    await world.edit(wave, { title: 'typed last' });
    await ring(world, wave);
    await resume(world.engine, 'all');
    await world.drain();
    assert.deepEqual(
      [(await world.read(crm)).Title, (await world.read(wave)).title],
      ['typed last', 'typed last'],
    );
  });

  test('the side that edits that row later wins it', async (t) => {
    const world = await start();
    t.after(world.close);
    const third = await linkedPair(world, 'customer', { Name: 'Third', Currency: 'CAD' });
    const { crm, wave } = await waiting(world);
    await world.edit(wave, { customer: { id: third.wave.id } });
    await ring(world, wave);
    assert.equal((await world.read(crm)).CustomerId, third.crm.id);
  });

  test('it stays decided, whoever rings for the other side afterwards', async (t) => {
    const world = await start();
    t.after(world.close);
    const { crm, wave, excluded } = await waiting(world);
    const decided = await linkOf(world, crm);
    await ring(world, wave);
    assert.equal((await world.read(crm)).CustomerId, excluded.id);
    assert.deepEqual((await linkOf(world, crm)).reasons, decided.reasons);
  });
});

test('a row that waits since the first link is won by who edits it later, whoever rings for the other side afterwards', async (t) => {
  const world = await startSyncWorld(database, { startedPairs: () => true, firstLink: () => 'latest' });
  t.after(world.close);
  const { crm, wave } = await linkedOrder(world);
  const garage = await linkedPair(world, 'customer', { Name: 'Garage', Currency: 'CAD' });
  const bakery = await linkedPair(world, 'customer', { Name: 'Old Bakery', Currency: 'CAD' });
  await world.edit(crm, { CustomerId: garage.crm.id });
  await ring(world, crm);
  await unlinkRecords(world.engine, crm, world.call());
  await unlinkRecords(world.engine, garage.crm, world.call());
  await linkRecords(world.engine, crm, wave, world.call());
  await world.drain();
  await world.edit(crm, { CustomerId: bakery.crm.id, Title: 'Summer order' });
  await ring(world, crm);
  assert.equal((await world.read(wave)).title, 'Summer order');
  world.pass(60 * minuteMs);
  await ring(world, wave);
  const another = await world.make('customcrm', 'customer', { Name: 'New Garage', Currency: 'CAD' });
  const linked = await linkRecords(world.engine, another, garage.wave, world.call());
  assert.ok(linked.done);
  await world.drain();
  assert.equal((await world.read(crm)).CustomerId, bakery.crm.id);
  assert.deepEqual((await world.read(wave)).customer, { id: bakery.wave.id });
});
