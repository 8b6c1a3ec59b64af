import assert from 'node:assert/strict';
import type { SQS } from '@aws-sdk/client-sqs';
import {
  bodies,
  type Case,
  counts,
  createFifo,
  first,
  giveBack,
  isNamed,
  one,
  receive,
  refusesValue,
  remove,
  send,
} from './client.ts';

const visibleAfter = 4;
const explicit = { ContentBasedDeduplication: 'false' };

const sendAll = async (sqs: SQS, queue: string, ...messages: readonly (readonly [string, string])[]) => {
  for (const [group, body] of messages) await send(sqs, queue, group, body);
};

/** https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-understanding-logic.html */
export const fifoCases: readonly Case[] = [
  {
    says: 'a FIFO message has a group, and something to know it again by',
    run: async ({ sqs }) => {
      const QueueUrl = await createFifo(sqs, explicit);
      const withoutGroup = sqs.sendMessage({ QueueUrl, MessageBody: '1', MessageDeduplicationId: 'd' });
      await assert.rejects(withoutGroup, isNamed('MissingParameter'));
      await assert.rejects(send(sqs, QueueUrl, 'a', '1'), refusesValue);
    },
  },
  {
    says: 'a FIFO message has no delay of its own',
    run: async ({ sqs }) => {
      const QueueUrl = await createFifo(sqs);
      const delayed = sqs.sendMessage({ QueueUrl, MessageBody: '1', MessageGroupId: 'a', DelaySeconds: 2 });
      await assert.rejects(delayed, refusesValue);
    },
  },
  {
    says: 'the sequence numbers of a queue grow',
    run: async ({ sqs }) => {
      const queue = await createFifo(sqs);
      let last = -1n;
      for (const body of ['1', '2', '3', '4', '5', '6', '7', '8']) {
        const { SequenceNumber } = await send(sqs, queue, 'a', body);
        const next = BigInt(SequenceNumber ?? -1);
        assert.ok(next > last, `${next} follows ${last}`);
        last = next;
      }
    },
  },
  {
    says: 'a group comes in the order in which it was sent',
    run: async ({ sqs }) => {
      const queue = await createFifo(sqs);
      for (const body of ['1', '2', '3', '4'])
        for (const group of ['a', 'b']) await send(sqs, queue, group, `${group}${body}`);
      const got: string[] = [];
      for (let round = 1; round <= 8; round++)
        for (const message of await receive(sqs, queue, { MaxNumberOfMessages: 3 })) {
          got.push(message.Body ?? '');
          await remove(sqs, queue, message);
        }
      const of = (group: string) => got.filter((body) => body.startsWith(group));
      assert.deepEqual(
        [of('a'), of('b')],
        [
          ['a1', 'a2', 'a3', 'a4'],
          ['b1', 'b2', 'b3', 'b4'],
        ],
      );
    },
  },
  {
    says: 'a group is locked while a message of it is in flight, and other groups flow',
    run: async ({ sqs }) => {
      const queue = await createFifo(sqs);
      await sendAll(sqs, queue, ['a', 'a1'], ['a', 'a2'], ['b', 'b1']);
      const a1 = first(await receive(sqs, queue, one));
      assert.equal(a1.Body, 'a1');
      assert.deepEqual(bodies(await receive(sqs, queue)), ['b1']);
      assert.deepEqual(bodies(await receive(sqs, queue)), []);
      await remove(sqs, queue, a1);
      assert.deepEqual(bodies(await receive(sqs, queue)), ['a2']);
    },
  },
  {
    says: 'a group stays locked until the last message of a batch is back, and then begins with the oldest',
    run: async ({ sqs }) => {
      const queue = await createFifo(sqs);
      await sendAll(sqs, queue, ['a', '1'], ['a', '2'], ['a', '3']);
      const batch = await receive(sqs, queue);
      assert.deepEqual(bodies(batch), ['1', '2', '3']);
      const [oldest, middle, newest] = batch;
      assert.ok(oldest && middle && newest);
      await remove(sqs, queue, middle);
      await giveBack(sqs, queue, oldest);
      assert.deepEqual(bodies(await receive(sqs, queue)), []);
      await giveBack(sqs, queue, newest);
      assert.deepEqual(bodies(await receive(sqs, queue)), ['1', '3']);
    },
  },
  {
    says: 'an unfinished message comes again before those behind it when its time is over',
    run: async ({ sqs, pass }) => {
      const queue = await createFifo(sqs, { VisibilityTimeout: String(visibleAfter) });
      await sendAll(sqs, queue, ['a', '1'], ['a', '2']);
      first(await receive(sqs, queue, one));
      await pass(visibleAfter * 1_000 + 100);
      const [again] = await receive(sqs, queue, one);
      assert.deepEqual([again?.Body, again?.Attributes?.ApproximateReceiveCount], ['1', '2']);
    },
  },
  {
    says: 'a receipt that is outdated is refused by a FIFO queue',
    run: async ({ sqs, pass }) => {
      const queue = await createFifo(sqs, { VisibilityTimeout: '1' });
      await send(sqs, queue, 'a', '1');
      const late = first(await receive(sqs, queue));
      await pass(1_100);
      await assert.rejects(remove(sqs, queue, late), refusesValue);
    },
  },
  {
    says: 'a receive that is asked again under its attempt id has the same messages',
    run: async ({ sqs }) => {
      const queue = await createFifo(sqs);
      await send(sqs, queue, 'a', '1');
      const attempt = { ReceiveRequestAttemptId: 'attempt-1' };
      const messages = await receive(sqs, queue, attempt);
      const receipts = ({ ReceiptHandle }: { readonly ReceiptHandle?: string | undefined }) => ReceiptHandle;
      assert.deepEqual((await receive(sqs, queue, attempt)).map(receipts), messages.map(receipts));
      await giveBack(sqs, queue, first(messages));
      assert.deepEqual(counts(await receive(sqs, queue, attempt)), ['2']);
    },
  },
  {
    says: 'a repeated id is swallowed, and answered with the message that was first',
    run: async ({ sqs }) => {
      const QueueUrl = await createFifo(sqs, explicit);
      const message = { QueueUrl, MessageGroupId: 'a', MessageDeduplicationId: 'event-1' };
      const sent = await sqs.sendMessage({ ...message, MessageBody: 'one' });
      const repeated = await sqs.sendMessage({ ...message, MessageBody: 'two' });
      assert.deepEqual(bodies(await receive(sqs, QueueUrl)), ['one']);
      assert.deepEqual([repeated.MessageId, repeated.SequenceNumber], [sent.MessageId, sent.SequenceNumber]);
    },
  },
  {
    says: 'a repeated id is swallowed even after its message was removed',
    run: async ({ sqs }) => {
      const QueueUrl = await createFifo(sqs, explicit);
      const message = { QueueUrl, MessageGroupId: 'a', MessageDeduplicationId: 'event-1' };
      await sqs.sendMessage({ ...message, MessageBody: 'one' });
      await remove(sqs, QueueUrl, first(await receive(sqs, QueueUrl)));
      await sqs.sendMessage({ ...message, MessageBody: 'two' });
      assert.deepEqual(bodies(await receive(sqs, QueueUrl)), []);
    },
  },
  {
    says: 'the same content is swallowed where content decides, whatever its group',
    run: async ({ sqs }) => {
      const queue = await createFifo(sqs);
      await sendAll(sqs, queue, ['a', 'same'], ['b', 'same'], ['b', 'other']);
      assert.deepEqual(bodies(await receive(sqs, queue)).sort(), ['other', 'same']);
    },
  },
  {
    says: 'a high-throughput queue looks for repetitions in each group by itself',
    run: async ({ sqs }) => {
      const scope = { DeduplicationScope: 'messageGroup', FifoThroughputLimit: 'perMessageGroupId' };
      const queue = await createFifo(sqs, scope);
      await sendAll(sqs, queue, ['a', 'same'], ['b', 'same'], ['b', 'same']);
      assert.equal((await receive(sqs, queue)).length, 2);
    },
  },
  {
    says: 'consumers that compete get every message once, and every group in its order',
    run: async ({ sqs }) => {
      const QueueUrl = await createFifo(sqs, { VisibilityTimeout: '300' });
      for (let body = 0; body < 10; body++) {
        const Entries = Array.from({ length: 10 }, (_, group) => ({
          Id: String(group),
          MessageBody: `${group} ${body}`,
          MessageGroupId: String(group),
        }));
        await sqs.sendMessageBatch({ QueueUrl, Entries });
      }
      const got: string[] = [];
      const consume = async () => {
        for (let round = 1; round <= 200 && got.length < 100; round++)
          for (const message of await receive(sqs, QueueUrl, { MaxNumberOfMessages: 5 })) {
            got.push(message.Body ?? '');
            await remove(sqs, QueueUrl, message);
          }
      };
      await Promise.all(Array.from({ length: 6 }, consume));
      assert.equal(got.length, 100);
      for (let group = 0; group < 10; group++) {
        const order = got.filter((body) => body.startsWith(`${group} `)).map((body) => body.slice(2));
        assert.deepEqual(order, ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
      }
    },
  },
];
