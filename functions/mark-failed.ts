import type { SQSHandler } from 'aws-lambda';
import { createApp } from '../lib/app.ts';
import { loadConfig } from '../lib/config.ts';
import { failuresOf, messagesOf } from '../lib/queue-event.ts';

const app = createApp(loadConfig(process.env));

/** Shows records whose message ended in a dead-letter queue. */
export const handler: SQSHandler = async (event) => failuresOf(await app.markFailed(messagesOf(event)));
