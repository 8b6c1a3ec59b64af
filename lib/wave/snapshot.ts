import type { Body, Pair, Snapshot } from '../domain/record.ts';
import type { WaveRecord } from './documents.ts';

/** A record as a list or an answer showed it; undefined when it is not whole. */
export function snapshotOf(pair: Pair, record: unknown): Snapshot | undefined {
  const { id, createdAt, modifiedAt } = (record ?? {}) as Partial<WaveRecord>;
  if (!id || !createdAt || !modifiedAt) return undefined;
  return {
    system: 'wave',
    pair,
    id,
    body: record as Body,
    createdAt: Date.parse(createdAt),
    modifiedAt: Date.parse(modifiedAt),
  };
}
