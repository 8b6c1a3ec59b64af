import * as z from 'zod';
import { type Action, action, type Broker, optional, queueNamed, queueOf } from './action.ts';
import type { MoveTask } from './move-task-rows.ts';
import { expire } from './queue.ts';
import { isAttributeName, redriveOf } from './queue-attributes.ts';
import { checkRange, invalidParameter, SqsError } from './sqs-error.ts';
import type { Queue } from './store.ts';

const largestPage = 1000;
const mostTasks = 10;
const fastestMovePerSecond = 500;

const queueUrl = { QueueUrl: z.string() };
const texts = z.record(z.string(), z.string());
const paging = { MaxResults: optional(z.number()), NextToken: optional(z.string()) };

/** Making, finding, describing and emptying queues. */
export const queueActions: Readonly<Record<string, Action>> = {
  // AWS makes callers wait a minute before the name of a deleted queue can be used again: no use on one machine.
  CreateQueue: action(
    // The query protocol wrote `tags` in small letters, and so does this member still.
    z.object({ QueueName: z.string(), Attributes: optional(texts), tags: optional(texts) }),
    (broker, { QueueName, Attributes = {}, tags = {} }, { region }) => {
      const now = broker.now();
      const queue = broker.queues.create({ name: QueueName, region, attributes: Attributes, tags, now });
      return { QueueUrl: broker.urlOf(queue) };
    },
  ),
  DeleteQueue: action(z.object(queueUrl), (broker, { QueueUrl }) => {
    const queue = queueOf(broker, QueueUrl);
    broker.queues.remove(queue);
    broker.waiting.dismiss(queue);
    return {};
  }),
  GetQueueUrl: action(z.object({ QueueName: z.string() }), (broker, { QueueName }) => ({
    QueueUrl: broker.urlOf(queueNamed(broker, QueueName)),
  })),
  ListQueues: action(z.object({ QueueNamePrefix: optional(z.string()), ...paging }), (broker, input) => {
    const prefix = input.QueueNamePrefix ?? '';
    const { page, NextToken } = pageOf(
      broker.queues.all().filter(({ name }) => name.startsWith(prefix)),
      input,
    );
    return { QueueUrls: page.map(broker.urlOf), NextToken };
  }),
  ListDeadLetterSourceQueues: action(z.object({ ...queueUrl, ...paging }), (broker, input) => {
    const { arn } = queueOf(broker, input.QueueUrl);
    const sources = broker.queues
      .all()
      .filter(({ attributes }) => redriveOf(attributes)?.deadLetterTargetArn === arn);
    const { page, NextToken } = pageOf(sources, input);
    return { queueUrls: page.map(broker.urlOf), NextToken };
  }),
  GetQueueAttributes: action(
    z.object({ ...queueUrl, AttributeNames: optional(z.array(z.string())) }),
    (broker, { QueueUrl, AttributeNames = [] }) => {
      const unknown = AttributeNames.find((name) => !isAttributeName(name));
      if (unknown !== undefined) throw new SqsError('InvalidAttributeName', `Unknown attribute ${unknown}.`);
      const wanted = Object.entries(describe(broker, queueOf(broker, QueueUrl))).filter(
        ([name]) => AttributeNames.includes('All') || AttributeNames.includes(name),
      );
      return wanted.length > 0 ? { Attributes: Object.fromEntries(wanted) } : {};
    },
  ),
  SetQueueAttributes: action(z.object({ ...queueUrl, Attributes: texts }), (broker, input) => {
    broker.queues.setAttributes(queueOf(broker, input.QueueUrl), input.Attributes, broker.now());
    return {};
  }),
  PurgeQueue: action(z.object(queueUrl), (broker, { QueueUrl }) => {
    broker.queues.purge(queueOf(broker, QueueUrl), broker.now());
    return {};
  }),
  TagQueue: action(z.object({ ...queueUrl, Tags: texts }), (broker, { QueueUrl, Tags }) => {
    const queue = queueOf(broker, QueueUrl);
    broker.queues.setTags(queue, { ...queue.tags, ...Tags });
    return {};
  }),
  UntagQueue: action(
    z.object({ ...queueUrl, TagKeys: z.array(z.string()) }),
    (broker, { QueueUrl, TagKeys }) => {
      const queue = queueOf(broker, QueueUrl);
      const left = Object.entries(queue.tags).filter(([key]) => !TagKeys.includes(key));
      broker.queues.setTags(queue, Object.fromEntries(left));
      return {};
    },
  ),
  ListQueueTags: action(z.object(queueUrl), (broker, { QueueUrl }) => ({
    Tags: queueOf(broker, QueueUrl).tags,
  })),
};

