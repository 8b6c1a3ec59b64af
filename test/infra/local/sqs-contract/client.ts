import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { type Message, SQS, type SQSServiceException } from '@aws-sdk/client-sqs';

// What tests of an SQS say to it, through the client that the functions use.

/** One promise of SQS. It makes queues of its own, so that many run at once on one server. */
export interface Case {
  readonly says: string;
  readonly run: (world: SqsWorld) => Promise<void>;
}

export interface SqsWorld {
  readonly sqs: SQS;
  /** Lets time pass for the server, ms: where its clock cannot be moved, by waiting. */
  readonly pass: (ms: number) => Promise<unknown>;
}

export const region = 'eu-west-1';

/** It tries everything once: what SQS says is what the test sees. */
export const clientOf = (endpoint: string): SQS =>
  new SQS({
    endpoint,
    region,
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    maxAttempts: 1,
  });

/** A name that no other case has. */
export const newName = (): string => `q-${randomUUID()}`;

export async function createStandard(sqs: SQS, Attributes: Record<string, string> = {}): Promise<string> {
  const { QueueUrl = '' } = await sqs.createQueue({ QueueName: newName(), Attributes });
  return QueueUrl;
}

export async function createFifo(
  sqs: SQS,
  attributes: Record<string, string> = {},
  name = newName(),
): Promise<string> {
  const Attributes = { FifoQueue: 'true', ContentBasedDeduplication: 'true', ...attributes };
  const { QueueUrl = '' } = await sqs.createQueue({ QueueName: `${name}.fifo`, Attributes });
  return QueueUrl;
}

export async function attributesOf(sqs: SQS, QueueUrl: string): Promise<Readonly<Record<string, string>>> {
  const { Attributes = {} } = await sqs.getQueueAttributes({ QueueUrl, AttributeNames: ['All'] });
  return Attributes;
}

export const arnOf = async (sqs: SQS, queue: string): Promise<string> =>
  (await attributesOf(sqs, queue)).QueueArn ?? '';

export const redriveTo = async (sqs: SQS, deadLetters: string, maxReceiveCount: number) => ({
  RedrivePolicy: JSON.stringify({ deadLetterTargetArn: await arnOf(sqs, deadLetters), maxReceiveCount }),
});

/** To a FIFO queue. */
export const send = (sqs: SQS, QueueUrl: string, group: string, body: string) =>
  sqs.sendMessage({ QueueUrl, MessageGroupId: group, MessageBody: body });

export async function receive(sqs: SQS, QueueUrl: string, more: object = {}): Promise<readonly Message[]> {
  const { Messages = [] } = await sqs.receiveMessage({
    QueueUrl,
    MaxNumberOfMessages: 10,
    MessageSystemAttributeNames: ['All'],
    MessageAttributeNames: ['All'],
    ...more,
  });
  return Messages;
}

export const one = { MaxNumberOfMessages: 1 };

export const hideFor = (sqs: SQS, QueueUrl: string, { ReceiptHandle }: Message, seconds: number) =>
  sqs.changeMessageVisibility({ QueueUrl, ReceiptHandle, VisibilityTimeout: seconds });

export const giveBack = (sqs: SQS, queue: string, message: Message) => hideFor(sqs, queue, message, 0);

export const remove = (sqs: SQS, QueueUrl: string, { ReceiptHandle }: Message) =>
  sqs.deleteMessage({ QueueUrl, ReceiptHandle });

export const first = (messages: readonly Message[]): Message => {
  const [message] = messages;
  assert.ok(message, 'a message was received');
  return message;
};

export const bodies = (messages: readonly Message[]) => messages.map(({ Body }) => Body);
export const counts = (messages: readonly Message[]) =>
  messages.map(({ Attributes }) => Attributes?.ApproximateReceiveCount);

export const isNamed =
  (...names: readonly string[]) =>
  ({ name, message }: SQSServiceException): true => {
    assert.ok(names.includes(name), `refused as ${names.join(' or ')}, not as ${name}: ${message}`);
    return true;
  };
/** AWS's documentation and its SDK know the refusal of a value under these names. */
export const refusesValue = isNamed(
  'InvalidParameterValue',
  'InvalidParameterValueException',
  'InvalidAttributeValue',
  'InvalidAttributeName',
);
