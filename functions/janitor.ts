import type { ScheduledHandler } from 'aws-lambda';
import { createApp } from '../lib/app.ts';
import { loadConfig } from '../lib/config.ts';

const app = createApp(loadConfig(process.env));

/** Rings again for records that have waited longer than their cause allows. */
export const handler: ScheduledHandler = async (_event, context) =>
  app.janitor(context.getRemainingTimeInMillis());
