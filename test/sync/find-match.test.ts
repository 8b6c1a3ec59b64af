import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { refKey } from '../../lib/domain/record.ts';
import { RemoteUnavailableError } from '../../lib/errors.ts';
import { excludeRecord } from '../../lib/sync/decisions.ts';
import type { Engine } from '../../lib/sync/engine.ts';
import { park } from '../../lib/sync/parking.ts';
import { pollWave } from '../../lib/sync/poll-wave.ts';
import { blindTo, ring, withWave } from '../support/sync-steps.ts';
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

const customersInWave = async ({ engine, call }: SyncWorld) =>
  (await engine.feed.listAll('customer', undefined, call())).snapshots.length;

test('a match that a person excludes before it is linked is not linked', async (t) => {
  const world = await startSyncWorld(database, { startedPairs: () => true });
  t.after(world.close);
  const { here, there } = await sameCustomer(world);
  const { wave } = world.engine.systems;
  let reads = 0;
  const slow = withWave(world.engine, {
    async read(...asked) {
      const reading = await wave.read(...asked);
      reads += 1;
      // After the last look.
      if (reads === 2) {
        const { system, pair, id } = there;
        const excluded = await excludeRecord(world.engine, { system, pair, id }, world.call());
        assert.equal(excluded.done, true);
      }
      return reading;
    },
  });
  await ring(world, here, slow);
  assert.ok(reads >= 2);
  assert.equal(await world.counterpart(there), undefined);
  await world.drain();
  assert.notEqual((await world.counterpart(here))?.id, there.id);
});

describe('a match that its system does not show', () => {
  test('is waited for: nothing is created beside it, and it is linked when it shows again', async (t) => {
    const world = await startSyncWorld(database, { startedPairs: () => true });
    t.after(world.close);
    const { here, there } = await sameCustomer(world);
    const handled = await ring(world, here, blindTo(world.engine, there));
    assert.ok(handled.did === 'parked');
    assert.deepEqual(
      [handled.cause.name, handled.cause.key],
      ['not-found', `not-found#${refKey({ system: 'wave', pair: 'customer', id: there.id })}`],
    );
    assert.equal(await customersInWave(world), 2);
    await ring(world, here);
    assert.equal((await world.counterpart(here))?.id, there.id);
  });

  test('matches nothing any more once it is proven to be gone: twice, beside another record that shows', async (t) => {
    const world = await startSyncWorld(database, { startedPairs: () => true });
    t.after(world.close);
    const { here, there } = await sameCustomer(world);
    const blind = blindTo(world.engine, there);
    for (let look = 1; look <= 2; look++) {
      assert.equal((await ring(world, here, blind)).did, 'parked');
      assert.equal(await world.counterpart(here), undefined);
      world.pass(11 * minuteMs);
      await pollWave(blind, world.call());
    }
    await ring(world, here, blind);
    const made = await world.counterpart(here);
    assert.ok(made && made.id !== there.id);
  });
});

test('a match that waits for something as a record without a link is rung for once it has one', async (t) => {
  const world = await startSyncWorld(database, { startedPairs: () => true });
  t.after(world.close);
  const { here, there } = await sameCustomer(world);
  const due = world.engine.clock.now() + 24 * 60 * minuteMs;
  assert.ok(await park(world.engine, there, { name: 'parent', key: 'parent#unknown', due }));
  await ring(world, here);
  assert.equal((await world.counterpart(here))?.id, there.id);
  assert.deepEqual(
    world.takeRung().map(({ id, eventId }) => [id, eventId.split(':')[0]]),
    [[there.id, 'wake']],
  );
});

describe('a record that carries the marker of a counterpart', () => {
  /** Customcrm's half of what was linked once, and of which the table knows nothing, as after a restore. */
  async function forgotten(world: SyncWorld) {
    const there = await world.make('wave', 'product', { name: 'Ladder', unitPrice: '1' });
    const marker = { ExternalId: `wave:${there.id}`, Name: 'Step ladder', UnitPrice: '1' };
    return { there, here: await world.make('customcrm', 'product', marker) };
  }
  const unread = (engine: Engine) =>
    withWave(engine, {
      read: () => Promise.reject(new RemoteUnavailableError('wave', 'it does not show a part of it')),
    });
  const productsInWave = async ({ engine, call }: SyncWorld) =>
    (await engine.feed.listAll('product', undefined, call())).snapshots.length;

  test('waits while that one cannot be read, and gets no second one', async (t) => {
    const world = await startSyncWorld(database, { startedPairs: () => true });
    t.after(world.close);
    const { here, there } = await forgotten(world);
    const before = await productsInWave(world);
    const handled = await ring(world, here, unread(world.engine));
    assert.equal(handled.did === 'parked' && handled.cause.name, 'unavailable');
    assert.equal(await productsInWave(world), before);
    await ring(world, here);
    assert.equal((await world.counterpart(here))?.id, there.id);
  });

  test('gets another one where that one is not there', async (t) => {
    const world = await startSyncWorld(database, { startedPairs: () => true });
    t.after(world.close);
    const { there } = await forgotten(world);
    const missing = await world.make('customcrm', 'product', {
      UnitPrice: '1',
      Name: 'Hook ladder',
      ExternalId: `wave:${there.id}x`,
    });
    await ring(world, missing);
    const made = await world.counterpart(missing);
    assert.ok(made && made.id !== there.id);
  });
});
