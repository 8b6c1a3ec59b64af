import { type RecordRef, refKey } from '../domain/record.ts';
import type { Engine } from './engine.ts';
import { linkKey, stateKey } from './keys.ts';
import type { Write } from './ports.ts';

/** What a record without a link can show, everywhere: log, metric, command line. The runbook explains each. */
export const recordStates = ['excluded', 'ambiguous', 'blocked', 'failed', 'unlinked'] as const;
export type RecordState = (typeof recordStates)[number];

export const stateWrite = ({ clock }: Engine, ref: RecordRef, state: RecordState, reason: string): Write => ({
  put: { ...stateKey(ref), state, due: clock.now(), reason },
});

/** Its link has ended; whether another record without a link belongs to it, nobody has looked yet. */
export const leftBehindWrite = ({ clock }: Engine, ref: RecordRef, reason: string): Write => ({
  put: { ...stateKey(ref), state: 'unlinked', due: clock.now(), reason, isUnasked: true },
});

interface Shown {
  readonly state: RecordState;
  readonly reason: string;
  /** Nobody has looked at it since its link has ended. */
  readonly isUnasked?: boolean;
}

/**
 * What a record shows, and why; undefined when nothing stands in its way any more. One that was linked meanwhile shows nothing of that, but
 * it may have failed. Answers false when it showed just that already: since when stays as it is.
 */
export async function setRecordState(
  engine: Engine,
  ref: RecordRef,
  state: RecordState | undefined,
  reason: string,
): Promise<boolean> {
  const shown = state && (await recordStateOf(engine, ref));
  const isNews = !shown || shown.state !== state || shown.reason !== reason;
  if (!isNews && !shown.isUnasked) return false;
  if (state === undefined) await engine.table.write([{ delete: stateKey(ref) }]);
  else
    await engine.table.write([
      stateWrite(engine, ref, state, reason),
      ...(state === 'failed' ? [] : [{ check: linkKey(ref), when: 'absent' } as const]),
    ]);
  return isNews;
}

const ownKey = (ref: RecordRef) => ({ pk: refKey(ref), sk: 'own' });

/** A person said that this record is no other one's counterpart, nobody's copy, and nobody's late result. */
export const ownWrite = (ref: RecordRef): Write => ({ put: ownKey(ref) });

export const removeOwn = (ref: RecordRef): Write => ({ delete: ownKey(ref) });

const deniedKey = (ref: RecordRef) => ({ pk: refKey(ref), sk: 'denied' });

/** A person said that none of these is the result of this record's create. Of another one's some of them may be. */
export const deniedWrite = (ref: RecordRef, ids: readonly string[]): Write => ({
  put: { ...deniedKey(ref), ids },
});

export const deniedOf = async ({ table }: Engine, ref: RecordRef): Promise<readonly string[]> =>
  ((await table.get(deniedKey(ref)))?.ids ?? []) as readonly string[];

export const isOnItsOwn = async ({ table }: Engine, ref: RecordRef): Promise<boolean> =>
  (await table.get(ownKey(ref))) !== undefined;

/** It was dealt with since. */
export async function noLongerFailed(engine: Engine, ref: RecordRef): Promise<void> {
  if ((await recordStateOf(engine, ref))?.state === 'failed')
    await setRecordState(engine, ref, undefined, '');
}

export async function recordStateOf({ table }: Engine, ref: RecordRef): Promise<Shown | undefined> {
  const item = await table.get(stateKey(ref));
  return (
    item && {
      state: item.state as RecordState,
      reason: String(item.reason),
      ...(item.isUnasked === true && { isUnasked: true }),
    }
  );
}