/** Redriving a dead-letter queue. */
export const moveActions: Readonly<Record<string, Action>> = {
  StartMessageMoveTask: action(
    z.object({
      SourceArn: z.string(),
      DestinationArn: optional(z.string()),
      MaxNumberOfMessagesPerSecond: optional(z.number()),
    }),
    ({ moves }, { SourceArn, DestinationArn, MaxNumberOfMessagesPerSecond: perSecond }) => {
      if (perSecond !== undefined)
        checkRange('MaxNumberOfMessagesPerSecond', perSecond, 1, fastestMovePerSecond);
      const { handle } = moves.start({
        sourceArn: SourceArn,
        destinationArn: DestinationArn ?? null,
        perSecond: perSecond ?? null,
      });
      return { TaskHandle: handle };
    },
  ),
  ListMessageMoveTasks: action(
    z.object({ SourceArn: z.string(), MaxResults: optional(z.number()) }),
    ({ moves }, { SourceArn, MaxResults = 1 }) => ({
      Results: moves.list(SourceArn, checkRange('MaxResults', MaxResults, 1, mostTasks)).map(presentTask),
    }),
  ),
  CancelMessageMoveTask: action(z.object({ TaskHandle: z.string() }), ({ moves }, { TaskHandle }) => ({
    ApproximateNumberOfMessagesMoved: moves.cancel(TaskHandle).moved,
  })),
};

function describe({ store, now }: Broker, queue: Queue): Readonly<Record<string, string>> {
  const at = now();
  store.atomically(() => expire(store, queue, at));
  const { visible, inFlight, delayed } = store.messages.counts(queue.id, at);
  return {
    SqsManagedSseEnabled: queue.attributes.KmsMasterKeyId ? 'false' : 'true',
    ...queue.attributes,
    QueueArn: queue.arn,
    CreatedTimestamp: String(Math.floor(queue.createdAt / 1000)),
    LastModifiedTimestamp: String(Math.floor(queue.modifiedAt / 1000)),
    ApproximateNumberOfMessages: String(visible),
    ApproximateNumberOfMessagesNotVisible: String(inFlight),
    ApproximateNumberOfMessagesDelayed: String(delayed),
  };
}

/** A token is the name of the last queue shown: pages stay right when queues come and go. */
function pageOf(
  queues: readonly Queue[],
  {
    MaxResults,
    NextToken,
  }: { readonly MaxResults?: number | undefined; readonly NextToken?: string | undefined },
): { readonly page: readonly Queue[]; readonly NextToken: string | undefined } {
  const size = checkRange('MaxResults', MaxResults ?? largestPage, 1, largestPage);
  const after = NextToken === undefined ? '' : Buffer.from(NextToken, 'base64url').toString();
  if (NextToken === '') throw invalidParameter('NextToken', 'Must not be empty.');
  const rest = queues.filter(({ name }) => name > after);
  const page = rest.slice(0, size);
  const last = page.at(-1)?.name ?? '';
  const hasMore = MaxResults !== undefined && rest.length > size;
  return { page, NextToken: hasMore ? Buffer.from(last).toString('base64url') : undefined };
}

const presentTask = (task: MoveTask): object => ({
  TaskHandle: task.status === 'RUNNING' ? task.handle : undefined,
  Status: task.status,
  SourceArn: task.sourceArn,
  DestinationArn: task.destinationArn ?? undefined,
  MaxNumberOfMessagesPerSecond: task.perSecond ?? undefined,
  ApproximateNumberOfMessagesMoved: task.moved,
  ApproximateNumberOfMessagesToMove: task.toMove,
  FailureReason: task.failure ?? undefined,
  StartedTimestamp: task.startedAt,
});
