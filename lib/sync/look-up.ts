import { fingerprints } from '../domain/fingerprint.ts';
import { type Agreed, type Link, nothingAgreed } from '../domain/link.ts';
import { otherSystem, type RecordRef, refKey, type Snapshot } from '../domain/record.ts';
import { RemoteUnavailableError, SyncError } from '../errors.ts';
import { agreedOfResult, type KnownRows, knownOf, rowsHeld } from '../mappings/creation.ts';
import { externalIdOf } from '../mappings/match-keys.ts';
import { mappings } from '../mappings/pairs.ts';
import type { Engine } from './engine.ts';
import { exclusionOf } from './exclusions.ts';
import { gatherFacts } from './facts.ts';
import {
  alikesOf,
  earliestResult,
  findIntent,
  type Intent,
  mayBeResultOf,
  noteAlike,
  openIntentsInto,
} from './intents.ts';
import { hashesOf, keysOf } from './key-index.ts';
import { counterpartOf } from './links.ts';
import type { Call } from './ports.ts';
import { deniedOf, isOnItsOwn } from './record-state.ts';
import { tombstoneOf } from './tombstones.ts';

/** A look-up reads at most this many pages; more changes than that since one create began is not to be expected. */
const pageLimit = 50;

/**
 * `isOurs`: it holds, or held, all that was sent; otherwise it only shares a match key, and may be somebody's own record.
 * `wasWhole`: it was seen with all that was sent.
 */
export type Found =
  | { readonly found: 'none' }
  | {
      readonly found: 'one';
      readonly snapshot: Snapshot;
      readonly isOurs: boolean;
      readonly wasWhole: boolean;
    }
  | { readonly found: 'ambiguous'; readonly reason: string; readonly suspects: readonly string[] };

/**
 * Looks for the result of a create that never told its outcome: any unlinked record made since it began whose marker, match key, or
 * all sent values agree, or agreed when it was first seen. Exactly one is ours; anything less certain is for a person to say, such as
 * one that holds a part of what was sent: its user may have edited it before anybody saw it.
 * @param origin as it is now: one of Customcrm's may name its counterpart already, when the table was restored to before their link.
 */
export async function lookUp(engine: Engine, intent: Intent, call: Call, origin?: Snapshot): Promise<Found> {
  const since = earliestResult(engine, intent);
  const marker = externalIdOf(intent.origin.id);
  const alikes = await alikesOf(engine, intent);
  const denied = await deniedOf(engine, intent.origin);
  // Before other background work, whoever rang: what is put off grows by all that is created meanwhile, and others wait behind it.
  const first: Call = { ...call, priority: 'live' };
  /** By id: the list shifts while it is read, and shows some again. */
  const byId = new Map<string, { readonly snapshot: Snapshot; readonly likeness: Likeness }>();
  let cursor: string | undefined;
  for (let page = 0; page < pageLimit; page++) {
    const { changes, next } = await engine.systems[otherSystem(intent.origin.system)].changedSince(
      intent.origin.pair,
      since,
      cursor,
      first,
    );
    // Together, and before anything is compared: in a first load nearly all of them are somebody's counterpart by now.
    const free = await Promise.all(
      changes.map((change) => isFree(engine, change.state === 'living' ? change.snapshot : change.ref)),
    );
    for (const [index, change] of changes.entries()) {
      if (change.state === 'unreadable' && free[index])
        throw new RemoteUnavailableError(change.ref.system, 'a record that may be the result cannot be read');
      if (change.state !== 'living' || change.snapshot.createdAt < since) continue;
      const { snapshot } = change;
      if (isMarkedForAnother(snapshot, intent) || denied.includes(snapshot.id)) continue;
      if (!free[index]) {
        byId.delete(snapshot.id);
        continue;
      }
      const isNamed = origin?.body.ExternalId === externalIdOf(snapshot.id);
      const isMarked = snapshot.body.ExternalId === marker || isNamed || alikes.get(snapshot.id) === 'all';
      const now = isMarked ? 'all' : await likenessOf(engine, intent, snapshot, call);
      const likeness = now === 'all' ? now : (alikes.get(snapshot.id) ?? now);
      const isSuspect = likeness !== 'little' || intent.suspects?.includes(snapshot.id);
      if (isSuspect) byId.set(snapshot.id, { snapshot, likeness });
      else byId.delete(snapshot.id);
    }
    cursor = next;
    if (cursor === undefined) break;
  }
  if (cursor !== undefined)
    return {
      found: 'ambiguous',
      reason: 'too many records changed since the create to look through',
      suspects: [],
    };
  const found = [...byId.values()];
  if (found.length === 0) return { found: 'none' };
  const certain = found.filter(({ likeness }) => likeness === 'all');
  const keyed = found.filter(({ likeness }) => likeness === 'key');
  const [only, ...others] = [...certain, ...keyed];
  const isClear = others.length === 0 && (certain.length === 1 || found.length === 1);
  if (
    only &&
    isClear &&
    origin &&
    only.likeness === 'key' &&
    (await denies(engine, intent, origin, only.snapshot, call))
  )
    return {
      found: 'ambiguous',
      reason: 'a new record shares a key with what was sent, but another key differs',
      suspects: [only.snapshot.id],
    };
  if (only && isClear) {
    const { snapshot, likeness } = only;
    return {
      found: 'one',
      snapshot,
      isOurs: likeness === 'all',
      wasWhole: alikes.get(snapshot.id) === 'all',
    };
  }
  return {
    found: 'ambiguous',
    reason:
      found.length > 1
        ? 'more than one record may be the result of the create'
        : 'a new record holds a part of what was sent',
    suspects: [...new Set(found.map(({ snapshot }) => snapshot.id))].sort(),
  };
}

