import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { keepLosers, losersOf } from '../../lib/sync/conflict-log.ts';
import { blowFuse } from '../../lib/sync/fuses.ts';
import { markFailed } from '../../lib/sync/mark-failed.ts';
import type { Reading } from '../../lib/sync/ports.ts';
import { recordStateOf } from '../../lib/sync/record-state.ts';
import { noteSighting, sight } from '../../lib/sync/sighting.ts';
import { blindTo, linkedOrder, linkedPair, linkOf, ring, withWave } from '../support/sync-steps.ts';
import { type Database, startDatabase, startSyncWorld } from '../support/sync-world.ts';

let database: Database;
before(async () => {
  database = await startDatabase();
});
after(() => database.close());

const start = (fuseLimit = 20) => startSyncWorld(database, { startedPairs: () => true, fuseLimit });
const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

describe('a picture that is older than the one that was agreed on', () => {
  for (const hours of [0, 2, 30 * 24])
    test(`is not believed, ${hours} hours after the link was made`, async (t) => {
      const world = await start();
      t.after(world.close);
      const { crm, wave } = await linkedPair(world, 'customer', { Name: 'One', Phone: '1', City: 'A' });
      world.pass(hours * hourMs);
      const reading = await world.engine.systems.wave.read('customer', wave.id, world.call());
      // Stamps are milliseconds: the next write has another one.
      await sleep(5);
      await world.edit(crm, { Phone: '2' });
      await ring(world, crm);
      assert.equal((await world.read(wave)).phone, '2');
      await world.edit(crm, { City: 'B' });
      const lagging = withWave(world.engine, { read: async () => reading });
      assert.equal((await ring(world, crm, lagging)).did, 'parked');
      assert.equal((await world.read(crm)).Phone, '2');
    });

  test('is believed when it still shows long after: its system was restored from a backup', async (t) => {
    const world = await start();
    t.after(world.close);
    const { crm, wave } = await linkedPair(world, 'customer', { Name: 'One', Phone: '1' });
    const reading = await world.engine.systems.wave.read('customer', wave.id, world.call());
    await sleep(5);
    await world.edit(crm, { Phone: '2' });
    await ring(world, crm);
    world.pass(2 * hourMs);
    const restored = withWave(world.engine, { read: async () => reading });
    assert.equal((await ring(world, crm, restored)).did, 'finished');
    assert.equal((await world.read(crm)).Phone, '1');
  });
});

test('a deletion that is older than what was agreed on is a lagging one: its order was restored since', async (t) => {
  const world = await start();
  t.after(world.close);
  const { crm, wave } = await linkedOrder(world);
  await world.edit(crm, { Footer: 'Here again' });
  await ring(world, crm);
  const { customcrm } = world.engine.systems;
  const saying = (reading: Reading) => ({
    ...world.engine,
    systems: { ...world.engine.systems, customcrm: { ...customcrm, read: async () => reading } },
  });
  const snapshot = async () => {
    const reading = await customcrm.read('order', crm.id, world.call());
    assert.ok(reading.state === 'living');
    return reading.snapshot;
  };
  const { version } = await snapshot();
  const lagging = saying({ state: 'deleted', version: String(Number(version) - 1) });
  const handled = await ring(world, crm, lagging);
  assert.ok(handled.did === 'parked' && handled.cause.name === 'unavailable');
  assert.equal((await world.engine.systems.wave.read('order', wave.id, world.call())).state, 'living');
  assert.equal((await linkOf(world, crm)).state, 'in-sync');

  await customcrm.remove('order', await snapshot(), world.call());
  assert.equal((await ring(world, crm)).did, 'finished');
  assert.equal((await world.engine.systems.wave.read('order', wave.id, world.call())).state, 'not-found');
});

test('what a list showed that was read before we wrote is no news, and news when its user makes it so', async (t) => {
  const world = await start();
  t.after(world.close);
  const { wave } = await linkedOrder(world, { OrderNumber: 'SO-1' });
  const reading = await world.engine.systems.wave.read('order', wave.id, world.call());
  assert.ok(reading.state === 'living');
  const emptied = (ms: number) => {
    const { snapshot } = reading;
    const body = { ...snapshot.body, poNumber: null };
    return { ...snapshot, body, modifiedAt: snapshot.modifiedAt + ms };
  };
  const look = async (ms: number) => {
    const { news, print } = await sight(world.engine, emptied(ms), []);
    await noteSighting(world.engine, wave, print);
    return news;
  };
  assert.equal(await look(-1_000), false);
  assert.deepEqual([await look(1_000), await look(1_000)], [true, false], 'rung for once');
});

