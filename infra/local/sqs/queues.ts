import {
  type Attributes,
  allowsRedriveFrom,
  checkAttributes,
  initialAttributes,
  mergeAttributes,
  redriveOf,
} from './queue-attributes.ts';
import { invalidParameter, SqsError } from './sqs-error.ts';
import type { Queue, Store } from './store.ts';

/** Every queue belongs to this account. */
export const accountId = '000000000000';
/** AWS needs up to a minute to purge and refuses a second purge meanwhile. */
const purgePauseMs = 60_000;
const mostTags = 50;

/** The queues of a server, held in memory and written through to the store. */
export interface Queues {
  /** In order of their names. */
  readonly all: () => readonly Queue[];
  readonly byName: (name: string) => Queue | undefined;
  readonly byArn: (arn: string) => Queue | undefined;
  /** Answers the existing queue when all given attributes equal its own. */
  readonly create: (request: CreateRequest) => Queue;
  readonly setAttributes: (queue: Queue, change: Attributes, now: number) => void;
  readonly setTags: (queue: Queue, tags: Attributes) => void;
  readonly purge: (queue: Queue, now: number) => void;
  readonly remove: (queue: Queue) => void;
}

interface CreateRequest {
  readonly name: string;
  readonly region: string;
  readonly attributes: Attributes;
  readonly tags: Attributes;
  readonly now: number;
}

export function openQueues(store: Store): Queues {
  const byName = new Map(store.queues.all().map((queue) => [queue.name, queue]));
  const byArn = (arn: string) => {
    const queue = byName.get(arn.slice(arn.lastIndexOf(':') + 1));
    return queue?.arn === arn ? queue : undefined;
  };
  const save = (queue: Queue) => {
    store.queues.save(queue);
    byName.set(queue.name, queue);
  };
  return {
    all: () => [...byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
    byName: (name) => byName.get(name),
    byArn,
    create({ name, region, attributes, tags, now }) {
      const fifo = checkName(name, attributes);
      const given = checkAttributes(attributes, fifo);
      const existing = byName.get(name);
      if (existing) return sameQueue(existing, given);
      const arn = `arn:aws:sqs:${region}:${accountId}:${name}`;
      const merged = mergeAttributes(initialAttributes(fifo), given);
      checkRedrive({ arn, fifo, attributes: merged }, byArn);
      const times = { createdAt: now, modifiedAt: now, purgedAt: 0 };
      const queue = store.queues.insert({
        name,
        arn,
        fifo,
        attributes: merged,
        tags: checkTags(tags),
        ...times,
      });
      byName.set(name, queue);
      return queue;
    },
    setAttributes(queue, change, now) {
      if ('FifoQueue' in change)
        throw new SqsError('InvalidAttributeName', 'The type of a queue cannot be changed.');
      const attributes = mergeAttributes(queue.attributes, checkAttributes(change, queue.fifo));
      const changed = { ...queue, attributes, modifiedAt: now };
      if (change.RedrivePolicy) checkRedrive(changed, byArn);
      save(changed);
    },
    setTags: (queue, tags) => save({ ...queue, tags: checkTags(tags) }),
    purge(queue, now) {
      if (now < queue.purgedAt + purgePauseMs)
        throw new SqsError('PurgeQueueInProgress', 'A queue can be purged once in 60 seconds.');
      store.atomically(() => {
        store.messages.purge(queue.id);
        store.queues.save({ ...queue, purgedAt: now });
      });
      byName.set(queue.name, { ...queue, purgedAt: now });
    },
    remove(queue) {
      store.atomically(() => store.queues.remove(queue.id));
      byName.delete(queue.name);
    },
  };
}

/** Answers whether the queue is a FIFO queue. @throws SqsError when name and type do not fit. */
function checkName(name: string, attributes: Attributes): boolean {
  const fifo = attributes.FifoQueue === 'true';
  const stem = fifo && name.endsWith('.fifo') ? name.slice(0, -'.fifo'.length) : name;
  const isValid = /^[A-Za-z0-9_-]{1,80}$/.test(stem) && name.length <= 80;
  if (isValid && fifo === name.endsWith('.fifo')) return fifo;
  throw invalidParameter(
    'QueueName',
    'Letters, digits, hyphens and underscores, 1 to 80 in all; the name of a FIFO queue, and of no other, ends with .fifo.',
  );
}

function sameQueue(existing: Queue, given: Attributes): Queue {
  for (const [name, value] of Object.entries(given))
    if ((existing.attributes[name] ?? '') !== value)
      throw new SqsError(
        'QueueNameExists',
        `A queue with this name exists, with another value of the attribute ${name}.`,
      );
  return existing;
}

function checkRedrive(
  queue: Pick<Queue, 'arn' | 'fifo' | 'attributes'>,
  byArn: (arn: string) => Queue | undefined,
): void {
  const redrive = redriveOf(queue.attributes);
  if (!redrive) return;
  const target = byArn(redrive.deadLetterTargetArn);
  const refuse = (reason: string) => invalidParameter('RedrivePolicy', reason);
  if (!target) throw refuse('The dead-letter queue does not exist.');
  if (target.fifo !== queue.fifo)
    throw refuse(
      'The dead-letter queue of a FIFO queue must be a FIFO queue, that of a standard queue a standard one.',
    );
  if (!allowsRedriveFrom(target.attributes, queue.arn))
    throw refuse('The dead-letter queue does not allow this source (RedriveAllowPolicy).');
}

function checkTags(tags: Attributes): Attributes {
  if (Object.keys(tags).length <= mostTags) return tags;
  throw invalidParameter('Tags', `At most ${mostTags} tags.`);
}
