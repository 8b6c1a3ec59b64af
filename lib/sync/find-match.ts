import { otherSystem, type RecordRef, type Snapshot } from '../domain/record.ts';
import type { MatchKey } from '../mappings/mapping.ts';
import { markedRef, markerKey } from '../mappings/match-keys.ts';
import { mappings } from '../mappings/pairs.ts';
import type { Engine } from './engine.ts';
import { exclusionOf } from './exclusions.ts';
import { gatherFacts } from './facts.ts';
import { findIntent, type Intent, openIntentsInto } from './intents.ts';
import { holdersOf, keysOf } from './key-index.ts';
import { throwIfFromBefore } from './lagging.ts';
import { lateCreate } from './late-create.ts';
import { counterpartOf } from './links.ts';
import { fenceOf } from './look-up.ts';
import type { Call } from './ports.ts';
import { isOnItsOwn } from './record-state.ts';
import { tombstoneOf } from './tombstones.ts';

export type Match =
  | { readonly found: 'none' }
  | { readonly found: 'one'; readonly snapshot: Snapshot }
  /** The matching record may be the result of this create, which is under way. */
  | { readonly found: 'fenced'; readonly by: Intent }
  /** A record that was seen with the key does not show now: a lagging replica, no rights, or gone. No match may be concluded from that. */
  | { readonly found: 'unseen'; readonly ref: RecordRef }
  /** The matching record was deleted, and lives again: what becomes of its own link goes before. */
  | { readonly found: 'revived'; readonly ref: RecordRef }
  | { readonly found: 'ambiguous'; readonly reason: string };

/** Unlinked holders of one key that are worth reading one by one. */
const candidateLimit = 10;

/**
 * The record that is this one's counterpart already: unlinked, sharing a match key uniquely in both directions, contradicted by no
 * other key. Keys are tried in order of trust; anything less certain is ambiguous and a person decides.
 */
export async function findMatch(engine: Engine, origin: Snapshot, call: Call): Promise<Match> {
  const target = { system: otherSystem(origin.system), pair: origin.pair };
  for (const key of keysOf(engine, origin)) {
    const there = await unlinked(engine, target, await holdersThere(engine, origin, key, call));
    const here = await unlinked(engine, origin, await holdersOf(engine, origin.system, origin.pair, key));
    if (!there || !here || there.length > candidateLimit || here.length > candidateLimit)
      return { found: 'ambiguous', reason: `too many records have the same ${key.name}` };
    const candidates = await confirmed(
      engine,
      there.map((id) => ({ ...target, id })),
      key,
      call,
    );
    if ('unseen' in candidates) return { found: 'unseen', ref: candidates.unseen };
    if (candidates.length === 0) continue;
    const prefers = mappings[origin.pair].preferred;
    const rivals = await confirmed(
      engine,
      here.filter((id) => id !== origin.id).map((id) => ({ ...target, system: origin.system, id })),
      key,
      call,
    );
    if ('unseen' in rivals) return { found: 'unseen', ref: rivals.unseen };
    const [only, ...others] = bestOf(candidates, prefers);
    if (!only || others.length > 0 || bestOf([origin, ...rivals], prefers).some(({ id }) => id !== origin.id))
      return { found: 'ambiguous', reason: `more than one record has the same ${key.name}` };
    return judge(engine, origin, only, key, call);
  }
  return { found: 'none' };
}

/** The preferred ones, or all when none is. */
function bestOf(
  candidates: readonly Snapshot[],
  preferred: (record: Snapshot) => boolean,
): readonly Snapshot[] {
  const best = candidates.filter(preferred);
  return best.length > 0 ? best : candidates;
}

/** Of Wave: base64. Who types something else there names no record. */
const looksLikeAnId = /^[\w+/=-]+$/;

type Holders = readonly string[] | undefined;

/**
 * Who has this key in the other system, by the index; and whom a marker names, although the index does not know it, as after a restore of
 * the table: while that one cannot be read, nothing is concluded. That it is not found is believed: the polls have read every list up to
 * now, and it was in none.
 */
