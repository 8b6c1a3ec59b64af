import { type Link, nothingAgreed } from '../domain/link.ts';
import { type RecordRef, refKey, type Snapshot } from '../domain/record.ts';
import { agreedAfterCreate, agreedAtLink, type KnownRows } from '../mappings/creation.ts';
import { answeredAfter } from './agree.ts';
import { applyChange, picture } from './apply-change.ts';
import { keepLosers, reportLosers } from './conflict-log.ts';
import { type Engine, type Handled, lineOf } from './engine.ts';
import { notExcluded, removeExclusion } from './exclusions.ts';
import { firstStart } from './identity.ts';
import { closeWrites, fenceKey, type Intent, noOpenIntent, settling } from './intents.ts';
import { indexKeys } from './key-index.ts';
import { throwIfReadLags } from './lagging.ts';
import { stillHeld } from './leases.ts';
import { counterpartOf, newLinkWrites } from './links.ts';
import { wake, wakeRecord } from './parking.ts';
import type { Call } from './ports.ts';
import { removeOwn } from './record-state.ts';
import { startedAt } from './started-pairs.ts';
import { removeTombstone, type Tombstone, tombstoneOf } from './tombstones.ts';
import { awaitProof, busy } from './unlinked-record.ts';
import type { Work } from './work.ts';

/** Links a record that was found, without a create. */
export async function linkMatch(work: Work, origin: Snapshot, counterpart: Snapshot): Promise<Handled> {
  const link = await matchedLink(work.engine, origin, counterpart, work.call);
  const written = await work.engine.table.write([
    ...newLinkWrites(link),
    stillHeld(work.lease),
    noOpenIntent(origin),
    noOpenIntent(counterpart),
    removeTombstone(origin),
    removeTombstone(counterpart),
    notExcluded(counterpart),
  ]);
  if (!written.done) return busy(work.engine);
  return afterLink(work, link, origin, counterpart);
}

interface Result {
  readonly snapshot: Snapshot;
  /** When it was answered or read, ms. */
  readonly at: number;
  /** Otherwise it is perhaps somebody's own record, of which a create says less. */
  readonly isOurs: boolean;
  readonly known: KnownRows;
}

/** Links what was created, or found again, and drops the intent: one transaction. */
export async function linkUp(
  work: Work,
  origin: Snapshot,
  { snapshot: made, at, isOurs, known }: Result,
  intent: Intent,
): Promise<Handled> {
  const { engine, call } = work;
  const bare = newLink(engine, origin, made, isOurs ? 'created' : 'matched');
  const both = bothOf(origin, made);
  const pictured = await picture(engine, bare, both, call);
  const { agreed, lost } = isOurs
    ? { agreed: agreedAfterCreate(pictured, origin.system, known), lost: [] }
    : agreedAtLink(pictured, known.edited);
  const link = {
    ...bare,
    agreed,
    marked: made.system === 'customcrm',
    answered: answeredAfter(engine, bare, [origin, made]),
  };
  const written = await engine.table.write([
    ...newLinkWrites(link),
    stillHeld(work.lease),
    ...closeWrites(engine, intent),
    removeTombstone(origin),
    removeOwn(origin),
    ...(isOurs ? [] : [notExcluded(made)]),
    ...keepLosers(engine, both.customcrm, lost),
  ]);
  if (!written.done) return { did: 'parked', cause: settling(engine, intent) };
  reportLosers(engine, work.doorbell, made.id, lost);
  return afterLink(work, link, origin, made, made.system === 'wave' ? at : work.readAt);
}

