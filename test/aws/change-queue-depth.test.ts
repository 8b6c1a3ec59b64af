import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CreateQueueCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { startSqs } from '../../infra/local/sqs/server.ts';
import { sqsQueue } from '../../lib/aws/change-queue.ts';

test('the depth of a queue counts what waits and what is under way', async (t) => {
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
  const { QueueUrl = '' } = await client.send(
    new CreateQueueCommand({ QueueName: 'changes.fifo', Attributes: { FifoQueue: 'true' } }),
  );
  const queue = sqsQueue(QueueUrl);
  assert.equal(await queue.depth?.(), 0);
  await queue.ring(
    ['1', '2', '3'].map((id) => ({ system: 'wave', pair: 'order', id, eventId: 'sweep:1', at: 0 })),
  );
  assert.equal(await queue.depth?.(), 3);
  await client.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 1 }));
  assert.equal(await queue.depth?.(), 3);
});
