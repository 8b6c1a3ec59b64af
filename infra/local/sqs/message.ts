import { createHash } from 'node:crypto';
import * as z from 'zod';
import type { StoredMessage } from './message-rows.ts';
import { invalidParameter, missingParameter, SqsError } from './sqs-error.ts';

/** A message attribute as it travels; `BinaryValue` is base64. */
export const messageAttribute = z.object({
  DataType: z.string().optional(),
  StringValue: z.string().optional(),
  BinaryValue: z.string().optional(),
});

export type MessageAttributes = Readonly<Record<string, z.infer<typeof messageAttribute>>>;

// What XML 1.0 cannot hold, and halves of surrogate pairs.
const forbidden = /[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/u;
const attributeName = /^(?!\.)(?!.*\.\.)[A-Za-z0-9_.-]{1,256}(?<!\.)$/;
const reservedName = /^(aws|amazon)\./i;
const mostAttributes = 10;

/** @throws SqsError when the body or an attribute is not what SQS takes. */
export function checkContents(body: string, attributes: MessageAttributes): void {
  if (body === '') throw missingParameter('MessageBody');
  if (forbidden.test(body))
    throw new SqsError('InvalidMessageContents', 'The message contains characters outside the allowed set.');
  const entries = Object.entries(attributes);
  if (entries.length > mostAttributes)
    throw invalidParameter('MessageAttributes', `At most ${mostAttributes} attributes.`);
  for (const [name, attribute] of entries) checkAttribute(name, attribute);
}

function checkAttribute(name: string, attribute: MessageAttributes[string]): void {
  const { DataType = '', StringValue, BinaryValue } = attribute;
  const refuse = (reason: string) => invalidParameter(`MessageAttributes.${name}`, reason);
  if (!attributeName.test(name) || reservedName.test(name)) throw refuse('The name is not allowed.');
  const kind = DataType.split('.', 1)[0] ?? '';
  if (!['String', 'Number', 'Binary'].includes(kind) || DataType.length > 256)
    throw refuse('The type must be String, Number or Binary.');
  const value = kind === 'Binary' ? BinaryValue : StringValue;
  if (!value) throw refuse(`The attribute must hold a value of type ${kind}.`);
  if (kind === 'Number' && !Number.isFinite(Number(value))) throw refuse('The value is not a number.');
  if (kind !== 'Binary' && forbidden.test(value))
    throw refuse('The value holds characters outside the allowed set.');
}

/** Bytes that count towards the limit: the body, and the name, type and value of each attribute. */
export function sizeOf(body: string, attributes: MessageAttributes): number {
  const sizes = Object.entries(attributes).map(
    ([name, attribute]) =>
      Buffer.byteLength(name) + Buffer.byteLength(attribute.DataType ?? '') + bytesOf(attribute).length,
  );
  return sizes.reduce((sum, size) => sum + size, Buffer.byteLength(body));
}

const isBinary = (attribute: MessageAttributes[string]): boolean =>
  attribute.DataType?.startsWith('Binary') ?? false;

const bytesOf = (attribute: MessageAttributes[string]): Buffer =>
  isBinary(attribute)
    ? Buffer.from(attribute.BinaryValue ?? '', 'base64')
    : Buffer.from(attribute.StringValue ?? '');

export const md5 = (data: string | Buffer): string => createHash('md5').update(data).digest('hex');

/**
 * The digest that clients compare; undefined without attributes.
 * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html
 */
export function md5OfAttributes(attributes: MessageAttributes): string | undefined {
  const names = Object.keys(attributes).sort();
  if (names.length === 0) return undefined;
  const parts = names.flatMap((name) => {
    const attribute = attributes[name] ?? {};
    const transport = Buffer.from([isBinary(attribute) ? 2 : 1]);
    return [
      ...measured(Buffer.from(name)),
      ...measured(Buffer.from(attribute.DataType ?? '')),
      transport,
      ...measured(bytesOf(attribute)),
    ];
  });
  return md5(Buffer.concat(parts));
}

function measured(data: Buffer): readonly [Buffer, Buffer] {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  return [length, data];
}

/** Which attributes a receiver asked for. */
export interface Wanted {
  readonly system: readonly string[];
  readonly message: readonly string[];
}

/** A received message in the words of SQS. `receiptHandle` and `sequenceNumber` are made by the queue. */
export function presentMessage(
  message: StoredMessage,
  wanted: Wanted,
  made: { readonly receiptHandle: string; readonly sequenceNumber: string | undefined },
): object {
  const all = Object.entries(JSON.parse(message.attributes) as MessageAttributes);
  const attributes = Object.fromEntries(all.filter(([name]) => isWanted(name, wanted.message)));
  const system = systemAttributes(message, made.sequenceNumber).filter(
    ([name, value]) => value !== null && (wanted.system.includes('All') || wanted.system.includes(name)),
  );
  return {
    MessageId: message.messageId,
    ReceiptHandle: made.receiptHandle,
    MD5OfBody: message.bodyMd5,
    Body: message.body,
    ...(system.length > 0 ? { Attributes: Object.fromEntries(system) } : {}),
    ...(Object.keys(attributes).length > 0
      ? { MessageAttributes: attributes, MD5OfMessageAttributes: md5OfAttributes(attributes) }
      : {}),
  };
}

const isWanted = (name: string, wanted: readonly string[]): boolean =>
  wanted.some(
    (pattern) =>
      pattern === 'All' ||
      pattern === name ||
      (pattern.endsWith('.*') && name.startsWith(pattern.slice(0, -2))),
  );

function systemAttributes(
  message: StoredMessage,
  sequenceNumber: string | undefined,
): readonly (readonly [string, string | null])[] {
  return [
    // Nobody signs in on one machine: the sender is the account.
    ['SenderId', '000000000000'],
    ['SentTimestamp', String(message.sentAt)],
    ['ApproximateReceiveCount', String(message.receivesBefore + message.receives)],
    ['ApproximateFirstReceiveTimestamp', String(message.firstReceivedAt)],
    ['SequenceNumber', sequenceNumber ?? null],
    ['MessageDeduplicationId', message.dedupId],
    ['MessageGroupId', message.groupId],
    ['AWSTraceHeader', message.trace],
    ['DeadLetterQueueSourceArn', message.sourceArn],
  ];
}
