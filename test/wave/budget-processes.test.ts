import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { CreateTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { type LocalDynamoDb, startDynamoDb } from '../../infra/local/dynamodb.ts';
import { localBusinessId, startWave } from '../../infra/local/wave/server.ts';
import type { WorkerTask } from './budget-worker.ts';

const processes = 3;
const region = { AWS_REGION: 'us-east-1', AWS_ACCESS_KEY_ID: 'local', AWS_SECRET_ACCESS_KEY: 'local' };
const workerFile = fileURLToPath(new URL('./budget-worker.ts', import.meta.url));

describe('the request budget of several processes', () => {
  let database: LocalDynamoDb;
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'budget-'));
    const files = { dbPath: join(folder, 'table.db'), pidPath: join(folder, 'pid') };
    database = await startDynamoDb({ ...files, say: () => undefined });
  });
  after(async () => {
    await database.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function createTable(name: string): Promise<void> {
    const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
    const client = new DynamoDBClient({ endpoint: database.url, region: region.AWS_REGION, credentials });
    await client.send(
      new CreateTableCommand({
        TableName: name,
        BillingMode: 'PAY_PER_REQUEST',
        AttributeDefinitions: [
          { AttributeName: 'pk', AttributeType: 'S' },
          { AttributeName: 'sk', AttributeType: 'S' },
        ],
        KeySchema: [
          { AttributeName: 'pk', KeyType: 'HASH' },
          { AttributeName: 'sk', KeyType: 'RANGE' },
        ],
      }),
    );
    client.destroy();
  }

  /** Runs the workers to their end. */
  async function work(task: WorkerTask): Promise<void> {
    await createTable(task.tableName);
    const codes = await Promise.all(
      Array.from({ length: processes }, () => {
        const env = { ...process.env, ...region, AWS_ENDPOINT_URL_DYNAMODB: database.url };
        const child = spawn(process.execPath, [workerFile, JSON.stringify(task)], {
          env,
          stdio: ['ignore', 'inherit', 'inherit'],
        });
        return new Promise<number | null>((resolve) => child.once('exit', resolve));
      }),
    );
    assert.deepEqual(codes, Array(processes).fill(0));
  }

  test('uses what Wave allows in a minute, is never refused and never banned', async () => {
    const behaviours = { requestsPer60s: 150, inFlight: 2, banAfter: 1 };
    const wave = await startWave({ port: 0, path: ':memory:', token: 'local', sample: false, behaviours });
    try {
      await work({
        url: wave.url,
        businessId: localBusinessId,
        tableName: 'minute',
        limits: { perMinute: 150, inFlight: 2, perDay: 100_000, leaseMs: 20_000, windowMs: 60_000 },
        wanted: 4,
        until: undefined,
      });
      const answer = await fetch(`${wave.origin}/_control/state`, {
        headers: { authorization: 'Bearer local' },
      });
      const seen = (await answer.json()) as Readonly<Record<string, number>>;
      assert.deepEqual([seen.refused, seen.bans], [0, 0]);
      assert.ok(seen.requests && seen.requests >= 0.9 * 150, `${seen.requests} of 150`);
      assert.ok(seen.maxPer60s && seen.maxPer60s <= 150);
      assert.ok(seen.maxInFlight && seen.maxInFlight <= 2);
    } finally {
      await wave.close();
    }
  });

  test('fills one window after another, and none of them beyond the limit', async () => {
    const [windowMs, limit, windows] = [2_000, 20, 3];
    const arrivals: number[] = [];
    let inside = 0;
    let mostInside = 0;
    const server = createServer(async (_request, response) => {
      arrivals.push(performance.now());
      inside += 1;
      mostInside = Math.max(mostInside, inside);
      await sleep(5);
      inside -= 1;
      response.end('{"data":{"business":null}}');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    try {
      await work({
        url: `http://127.0.0.1:${port}/`,
        businessId: 'any',
        tableName: 'windows',
        limits: { perMinute: limit, inFlight: 2, perDay: 100_000, leaseMs: 20_000, windowMs },
        wanted: 3,
        // Until then all of them have started.
        until: Date.now() + windowMs * windows + 3_000,
      });
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
    const [first = 0] = arrivals;
    const used = arrivals.filter((at) => at < first + windowMs * windows).length;
    assert.ok(used >= 0.9 * limit * windows, `${used} of ${limit * windows}`);
    for (const from of arrivals) {
      const held = arrivals.filter((at) => at >= from && at < from + windowMs).length;
      assert.ok(held <= limit, `${held} in one window`);
    }
    assert.ok(mostInside <= 2, `${mostInside} at once`);
  });
});
