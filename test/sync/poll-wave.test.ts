import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Engine } from '../../lib/sync/engine.ts';
import { findLink } from '../../lib/sync/links.ts';
import { pollWave } from '../../lib/sync/poll-wave.ts';
import { type Database, startDatabase, startSyncWorld } from '../support/sync-world.ts';

let database: Database;
before(async () => {
  database = await startDatabase();
});
after(() => database.close());

const dayMs = 24 * 3600_000;
const minuteMs = 60_000;
const allStarted = { startedPairs: () => true };

describe('a poll of a Wave that takes only so much at once', () => {
  test('rings for every row of one stamp once, while its pages become smaller and another process goes on', async (t) => {
    const world = await startSyncWorld(database, allStarted);
    t.after(world.close);
    await world.behave({ stampResolutionMs: dayMs });
    for (let some = 0; some < 6; some++)
      await Promise.all(
        Array.from({ length: 40 }, (_, index) =>
          world.make('wave', 'customer', { name: `Row ${some} ${index}` }),
        ),
      );
    const sizes: number[] = [];
    const watched: Engine = {
      ...world.engine,
      feed: {
        ...world.engine.feed,
        async changes(from, call) {
          if (sizes.length === 1) await world.behave({ maximumCost: 60 });
          if (sizes.length === 3) await world.behave({ maximumCost: 7 });
          if (sizes.length === 6) throw new Error('killed');
          const page = await world.engine.feed.changes(from, call);
          sizes.push(page.lists.customer?.snapshots.length ?? 0);
          return page;
        },
      },
    };
    await assert.rejects(pollWave(watched, world.call()), /killed/);
    assert.deepEqual(sizes, [100, 50, 50, 5, 5, 5]);
    await world.behave({ maximumCost: 0 });
    const { complete } = await pollWave(world.container(), world.call());
    assert.equal(complete, true);
    const rung = world.takeRung().filter(({ pair }) => pair === 'customer');
    assert.equal(rung.length, 240);
    assert.equal(new Set(rung.map(({ id }) => id)).size, 240);
  });

  test('and of which two records are read together still proves a deletion', async (t) => {
    const world = await startSyncWorld(database, allStarted);
    t.after(world.close);
    await world.behave({ maximumCost: 2 });
    const made = await Promise.all(
      ['Gone', 'One', 'Two', 'Three', 'Four', 'Five', 'Six'].map((Name) =>
        world.make('customcrm', 'customer', { Name }),
      ),
    );
    await world.poll();
    await world.drain();
    const [gone] = made;
    assert.ok(gone);
    const there = await world.counterpart(gone);
    assert.ok(there);
    await world.inWave('customerDelete', { id: there.id });
    for (let look = 1; look <= 2; look++) {
      await world.engine.queues.wave.ring([
        { system: 'wave', pair: 'customer', id: there.id, eventId: `look ${look}`, at: Date.now() },
      ]);
      await world.drain();
      world.pass(11 * minuteMs);
    }
    assert.equal(await findLink(world.engine.table, gone), undefined);
    assert.equal(world.outcomes.at(-1)?.because, 'deleted on the other side');
  });
});
