import assert from 'node:assert/strict';
import { after, before, describe, type TestContext, test } from 'node:test';
import type { Engine } from '../../lib/sync/engine.ts';
import { findLink } from '../../lib/sync/links.ts';
import { forget } from '../../lib/sync/operate.ts';
import { type Database, type SyncWorld, startDatabase, startSyncWorld } from '../support/sync-world.ts';

describe('forgetting what is personal about a record', () => {
  let database: Database;
  before(async () => {
    database = await startDatabase();
  });
  after(() => database.close());

  async function linked(t: TestContext) {
    const world = await startSyncWorld(database, { startedPairs: () => true });
    t.after(world.close);
    const made = await world.make('customcrm', 'customer', { Name: 'Rowan', Email: 'a@rowan.example' });
    await world.engine.queues.customcrm.ring([
      { system: 'customcrm', pair: 'customer', id: made.id, eventId: 'made', at: world.engine.clock.now() },
    ]);
    await world.drain();
    assert.ok((await historyOf(world, made.id)).length > 0);
    return { world, made };
  }
  const historyOf = async ({ engine }: SyncWorld, id: string) =>
    (await findLink(engine.table, { system: 'customcrm', pair: 'customer', id }))?.history ?? [];
  /** A worker is faster than each of the next `times` writes of a link. */
  function overtaken({ engine }: SyncWorld, times: number): Engine {
    let left = times;
    return {
      ...engine,
      table: {
        ...engine.table,
        async write(writes) {
          const isLink = writes.some((write) => 'put' in write && write.put.sk === 'link');
          if (isLink && left-- > 0) return { done: false, failed: new Map() };
          return engine.table.write(writes);
        },
      },
    };
  }

  test('goes on when a worker was faster', async (t) => {
    const { world, made } = await linked(t);
    assert.equal(await forget(overtaken(world, 2), made), 0);
    assert.deepEqual(await historyOf(world, made.id), []);
  });

  test('never says that it is done when it is not', async (t) => {
    const { world, made } = await linked(t);
    assert.equal(await forget(overtaken(world, 1000), made), undefined);
    assert.ok((await historyOf(world, made.id)).length > 0);
  });
});