/**
 * The open create that may have made this record: by the time, or by what it holds, for a target may execute a create much later than
 * anybody waited. While its outcome is not known, the look-up would find this record.
 */
export async function fenceOf(
  engine: Engine,
  open: readonly Intent[],
  record: Snapshot,
  call: Call,
): Promise<Intent | undefined> {
  const inTime = open.find((intent) => mayBeResultOf(engine, intent, record));
  if (inTime) return inTime;
  for (const intent of open) {
    const isYounger = !intent.suspects && record.createdAt >= earliestResult(engine, intent);
    if (!isYounger || isMarkedForAnother(record, intent)) continue;
    const known = (await alikesOf(engine, intent)).get(record.id);
    const likeness = known ?? (await likenessOf(engine, intent, record, call));
    if (likeness === 'all' || likeness === 'key') return intent;
  }
  return undefined;
}

/** Rows and creates that one page of a list compares. */
const comparedLimit = 200;

/**
 * Remembers how rows of a list look that have no link, and may be the results of creates whose outcome is not known: their users may
 * have edited them by the time that a worker can read them by themselves. That is a help, and no reason for a poll to fail.
 */
export async function noteAlikes(engine: Engine, unlinked: readonly Snapshot[], call: Call): Promise<void> {
  try {
    for (const [pair, rows] of Map.groupBy(unlinked, (row) => row.pair)) {
      const [{ system } = {}] = rows;
      const intents = system ? await openIntentsInto(engine, system, pair) : [];
      const young = rows.flatMap((row) =>
        intents
          .filter(
            (intent) => intent.suspects?.includes(row.id) ?? row.createdAt >= earliestResult(engine, intent),
          )
          .map((intent) => ({ intent, row, isInTime: mayBeResultOf(engine, intent, row) })),
      );
      // The others are only results when the target was much too late.
      const may = [...young.filter(({ isInTime }) => isInTime), ...young.filter(({ isInTime }) => !isInTime)];
      for (const { intent, row } of may.slice(0, comparedLimit)) await noteIfAlike(engine, intent, row, call);
    }
  } catch (error) {
    if (!(error instanceof SyncError)) throw error;
  }
}

/** Notes how a record looks that may be the result of this create, when it is like what was sent. */
export async function noteIfAlike(
  engine: Engine,
  intent: Intent,
  record: Snapshot,
  call: Call,
): Promise<void> {
  const likeness = await likenessOf(engine, intent, record, call);
  if (likeness === 'all' || likeness === 'key') await noteAlike(engine, intent, record.id, likeness);
}

/**
 * How much a record is like what a create sent: it holds all of it, shares a match key with it, holds more than half of it (or anything
 * that tells records apart, when it was edited since it was made), nothing but what many records hold when it was edited, or less.
 */
export type Likeness = 'all' | 'key' | 'some' | 'common' | 'little';

