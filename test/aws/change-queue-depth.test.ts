import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CreateQueueCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { startSqs } from '../../infra/local/sqs/server.ts';
import { changeQueue, parseDoorbell } from '../../lib/aws/change-queue.ts';

test('what may wait has a lane of its own, and the depth of each counts what waits and what is under way', async (t) => {
  const { url, close } = await startSqs({ port: 0, path: ':memory:' });
  t.after(close);
  Object.assign(process.env, {
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    AWS_ENDPOINT_URL_SQS: url,
  });
  const client = new SQSClient({});
  t.after(() => client.destroy());
  const make = async (QueueName: string) => {
    const Attributes = { FifoQueue: 'true' };
    const { QueueUrl = '' } = await client.send(new CreateQueueCommand({ QueueName, Attributes }));
    return QueueUrl;
  };
  const urls = { live: await make('changes.fifo'), background: await make('background.fifo') };
  const queue = changeQueue(urls);
  assert.deepEqual(await queue.depth?.(), { live: 0, background: 0 });
  const order = (id: string) => ({ system: 'wave', pair: 'order', id, eventId: 'any', at: 0 }) as const;
  const later = ['1', '2', '3'].map((id) => ({ ...order(id), background: true as const }));
  await queue.ring([order('4'), ...later]);
  assert.deepEqual(await queue.depth?.(), { live: 1, background: 3 });
  const { Messages: [message] = [] } = await client.send(
    new ReceiveMessageCommand({ QueueUrl: urls.background, MaxNumberOfMessages: 1 }),
  );
  assert.deepEqual(parseDoorbell(String(message?.Body)), later[0]);
  assert.deepEqual(await queue.depth?.(), { live: 1, background: 3 });
});
