import type { ScheduledHandler } from 'aws-lambda';
import { currentApp } from '../lib/app.ts';

/** Once a day compares both systems and all links, a piece at a time, and rings for what differs. */
export const handler: ScheduledHandler = async (_event, context) =>
  (await currentApp()).sweep(context.getRemainingTimeInMillis());
