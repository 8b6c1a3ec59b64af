import { randomUUID } from 'node:crypto';
import type { StoredMessage } from './message-rows.ts';
import { redriveOf } from './queue-attributes.ts';
import { readReceipt } from './receipt.ts';
import { checkRange, invalidParameter, SqsError } from './sqs-error.ts';
import type { Queue, Store } from './store.ts';

export const longestVisibilitySeconds = 43_200;
/** How many messages one receive deals with beyond those it delivers: dead-lettered or expired ones. */
const mostPasses = 100;
const expiredAtOnce = 1000;

/** A message that was just delivered, with its new receipt. */
export interface Delivered extends StoredMessage {
  readonly receipt: string;
  readonly receivedAt: number;
}

/** What `receive` may do beyond its own queue. */
export interface DeadLetters {
  /** The dead-letter queue; undefined when it was deleted, and then the message stays where it is. */
  readonly find: (arn: string) => Queue | undefined;
  /** A message has arrived there. */
  readonly arrived: (queue: Queue) => void;
}

/**
 * Delivers up to `most` messages and hides them until `visibleAt`. A message that was received too often goes to the
 * dead-letter queue instead. Of a FIFO group everything visible is delivered in order, unless a message is in flight.
 */
export function receive(
  store: Store,
  queue: Queue,
  request: { readonly most: number; readonly visibleAt: number; readonly now: number },
  deadLetters: DeadLetters,
): readonly Delivered[] {
  const { most, visibleAt, now } = request;
  const redrive = redriveOf(queue.attributes);
  const deadLetterQueue = redrive && deadLetters.find(redrive.deadLetterTargetArn);
  const isExhausted = (message: StoredMessage) =>
    deadLetterQueue !== undefined && redrive !== undefined && message.receives >= redrive.maxReceiveCount;

  const delivered = new Map<number, Delivered>();
  for (let pass = 0; pass < mostPasses && delivered.size < most; pass += 1) {
    const groups = new Set<string>();
    let moved = 0;
    for (const message of deliverable(store, queue, now, most - delivered.size)) {
      if (delivered.has(message.seq)) continue;
      if (message.groupId !== null) groups.add(message.groupId);
      if (deadLetterQueue && isExhausted(message)) {
        moveToDeadLetters(store, message, queue, deadLetterQueue, now);
        moved += 1;
      } else delivered.set(message.seq, deliver(store, message, visibleAt, now));
      if (delivered.size === most) break;
    }
    if (queue.fifo) for (const group of groups) store.messages.refreshGroup(queue.id, group);
    // Moving a message away may have uncovered the next one of its group.
    if (moved === 0) break;
    if (deadLetterQueue) deadLetters.arrived(deadLetterQueue);
  }
  return [...delivered.values()];
}

function* deliverable(store: Store, queue: Queue, now: number, limit: number): Generator<StoredMessage> {
  if (!queue.fifo) {
    yield* store.messages.visible(queue.id, now, limit);
    return;
  }
  for (const group of store.messages.readyGroups(queue.id, now, limit))
    for (const message of store.messages.firstOfGroup(queue.id, group, limit)) {
      // A delayed message holds back those behind it.
      if (message.visibleAt > now) break;
      yield message;
    }
}

function deliver(store: Store, message: StoredMessage, visibleAt: number, now: number): Delivered {
  const receipt = randomUUID();
  store.messages.received(message.seq, receipt, visibleAt, now);
  const firstReceivedAt = message.firstReceivedAt ?? now;
  const receives = message.receives + 1;
  return { ...message, receipt, receivedAt: now, visibleAt, firstReceivedAt, receives };
}

function moveToDeadLetters(store: Store, message: StoredMessage, from: Queue, to: Queue, now: number): void {
  moveMessage(store, to, {
    ...message,
    sourceArn: from.arn,
    receivesBefore: message.receivesBefore + message.receives,
    // AWS keeps the age of a message in a standard dead-letter queue, and begins anew in a FIFO one.
    sentAt: to.fifo ? now : message.sentAt,
    visibleAt: now,
  });
}

/**
 * Puts the message, as given, at the end of the queue `to`, and removes it where it was. The caller refreshes its old
 * group. A moved message is never swallowed as a duplicate: it was accepted once already.
 */
export function moveMessage(store: Store, to: Queue, message: StoredMessage): void {
  store.messages.remove(message.seq);
  store.messages.insert({ ...message, queue: to.id });
  if (to.fifo && message.groupId !== null) store.messages.refreshGroup(to.id, message.groupId);
}

/** @throws SqsError for a handle of another queue; for FIFO queues also when another receive came after it. */
export function deleteMessage(store: Store, queue: Queue, handle: string, now: number): void {
  const receipt = readReceipt(handle, queue.id);
  const message = store.messages.find(receipt.seq);
  if (!message) return;
  const isStale = message.receipt !== receipt.token;
  if (queue.fifo && (isStale || message.visibleAt <= now))
    throw invalidParameter('ReceiptHandle', 'The receipt handle has expired.');
  if (!isStale) removeMessage(store, queue, message);
}

function removeMessage(store: Store, queue: Queue, message: StoredMessage): void {
  store.messages.remove(message.seq);
  if (queue.fifo && message.groupId !== null) store.messages.refreshGroup(queue.id, message.groupId);
}

/** Hides a message in flight until `timeoutSeconds` from now; 0 makes it visible at once. */
export function changeVisibility(
  store: Store,
  queue: Queue,
  {
    handle,
    timeoutSeconds,
    now,
  }: { readonly handle: string; readonly timeoutSeconds: number; readonly now: number },
): void {
  checkRange('VisibilityTimeout', timeoutSeconds, 0, longestVisibilitySeconds);
  const receipt = readReceipt(handle, queue.id);
  const message = store.messages.find(receipt.seq);
  if (message?.receipt !== receipt.token)
    throw invalidParameter('ReceiptHandle', 'The message does not exist, or was received again since.');
  if (message.visibleAt <= now)
    throw new SqsError('MessageNotInflight', 'The message is not in flight any more.');
  const visibleAt = now + timeoutSeconds * 1000;
  if (visibleAt > receipt.receivedAt + longestVisibilitySeconds * 1000)
    throw invalidParameter(
      'VisibilityTimeout',
      `In all at most ${longestVisibilitySeconds} s after the receive.`,
    );
  store.messages.setVisibleAt(message.seq, visibleAt);
  if (queue.fifo && message.groupId !== null) store.messages.refreshGroup(queue.id, message.groupId);
}

/** Removes messages that are older than the retention period, also those in flight. */
export function expire(store: Store, queue: Queue, now: number): void {
  const sentBefore = now - Number(queue.attributes.MessageRetentionPeriod) * 1000;
  for (const message of store.messages.expired(queue.id, sentBefore, expiredAtOnce))
    removeMessage(store, queue, message);
}
