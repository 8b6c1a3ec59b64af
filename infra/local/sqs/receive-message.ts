import * as z from 'zod';
import { type Action, action, type Broker, optional, queueOf } from './action.ts';
import { presentMessage } from './message.ts';
import { type Delivered, expire, longestVisibilitySeconds, receive } from './queue.ts';
import { writeReceipt } from './receipt.ts';
import { checkId, sequenceNumberOf } from './send.ts';
import { checkRange, invalidParameter } from './sqs-error.ts';
import type { Queue } from './store.ts';

const mostMessages = 10;
const longestWaitSeconds = 20;

const names = optional(z.array(z.string()));

const receiveInput = z.object({
  QueueUrl: z.string(),
  AttributeNames: names,
  MessageSystemAttributeNames: names,
  MessageAttributeNames: names,
  MaxNumberOfMessages: optional(z.number()),
  VisibilityTimeout: optional(z.number()),
  WaitTimeSeconds: optional(z.number()),
  ReceiveRequestAttemptId: optional(z.string()),
});

type ReceiveInput = z.infer<typeof receiveInput>;

/** Delivers what is there, or waits for it. */
export const receiveMessage: Action = action(receiveInput, async (broker, input, { gone }) => {
  const queue = queueOf(broker, input.QueueUrl);
  const request = receiveRequest(queue, input);
  let delivered = receiveNow(broker, queue, request);
  if (delivered.length === 0 && request.waitSeconds > 0) {
    // Looked up again each time: its attributes may have changed meanwhile.
    const tryAgain = () => {
      delivered = receiveNow(broker, queueOf(broker, input.QueueUrl), request);
      return delivered.length > 0;
    };
    await broker.waiting.wait(queue, tryAgain, broker.now() + request.waitSeconds * 1000, gone);
  }
  return delivered.length > 0 ? { Messages: present(queue, delivered, input) } : {};
});

interface ReceiveRequest {
  readonly most: number;
  readonly visibilitySeconds: number;
  readonly waitSeconds: number;
  readonly attemptId: string | undefined;
}

function receiveRequest(queue: Queue, input: ReceiveInput): ReceiveRequest {
  const { VisibilityTimeout, ReceiveMessageWaitTimeSeconds } = queue.attributes;
  const attemptId = input.ReceiveRequestAttemptId;
  const visibilitySeconds = input.VisibilityTimeout ?? Number(VisibilityTimeout);
  const waitSeconds = input.WaitTimeSeconds ?? Number(ReceiveMessageWaitTimeSeconds);
  if (attemptId !== undefined && !queue.fifo)
    throw invalidParameter('ReceiveRequestAttemptId', 'Only for FIFO queues.');
  return {
    most: checkRange('MaxNumberOfMessages', input.MaxNumberOfMessages ?? 1, 1, mostMessages),
    visibilitySeconds: checkRange('VisibilityTimeout', visibilitySeconds, 0, longestVisibilitySeconds),
    waitSeconds: checkRange('WaitTimeSeconds', waitSeconds, 0, longestWaitSeconds),
    attemptId: attemptId === undefined ? undefined : checkId('ReceiveRequestAttemptId', attemptId),
  };
}

function receiveNow(broker: Broker, queue: Queue, request: ReceiveRequest): readonly Delivered[] {
  const { store, queues, waiting, attempts } = broker;
  const { most, attemptId } = request;
  const now = broker.now();
  const visibleAt = now + request.visibilitySeconds * 1000;
  const filled = new Set<Queue>();
  const delivered = store.atomically(() => {
    expire(store, queue, now);
    const earlier = attemptId === undefined ? undefined : attempts.repeat(queue, attemptId, visibleAt, now);
    if (earlier) return earlier;
    const deadLetters = { find: queues.byArn, arrived: (to: Queue) => void filled.add(to) };
    return receive(store, queue, { most, visibleAt, now }, deadLetters);
  });
  if (attemptId !== undefined && delivered.length > 0) attempts.remember(queue, attemptId, delivered, now);
  // Only after this receive, which may itself be part of a wake.
  for (const deadLetterQueue of filled) queueMicrotask(() => waiting.wake(deadLetterQueue));
  return delivered;
}

function present(queue: Queue, delivered: readonly Delivered[], input: ReceiveInput): readonly object[] {
  const wanted = {
    system: [...(input.AttributeNames ?? []), ...(input.MessageSystemAttributeNames ?? [])],
    message: input.MessageAttributeNames ?? [],
  };
  return delivered.map((message) => {
    const { seq, receivedAt, receipt: token } = message;
    const receiptHandle = writeReceipt({ queue: queue.id, seq, receivedAt, token });
    return presentMessage(message, wanted, { receiptHandle, sequenceNumber: sequenceNumberOf(queue, seq) });
  });
}
