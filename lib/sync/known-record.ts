import { type RecordRef, refKey } from '../domain/record.ts';
import type { Engine } from './engine.ts';
import type { Call } from './ports.ts';

/**
 * Whether there is such a record, or ever was: the table keeps something about it, or its system knows it. Reads only.
 * @throws SyncError when only the system could say, and does not.
 */
export async function isKnown({ table, systems }: Engine, ref: RecordRef, call: Call): Promise<boolean> {
  const kept = await table.query(refKey(ref), { limit: 1 });
  if (kept.length > 0) return true;
  const reading = await systems[ref.system].read(ref.pair, ref.id, call);
  return reading.state !== 'not-found';
}
