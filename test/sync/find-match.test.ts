import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Snapshot } from '../../lib/domain/record.ts';
import { refKey } from '../../lib/domain/record.ts';
import type { Engine } from '../../lib/sync/engine.ts';
import { handleDoorbell } from '../../lib/sync/handle-doorbell.ts';
import { pollWave } from '../../lib/sync/poll-wave.ts';
import type { Reading } from '../../lib/sync/ports.ts';
import { type Database, type SyncWorld, startDatabase, startSyncWorld } from '../support/sync-world.ts';

let database: Database;
before(async () => {
  database = await startDatabase();
});
after(() => database.close());

const Email = 'office@larch.example';
const minuteMs = 60_000;

/** The same customer in both systems, noted by the polls and not linked; and another pair of customers that is linked. */
async function sameCustomer(world: SyncWorld) {
  const witness = await world.make('customcrm', 'customer', { Name: 'Witness' });
  await world.poll();
  await world.drain();
  assert.ok(await world.counterpart(witness));
  const here = await world.make('customcrm', 'customer', { Name: 'Larch', Email });
  const there = await world.make('wave', 'customer', { name: 'Larch Interiors', email: Email });
  await world.poll();
  world.takeRung();
  return { here, there };
}

/** The engine as it is while Wave says of this record that it is not there. */
function blindTo({ engine }: SyncWorld, hidden: Snapshot): Engine {
  const { wave } = engine.systems;
  const notFound: Reading = { state: 'not-found' };
  return {
    ...engine,
    systems: {
      ...engine.systems,
      wave: {
        ...wave,
        read: async (pair, id, call) => (id === hidden.id ? notFound : wave.read(pair, id, call)),
      },
    },
    feed: {
      ...engine.feed,
      async readTogether(refs, call) {
        const readings = await engine.feed.readTogether(refs, call);
        return readings.map((reading, index) => (refs[index]?.id === hidden.id ? notFound : reading));
      },
      async changes(from, call) {
        const page = await engine.feed.changes(from, call);
        const lists = Object.entries(page.lists).map(([pair, { snapshots, full }]) => [
          pair,
          { full, snapshots: snapshots.filter(({ id }) => id !== hidden.id) },
        ]);
        return { ...page, lists: Object.fromEntries(lists) };
      },
    },
  };
}

const ring = (world: SyncWorld, engine: Engine, { system, pair, id }: Snapshot) =>
  handleDoorbell(engine, { system, pair, id, eventId: 'webhook', at: engine.clock.now() }, world.call());
const customersInWave = async ({ engine, call }: SyncWorld) =>
  (await engine.feed.listAll('customer', undefined, call())).snapshots.length;

describe('a match that its system does not show', () => {
  test('is waited for: nothing is created beside it, and it is linked when it shows again', async (t) => {
    const world = await startSyncWorld(database, { startedPairs: () => true });
    t.after(world.close);
    const { here, there } = await sameCustomer(world);
    const handled = await ring(world, blindTo(world, there), here);
    assert.ok(handled.did === 'parked');
    assert.deepEqual(
      [handled.cause.name, handled.cause.key],
      ['not-found', `not-found#${refKey({ system: 'wave', pair: 'customer', id: there.id })}`],
    );
    assert.equal(await customersInWave(world), 2);
    await ring(world, world.engine, here);
    assert.equal((await world.counterpart(here))?.id, there.id);
  });

  test('matches nothing any more once it is proven to be gone: twice, beside another record that shows', async (t) => {
    const world = await startSyncWorld(database, { startedPairs: () => true });
    t.after(world.close);
    const { here, there } = await sameCustomer(world);
    const blind = blindTo(world, there);
    for (let look = 1; look <= 2; look++) {
      assert.equal((await ring(world, blind, here)).did, 'parked');
      assert.equal(await world.counterpart(here), undefined);
      world.pass(11 * minuteMs);
      await pollWave(blind, world.call());
    }
    await ring(world, blind, here);
    const made = await world.counterpart(here);
    assert.ok(made && made.id !== there.id);
  });
});
