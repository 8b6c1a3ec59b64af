import { createHash, randomUUID } from 'node:crypto';
import { checkContents, type MessageAttributes, md5, sizeOf } from './message.ts';
import { checkRange, invalidParameter, missingParameter } from './sqs-error.ts';
import type { Queue, Store } from './store.ts';

/** How long SQS remembers a de-duplication id. */
const dedupMs = 5 * 60_000;
const longestDelaySeconds = 900;
/** What group, de-duplication and receive-attempt ids may hold: printable ASCII without blanks. */
const idShape = /^[\x21-\x7e]{1,128}$/;
/** Sequence numbers have twenty digits from the first to the last, so that they also compare as text. */
const firstSequenceNumber = 10_000_000_000_000_000_000n;

/** A message as a client sends it. */
export interface Outgoing {
  readonly body: string;
  readonly attributes: MessageAttributes;
  readonly trace: string | undefined;
  readonly delaySeconds: number | undefined;
  readonly groupId: string | undefined;
  readonly dedupId: string | undefined;
}

export interface Sent {
  readonly messageId: string;
  /** Only for FIFO queues. */
  readonly sequenceNumber: string | undefined;
}

export const sequenceNumberOf = (queue: Queue, seq: number): string | undefined =>
  queue.fifo ? String(firstSequenceNumber + BigInt(seq)) : undefined;

export function checkId(parameter: string, id: string): string {
  if (idShape.test(id)) return id;
  throw invalidParameter(parameter, 'Must be 1 to 128 printable ASCII characters without blanks.');
}

/**
 * Adds a message, or answers the earlier one that it repeats.
 * @throws SqsError when the queue does not take it; nothing has been written then.
 */
export function send(store: Store, queue: Queue, outgoing: Outgoing, now: number): Sent {
  const message = checkOutgoing(queue, outgoing);
  const { groupId, dedupId } = message;
  const scope = queue.attributes.DeduplicationScope === 'messageGroup' ? (groupId ?? '') : '';
  const earlier = dedupId === null ? undefined : store.dedup.find(queue.id, scope, dedupId, now);
  if (earlier) return { messageId: earlier.messageId, sequenceNumber: sequenceNumberOf(queue, earlier.seq) };

  const messageId = randomUUID();
  const delaySeconds = outgoing.delaySeconds ?? Number(queue.attributes.DelaySeconds);
  const seq = store.messages.insert({
    queue: queue.id,
    messageId,
    groupId,
    dedupId,
    body: outgoing.body,
    bodyMd5: md5(outgoing.body),
    attributes: JSON.stringify(outgoing.attributes),
    trace: outgoing.trace ?? null,
    sentAt: now,
    visibleAt: now + delaySeconds * 1000,
    receivesBefore: 0,
    sourceArn: null,
  });
  if (dedupId !== null) {
    store.dedup.forget(now);
    store.dedup.remember(queue.id, scope, dedupId, { messageId, seq }, now + dedupMs);
  }
  if (queue.fifo && groupId !== null) store.messages.refreshGroup(queue.id, groupId);
  return { messageId, sequenceNumber: sequenceNumberOf(queue, seq) };
}

function checkOutgoing(
  queue: Queue,
  { body, attributes, delaySeconds, groupId, dedupId }: Outgoing,
): { readonly groupId: string | null; readonly dedupId: string | null } {
  checkContents(body, attributes);
  const limit = Number(queue.attributes.MaximumMessageSize);
  if (sizeOf(body, attributes) > limit)
    throw invalidParameter('MessageBody', `A message must be at most ${limit} bytes.`);
  if (groupId !== undefined) checkId('MessageGroupId', groupId);
  if (dedupId !== undefined) checkId('MessageDeduplicationId', dedupId);
  if (!queue.fifo) {
    if (dedupId !== undefined) throw invalidParameter('MessageDeduplicationId', 'Only for FIFO queues.');
    if (delaySeconds !== undefined) checkRange('DelaySeconds', delaySeconds, 0, longestDelaySeconds);
    return { groupId: groupId ?? null, dedupId: null };
  }
  if (groupId === undefined) throw missingParameter('MessageGroupId');
  if (delaySeconds !== undefined)
    throw invalidParameter('DelaySeconds', 'A FIFO queue delays all of its messages alike, or none.');
  return { groupId, dedupId: dedupId ?? contentId(queue, body) };
}

function contentId(queue: Queue, body: string): string {
  if (queue.attributes.ContentBasedDeduplication === 'true')
    return createHash('sha256').update(body).digest('hex');
  throw invalidParameter(
    'MessageDeduplicationId',
    'The queue needs ContentBasedDeduplication, or the message an id of its own.',
  );
}
