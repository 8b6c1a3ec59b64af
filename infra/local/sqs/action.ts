import type * as z from 'zod';
import type { MoveTasks } from './move-tasks.ts';
import type { Queues } from './queues.ts';
import type { ReceiveAttempts } from './receive-attempts.ts';
import { invalidParameter, missingParameter, SqsError } from './sqs-error.ts';
import type { Queue, Store } from './store.ts';
import type { WaitingRoom } from './waiting-room.ts';

/** What the actions work with. */
export interface Broker {
  readonly store: Store;
  readonly queues: Queues;
  readonly waiting: WaitingRoom;
  readonly attempts: ReceiveAttempts;
  readonly moves: MoveTasks;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly urlOf: (queue: Queue) => string;
}

/** What an action may know of its request besides the input. */
export interface Caller {
  /** The region that the request was signed for. */
  readonly region: string;
  /** Calls `leave` when the client hangs up before it is answered. */
  readonly gone: (leave: () => void) => void;
}

/** One operation of SQS. @throws SqsError when the input is refused. */
export type Action = (broker: Broker, input: unknown, caller: Caller) => object | Promise<object>;

/** An action whose input is checked first. */
export const action =
  <Input>(
    shape: z.ZodType<Input>,
    run: (broker: Broker, input: Input, caller: Caller) => object | Promise<object>,
  ): Action =>
  (broker, input, caller) =>
    run(broker, parse(shape, input), caller);

/** Members may be absent or, from some clients, null. */
export const optional = <Shape extends z.ZodType>(shape: Shape) =>
  shape.nullish().transform((value) => value ?? undefined);

function parse<Input>(shape: z.ZodType<Input>, input: unknown): Input {
  const parsed = shape.safeParse(input, { reportInput: true });
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const parameter = issue?.path.map(String).join('.') ?? '';
  if (issue?.code !== 'invalid_type') throw invalidParameter(parameter, issue?.message ?? 'Not valid.');
  if (issue.input === undefined || issue.input === null) throw missingParameter(parameter);
  throw new SqsError(
    'SerializationException',
    `The parameter ${parameter} must be of type ${issue.expected}.`,
  );
}

/** @throws SqsError `QueueDoesNotExist`. */
export function queueOf(broker: Broker, queueUrl: string): Queue {
  // The host is not compared: a client may reach this server under another name.
  return queueNamed(broker, queueUrl.slice(queueUrl.lastIndexOf('/') + 1));
}

export function queueNamed(broker: Broker, name: string): Queue {
  const queue = broker.queues.byName(name);
  if (queue) return queue;
  throw new SqsError('QueueDoesNotExist', 'The specified queue does not exist.');
}
