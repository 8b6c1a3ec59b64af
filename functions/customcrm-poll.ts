import type { ScheduledHandler } from 'aws-lambda';
import { currentApp } from '../lib/app.ts';

/** Asks Customcrm what changed and rings for real differences: when that is due, or when somebody asks for it. */
export const handler: ScheduledHandler = async ({ source }, context) =>
  (await currentApp()).customcrmPoll(context.getRemainingTimeInMillis(), source !== 'aws.events');
