import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Engine } from '../../lib/sync/engine.ts';
import { pollCustomcrm } from '../../lib/sync/poll-customcrm.ts';
import type { Change } from '../../lib/sync/ports.ts';
import { linkedPair } from '../support/sync-steps.ts';
import { type Database, type SyncWorld, startDatabase, startSyncWorld } from '../support/sync-world.ts';

let database: Database;
before(async () => {
  database = await startDatabase();
});
after(() => database.close());

const minuteMs = 60_000;

/** A Customcrm of which one node stamped one record by a clock that runs ten minutes ahead. */
function withFastClock(world: SyncWorld, id: string): Engine {
  const { customcrm } = world.engine.systems;
  const stamped = (change: Change): Change =>
    change.state === 'living' && change.snapshot.id === id
      ? { ...change, snapshot: { ...change.snapshot, modifiedAt: change.snapshot.createdAt + 10 * minuteMs } }
      : change;
  return {
    ...world.engine,
    systems: {
      ...world.engine.systems,
      customcrm: {
        ...customcrm,
        async changedSince(pair, since, cursor, call) {
          const page = await customcrm.changedSince(pair, since, cursor, call);
          return { ...page, changes: page.changes.map(stamped) };
        },
      },
    },
  };
}

describe('the poll of Customcrm', () => {
  test('does not follow a stamp from the future: what changes before that is seen', async (t) => {
    const world = await startSyncWorld(database, { startedPairs: () => true });
    t.after(world.close);
    const { crm, wave } = await linkedPair(world, 'customer', { Name: 'One' });
    const odd = await world.make('customcrm', 'customer', { Name: 'Odd' });
    const engine = withFastClock(world, odd.id);
    await pollCustomcrm(engine, world.call());
    await world.edit(crm, { Phone: '7' });
    await pollCustomcrm(engine, world.call());
    await world.drain(engine);
    assert.equal((await world.read(wave)).phone, '7');
  });
});
