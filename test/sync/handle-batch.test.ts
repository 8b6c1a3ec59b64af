import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Engine } from '../../lib/sync/engine.ts';
import { handleBatch, type Message } from '../../lib/sync/handle-batch.ts';
import { linkedPair } from '../support/sync-steps.ts';
import { type Database, type SyncWorld, startDatabase, startSyncWorld } from '../support/sync-world.ts';

/** As the queues have it: a message that was received so often ends in the dead-letter queue. */
const receiveLimit = 20;
const batchSize = 10;

let database: Database;
let world: SyncWorld;
before(async () => {
  database = await startDatabase();
  // No pair is started: what is rung for is noted, and done with.
  world = await startSyncWorld(database);
});
after(async () => {
  await world.close();
  await database.close();
});

const idOf = (index: number): string => `record ${index}`;
const message = (index: number, receiveCount: number): Message => ({
  messageId: idOf(index),
  receiveCount,
  doorbell: {
    system: 'customcrm',
    pair: 'product',
    id: idOf(index),
    eventId: 'webhook',
    at: world.engine.clock.now(),
  },
});

/** One delivery to a process that ends for good where it looks at this record. Undefined: it was killed, and acknowledges nothing. */
async function deliver(batch: readonly Message[], killer: string): Promise<readonly string[] | undefined> {
  const { table } = world.engine;
  let kill = (): void => undefined;
  const killed = new Promise<undefined>((resolve) => {
    kill = () => resolve(undefined);
  });
  const mortal: Engine = {
    ...world.engine,
    table: {
      ...table,
      async get(key) {
        if (!key.pk.endsWith(`#${killer}`)) return table.get(key);
        kill();
        return new Promise(() => undefined);
      },
    },
  };
  return Promise.race([handleBatch(mortal, batch, world.call()), killed]);
}

const handled = (): ReadonlySet<string> => new Set(world.outcomes.map(({ id }) => id));

describe('a record that kills the process that looks at it', () => {
  for (const place of [0, 4, 9])
    test(`takes nobody along to the dead-letter queue, at place ${place} of its batch`, async () => {
      let left = Array.from({ length: batchSize }, (_, index) => index);
      const before = world.outcomes.length;
      for (let delivery = 1; delivery <= receiveLimit; delivery++) {
        const batch = left.map((index) => message(index, delivery));
        const failed = await deliver(batch, idOf(place));
        if (failed) left = left.filter((index) => failed.includes(idOf(index)));
      }
      assert.deepEqual(left, [place]);
      const ids = new Set(world.outcomes.slice(before).map(({ id }) => id));
      assert.equal(ids.size, batchSize - 1);
      assert.ok(!ids.has(idOf(place)));
    });

  test('delays nobody who is in its batch for the first time', async () => {
    const batch = [message(20, 3), message(21, 1), message(22, 1)];
    assert.equal(await deliver(batch, idOf(20)), undefined);
    assert.deepEqual([handled().has(idOf(21)), handled().has(idOf(22))], [true, true]);
  });
});

test('what has come a few times, and kills nobody, is dealt with at once', async () => {
  const batch = [30, 31, 32, 33].map((index) => message(index, 5));
  assert.deepEqual(await deliver(batch, 'nobody'), []);
});

test('several messages for one record are one read and one write', async (t) => {
  const linked = await startSyncWorld(database, { startedPairs: () => true });
  t.after(linked.close);
  const { crm } = await linkedPair(linked, 'customer', { Name: 'Corner Bakery', Phone: '+1 555 0100' });
  await linked.edit(crm, { Phone: '+1 555 0101' });
  const { customcrm } = linked.engine.systems;
  let reads = 0;
  const read: typeof customcrm.read = (...of) => {
    reads += 1;
    return customcrm.read(...of);
  };
  const engine = {
    ...linked.engine,
    systems: { ...linked.engine.systems, customcrm: { ...customcrm, read } },
  };
  const messages = [1, 2, 3].map((receiveCount) => ({
    messageId: `message ${receiveCount}`,
    receiveCount: 1,
    doorbell: { ...crm, eventId: `webhook ${receiveCount}`, at: linked.engine.clock.now() },
  }));
  const before = await linked.writes();
  assert.deepEqual(await handleBatch(engine, messages, linked.call()), []);
  const after = await linked.writes();
  assert.deepEqual([reads, after.wave - before.wave, after.customcrm - before.customcrm], [1, 1, 0]);
  assert.deepEqual(
    linked.outcomes.slice(-1).map(({ message, eventId }) => [message, eventId]),
    [['change applied', 'webhook 3']],
  );
});
