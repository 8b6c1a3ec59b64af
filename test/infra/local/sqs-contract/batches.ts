import assert from 'node:assert/strict';
import {
  bodies,
  type Case,
  counts,
  createFifo,
  createStandard,
  first,
  isNamed,
  receive,
  send,
} from './client.ts';

const entries = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ Id: `e${index}`, MessageBody: String(index) }));

/** https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html and its neighbours. */
export const batchCases: readonly Case[] = [
  {
    says: 'a batch has one to ten entries, each with an id of its own',
    run: async ({ sqs }) => {
      const QueueUrl = await createStandard(sqs);
      const batch = (Entries: ReturnType<typeof entries>) => sqs.sendMessageBatch({ QueueUrl, Entries });
      assert.equal((await batch(entries(10))).Successful?.length, 10);
      await assert.rejects(batch(entries(11)), isNamed('TooManyEntriesInBatchRequest'));
      await assert.rejects(batch([]), isNamed('EmptyBatchRequest'));
      await assert.rejects(batch([...entries(1), ...entries(1)]), isNamed('BatchEntryIdsNotDistinct'));
    },
  },
  {
    says: 'of a batch the good entries are taken, and the bad ones named',
    run: async ({ sqs }) => {
      const QueueUrl = await createFifo(sqs);
      const { Successful, Failed } = await sqs.sendMessageBatch({
        QueueUrl,
        Entries: [
          { Id: 'without-group', MessageBody: '1' },
          { Id: 'good', MessageBody: '2', MessageGroupId: 'a' },
        ],
      });
      assert.deepEqual(
        [Successful?.map(({ Id }) => Id), Failed?.map(({ Id }) => Id)],
        [['good'], ['without-group']],
      );
      assert.deepEqual(bodies(await receive(sqs, QueueUrl)), ['2']);
    },
  },
  {
    says: 'of a batch of receipts the good ones are removed, and the bad ones named',
    run: async ({ sqs }) => {
      const QueueUrl = await createFifo(sqs);
      await send(sqs, QueueUrl, 'a', '1');
      const { ReceiptHandle } = first(await receive(sqs, QueueUrl));
      const { Successful, Failed } = await sqs.deleteMessageBatch({
        QueueUrl,
        Entries: [
          { Id: 'good', ReceiptHandle },
          { Id: 'bad', ReceiptHandle: 'garbage' },
        ],
      });
      assert.deepEqual([Successful?.map(({ Id }) => Id), Failed?.map(({ Id }) => Id)], [['good'], ['bad']]);
    },
  },
  {
    says: 'a batch of messages is given back at once',
    run: async ({ sqs }) => {
      const QueueUrl = await createStandard(sqs);
      await sqs.sendMessageBatch({ QueueUrl, Entries: entries(3) });
      const messages = await receive(sqs, QueueUrl);
      const Entries = messages.map(({ ReceiptHandle }, index) => ({
        Id: String(index),
        ReceiptHandle,
        VisibilityTimeout: 0,
      }));
      const { Successful } = await sqs.changeMessageVisibilityBatch({ QueueUrl, Entries });
      assert.equal(Successful?.length, 3);
      assert.deepEqual(counts(await receive(sqs, QueueUrl)), ['2', '2', '2']);
    },
  },
];