test('a deletion is not concluded from two absences between which the record was seen', async (t) => {
  const world = await start(1);
  t.after(world.close);
  const { crm, wave } = await linkedPair(world, 'product', { Name: 'Ladder', UnitPrice: '1' });
  await linkedPair(world, 'product', { Name: 'Witness', UnitPrice: '1' });
  const blind = blindTo(world.engine, wave);
  await ring(world, crm, blind);
  assert.ok((await linkOf(world, crm)).missing);
  world.pass(5 * minuteMs);
  await blowFuse(world.engine, 'deletions');
  await world.edit(crm, { Active: false });
  await ring(world, crm);
  assert.equal((await linkOf(world, crm)).missing, undefined, 'it was seen, though the plan ended at a fuse');
  world.pass(hourMs);
  await ring(world, crm, blind);
  assert.ok(await world.counterpart(crm));
  world.pass(11 * minuteMs);
  await ring(world, crm, blind);
  assert.equal(await world.counterpart(crm), undefined, 'the second absence in a row');
});

test('a record that had failed shows it no longer once it was dealt with', async (t) => {
  const world = await start();
  t.after(world.close);
  const { crm } = await linkedPair(world, 'customer', { Name: 'One', Phone: '1' });
  const doorbell = { ...crm, eventId: 'webhook', at: 0 };
  await markFailed(world.engine, [{ messageId: '1', receiveCount: 21, doorbell }]);
  assert.equal((await recordStateOf(world.engine, crm))?.state, 'failed');
  await world.edit(crm, { Phone: '2' });
  await ring(world, crm);
  assert.equal(await recordStateOf(world.engine, crm), undefined);
});

test('of very many values that lost the newest can be listed, and each be found by its time', async (t) => {
  const world = await start();
  t.after(world.close);
  const { crm } = await linkedPair(world, 'customer', { Name: 'One', Phone: '1' });
  const { table, clock, settings } = world.engine;
  for (let turn = 0; turn < 103; turn++) {
    const lost = { row: 'Phone', system: 'wave', value: `there ${turn}` } as const;
    await table.write(keepLosers(world.engine, crm, [lost]));
    world.pass(minuteMs);
  }
  const all = await losersOf(table, settings.keys, crm, clock.now());
  assert.equal(all.length, 100);
  assert.equal(all[0]?.value, 'there 102');
  const [first] = await losersOf(table, settings.keys, crm, clock.now(), { limit: 1000 }).then((each) =>
    each.toReversed(),
  );
  assert.ok(first);
  const found = await losersOf(table, settings.keys, crm, clock.now(), { at: first.at });
  assert.deepEqual(found, [first]);
});

test('what is equal is agreed with the write-ahead of something else: whoever is killed after that leaves nothing unknown', async (t) => {
  const world = await start();
  t.after(world.close);
  const { crm, wave } = await linkedPair(world, 'product', { Name: 'One', UnitPrice: '1' });
  await world.edit(crm, { Name: 'Two', UnitPrice: '2' });
  await world.edit(wave, { unitPrice: '2' });
  const { table } = world.engine;
  let isDead = false;
  const killed = {
    ...withWave(world.engine, {
      update: async () => {
        isDead = true;
        throw new Error('killed');
      },
    }),
    table: {
      ...table,
      write: (...args: Parameters<typeof table.write>) =>
        isDead ? Promise.reject(new Error('killed')) : table.write(...args),
    },
  };
  await assert.rejects(ring(world, crm, killed), /killed/);
  await world.edit(crm, { UnitPrice: '3' });
  world.pass(5 * minuteMs);
  await ring(world, crm);
  assert.equal(String((await world.read(wave)).unitPrice), '3');
  const { settings, clock } = world.engine;
  assert.deepEqual(await losersOf(table, settings.keys, crm, clock.now()), []);
});