export async function likenessOf(
  engine: Engine,
  intent: Intent,
  snapshot: Snapshot,
  call: Call,
): Promise<Likeness> {
  const rows = Object.keys(intent.sent).length;
  const held = await heldIn(engine, intent, snapshot, call);
  if (rows > 0 && held.length === rows) return 'all';
  const hashes = keysOf(engine, snapshot).flatMap((key) => hashesOf(engine, key));
  if (hashes.some((hash) => intent.keys.includes(hash))) return 'key';
  const wasEdited = snapshot.modifiedAt > snapshot.createdAt;
  const tells = mappings[snapshot.pair].everyRow.some(
    ({ id, conversion }) => held.includes(id) && !conversion.isCommon,
  );
  if (held.length * 2 > rows || (wasEdited && tells)) return 'some';
  return wasEdited && held.length > 0 ? 'common' : 'little';
}

/** Does another key deny the one by which a record is taken for the result? Then it is perhaps somebody's own. */
async function denies(
  engine: Engine,
  intent: Intent,
  origin: Snapshot,
  made: Snapshot,
  call: Call,
): Promise<boolean> {
  const by = keysOf(engine, made).find((key) =>
    hashesOf(engine, key).some((hash) => intent.keys.includes(hash)),
  );
  const [customcrm, wave] = origin.system === 'customcrm' ? [origin, made] : [made, origin];
  const facts = await gatherFacts(engine, made.pair, { customcrm: customcrm.body, wave: wave.body }, call);
  return mappings[made.pair].contradicts(customcrm.body, wave.body, by?.name ?? '', facts);
}

/** A create into Customcrm carries the marker of its origin: what carries another one is not its result. */
const isMarkedForAnother = ({ body }: Snapshot, { origin }: Intent): boolean =>
  String(body.ExternalId ?? '').startsWith(externalIdOf('')) && body.ExternalId !== externalIdOf(origin.id);

async function heldIn(
  engine: Engine,
  { origin, sent }: Intent,
  { system, pair, body }: Snapshot,
  call: Call,
): Promise<readonly string[]> {
  const facts = await gatherFacts(engine, pair, { [system]: body }, call);
  return rowsHeld(mappings[pair], system, body, sent, facts, printsOfIntent(engine, origin));
}

/** The rows of a create that are agreed when its result is linked. The others are for the rules of a first link to decide. */
export async function knownRows(
  engine: Engine,
  { sent }: Intent,
  origin: Snapshot,
  { snapshot: made, wasWhole }: Extract<Found, { found: 'one' }>,
  call: Call,
): Promise<KnownRows> {
  const { system, pair, body } = origin;
  const facts = await gatherFacts(engine, pair, { [system]: body, [made.system]: made.body }, call);
  const prints = printsOfIntent(engine, origin);
  const held = rowsHeld(mappings[pair], made.system, made.body, sent, facts, prints);
  return knownOf(mappings[pair], system, body, { sent, held, wasWhole }, facts, prints);
}

/** What is agreed for the result of a create whose origin is gone, as prints of this link. */
export async function agreedWithoutOrigin(
  engine: Engine,
  intent: Intent,
  made: Snapshot,
  link: Pick<Link, 'id'>,
  call: Call,
): Promise<Agreed> {
  const { system, pair, body } = made;
  const facts = await gatherFacts(engine, pair, { [system]: body }, call);
  const mapping = mappings[pair];
  const held = rowsHeld(mapping, system, body, intent.sent, facts, printsOfIntent(engine, intent.origin));
  const prints = fingerprints(engine.settings.keys, link.id);
  const agreed = agreedOfResult({ mapping, facts, prints }, made, { sent: intent.sent, held });
  return { ...nothingAgreed, [system]: agreed };
}

export const printsOfIntent = (engine: Engine, origin: Intent['origin']) =>
  fingerprints(engine.settings.keys, refKey(origin));

/** Never linked, nor about to get a counterpart of its own, nor kept without one by a person. */
export const isFree = async (engine: Engine, snapshot: RecordRef): Promise<boolean> =>
  (await counterpartOf(engine.table, snapshot)) === undefined &&
  (await tombstoneOf(engine.table, snapshot)) === undefined &&
  (await findIntent(engine, snapshot)) === undefined &&
  (await exclusionOf(engine.table, snapshot)) === undefined &&
  !(await isOnItsOwn(engine, snapshot));
