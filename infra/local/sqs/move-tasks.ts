import { randomUUID } from 'node:crypto';
import type { MoveTask } from './move-task-rows.ts';
import { moveMessage } from './queue.ts';
import { redriveOf } from './queue-attributes.ts';
import type { Queues } from './queues.ts';
import { invalidParameter, SqsError } from './sqs-error.ts';
import type { Queue, Store } from './store.ts';

/** Messages of one transaction, so that a long redrive does not hold up the other requests. */
const messagesAtOnce = 100;

export interface MoveTasks {
  /** @throws SqsError when the source is no dead-letter queue, or a task of it still runs. */
  readonly start: (request: MoveRequest) => MoveTask;
  readonly list: (sourceArn: string, limit: number) => readonly MoveTask[];
  readonly cancel: (handle: string) => MoveTask;
  /** Goes on with tasks that an earlier process left running. */
  readonly resume: () => void;
  readonly close: () => void;
}

interface MoveRequest {
  readonly sourceArn: string;
  readonly destinationArn: string | null;
  readonly perSecond: number | null;
}

/** Redrives, step by step in the background. `arrived` is told of every queue that got messages. */
export function moveTasks(
  store: Store,
  queues: Queues,
  arrived: (queue: Queue) => void,
  now: () => number,
): MoveTasks {
  const timers = new Map<number, NodeJS.Timeout>();

  function schedule(task: MoveTask, afterSeq: number, delayMs: number): void {
    timers.set(
      task.id,
      setTimeout(() => step(task.handle, afterSeq), delayMs),
    );
  }

  function step(handle: string, afterSeq: number): void {
    const task = store.moveTasks.find(handle);
    // The source queue was deleted, or the task cancelled.
    if (task?.status !== 'RUNNING') return;
    const touched = new Set<Queue>();
    const progress = store.atomically(() => {
      const done = moveSome(store, queues, task, { afterSeq, now: now(), touched });
      store.moveTasks.save(done.task);
      return done;
    });
    for (const queue of touched) arrived(queue);
    if (progress.task.status === 'RUNNING')
      schedule(progress.task, progress.afterSeq, task.perSecond === null ? 0 : 1000);
    else timers.delete(task.id);
  }

  return {
    start(request) {
      const task = store.atomically(() => store.moveTasks.insert(newTask(store, queues, request, now())));
      schedule(task, 0, 0);
      return task;
    },
    list: (sourceArn, limit) => store.moveTasks.ofSource(sourceOf(queues, sourceArn).id, limit),
    cancel(handle) {
      const task = store.moveTasks.find(handle);
      if (!task) throw new SqsError('ResourceNotFoundException', 'There is no such message move task.');
      if (task.status !== 'RUNNING')
        throw new SqsError('UnsupportedOperation', 'Only a running message move task can be cancelled.');
      store.moveTasks.save({ ...task, status: 'CANCELLED' });
      clearTimeout(timers.get(task.id));
      timers.delete(task.id);
      return task;
    },
    resume() {
      for (const task of store.moveTasks.running()) schedule(task, 0, 0);
    },
    close() {
      for (const timer of timers.values()) clearTimeout(timer);
      timers.clear();
    },
  };
}

function sourceOf(queues: Queues, arn: string): Queue {
  const source = queues.byArn(arn);
  if (source) return source;
  throw new SqsError('ResourceNotFoundException', 'The queue of parameter SourceArn does not exist.');
}

function newTask(store: Store, queues: Queues, request: MoveRequest, now: number): Omit<MoveTask, 'id'> {
  const source = sourceOf(queues, request.sourceArn);
  const isDeadLetterQueue = queues
    .all()
    .some(({ attributes }) => redriveOf(attributes)?.deadLetterTargetArn === source.arn);
  if (!isDeadLetterQueue) throw invalidParameter('SourceArn', 'The queue is not a dead-letter queue.');
  if (request.destinationArn !== null) {
    const destination = queues.byArn(request.destinationArn);
    if (!destination)
      throw new SqsError(
        'ResourceNotFoundException',
        'The queue of parameter DestinationArn does not exist.',
      );
    if (destination.fifo !== source.fifo || destination.id === source.id)
      throw invalidParameter('DestinationArn', 'Must be another queue of the same type.');
  }
  if (store.moveTasks.ofSource(source.id, 1)[0]?.status === 'RUNNING')
    throw new SqsError('UnsupportedOperation', 'A message move task of this queue is already running.');
  return {
    ...request,
    handle: Buffer.from(JSON.stringify({ taskId: randomUUID(), sourceArn: source.arn })).toString(
      'base64url',
    ),
    source: source.id,
    status: 'RUNNING',
    moved: 0,
    toMove: store.messages.counts(source.id, now).visible,
    lastSeq: store.moveTasks.newestSeq(source.id),
    startedAt: now,
    failure: null,
  };
}

/** Moves the next messages of a task and answers how it stands then. */
function moveSome(
  store: Store,
  queues: Queues,
  task: MoveTask,
  step: { readonly afterSeq: number; readonly now: number; readonly touched: Set<Queue> },
): { readonly task: MoveTask; readonly afterSeq: number } {
  const { now, touched } = step;
  const limit = Math.min(task.perSecond ?? messagesAtOnce, messagesAtOnce * 5);
  const fifo = queues.byArn(task.sourceArn)?.fifo ?? false;
  const span = { queue: task.source, fifo, afterSeq: step.afterSeq, lastSeq: task.lastSeq, now, limit };
  const messages = store.messages.movable(span);
  let { afterSeq } = step;
  let { moved } = task;
  for (const message of messages) {
    const arn = task.destinationArn ?? message.sourceArn;
    const to = arn === null ? undefined : queues.byArn(arn);
    if (!to) {
      const failure = arn === null ? 'CouldNotDetermineMessageSource' : 'QueueDoesNotExist';
      return { task: { ...task, status: 'FAILED', moved, failure }, afterSeq };
    }
    // A redriven message counts as a new one: it gets a new id, and its receives begin anew.
    const fresh = {
      messageId: randomUUID(),
      sentAt: now,
      visibleAt: now,
      receivesBefore: 0,
      sourceArn: null,
    };
    moveMessage(store, to, { ...message, ...fresh });
    if (fifo && message.groupId !== null) store.messages.refreshGroup(task.source, message.groupId);
    touched.add(to);
    afterSeq = message.seq;
    moved += 1;
  }
  const status = messages.length < limit ? 'COMPLETED' : 'RUNNING';
  return { task: { ...task, status, moved }, afterSeq };
}
