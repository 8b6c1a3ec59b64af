import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  bodies,
  type Case,
  counts,
  createStandard,
  first,
  giveBack,
  hideFor,
  isNamed,
  receive,
  refusesValue,
  remove,
} from './client.ts';

/** Long enough that no two requests in a row take longer on a slow machine, s. */
const visibleAfter = 4;
const mebibyte = 1_048_576;

/** https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html and its neighbours. */
export const messageCases: readonly Case[] = [
  {
    says: 'a message comes back as it was sent, with its attributes and its digest',
    run: async ({ sqs }) => {
      const QueueUrl = await createStandard(sqs);
      const MessageAttributes = {
        kind: { DataType: 'String', StringValue: 'text' },
        raw: { DataType: 'Binary', BinaryValue: Uint8Array.of(1, 2) },
      };
      const sent = await sqs.sendMessage({ QueueUrl, MessageBody: 'Zoë', MessageAttributes });
      assert.equal(sent.MD5OfMessageBody, createHash('md5').update('Zoë').digest('hex'));
      const message = first(await receive(sqs, QueueUrl));
      assert.deepEqual([message.Body, message.MessageId], ['Zoë', sent.MessageId]);
      assert.equal(message.MD5OfMessageAttributes, sent.MD5OfMessageAttributes);
      assert.equal(message.MessageAttributes?.kind?.StringValue, 'text');
      assert.deepEqual([...(message.MessageAttributes?.raw?.BinaryValue ?? [])], [1, 2]);
    },
  },
  {
    says: 'a message says who sent it and when, when it was first received, and how often',
    run: async ({ sqs }) => {
      const QueueUrl = await createStandard(sqs);
      await sqs.sendMessage({ QueueUrl, MessageBody: '1' });
      for (const count of ['1', '2', '3']) {
        const message = first(await receive(sqs, QueueUrl));
        const { SenderId, SentTimestamp, ApproximateFirstReceiveTimestamp } = message.Attributes ?? {};
        assert.ok(SenderId && Number(SentTimestamp) > 0);
        assert.ok(Number(ApproximateFirstReceiveTimestamp) >= Number(SentTimestamp));
        assert.deepEqual(counts([message]), [count]);
        await giveBack(sqs, QueueUrl, message);
      }
    },
  },
  {
    says: 'the trace that a message was sent in travels with it',
    run: async ({ sqs }) => {
      const QueueUrl = await createStandard(sqs);
      const StringValue = 'Root=1-67891233-abcdef012345678912345678';
      await sqs.sendMessage({
        QueueUrl,
        MessageBody: '1',
        MessageSystemAttributes: { AWSTraceHeader: { DataType: 'String', StringValue } },
      });
      assert.equal(first(await receive(sqs, QueueUrl)).Attributes?.AWSTraceHeader, StringValue);
    },
  },
  {
    says: 'a message of a standard queue may belong to a group, and is not locked by it',
    run: async ({ sqs }) => {
      const QueueUrl = await createStandard(sqs);
      for (const MessageBody of ['1', '2'])
        await sqs.sendMessage({ QueueUrl, MessageBody, MessageGroupId: 'a' });
      for (const _ of ['1', '2']) {
        const { Attributes } = first(await receive(sqs, QueueUrl, { MaxNumberOfMessages: 1 }));
        assert.equal(Attributes?.MessageGroupId, 'a');
      }
    },
  },
  {
    says: 'a received message is hidden for its visibility time-out, and then comes again',
    run: async ({ sqs, pass }) => {
      const QueueUrl = await createStandard(sqs, { VisibilityTimeout: String(visibleAfter) });
      await sqs.sendMessage({ QueueUrl, MessageBody: '1' });
      assert.deepEqual(counts(await receive(sqs, QueueUrl)), ['1']);
      assert.deepEqual(await receive(sqs, QueueUrl), []);
      await pass(visibleAfter * 1_000 + 100);
      assert.deepEqual(counts(await receive(sqs, QueueUrl)), ['2']);
    },
  },
  {
    says: 'a message is hidden for longer, or given back at once, by who holds it',
    run: async ({ sqs, pass }) => {
      const QueueUrl = await createStandard(sqs, { VisibilityTimeout: String(visibleAfter) });
      await sqs.sendMessage({ QueueUrl, MessageBody: '1' });
      const message = first(await receive(sqs, QueueUrl));
      await hideFor(sqs, QueueUrl, message, 300);
      await pass(visibleAfter * 1_000 + 100);
      assert.deepEqual(await receive(sqs, QueueUrl), []);
      await giveBack(sqs, QueueUrl, message);
      assert.deepEqual(counts(await receive(sqs, QueueUrl)), ['2']);
    },
  },
  {
    says: 'a message that is not in flight cannot be hidden',
    run: async ({ sqs }) => {
      const QueueUrl = await createStandard(sqs);
      await sqs.sendMessage({ QueueUrl, MessageBody: '1' });
      const message = first(await receive(sqs, QueueUrl));
      await giveBack(sqs, QueueUrl, message);
      await assert.rejects(hideFor(sqs, QueueUrl, message, 5), isNamed('MessageNotInflight'));
    },
  },
  {
    says: 'a receipt that is outdated removes nothing from a standard queue',
    run: async ({ sqs }) => {
      const QueueUrl = await createStandard(sqs);
      await sqs.sendMessage({ QueueUrl, MessageBody: '1' });
      const outdated = first(await receive(sqs, QueueUrl));
      await giveBack(sqs, QueueUrl, outdated);
      const message = first(await receive(sqs, QueueUrl));
      await remove(sqs, QueueUrl, outdated);
      await giveBack(sqs, QueueUrl, message);
      assert.deepEqual(counts(await receive(sqs, QueueUrl)), ['3']);
    },
  },
  {
    says: 'what is no receipt is refused',
    run: async ({ sqs }) => {
      const QueueUrl = await createStandard(sqs);
      const garbage = { QueueUrl, ReceiptHandle: 'garbage' };
      await assert.rejects(sqs.deleteMessage(garbage), isNamed('ReceiptHandleIsInvalid'));
    },
  },
  {
    says: 'a message is delayed by itself, or by its queue',
    run: async ({ sqs, pass }) => {
      const QueueUrl = await createStandard(sqs, { DelaySeconds: String(visibleAfter) });
      await sqs.sendMessage({ QueueUrl, MessageBody: 'later' });
      await sqs.sendMessage({ QueueUrl, MessageBody: 'much later', DelaySeconds: 900 });
      await sqs.sendMessage({ QueueUrl, MessageBody: 'now', DelaySeconds: 0 });
      assert.deepEqual(bodies(await receive(sqs, QueueUrl)), ['now']);
      await pass(visibleAfter * 1_000 + 100);
      assert.deepEqual(bodies(await receive(sqs, QueueUrl)), ['later']);
    },
  },
  {
    says: 'numbers beyond their limits are refused',
    run: async ({ sqs }) => {
      const QueueUrl = await createStandard(sqs);
      await assert.rejects(receive(sqs, QueueUrl, { MaxNumberOfMessages: 11 }), refusesValue);
      await assert.rejects(receive(sqs, QueueUrl, { WaitTimeSeconds: 21 }), refusesValue);
      await assert.rejects(sqs.sendMessage({ QueueUrl, MessageBody: '1', DelaySeconds: 901 }), refusesValue);
    },
  },
  {
    says: 'a message holds 1 MiB and no more, alone and as a batch',
    run: async ({ sqs }) => {
      const QueueUrl = await createStandard(sqs);
      await sqs.sendMessage({ QueueUrl, MessageBody: 'x'.repeat(mebibyte) });
      assert.equal(first(await receive(sqs, QueueUrl)).Body?.length, mebibyte);
      await assert.rejects(
        sqs.sendMessage({ QueueUrl, MessageBody: 'x'.repeat(mebibyte + 1) }),
        refusesValue,
      );
      const Entries = ['1', '2'].map((Id) => ({ Id, MessageBody: 'x'.repeat(mebibyte / 2 + 1) }));
      await assert.rejects(sqs.sendMessageBatch({ QueueUrl, Entries }), isNamed('BatchRequestTooLong'));
    },
  },
  {
    says: 'a message has a body',
    run: async ({ sqs }) => {
      const QueueUrl = await createStandard(sqs);
      const empty = sqs.sendMessage({ QueueUrl, MessageBody: '' });
      await assert.rejects(empty, isNamed('MissingParameter', 'InvalidParameterValue'));
    },
  },
  {
    says: 'a message consists of characters that XML knows',
    run: async ({ sqs }) => {
      const QueueUrl = await createStandard(sqs);
      const nul = sqs.sendMessage({ QueueUrl, MessageBody: 'a\u0000b' });
      await assert.rejects(nul, isNamed('InvalidMessageContents'));
    },
  },
];
