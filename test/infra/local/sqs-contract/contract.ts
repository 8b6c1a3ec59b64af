import { batchCases } from './batches.ts';
import type { Case } from './client.ts';
import { deadLetterCases } from './dead-letters.ts';
import { fifoCases } from './fifo.ts';
import { longPollCases } from './long-polls.ts';
import { messageCases } from './messages.ts';
import { queueCases } from './queues.ts';

/**
 * What AWS documents about SQS, as far as this system and its tests rely on it. Run on the embedded SQS by `npm test`, and on one that
 * others wrote by `npm run test:sqs`.
 */
export const sqsContract: readonly Case[] = [
  ...queueCases,
  ...messageCases,
  ...batchCases,
  ...fifoCases,
  ...deadLetterCases,
  ...longPollCases,
];
