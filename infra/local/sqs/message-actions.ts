import * as z from 'zod';
import { type Action, action, type Broker, optional, queueOf } from './action.ts';
import { inBatch } from './batch.ts';
import { type MessageAttributes, md5, md5OfAttributes, messageAttribute, sizeOf } from './message.ts';
import { changeVisibility, deleteMessage } from './queue.ts';
import { largestMessageBytes } from './queue-attributes.ts';
import { receiveMessage } from './receive-message.ts';
import { type Outgoing, send } from './send.ts';
import { SqsError } from './sqs-error.ts';
import type { Queue } from './store.ts';

const queueUrl = { QueueUrl: z.string() };

const traceHeader = z.object({ DataType: z.literal('String'), StringValue: z.string().min(1) });
const outgoing = {
  MessageBody: z.string(),
  DelaySeconds: optional(z.number()),
  MessageAttributes: optional(z.record(z.string(), messageAttribute)),
  MessageSystemAttributes: optional(z.strictObject({ AWSTraceHeader: optional(traceHeader) })),
  MessageGroupId: optional(z.string()),
  MessageDeduplicationId: optional(z.string()),
};
const visibility = { ReceiptHandle: z.string(), VisibilityTimeout: z.number() };
const receipt = { ReceiptHandle: z.string() };

const batchOf = <Entry extends z.ZodRawShape>(entry: Entry) =>
  z.object({ ...queueUrl, Entries: z.array(z.object({ Id: z.string(), ...entry })) });

type SendInput = z.infer<z.ZodObject<typeof outgoing>>;

/** Sending, receiving, deleting and hiding messages, alone and in batches. */
export const messageActions: Readonly<Record<string, Action>> = {
  SendMessage: action(z.object({ ...queueUrl, ...outgoing }), (broker, input) => {
    const queue = queueOf(broker, input.QueueUrl);
    const answer = broker.store.atomically(() => sendOne(broker, queue, input));
    broker.waiting.wake(queue);
    return answer;
  }),
  SendMessageBatch: action(batchOf(outgoing), (broker, { QueueUrl, Entries }) =>
    inBatch(broker, queueOf(broker, QueueUrl), Entries, {
      check: checkBatchSize,
      run: (queue, entry) => sendOne(broker, queue, entry),
    }),
  ),
  ReceiveMessage: receiveMessage,
  DeleteMessage: action(z.object({ ...queueUrl, ...receipt }), (broker, input) => {
    const queue = queueOf(broker, input.QueueUrl);
    const answer = broker.store.atomically(() => remove(broker, queue, input));
    broker.waiting.wake(queue);
    return answer;
  }),
  DeleteMessageBatch: action(batchOf(receipt), (broker, { QueueUrl, Entries }) =>
    inBatch(broker, queueOf(broker, QueueUrl), Entries, {
      run: (queue, entry) => remove(broker, queue, entry),
    }),
  ),
  ChangeMessageVisibility: action(z.object({ ...queueUrl, ...visibility }), (broker, input) => {
    const queue = queueOf(broker, input.QueueUrl);
    const answer = broker.store.atomically(() => hide(broker, queue, input));
    broker.waiting.wake(queue);
    return answer;
  }),
  ChangeMessageVisibilityBatch: action(batchOf(visibility), (broker, { QueueUrl, Entries }) =>
    inBatch(broker, queueOf(broker, QueueUrl), Entries, {
      run: (queue, entry) => hide(broker, queue, entry),
    }),
  ),
};

function sendOne(broker: Broker, queue: Queue, input: SendInput): object {
  const attributes: MessageAttributes = input.MessageAttributes ?? {};
  const trace = input.MessageSystemAttributes?.AWSTraceHeader;
  const message: Outgoing = {
    body: input.MessageBody,
    attributes,
    trace: trace?.StringValue,
    delaySeconds: input.DelaySeconds,
    groupId: input.MessageGroupId,
    dedupId: input.MessageDeduplicationId,
  };
  const { messageId, sequenceNumber } = send(broker.store, queue, message, broker.now());
  return {
    MessageId: messageId,
    MD5OfMessageBody: md5(message.body),
    MD5OfMessageAttributes: md5OfAttributes(attributes),
    MD5OfMessageSystemAttributes: trace && md5OfAttributes({ AWSTraceHeader: trace }),
    SequenceNumber: sequenceNumber,
  };
}

function checkBatchSize(entries: readonly SendInput[]): void {
  const sizes = entries.map((entry) => sizeOf(entry.MessageBody, entry.MessageAttributes ?? {}));
  if (sizes.reduce((sum, size) => sum + size, 0) > largestMessageBytes)
    throw new SqsError('BatchRequestTooLong', `The messages together exceed ${largestMessageBytes} bytes.`);
}

function remove(broker: Broker, queue: Queue, input: { readonly ReceiptHandle: string }): object {
  deleteMessage(broker.store, queue, input.ReceiptHandle, broker.now());
  return {};
}

function hide(
  broker: Broker,
  queue: Queue,
  input: { readonly ReceiptHandle: string; readonly VisibilityTimeout: number },
): object {
  const { ReceiptHandle: handle, VisibilityTimeout: timeoutSeconds } = input;
  changeVisibility(broker.store, queue, { handle, timeoutSeconds, now: broker.now() });
  return {};
}
