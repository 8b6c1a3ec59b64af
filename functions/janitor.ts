import type { ScheduledHandler } from 'aws-lambda';
import { currentApp } from '../lib/app.ts';

/** Rings again for records that have waited longer than their cause allows. */
export const handler: ScheduledHandler = async (_event, context) =>
  (await currentApp()).janitor(context.getRemainingTimeInMillis());
