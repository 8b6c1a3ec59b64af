import { type RecordRef, refKey, type Snapshot } from '../domain/record.ts';
import { markedRef } from '../mappings/match-keys.ts';
import type { Cause, Engine, Handled } from './engine.ts';
import {
  alikesOf,
  closedIntentsInto,
  earliestResult,
  fenceKey,
  type Intent,
  noteAlike,
  rememberClosed,
} from './intents.ts';
import { counterpartOf } from './links.ts';
import { likenessOf } from './look-up.ts';
import type { Call } from './ports.ts';
import { setRecordState } from './record-state.ts';
import { isNotedGone } from './sighting.ts';
import { tombstoneOf } from './tombstones.ts';
import { hourMs } from './unlinked-record.ts';
import type { Work } from './work.ts';

/** Why a record is held: whatever it matches; or, where its creator still needs a counterpart, only when it matches nothing. */
export interface Late {
  readonly held?: string;
  readonly unlessMatched?: string;
}

/**
 * A create that was given up, or waits for a person, and made something like this record, perhaps much later than anybody waited.
 * @param open creates into this system whose outcome is not known
 * @param matched the record for whose counterpart it may be taken: of its own create it may well be the result
 */
export async function lateCreate(
  engine: Engine,
  record: Snapshot,
  open: readonly Intent[],
  call: Call,
  matched?: RecordRef,
): Promise<Late> {
  let unlessMatched: string | undefined;
  const ambiguous = open.filter(({ suspects }) => suspects);
  for (const intent of [...ambiguous, ...(await closedIntentsInto(engine, record.system, record.pair))]) {
    const isItsOwn = matched !== undefined && refKey(intent.origin) === refKey(matched);
    if (isItsOwn || record.createdAt < earliestResult(engine, intent)) continue;
    const known = (await alikesOf(engine, intent)).get(record.id);
    const likeness = known ?? (await likenessOf(engine, intent, record, call));
    // One that its user has changed by now is only doubted when it is not much younger than the create, and that may still have another result.
    if (likeness === 'common' || likeness === 'little') continue;
    const isTooYoung = record.createdAt >= sentThere(intent) + hourMs;
    if (likeness === 'some' && (intent.foundAll || isTooYoung)) continue;
    const because = ambiguous.includes(intent)
      ? 'waits for a person'
      : await needsNoCounterpart(engine, intent.origin);
    const mayBe = `may be the late result of the create for ${refKey(intent.origin)}`;
    if (because === undefined) {
      if (likeness !== 'some') unlessMatched ??= `${mayBe}, which has none yet`;
      continue;
    }
    // Its user may edit it: it stays what it was when it was first seen, for as long as nobody decides.
    await noteAlike(engine, intent, record.id, likeness);
    if (!ambiguous.includes(intent)) await rememberClosed(engine, intent);
    return { held: `${mayBe}, which ${because}` };
  }
  return unlessMatched === undefined ? {} : { unlessMatched };
}

/** When a create was sent, by the clock of the system that it was sent to, ms. */
const sentThere = ({ sentAt, clockAheadMs = 0 }: Intent): number => sentAt + clockAheadMs;

async function needsNoCounterpart(engine: Engine, origin: RecordRef): Promise<string | undefined> {
  if ((await counterpartOf(engine.table, origin)) !== undefined) return 'is linked already';
  const tombstone = await tombstoneOf(engine.table, origin);
  if (tombstone?.kind === 'survivor') return 'has lost its own';
  return tombstone || (await isNotedGone(engine, origin)) ? 'is gone' : undefined;
}

/** Customcrm's `ExternalId` names a Wave record that has another counterpart: perhaps a copy, never a new record to import. */
export async function markedForAnother(engine: Engine, origin: Snapshot): Promise<string | undefined> {
  const named = markedRef(origin);
  if (!named) return undefined;
  const isLinked = (await counterpartOf(engine.table, named)) !== undefined;
  return isLinked ? `carries the marker of ${refKey(named)}, which is linked already` : undefined;
}

/** Waits until an open create of somebody else is closed; what a person must decide first is shown. */
export async function waitBehind({ engine, doorbell }: Work, intent: Intent): Promise<Handled> {
  const cause = fenced(engine, intent);
  if (cause.shows !== undefined) await setRecordState(engine, doorbell, 'ambiguous', cause.shows);
  return { did: 'parked', cause };
}

/** A suspect of a create that ended ambiguous waits for the person who decides about that. */
const fenced = ({ clock, settings }: Engine, { origin, sentAt, lookAgainAt }: Intent): Cause => ({
  name: 'fence',
  key: fenceKey(origin),
  due: Math.max(clock.now() + 30_000, sentAt + 2 * settings.settleMs, (lookAgainAt ?? 0) + 60_000),
  ...(lookAgainAt !== undefined && { shows: `may be the result of the create for ${refKey(origin)}` }),
});
