import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DeleteTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { currentApp } from '../lib/app.ts';
import { dynamoTable } from '../lib/aws/table.ts';
import { pauses } from '../lib/sync/pause.ts';
import { createTable, startDatabase, startSyncWorld } from './support/sync-world.ts';

test('a container that has seen its table away looks whose the next one is, before it works with it', async (t) => {
  const database = await startDatabase();
  t.after(() => database.close());
  const world = await startSyncWorld(database);
  t.after(() => world.close());
  const remainingMs = 50_000;
  const poll = async () => (await currentApp(world.env)).customcrmPoll(remainingMs, true);
  await poll();
  const identity = { pk: 'identity', sk: 'stack' };
  const backedUp = await world.engine.table.get(identity);
  assert.ok(backedUp);

  const TableName = world.env.TABLE_NAME ?? '';
  const client = new DynamoDBClient({});
  t.after(() => client.destroy());
  await client.send(new DeleteTableCommand({ TableName }));
  await assert.rejects(poll(), { name: 'ResourceNotFoundException' });
  (await createTable(database, TableName)).destroy();
  await dynamoTable(TableName).write([{ put: { ...backedUp, tableId: 'before the restore' } }]);
  await poll();
  assert.match(JSON.stringify(await pauses(world.engine)), /restored from a backup/);
});
