import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { CreateTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { dynamoTable } from '../../lib/aws/table.ts';
import type { Table, Write } from '../../lib/sync/ports.ts';
import { type Database, startDatabase } from '../support/sync-world.ts';

interface Reads {
  readonly RequestItems: Readonly<Record<string, { readonly Keys: readonly unknown[] }>>;
}

/** The database behind a door that counts the requests that read, and leaves all keys but `lets` of one undone. */
async function doorTo(upstream: string) {
  const door = { requests: 0, queries: 0, lets: Number.POSITIVE_INFINITY };
  const server = createServer(async (incoming, outgoing) => {
    let text = '';
    for await (const chunk of incoming) text += chunk;
    const { host: _host, 'content-length': _length, ...headers } = incoming.headers as Record<string, string>;
    const ask = async (body: string) =>
      fetch(upstream, { method: 'POST', headers, body }).then(async (answer) => ({
        status: answer.status,
        body: await answer.text(),
      }));
    if (headers['x-amz-target'] === 'DynamoDB_20120810.Query') door.queries += 1;
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

  test('a query that several ask for at once is sent once, and anew when it is asked for again', async () => {
    Object.assign(between.door, { queries: 0 });
    const { pk } = keyOf(0);
    const ask = () => table.query(pk, { limit: 10 });
    const [one, two, other] = await Promise.all([ask(), ask(), table.query(pk, { limit: 1 })]);
    assert.deepEqual(one, two);
    assert.equal(other?.length, 1);
    assert.equal(between.door.queries, 2);
    await ask();
    assert.equal(between.door.queries, 3);
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

/** A DynamoDB that answers so many writes with this failure, as while another transaction is at the item, and takes the next one. */
async function busyDatabase(times: number, failure: object) {
  const door = { requests: 0 };
  const server = createServer((incoming, outgoing) => {
    incoming.resume().on('end', () => {
      door.requests += 1;
      const isBusy = door.requests <= times;
      outgoing.writeHead(isBusy ? 400 : 200, { 'content-type': 'application/x-amz-json-1.0' });
      outgoing.end(JSON.stringify(isBusy ? failure : {}));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    door,
    table: dynamoTable('busy', {
      endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      region: 'us-east-1',
      credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    }),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe('a write that meets another transaction', () => {
  const one: readonly Write[] = [{ put: { pk: 'record', sk: 'lease' }, when: 'absent' }];
  const two: readonly Write[] = [...one, { check: { pk: 'record', sk: 'link' }, when: 'present' }];
  const named = (type: string) => `com.amazonaws.dynamodb.v20120810#${type}`;
  const ongoing = { __type: named('TransactionConflictException'), message: 'Transaction is ongoing' };
  const cancelled = (...codes: readonly string[]) => ({
    __type: named('TransactionCanceledException'),
    message: 'Transaction cancelled',
    CancellationReasons: codes.map((Code) => ({ Code })),
  });

  for (const [kind, writes, failure] of [
    ['a single one', one, ongoing],
    ['a transaction', two, cancelled('None', 'TransactionConflict')],
  ] as const)
    test(`is tried again: ${kind}`, async (t) => {
      const database = await busyDatabase(2, failure);
      t.after(database.close);
      assert.deepEqual(await database.table.write(writes), { done: true });
      assert.equal(database.door.requests, 3);
    });

  test('is given up after some tries', async (t) => {
    const database = await busyDatabase(Number.POSITIVE_INFINITY, ongoing);
    t.after(database.close);
    await assert.rejects(database.table.write(one), { name: 'TransactionConflictException' });
    assert.equal(database.door.requests, 5);
  });

  test('is not tried again when one of its conditions did not hold', async (t) => {
    const failure = cancelled('ConditionalCheckFailed', 'TransactionConflict');
    const database = await busyDatabase(1, failure);
    t.after(database.close);
    const { done } = await database.table.write(two);
    assert.equal(done, false);
    assert.equal(database.door.requests, 1);
  });

  test('is not tried again when something else is wrong with it', async (t) => {
    const database = await busyDatabase(1, cancelled('ValidationError', 'None'));
    t.after(database.close);
    await assert.rejects(database.table.write(two), { name: 'TransactionCanceledException' });
    assert.equal(database.door.requests, 1);
  });
});
