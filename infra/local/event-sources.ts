import { createHash } from 'node:crypto';
import {
  DeleteMessageBatchCommand,
  type Message,
  type MessageAttributeValue,
  ReceiveMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import type { SQSEvent, SQSMessageAttribute, SQSRecord } from 'aws-lambda';
import type { LocalFunction } from './containers.ts';
import { credentials, region } from './provision.ts';

export interface QueueSource {
  readonly queueUrl: string;
  readonly queueArn: string;
  readonly batchSize: number;
  readonly concurrency: number;
  readonly reportsFailures: boolean;
}

/** Something that invokes functions by itself. After `stop` it begins nothing new; `ended` settles when the last invocation has. */
export interface Driver {
  readonly stop: () => void;
  readonly ended: () => Promise<unknown>;
}

const longPollSeconds = 20;
/** After an error of the queue itself, ms. */
const pauseMs = 500;

/**
 * Drives a function from a queue as Lambda's event source does: what the function does not name as failed is deleted, the rest shows
 * again after its visibility time-out. https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
 */
export function pollQueue(
  endpoint: string,
  source: QueueSource,
  target: LocalFunction,
  onError: (error: unknown) => void,
): Driver {
  const client = new SQSClient({ endpoint, region, credentials });
  const closing = new AbortController();
  const poller = async () => {
    while (!closing.signal.aborted) {
      const messages = await receive(client, source, closing.signal).catch(async (error: unknown) => {
        if (!closing.signal.aborted) onError(error);
        await new Promise((resolve) => setTimeout(resolve, closing.signal.aborted ? 0 : pauseMs));
        return [];
      });
      if (messages.length > 0) await handle(client, source, target, messages).catch(onError);
    }
  };
  const pollers = Array.from({ length: source.concurrency }, poller);
  return {
    stop: () => closing.abort(),
    ended: () => Promise.all(pollers).then(() => client.destroy()),
  };
}

async function receive(
  client: SQSClient,
  source: QueueSource,
  abortSignal: AbortSignal,
): Promise<readonly Message[]> {
  const { Messages = [] } = await client.send(
    new ReceiveMessageCommand({
      QueueUrl: source.queueUrl,
      MaxNumberOfMessages: Math.min(source.batchSize, 10),
      WaitTimeSeconds: longPollSeconds,
      MessageSystemAttributeNames: ['All'],
      MessageAttributeNames: ['All'],
    }),
    { abortSignal },
  );
  return Messages;
}

async function handle(
  client: SQSClient,
  source: QueueSource,
  target: LocalFunction,
  messages: readonly Message[],
): Promise<void> {
  const event: SQSEvent = { Records: messages.map((message) => recordOf(message, source)) };
  const failed = failedIds(await target.invoke(event), source, messages);
  const done = messages.filter(({ MessageId }) => !failed.has(MessageId));
  if (done.length === 0) return;
  await client.send(
    new DeleteMessageBatchCommand({
      QueueUrl: source.queueUrl,
      Entries: done.map(({ ReceiptHandle }, index) => ({ Id: String(index), ReceiptHandle })),
    }),
  );
}

/** Nothing named: all are fine. An id that nobody sent, or none at all: the whole batch failed. */
function failedIds(
  answer: unknown,
  source: QueueSource,
  messages: readonly Message[],
): ReadonlySet<string | undefined> {
  const all = new Set(messages.map(({ MessageId }) => MessageId));
  const named = (answer as { batchItemFailures?: readonly { itemIdentifier?: string }[] } | null)
    ?.batchItemFailures;
  if (!source.reportsFailures || named == null) return new Set();
  const ids = named.map(({ itemIdentifier }) => itemIdentifier);
  return ids.every((id) => id && all.has(id)) ? new Set(ids) : all;
}

const recordOf = (message: Message, { queueArn }: QueueSource): SQSRecord => ({
  messageId: message.MessageId ?? '',
  receiptHandle: message.ReceiptHandle ?? '',
  body: message.Body ?? '',
  attributes: (message.Attributes ?? {}) as unknown as SQSRecord['attributes'],
  messageAttributes: Object.fromEntries(Object.entries(message.MessageAttributes ?? {}).map(attributeOf)),
  md5OfBody:
    message.MD5OfBody ??
    createHash('md5')
      .update(message.Body ?? '')
      .digest('hex'),
  eventSource: 'aws:sqs',
  eventSourceARN: queueArn,
  awsRegion: region,
});

const attributeOf = ([name, value]: [string, MessageAttributeValue]): [string, SQSMessageAttribute] => [
  name,
  {
    dataType: value.DataType ?? 'String',
    stringListValues: [],
    binaryListValues: [],
    ...(value.StringValue !== undefined && { stringValue: value.StringValue }),
    ...(value.BinaryValue && { binaryValue: Buffer.from(value.BinaryValue).toString('base64') }),
  },
];
