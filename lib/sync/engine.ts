import type { FingerprintKeys } from '../domain/fingerprint.ts';
import type { ConflictPolicy } from '../domain/policy.ts';
import type { Pair, System } from '../domain/record.ts';
import type { MappingSettings } from '../mappings/mapping.ts';
import type { ChangeQueue, Clock, Doorbell, Records, Table, TaxCatalogue, WaveFeed, Write } from './ports.ts';

/** Everything a use case works with. Made once by lib/app.ts, or by a simulation. */
export interface Engine {
  readonly systems: Readonly<Record<System, Records>>;
  readonly feed: WaveFeed;
  readonly taxes: TaxCatalogue;
  readonly table: Table;
  /** By the system in which the change was made. */
  readonly queues: Readonly<Record<System, ChangeQueue>>;
  readonly clock: Clock;
  readonly newId: () => string;
  /** One line an outcome: log and metrics. */
  readonly report: (line: OutcomeLine) => void;
  readonly settings: EngineSettings;
}

export interface EngineSettings {
  readonly mapping: MappingSettings;
  readonly keys: FingerprintKeys;
  readonly conflict: (pair: Pair, row: string) => ConflictPolicy;
  readonly firstLink: (pair: Pair, row: string) => ConflictPolicy;
  /** No new attempt on a record, and no conclusion about a create, before this long after an unanswered write. */
  readonly settleMs: number;
  /** Between the two look-ups that must both find nothing before a create is repeated. */
  readonly lookupPauseMs: number;
  /** A record created up to this long before an open intent may still be its result: clocks differ. */
  readonly fenceMarginMs: number;
  /** A lease outlives the invocation's deadline by this: the longest remote time-out and a reserve. */
  readonly leaseReserveMs: number;
  /** Reads older than this are made again before a write that is based on them. */
  readonly maxReadToWriteMs: number;
  /** Deletions, or rows going empty, within an hour, after which the fuse blows. */
  readonly fuseLimit: number;
  readonly startedPairs: (pair: Pair) => boolean;
}

/** What an outcome can be called. Metrics, alarming lines and saved queries name these and no other. */
export const outcomeMessages = [
  'change applied',
  'change blocked',
  'change dropped',
  'change failed',
  'change held',
  'conflict decided',
  'counterpart created',
  'fuse blown',
  'missed change found',
  'nothing to do',
  'parent linked',
  'record ambiguous',
  'record blocked',
  'record excluded',
  'record failed',
  'record unlinked',
  'record waits',
  'records linked',
] as const;
export type OutcomeMessage = (typeof outcomeMessages)[number];

/** What happened to one doorbell. Only these fields are ever logged. */
export interface OutcomeLine {
  readonly message: OutcomeMessage;
  readonly system: System;
  readonly pair: Pair;
  readonly id: string;
  readonly counterpart?: string;
  readonly eventId: string;
  /** The delivery that began it, where the record had waited since. */
  readonly causedBy?: string;
  readonly because?: string;
  /** What stands in the way, where `because` names only the state of a link or the cause of a wait; scrubbed of what anybody typed. */
  readonly reason?: string;
  readonly rows?: readonly string[];
  /** What it shows, and why, it showed before: no news, so it is not counted again. */
  readonly again?: true;
  /** From the edit, by the clock of its own system, or else from when we first heard of it, ms. */
  readonly lagMs?: number;
  readonly readToWriteMs?: number;
}

/** What every line about a doorbell begins with. */
export const lineOf = ({ system, pair, id, eventId, causedBy }: Doorbell) => ({
  system,
  pair,
  id,
  eventId,
  ...(causedBy !== undefined && { causedBy }),
});

/** What a worker did with a doorbell: finished, or put aside with a cause. */
export type Handled =
  | {
      readonly did: 'finished';
      /** What it waits for all the same: a person is asked about a row, which that may settle. */
      readonly waits?: Cause;
      readonly message: OutcomeMessage;
      readonly because?: string;
      readonly reason?: string;
      readonly rows?: readonly string[];
      readonly again?: true;
      readonly counterpart?: string;
      /** When what arrived was edited, by the clock of its own system, ms. */
      readonly editedAt?: number;
      readonly readToWriteMs?: number;
    }
  | { readonly did: 'parked'; readonly cause: Cause };

/** Why a record can wait. The runbook says when each ends. */
export const causeNames = [
  'parent',
  'fence',
  'settle',
  'lease',
  'poll',
  'unavailable',
  'reconnect',
  'not-found',
  'busy',
  'fuse',
  'pause',
] as const;

/** Why a record waits, when it is looked at again at the latest, and the key under which whoever removes the cause finds it. */
export interface Cause {
  readonly name: (typeof causeNames)[number];
  /** ms since 1970. */
  readonly due: number;
  readonly key: string;
  /** Why the record shows `blocked`, or behind a fence `ambiguous`, while it waits; undefined when waiting is all there is to say. */
  readonly shows?: string;
  /** What the system said, for the log. */
  readonly because?: string;
  /** The prints of what a fuse holds back: what a person says there is said of these. */
  readonly asks?: readonly string[];
  /** Parking happens only while this holds; else the cause went away in the meantime. */
  readonly while?: Write;
  /** What holds other parts of the record back: who removes that rings as well. */
  readonly also?: readonly Pick<Cause, 'key' | 'while'>[];
}
