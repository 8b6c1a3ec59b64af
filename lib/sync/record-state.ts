import { type RecordRef, refKey } from '../domain/record.ts';
import type { Engine } from './engine.ts';
import type { Key } from './ports.ts';

const stateKey = (ref: RecordRef): Key => ({ pk: refKey(ref), sk: 'state' });

/** What an unlinked record shows, and why; undefined when nothing stands in its way any more. */
export async function setRecordState(
  { table, clock }: Engine,
  ref: RecordRef,
  state: 'excluded' | 'ambiguous' | 'blocked' | 'failed' | undefined,
  reason: string,
): Promise<void> {
  await table.write([
    state ? { put: { ...stateKey(ref), state, due: clock.now(), reason } } : { delete: stateKey(ref) },
  ]);
}
