import type { ScheduledHandler } from 'aws-lambda';
import { currentApp } from '../lib/app.ts';

/** Asks Wave what changed and rings for real differences. */
export const handler: ScheduledHandler = async (_event, context) =>
  (await currentApp()).wavePoll(context.getRemainingTimeInMillis());
