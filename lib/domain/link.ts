import type { Turns } from './loop.ts';
import type { ObservedAt } from './policy.ts';
import type { Pair, RecordRef, System } from './record.ts';

/** Fingerprints by row id. */
export type RowPrints = Readonly<Record<string, string>>;

/** What each side held, row by row, when both last agreed. */
export interface Agreed {
  readonly customcrm: RowPrints;
  readonly wave: RowPrints;
  /** One-way rows whose receiving side was put back: the sender's print at that time. */
  readonly reverted: RowPrints;
}

export const nothingAgreed: Agreed = { customcrm: {}, wave: {}, reverted: {} };

/** What a link can show, everywhere: log, metric, command line. The runbook explains each. */
export const linkStates = [
  'in-sync',
  'recorded-difference',
  'conflict',
  'held',
  'blocked',
  'deletion-suspected',
] as const;
export type LinkState = (typeof linkStates)[number];

/** Two records, one in each system, that are kept equal. Holds no name, address or e-mail in the clear. */
export interface Link {
  readonly id: string;
  readonly pair: Pair;
  readonly customcrmId: string;
  readonly waveId: string;
  /** Grows with every write of the link. */
  readonly revision: number;
  /** The revision that it began with; 1 unless said, more when it lives again. */
  readonly begun?: number;
  readonly agreed: Agreed;
  /** Customcrm's `Version` and `UpdatedAt` (ms) when everything was agreed: the stamp of our own echo. */
  readonly agreedVersion?: string;
  readonly agreedUpdatedAt?: number;
  /** Write-ahead: what an update that is under way, or was never answered, is putting there. */
  readonly ahead?: Ahead;
  /** When, since agreement, a change was first observed on each side. */
  readonly observed: ObservedAt;
  /** The newest that we agreed on: Customcrm's version, Wave's `modifiedAt` (ms). An older picture is a lagging one. `at`: since when (ms). */
  readonly answered?: { readonly customcrm?: number; readonly wave?: number; readonly at?: number };
  /** The newest picture of each side that was looked at while a person is asked about the link. */
  readonly looked?: { readonly customcrm?: number; readonly wave?: number };
  /** Customcrm's `ExternalId` was offered: never offered twice. */
  readonly marked: boolean;
  /** By row: a write of it was refused, and is not tried again until a side changes. */
  readonly refusals?: Refusals;
  readonly state: LinkState;
  readonly reasons: readonly string[];
  /** Since when the record was not found in this system, ms. */
  readonly missing?: { readonly system: System; readonly since: number };
  /** For the loop fuse: where each row was last written, and how often the same values went to and fro. */
  readonly turns?: Turns;
  readonly history: readonly Outcome[];
}

export type Refusals = Readonly<Record<string, Refusal>>;
/** In place of a row: that the record goes out of use as a whole. */
export const wholeRecord = 'deletion';
export interface Refusal {
  /** Of what both sides held in this row, and of where it was to be written; for the {@link wholeRecord} of everything that they held. */
  readonly print: string;
  /** Of everything that both sides held: what a system refuses may depend on any of it. What a person refuses does not. */
  readonly picture?: string;
  readonly reason: string;
  /** `blocked`: the other system refused. `held`: a person did, at a fuse. */
  readonly shows: 'blocked' | 'held';
}

export interface Ahead {
  readonly customcrm: RowPrints;
  readonly wave: RowPrints;
  /** Its invoice was to be removed, since Customcrm gave the order up: at this version of it. */
  readonly removedAfter?: string;
  /** While unanswered, no new attempt starts before this time (ms). */
  readonly settlesAt: number;
}

/** One line of a link's history. No values. */
export interface Outcome {
  readonly at: number;
  readonly eventId: string;
  readonly did: string;
  readonly rows: readonly string[];
}

/** The last outcomes that a link keeps. */
export const historyLimit = 50;

export const refOf = (link: Pick<Link, 'pair' | 'customcrmId' | 'waveId'>, system: System): RecordRef => ({
  system,
  pair: link.pair,
  id: system === 'customcrm' ? link.customcrmId : link.waveId,
});
