import assert from 'node:assert/strict';
import {
  arnOf,
  attributesOf,
  type Case,
  createFifo,
  createStandard,
  isNamed,
  newName,
  one,
  receive,
  refusesValue,
  region,
  send,
} from './client.ts';

/** https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html and its neighbours. */
export const queueCases: readonly Case[] = [
  {
    says: 'a queue is found by its name, and made again with the same attributes it is the same',
    run: async ({ sqs }) => {
      const name = newName();
      const made = await createFifo(sqs, { VisibilityTimeout: '7' }, name);
      assert.equal((await sqs.getQueueUrl({ QueueName: `${name}.fifo` })).QueueUrl, made);
      assert.equal(await createFifo(sqs, { VisibilityTimeout: '7' }, name), made);
      assert.equal((await attributesOf(sqs, made)).VisibilityTimeout, '7');
    },
  },
  {
    says: 'a queue is refused under the name of one with other attributes',
    run: async ({ sqs }) => {
      const name = newName();
      await createFifo(sqs, { VisibilityTimeout: '7' }, name);
      const other = createFifo(sqs, { VisibilityTimeout: '8' }, name);
      await assert.rejects(other, isNamed('QueueNameExists', 'QueueAlreadyExists'));
    },
  },
  {
    says: 'a queue carries the region of the request that made it in its ARN',
    run: async ({ sqs }) => {
      const name = newName();
      const arn = await arnOf(sqs, await createFifo(sqs, {}, name));
      assert.match(arn, new RegExp(`^arn:aws:sqs:${region}:\\d{12}:${name}\\.fifo$`));
    },
  },
  {
    says: 'a FIFO queue has a name that says so',
    run: async ({ sqs }) => {
      const made = sqs.createQueue({ QueueName: newName(), Attributes: { FifoQueue: 'true' } });
      await assert.rejects(made, refusesValue);
    },
  },
  {
    says: 'a queue that nobody made does not exist, nor does one that was deleted',
    run: async ({ sqs }) => {
      await assert.rejects(sqs.getQueueUrl({ QueueName: newName() }), isNamed('QueueDoesNotExist'));
      const QueueUrl = await createStandard(sqs);
      await sqs.deleteQueue({ QueueUrl });
      await assert.rejects(sqs.sendMessage({ QueueUrl, MessageBody: '1' }), isNamed('QueueDoesNotExist'));
    },
  },
  {
    says: 'queues are listed by the beginning of their names, page by page',
    run: async ({ sqs }) => {
      const start = newName();
      for (const end of ['c', 'a', 'b']) await createFifo(sqs, {}, `${start}${end}`);
      const listed = { QueueNamePrefix: start, MaxResults: 2 };
      const page = await sqs.listQueues(listed);
      assert.ok(page.NextToken);
      const rest = await sqs.listQueues({ ...listed, NextToken: page.NextToken });
      assert.deepEqual([page.QueueUrls?.length, rest.QueueUrls?.length, rest.NextToken], [2, 1, undefined]);
      const ends = [page, rest].flatMap(({ QueueUrls = [] }) => QueueUrls.map((url) => url.at(-6)));
      assert.deepEqual(ends.sort(), ['a', 'b', 'c']);
    },
  },
  {
    says: 'a queue keeps its tags',
    run: async ({ sqs }) => {
      const QueueUrl = await createStandard(sqs);
      await sqs.tagQueue({ QueueUrl, Tags: { Stage: 'test', Cost: 'none' } });
      await sqs.untagQueue({ QueueUrl, TagKeys: ['Cost'] });
      assert.deepEqual((await sqs.listQueueTags({ QueueUrl })).Tags, { Stage: 'test' });
    },
  },
  {
    says: 'a queue counts what can be received, what is in flight and what is delayed',
    run: async ({ sqs }) => {
      const QueueUrl = await createStandard(sqs);
      for (const MessageBody of ['1', '2', '3']) await sqs.sendMessage({ QueueUrl, MessageBody });
      await sqs.sendMessage({ QueueUrl, MessageBody: 'later', DelaySeconds: 900 });
      await receive(sqs, QueueUrl, one);
      const shown = await attributesOf(sqs, QueueUrl);
      assert.deepEqual(
        ['', 'NotVisible', 'Delayed'].map((end) => shown[`ApproximateNumberOfMessages${end}`]),
        ['2', '1', '1'],
      );
    },
  },
  {
    says: 'a queue is purged once a minute',
    run: async ({ sqs }) => {
      const QueueUrl = await createFifo(sqs);
      await send(sqs, QueueUrl, 'a', '1');
      await sqs.purgeQueue({ QueueUrl });
      assert.deepEqual(await receive(sqs, QueueUrl), []);
      await assert.rejects(sqs.purgeQueue({ QueueUrl }), isNamed('PurgeQueueInProgress'));
    },
  },
];
