import type { FingerprintKeys } from '../domain/fingerprint.ts';
import { type RecordRef, refKey, type System } from '../domain/record.ts';
import type { Engine } from './engine.ts';
import type { Table, Write } from './ports.ts';
import { isSealedUnder, seal, unseal } from './seal.ts';

/** How long the loser of a conflict can be put back, ms. */
const keptMs = 90 * 24 * 3600 * 1000;
/** What the values are sealed for. */
const purpose = 'conflict-log';

/** A value that lost a conflict: kept, and can be put back. */
export interface Loser {
  readonly row: string;
  readonly system: System;
  readonly value: unknown;
  /** ms since 1970. */
  readonly at: number;
}

const keyAt = (at: number): string => `loser#${String(at).padStart(15, '0')}#`;

/** The writes that keep the losers, to be part of the write-ahead: nothing is replaced before its old value is safe. */
export function keepLosers(
  { clock, settings, newId }: Engine,
  ref: RecordRef,
  lost: readonly Omit<Loser, 'at'>[],
): readonly Write[] {
  const at = clock.now();
  return lost.map((loser) => ({
    put: {
      pk: refKey(ref),
      sk: `${keyAt(at)}${newId()}`,
      secret: seal(settings.keys, purpose, JSON.stringify({ ...loser, at })),
      expiresAt: Math.ceil((at + keptMs) / 1000),
    },
  }));
}

/**
 * The newest values that lost, newest first; those past their time are left out even while the table still holds them, and so are those that
 * were sealed under a key that is gone.
 * @param at only those that lost at this time, ms
 */
export async function losersOf(
  table: Table,
  keys: FingerprintKeys,
  ref: RecordRef,
  now: number,
  { limit = 100, at }: { readonly limit?: number; readonly at?: number } = {},
): Promise<readonly Loser[]> {
  const prefix = at === undefined ? 'loser#' : keyAt(at);
  const items = await table.query(refKey(ref), { prefix, last: true, limit });
  return items
    .filter((item) => Number(item.expiresAt) * 1000 > now && isSealedUnder(keys, String(item.secret)))
    .map((item) => JSON.parse(unseal(keys, purpose, String(item.secret))) as Loser);
}
