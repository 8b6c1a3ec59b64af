import type { SQSHandler } from 'aws-lambda';
import { currentApp } from '../lib/app.ts';
import { failuresOf, messagesOf } from '../lib/queue-event.ts';

/** Applies changes made in Customcrm to Wave; only failed messages go back to the queue. */
export const handler: SQSHandler = async (event, context) =>
  failuresOf(await (await currentApp()).applyChanges(messagesOf(event), context.getRemainingTimeInMillis()));
