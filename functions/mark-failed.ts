import type { SQSHandler } from 'aws-lambda';
import { currentApp } from '../lib/app.ts';
import { failuresOf, messagesOf } from '../lib/queue-event.ts';

/** Shows records whose message ended in a dead-letter queue. */
export const handler: SQSHandler = async (event) =>
  failuresOf(await (await currentApp()).markFailed(messagesOf(event)));
