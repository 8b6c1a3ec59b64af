import type { SQSHandler } from 'aws-lambda';
import { createApp } from '../lib/app.ts';
import { loadConfig } from '../lib/config.ts';
import { failuresOf, messagesOf } from '../lib/queue-event.ts';

const app = createApp(loadConfig(process.env));

/** Applies changes made in Wave to Customcrm; only failed messages go back to the queue. */
export const handler: SQSHandler = async (event, context) =>
  failuresOf(await app.applyChanges(messagesOf(event), context.getRemainingTimeInMillis()));
