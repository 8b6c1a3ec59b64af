import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { RecordRef } from '../../lib/domain/record.ts';
import { tidy } from '../../lib/sync/janitor.ts';
import { findLink } from '../../lib/sync/links.ts';
import { waitingRecords } from '../../lib/sync/overview.ts';
import { pollCustomcrm } from '../../lib/sync/poll-customcrm.ts';
import { type Database, type SyncWorld, startDatabase, startSyncWorld } from '../support/sync-world.ts';

let database: Database;
before(async () => {
  database = await startDatabase();
});
after(() => database.close());

const minute = 60_000;
const many = 20;
const started = { startedPairs: () => true };

/** Customers of Customcrm that are linked and at rest. */
async function linked(world: SyncWorld): Promise<readonly RecordRef[]> {
  const made = await Promise.all(
    Array.from({ length: many }, (_, index) =>
      world.make('customcrm', 'customer', { Name: `Customer ${index}` }),
    ),
  );
  await world.poll();
  await world.drain();
  return made.map(({ system, pair, id }) => ({ system, pair, id }));
}

/** Each gets another phone, and its change is looked at. */
async function edited(world: SyncWorld, refs: readonly RecordRef[], Phone: string): Promise<void> {
  for (const ref of refs) await world.edit(ref, { Phone });
  await pollCustomcrm(world.engine, world.call());
  await world.drain();
}

async function allWaitToReconnect({ engine }: SyncWorld, refs: readonly RecordRef[]): Promise<void> {
  const waiting = await waitingRecords(engine, 100);
  assert.deepEqual(
    waiting.map(({ ref, cause }) => [ref.id, cause]).sort(),
    refs.map(({ id }) => [id, 'reconnect']).sort(),
  );
}

async function arrived(world: SyncWorld, refs: readonly RecordRef[], phone: string): Promise<void> {
  for (const ref of refs) {
    const there = await world.counterpart(ref);
    assert.ok(there);
    assert.equal((await world.read(there)).phone, phone);
    assert.equal((await findLink(world.engine.table, ref))?.state, 'in-sync');
  }
  assert.deepEqual(await waitingRecords(world.engine, 100), []);
}

describe('a connection to Wave that is not there', () => {
  test('lets records wait until somebody logs in', async (t) => {
    const world = await startSyncWorld(database, started, { access: 'login' });
    t.after(world.close);
    const { system, pair, id } = await world.make('customcrm', 'customer', { Name: 'Early bird' });
    const here = { system, pair, id };
    const { now } = world.engine.clock;
    await world.engine.queues.customcrm.ring([{ ...here, eventId: 'webhook', at: now() }]);
    await world.drain();
    await allWaitToReconnect(world, [here]);
    assert.equal(await world.connection(), 'none');
    assert.equal((await world.door()).requests, 0);
    await world.login();
    await world.poll();
    await world.drain();
    assert.ok(await world.counterpart(here));
  });

  test('because the plan lapsed is asked about once, and everything goes on after a login', async (t) => {
    const world = await startSyncWorld(database, started, { access: 'login' });
    t.after(world.close);
    await world.login();
    const refs = await linked(world);
    world.pass(2 * minute);
    await world.behave({ planLapsed: true });
    await edited(world, refs, '+1 555 0101');
    await allWaitToReconnect(world, refs);
    assert.equal(await world.connection(), 'reconnect-needed');
    const asked = async () => Number((await world.door()).forbidden);
    // Documents that were under way together.
    const before = await asked();
    assert.ok(before >= 1 && before <= 3, `${before} requests`);
    // What the janitor rings for meanwhile asks no more.
    for (let look = 1; look <= 3; look++) {
      world.pass(20 * minute);
      await tidy(world.engine);
      await world.drain();
    }
    await allWaitToReconnect(world, refs);
    assert.equal(await asked(), before);

    await world.behave({ planLapsed: false });
    await world.login();
    await world.drain();
    await arrived(world, refs, '+1 555 0101');
    assert.equal(await world.connection(), 'good');
  });

  test('with a full-access token goes on by itself once the plan is paid again', async (t) => {
    const world = await startSyncWorld(database, started);
    t.after(world.close);
    const refs = await linked(world);
    await world.behave({ planLapsed: true });
    await edited(world, refs, '+1 555 0102');
    await allWaitToReconnect(world, refs);
    assert.equal(await world.connection(), 'reconnect-needed');
    const asked = async () => Number((await world.door()).forbidden);
    const before = await asked();
    assert.ok(before >= 1 && before <= 3, `${before} requests`);
    world.pass(20 * minute);
    await tidy(world.engine);
    await world.drain();
    await allWaitToReconnect(world, refs);
    assert.equal(await asked(), before + 1);

    await world.behave({ planLapsed: false });
    world.pass(20 * minute);
    await tidy(world.engine);
    await world.drain();
    world.pass(20 * minute);
    await tidy(world.engine);
    await world.drain();
    await arrived(world, refs, '+1 555 0102');
    assert.equal(await world.connection(), 'good');
  });
});