/** A deleted record lives again: its survivor still waits for it, so their link does too. */
export async function revive(
  work: Work,
  origin: Snapshot,
  { other, link }: Tombstone,
): Promise<Handled | undefined> {
  const { engine, call } = work;
  const waiting = await tombstoneOf(engine.table, other);
  const reading = await engine.systems[other.system].read(other.pair, other.id, call);
  const waitsForIt = waiting?.kind === 'survivor' && refKey(waiting.other) === refKey(origin);
  const mayRevive = waitsForIt && (await counterpartOf(engine.table, other)) === undefined;
  if (mayRevive) throwIfReadLags(engine, work.doorbell, other, reading, link);
  const unproven = mayRevive && reading.state === 'not-found' && (await awaitProof(work, other));
  if (unproven) return unproven;
  if (!mayRevive || reading.state !== 'living') {
    await engine.table.write([removeTombstone(origin)]);
    return undefined;
  }
  const revived: Link = {
    ...link,
    revision: link.revision + 1,
    begun: link.revision + 1,
    state: 'in-sync',
    reasons: [],
  };
  const written = await engine.table.write([
    ...newLinkWrites(revived),
    stillHeld(work.lease),
    noOpenIntent(origin),
    noOpenIntent(other),
    removeTombstone(origin),
    removeTombstone(other),
    // A person let it stay alone while the other one was gone.
    removeExclusion(other),
  ]);
  if (!written.done) return busy(engine);
  return afterLink(work, revived, origin, reading.snapshot);
}

/** @param readAt when Wave's half was read or answered, ms: while a match was looked for, it has become old. */
async function afterLink(
  work: Work,
  link: Link,
  origin: Snapshot,
  counterpart: Snapshot,
  readAt = work.readAt,
): Promise<Handled> {
  const { engine } = work;
  await indexKeys(engine, counterpart);
  await wakeBehind(engine, [origin, counterpart]);
  // The link's lease is that of its Customcrm record: a worker who came from Wave takes it now.
  const both = bothOf(origin, counterpart);
  const message = link.history[0]?.did === 'created' ? 'counterpart created' : 'records linked';
  let applied: Handled | undefined;
  try {
    applied = await work.underLease(both.customcrm, (lease) =>
      applyChange({ ...work, lease }, link, { both, readAt }),
    );
  } finally {
    // Mostly it is said with what flowed through the link; somebody else may bring that, and says nothing of the link.
    if (applied?.did !== 'finished')
      engine.report({ ...lineOf(work.doorbell), message, counterpart: counterpart.id });
  }
  await wakeRecord(engine, counterpart);
  if (applied.did === 'parked') return applied;
  const { editedAt: _editedAt, ...outcome } = applied;
  // What was there before its pair was started has not waited for us since it was edited.
  const began = (await startedAt(engine, link.pair)) ?? (await firstStart(engine)) ?? 0;
  return {
    ...outcome,
    message,
    counterpart: counterpart.id,
    ...(origin.modifiedAt > began && { editedAt: origin.modifiedAt }),
  };
}

/** Who waits until these are linked: their children, and whatever may have been the result of their creates. */
export async function wakeBehind(engine: Engine, refs: readonly RecordRef[]): Promise<void> {
  for (const ref of refs) {
    await wake(engine, `parent#${refKey(ref)}`);
    await wake(engine, fenceKey(ref));
  }
}

const bothOf = (origin: Snapshot, other: Snapshot) =>
  origin.system === 'customcrm' ? { customcrm: origin, wave: other } : { customcrm: other, wave: origin };

/** Two records that match, or of which a person says that they are one. Only what is equal is agreed: the first plan says what flows. */
export async function matchedLink(
  engine: Engine,
  origin: Snapshot,
  counterpart: Snapshot,
  call: Call,
): Promise<Link> {
  const bare = newLink(engine, origin, counterpart, 'matched');
  const pictured = await picture(engine, bare, bothOf(origin, counterpart), call);
  const { agreed } = agreedAtLink(pictured);
  return { ...bare, agreed, answered: answeredAfter(engine, bare, [origin, counterpart]) };
}

/** Two unlinked records as one link. Nothing is agreed yet. */
export function newLink(
  engine: Engine,
  origin: Snapshot,
  counterpart: Snapshot,
  did: 'matched' | 'created',
): Link {
  const { customcrm, wave } = bothOf(origin, counterpart);
  return {
    id: engine.newId(),
    pair: origin.pair,
    customcrmId: customcrm.id,
    waveId: wave.id,
    revision: 1,
    agreed: nothingAgreed,
    observed: {},
    marked: false,
    state: 'in-sync',
    reasons: [],
    history: [{ at: engine.clock.now(), eventId: 'link', did, rows: [] }],
  };
}
