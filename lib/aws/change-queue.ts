import { createHash } from 'node:crypto';
import { GetQueueAttributesCommand, SendMessageBatchCommand, SQSClient } from '@aws-sdk/client-sqs';
import * as z from 'zod';
import { pairs, refKey, systems } from '../domain/record.ts';
import type { Call, ChangeQueue, Doorbell } from '../sync/ports.ts';

/** SQS takes at most ten entries a call. */
const batchSize = 10;
/** The longest group id that SQS takes, in ASCII characters. */
const groupIdLimit = 128;

const message = z.object({
  system: z.enum(systems),
  pair: z.enum(pairs),
  id: z.string().min(1),
  eventId: z.string().min(1),
  causedBy: z.string().optional(),
  at: z.number(),
  version: z.string().optional(),
  updatedAt: z.string().optional(),
  seen: z.number().optional(),
  seenAt: z.number().optional(),
  background: z.literal(true).optional(),
});

/** The doorbell of a queue message; undefined for a body that {@link changeQueue} did not make. */
export function parseDoorbell(body: string): Doorbell | undefined {
  try {
    return message.parse(JSON.parse(body)) as Doorbell;
  } catch {
    return undefined;
  }
}

type Lane = Call['priority'];
const lanes = ['live', 'background'] as const satisfies readonly Lane[];
const laneOf = ({ background }: Doorbell): Lane => (background ? 'background' : 'live');

/** The doorbells of one system in two SQS FIFO queues: one group a record, de-duplicated by delivery, never by content. */
export function changeQueue(queueUrls: Readonly<Record<Lane, string>>): ChangeQueue {
  const client = new SQSClient({ maxAttempts: 3 });
  return {
    async ring(doorbells) {
      for (const lane of lanes) {
        const own = doorbells.filter((doorbell) => laneOf(doorbell) === lane);
        for (let first = 0; first < own.length; first += batchSize)
          await send(client, queueUrls[lane], own.slice(first, first + batchSize));
      }
    },
    async depth() {
      const [live, background] = await Promise.all(lanes.map((lane) => depthOf(client, queueUrls[lane])));
      return { live: live ?? 0, background: background ?? 0 };
    },
  };
}

/** @throws Error when one of them was not taken */
async function send(client: SQSClient, QueueUrl: string, doorbells: readonly Doorbell[]): Promise<void> {
  const Entries = doorbells.map((doorbell, index) => ({
    Id: String(index),
    MessageBody: JSON.stringify(message.parse(doorbell)),
    MessageGroupId: groupOf(doorbell),
    MessageDeduplicationId: sha256(`${doorbell.eventId}\u0000${refKey(doorbell)}`),
  }));
  const { Failed = [] } = await client.send(new SendMessageBatchCommand({ QueueUrl, Entries }));
  if (Failed.length > 0)
    throw new Error(
      `The queue did not take ${Failed.length} of ${Entries.length} changes: ${Failed[0]?.Code}`,
    );
}

/** What can be received and what is under way; the numbers of SQS are approximate. */
async function depthOf(client: SQSClient, QueueUrl: string): Promise<number> {
  const { Attributes = {} } = await client.send(
    new GetQueueAttributesCommand({
      QueueUrl,
      AttributeNames: ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible'],
    }),
  );
  return Object.values(Attributes).reduce((sum, count) => sum + Number(count), 0);
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Hashed when the name of the record does not fit what SQS takes. */
function groupOf(doorbell: Doorbell): string {
  const group = `${doorbell.pair}#${doorbell.system}#${doorbell.id}`;
  return group.length <= groupIdLimit && /^[\x21-\x7e]+$/.test(group) ? group : sha256(group);
}
