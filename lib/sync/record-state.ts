import { type RecordRef, refKey } from '../domain/record.ts';
import type { Engine } from './engine.ts';
import type { Key, Write } from './ports.ts';

/** What a record without a link can show, everywhere: log, metric, command line. */
export type RecordState = 'excluded' | 'ambiguous' | 'blocked' | 'failed' | 'unlinked';

const stateKey = (ref: RecordRef): Key => ({ pk: refKey(ref), sk: 'state' });

export const stateWrite = ({ clock }: Engine, ref: RecordRef, state: RecordState, reason: string): Write => ({
  put: { ...stateKey(ref), state, due: clock.now(), reason },
});

/** What an unlinked record shows, and why; undefined when nothing stands in its way any more. */
export async function setRecordState(
  engine: Engine,
  ref: RecordRef,
  state: RecordState | undefined,
  reason: string,
): Promise<void> {
  await engine.table.write([state ? stateWrite(engine, ref, state, reason) : { delete: stateKey(ref) }]);
}

export async function recordStateOf(
  { table }: Engine,
  ref: RecordRef,
): Promise<{ readonly state: RecordState; readonly reason: string } | undefined> {
  const item = await table.get(stateKey(ref));
  return item && { state: item.state as RecordState, reason: String(item.reason) };
}
