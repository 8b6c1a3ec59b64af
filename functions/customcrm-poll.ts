import type { ScheduledHandler } from 'aws-lambda';
import { createApp } from '../lib/app.ts';
import { loadConfig } from '../lib/config.ts';

const app = createApp(loadConfig(process.env));

/** Asks Customcrm what changed and rings for real differences. */
export const handler: ScheduledHandler = async (_event, context) =>
  app.customcrmPoll(context.getRemainingTimeInMillis());
