import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
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
  before(async () => {
    database = await startDynamoDb();
  });
  after(() => database.close());

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

  /** Runs the workers for so long, ms, from when all of them have started. */
  async function work(task: WorkerTask, ms: number): Promise<void> {
    await createTable(task.tableName);
    const env = { ...process.env, ...region, AWS_ENDPOINT_URL_DYNAMODB: database.url };
    const children = Array.from({ length: processes }, () =>
      spawn(process.execPath, [workerFile, JSON.stringify(task)], {
        env,
        stdio: ['pipe', 'pipe', 'inherit'],
      }),
    );
    const ended = children.map((child) => once(child, 'exit'));
    await Promise.all(
      children.map((child, index) => Promise.race([once(child.stdout, 'data'), ended[index]])),
    );
    const until = Date.now() + ms;
    for (const { stdin } of children) stdin.end(`${until}\n`);
    const codes = (await Promise.all(ended)).map(([code]) => code);
    assert.deepEqual(codes, Array(processes).fill(0));
  }

  test('fills one window after another, with work of every kind, and is never refused', async () => {
    const [windowMs, limit, windows] = [3_000, 30, 4];
    const behaviours = { requestsPer60s: limit, windowMs, inFlight: 2, banAfter: 1 };
    const wave = await startWave({ port: 0, path: ':memory:', token: 'local', sample: false, behaviours });
    try {
      const task = {
        url: wave.url,
        businessId: localBusinessId,
        tableName: 'windows',
        limits: { perMinute: limit, inFlight: 2, perDay: 100_000, leaseMs: 20_000, windowMs },
      };
      // A window more than is asked for: a machine may be busy with something else now and then.
      await work(task, windowMs * (windows + 1));
      const answer = await fetch(`${wave.origin}/_control/seen`, {
        headers: { authorization: 'Bearer local' },
      });
      const seen = (await answer.json()) as Readonly<Record<string, number>>;
      assert.deepEqual([seen.refused, seen.bans], [0, 0]);
      const { requests = 0, maxInFlight = 0 } = seen;
      assert.ok(requests >= 0.9 * limit * windows, `${requests} of ${limit * windows}`);
      assert.ok(maxInFlight <= 2, `${maxInFlight} at once`);
    } finally {
      await wave.close();
    }
  });
});
