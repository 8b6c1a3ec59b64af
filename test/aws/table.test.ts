import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { CreateTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { dynamoTable } from '../../lib/aws/table.ts';
import type { Table } from '../../lib/sync/ports.ts';
import { type Database, startDatabase } from '../support/sync-world.ts';

interface Reads {
  readonly RequestItems: Readonly<Record<string, { readonly Keys: readonly unknown[] }>>;
}

/** The database behind a door that counts the requests that read, and leaves all keys but `lets` of one undone. */
async function doorTo(upstream: string) {
  const door = { requests: 0, lets: Number.POSITIVE_INFINITY };
  const server = createServer(async (incoming, outgoing) => {
    let text = '';
    for await (const chunk of incoming) text += chunk;
    const { host: _host, 'content-length': _length, ...headers } = incoming.headers as Record<string, string>;
    const ask = async (body: string) =>
      fetch(upstream, { method: 'POST', headers, body }).then(async (answer) => ({
        status: answer.status,
        body: await answer.text(),
      }));
    if (headers['x-amz-target'] !== 'DynamoDB_20120810.BatchGetItem') {
      const { status, body } = await ask(text);
      return outgoing.writeHead(status).end(body);
    }
    door.requests += 1;
    const { RequestItems } = JSON.parse(text) as Reads;
    const [name = '', { Keys } = { Keys: [] }] = Object.entries(RequestItems)[0] ?? [];
    const left = Keys.slice(door.lets);
    const now = { [name]: { Keys: Keys.slice(0, door.lets), ConsistentRead: true } };
    const answer =
      door.lets > 0
        ? JSON.parse((await ask(JSON.stringify({ RequestItems: now }))).body)
        : { Responses: { [name]: [] } };
    const UnprocessedKeys = left.length > 0 ? { [name]: { Keys: left, ConsistentRead: true } } : {};
    outgoing.writeHead(200).end(JSON.stringify({ ...answer, UnprocessedKeys }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    door,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe('reads of the table', () => {
  let database: Database;
  let between: Awaited<ReturnType<typeof doorTo>>;
  let table: Table;

  before(async () => {
    database = await startDatabase();
    between = await doorTo(database.url);
    Object.assign(process.env, {
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'local',
      AWS_SECRET_ACCESS_KEY: 'local',
      AWS_ENDPOINT_URL_DYNAMODB: between.url,
    });
    const client = new DynamoDBClient({});
    await client.send(
      new CreateTableCommand({
        TableName: 'reads',
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
    table = dynamoTable('reads');
    for (let each = 0; each < 150; each += 2) await table.write([{ put: itemOf(each) }]);
  });
  after(async () => {
    await between.close();
    await database.close();
  });

  const keyOf = (each: number) => ({ pk: `record#${each}`, sk: 'link' });
  const itemOf = (each: number) => ({ ...keyOf(each), value: each });

  /** Reads all of these at once; answers how many requests that took. */
  async function readAtOnce(numbers: readonly number[], lets: number): Promise<number> {
    const { door } = between;
    Object.assign(door, { requests: 0, lets });
    const read = await Promise.all(numbers.map((each) => table.get(keyOf(each))));
    const expected = numbers.map((each) => (each % 2 === 0 ? itemOf(each) : undefined));
    assert.deepEqual(read, expected);
    return door.requests;
  }

  test('what is asked for at once shares requests, each with at most a hundred keys', async () => {
    const numbers = Array.from({ length: 150 }, (_, each) => each);
    assert.equal(await readAtOnce(numbers, Number.POSITIVE_INFINITY), 2);
  });

  test('a key that is asked for twice is read once', async () => {
    assert.equal(await readAtOnce([4, 5, 4, 5, 4], Number.POSITIVE_INFINITY), 1);
  });

  test('what DynamoDB leaves undone is asked for again', async () => {
    assert.equal(await readAtOnce([0, 1, 2], 1), 3);
  });

  test('what DynamoDB never does is an error, not an absent item', async () => {
    Object.assign(between.door, { requests: 0, lets: 0 });
    await assert.rejects(table.get(keyOf(0)), /left 1 of 1 reads undone/);
    assert.equal(between.door.requests, 4);
  });
});