async function holdersThere(engine: Engine, origin: Snapshot, key: MatchKey, call: Call): Promise<Holders> {
  const ids = await holdersOf(engine, otherSystem(origin.system), origin.pair, key);
  const named = key.name === markerKey ? markedRef(origin) : undefined;
  const isKnown = !named || !looksLikeAnId.test(named.id) || ids?.includes(named.id);
  if (!ids || isKnown || (await tombstoneOf(engine.table, named))) return ids;
  const reading = await engine.systems.wave.read(named.pair, named.id, call);
  return reading.state === 'living' ? [...ids, named.id] : ids;
}

async function unlinked(
  engine: Engine,
  { system, pair }: Pick<RecordRef, 'system' | 'pair'>,
  ids: Holders,
): Promise<Holders> {
  if (!ids) return undefined;
  const taken = await Promise.all(
    ids.map(async (id) => {
      const ref = { system, pair, id };
      return (
        (await counterpartOf(engine.table, ref)) !== undefined ||
        (await exclusionOf(engine.table, ref)) !== undefined ||
        (await isOnItsOwn(engine, ref))
      );
    }),
  );
  return ids.filter((_, index) => !taken[index]);
}

/** The index may lag: only a by-id read says who holds the key now, and "not found" says nothing. */
async function confirmed(
  engine: Engine,
  refs: readonly RecordRef[],
  key: MatchKey,
  call: Call,
): Promise<readonly Snapshot[] | { readonly unseen: RecordRef }> {
  const readings = await Promise.all(
    refs.map(({ system, pair, id }) => engine.systems[system].read(pair, id, call)),
  );
  const unseen = refs.find((_, index) => readings[index]?.state === 'not-found');
  if (unseen) return { unseen };
  return readings.flatMap((reading) => {
    if (reading.state !== 'living') return [];
    const { snapshot } = reading;
    const holdsIt = keysOf(engine, snapshot).some((held) => held.name === key.name && held.form === key.form);
    const takesPart = mappings[snapshot.pair].excluded(snapshot, engine.settings.mapping) === undefined;
    return holdsIt && takesPart ? [snapshot] : [];
  });
}

/** What waits for a person as the late result of somebody's create is nobody else's counterpart. */
async function isHeldAsLate(
  engine: Engine,
  candidate: Snapshot,
  origin: RecordRef,
  call: Call,
): Promise<string | undefined> {
  if ((await isOnItsOwn(engine, candidate)) || (await tombstoneOf(engine.table, candidate))) return undefined;
  const open = await openIntentsInto(engine, candidate.system, candidate.pair);
  return (await lateCreate(engine, candidate, open, call, origin)).held;
}

/** A candidate that may be the result of somebody's open create is never taken; one that another key denies is for a person. */
async function judge(
  engine: Engine,
  origin: Snapshot,
  candidate: Snapshot,
  key: MatchKey,
  call: Call,
): Promise<Match> {
  const tombstone = await tombstoneOf(engine.table, candidate);
  if (tombstone?.kind === 'deleted') {
    throwIfFromBefore(engine, candidate, tombstone);
    return { found: 'revived', ref: candidate };
  }
  const fences = await openIntentsInto(engine, candidate.system, candidate.pair);
  const by = (await fenceOf(engine, fences, candidate, call)) ?? (await findIntent(engine, candidate));
  if (by) return { found: 'fenced', by };
  const late = await isHeldAsLate(engine, candidate, origin, call);
  if (late) return { found: 'ambiguous', reason: late };
  if ((await counterpartOf(engine.table, candidate)) !== undefined) return { found: 'none' };
  const [customcrm, wave] = origin.system === 'customcrm' ? [origin, candidate] : [candidate, origin];
  const facts = await gatherFacts(engine, origin.pair, { customcrm: customcrm.body, wave: wave.body }, call);
  if (mappings[origin.pair].contradicts(customcrm.body, wave.body, key.name, facts))
    return { found: 'ambiguous', reason: `the same ${key.name}, but another key differs` };
  return { found: 'one', snapshot: candidate };
}
