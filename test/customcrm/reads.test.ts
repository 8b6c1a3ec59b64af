import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CustomcrmRequest, customcrmClient } from '../../lib/customcrm/client.ts';
import { customcrmRecords } from '../../lib/customcrm/records.ts';
import { RemoteUnavailableError } from '../../lib/errors.ts';
import type { Call } from '../../lib/sync/ports.ts';
import { type Database, type SyncWorld, startDatabase, startSyncWorld } from '../support/sync-world.ts';

let database: Database;
before(async () => {
  database = await startDatabase();
});
after(() => database.close());

const callNow = (): Call => ({ deadline: Date.now() + 30_000, priority: 'live' });

/** The adapter over this address, and the queries that it read with. */
function watched(url: string) {
  const reads: CustomcrmRequest[] = [];
  const client = customcrmClient({ url, token: 'local', timeoutMs: 10_000 });
  const records = customcrmRecords(
    (request, call) => {
      if (request.method === 'GET') reads.push(request);
      return client(request, call);
    },
    { wait: () => sleep(30) },
  );
  const idsRead = () => reads.splice(0).map(({ query }) => String(query?.ids ?? '').split(',').length);
  return { records, reads, idsRead };
}

describe('reads of Customcrm', () => {
  let world: SyncWorld;
  before(async () => {
    world = await startSyncWorld(database, { startedPairs: () => true });
  });
  after(() => world.close());
  const adapter = () => watched(world.env.CUSTOMCRM_API_URL ?? '');

  test('of a batch of changes share one query, although each change has its own way through the table', async () => {
    const { records, idsRead } = adapter();
    const engine = { ...world.engine, systems: { ...world.engine.systems, customcrm: records } };
    const made = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        world.make('customcrm', 'customer', { Name: `Customer ${index}` }),
      ),
    );
    await world.poll();
    await world.drain();
    for (const [phone, edit] of [
      ['1', async (ref: (typeof made)[number]) => world.edit(ref, { Phone: '1' })],
      [
        '2',
        async (ref: (typeof made)[number]) => {
          const there = await world.counterpart(ref);
          if (there) await world.edit(there, { phone: '2' });
        },
      ],
    ] as const) {
      for (const ref of made) await edit(ref);
      await world.poll();
      idsRead();
      await world.drain(engine);
      // Two batches of ten; a straggler may come late on a machine that is busy.
      const read = idsRead();
      assert.ok(read.length <= 6, `${phone}: queries of ${read.join(', ')}`);
    }
  });

  test('tell living records from deleted and unknown ones, each in its own answer', async () => {
    const { records, reads, idsRead } = adapter();
    const [kept, gone] = await Promise.all(
      ['Kept', 'Gone'].map((Name) => world.make('customcrm', 'customer', { Name })),
    );
    const product = await world.make('customcrm', 'product', { Name: 'Ladder', UnitPrice: '1' });
    assert.ok(kept && gone);
    await world.engine.systems.customcrm.remove('customer', gone, callNow());
    const ids = [kept.id, gone.id, 'cus_unknown', kept.id, 'a,b'];
    const ask = (some: readonly string[]) =>
      Promise.all(some.map(async (id) => (await records.read('customer', id, callNow())).state));
    const [states, other] = await Promise.all([
      ask(ids.slice(0, 4)),
      records.read('product', product.id, callNow()),
    ]);
    assert.deepEqual(states, ['living', 'deleted', 'not-found', 'living']);
    assert.equal(other.state, 'living');
    assert.deepEqual(reads.map(({ path }) => path).sort(), ['customers', `products/${product.id}`]);
    assert.deepEqual(idsRead().sort(), [1, 3]);
    // A comma would make two ids of one.
    assert.deepEqual(await ask(ids), ['living', 'deleted', 'not-found', 'living', 'not-found']);
  });

  test('say of which version a deletion is, alone and among others', async () => {
    const { records } = adapter();
    const made = await world.make('customcrm', 'customer', { Name: 'Gone' });
    await world.engine.systems.customcrm.remove('customer', made, callNow());
    const deleted = { state: 'deleted', version: String(Number(made.version) + 1) };
    assert.deepEqual(await records.read('customer', made.id, callNow()), deleted);
    const [first] = await Promise.all(
      [made.id, 'cus_none'].map((id) => records.read('customer', id, callNow())),
    );
    assert.deepEqual(first, deleted);
  });

  test('are at most a hundred in one query', async () => {
    const { records, idsRead } = adapter();
    await Promise.all(
      Array.from({ length: 130 }, (_, index) => records.read('customer', `cus_none_${index}`, callNow())),
    );
    assert.deepEqual(idsRead(), [100, 30]);
  });
});

describe('a row of Customcrm that breaks its contract', () => {
  const meta = { Version: 1, CreatedAt: '2026-10-01T00:00:00Z', UpdatedAt: '2026-10-01T00:00:00Z' };
  const good = (Id: string) => ({ Id, Name: `Customer ${Id}`, ...meta });
  async function during(data: readonly unknown[]): Promise<readonly string[]> {
    const server = createServer((_request, response) => {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ data, next_cursor: null }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { records } = watched(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    try {
      return await Promise.all(
        ['1', '2', '3'].map((id) =>
          records.read('customer', id, callNow()).then(
            ({ state }) => state,
            (error: Error) => error.name,
          ),
        ),
      );
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }
  const unread = new RemoteUnavailableError('customcrm', '').name;

  // biome-ignore format: reads as a decision table.
  const table: [string, readonly unknown[], string[]][] = [
    ['is an error of its own record',                         [good('1'), { ...good('2'), Name: 7 }, good('3')], ['living', unread, 'living']],
    ['and does not say which it is may be any that misses',   [good('1'), { Name: 'Nobody' }],                   ['living', unread, unread]],
    ['is not there: the others are not found',                [good('1')],                                       ['living', 'not-found', 'not-found']],
  ];
  for (const [situation, data, expected] of table)
    test(situation, async () => {
      assert.deepEqual(await during(data), expected);
    });
});
