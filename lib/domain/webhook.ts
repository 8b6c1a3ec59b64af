import type { RecordRef } from './record.ts';

/** What became of a delivery, before anything was done about it. */
export type Delivery =
  | { readonly outcome: 'unsigned' }
  | { readonly outcome: 'stale' }
  | { readonly outcome: 'malformed' }
  /** Signed, and none of our business: a ping or an event type that is new to us. */
  | { readonly outcome: 'ignored'; readonly type: string }
  | {
      readonly outcome: 'event';
      readonly eventId: string;
      readonly ref: RecordRef;
      readonly version?: string;
      readonly updatedAt?: string;
    };

/** Header names are lower case, as API Gateway delivers them. */
export type Headers = Readonly<Record<string, string | undefined>>;

/** Deliveries signed longer ago, or further ahead, than this are refused, ms. */
export const toleranceMs = 5 * 60_000;
