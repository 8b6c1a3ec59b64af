import { createHash } from 'node:crypto';
import { type Link, nothingAgreed } from '../domain/link.ts';
import { otherSystem, type RecordRef, refKey, type Snapshot } from '../domain/record.ts';
import { RemoteOutcomeUnknownError, RemoteRejectedError } from '../errors.ts';
import { mappings } from '../mappings/pairs.ts';
import { agreedAfterCreate, composeCreate } from '../mappings/record-plan.ts';
import { applyChange, picture, type Work } from './apply-change.ts';
import type { Cause, Engine, Handled } from './engine.ts';
import { gatherFacts } from './facts.ts';
import { findMatch } from './find-match.ts';
import {
  closeWrites,
  fenceKey,
  findIntent,
  type Intent,
  lateCreateOf,
  openIntent,
  openIntentsInto,
  updateIntent,
} from './intents.ts';
import { hashOf, indexKeys, keysOf } from './key-index.ts';
import { stillHeld } from './leases.ts';
import { counterpartOf, findLink, newLinkWrites } from './links.ts';
import { lookUp } from './look-up.ts';
import { wake } from './parking.ts';
import { pollHasPassed, pollKey } from './poll-progress.ts';
import { setRecordState } from './record-state.ts';

/** Gives an unlinked record its one counterpart: fence, parents, match, intent, create, link. The lease on the record is held. */
export async function createCounterpart(work: Work): Promise<Handled> {
  const { engine, doorbell, call } = work;
  const intents = await openIntentsInto(engine, doorbell.system, doorbell.pair); // before the link: see docs/ARCHITECTURE.md
  const link = await findLink(engine.table, doorbell);
  if (link) return { did: 'parked', cause: { name: 'busy', key: 'busy', due: engine.clock.now() } };
  const reading = await engine.systems[doorbell.system].read(doorbell.pair, doorbell.id, call);
  if (reading.state === 'deleted') return finished('nothing to do', 'deleted before it was ever linked');
  if (reading.state === 'not-found') return { did: 'parked', cause: notFound(work) };
  const origin = reading.snapshot;
  await indexKeys(engine, origin);
  const fence = intents.find(
    (intent) => origin.createdAt >= intent.startedAt - engine.settings.fenceMarginMs,
  );
  if (fence) return { did: 'parked', cause: fenced(engine, fence) };
  const excluded = mappings[origin.pair].excluded(origin, engine.settings.mapping);
  const open = await findIntent(engine, origin);
  if (open) return resume(work, origin, open);
  if (excluded) return show(work, 'excluded', excluded);
  const late = await lateCreate(engine, origin);
  if (late) return show(work, 'ambiguous', `may be a late result of the create for ${refKey(late)}`);
  const parents = await linkParents(work, origin);
  if (parents) return parents;
  return matchOrCreate(work, origin);
}

const finished = (message: string, because: string): Handled => ({ did: 'finished', message, because });

/** Shown until something about the record changes. */
async function show(
  { engine, doorbell }: Work,
  state: 'excluded' | 'ambiguous' | 'blocked',
  reason: string,
): Promise<Handled> {
  await setRecordState(engine, doorbell, state, reason);
  return finished(`record ${state}`, reason);
}

/** 404 proves nothing: a lagging replica, or no rights. Asked again with growing pauses; a poll rings when the record shows. */
const notFound = ({ engine, doorbell }: Work): Cause => ({
  name: 'not-found',
  key: `not-found#${doorbell.system}`,
  due: engine.clock.now() + 60_000,
});

const fenced = (engine: Engine, intent: Intent): Cause => ({
  name: 'fence',
  key: fenceKey(intent.origin),
  due: Math.max(engine.clock.now() + 30_000, intent.sentAt + 2 * engine.settings.settleMs),
});

async function lateCreate(engine: Engine, origin: Snapshot): Promise<RecordRef | undefined> {
  for (const key of keysOf(engine, origin)) {
    const late = await lateCreateOf(engine, origin, hashOf(engine, key), origin.createdAt);
    if (late && (await counterpartOf(engine.table, late)) !== undefined) return late;
  }
  return undefined;
}

/** Customer first, then products in id order, each by this same routine. */
async function linkParents(work: Work, origin: Snapshot): Promise<Handled | undefined> {
  const { engine } = work;
  for (const parent of mappings[origin.pair].parents(origin.system, origin.body, engine.settings.mapping)) {
    if ((await counterpartOf(engine.table, parent)) !== undefined) continue;
    const linked = await work.linkParent(parent);
    if (linked.did === 'parked') return linked;
  }
  return undefined;
}

async function matchOrCreate(work: Work, origin: Snapshot): Promise<Handled> {
  const { engine, call, doorbell } = work;
  const match = await findMatch(engine, origin, call);
  if (match.found === 'ambiguous') return show(work, 'ambiguous', match.reason);
  if (match.found === 'fenced') return { did: 'parked', cause: fenced(engine, match.by) };
  if (match.found === 'one') return linkMatch(work, origin, match.snapshot);
  const target = otherSystem(origin.system);
  if (!(await pollHasPassed(engine, target, doorbell.at))) {
    return {
      did: 'parked',
      cause: { name: 'poll', key: pollKey(target), due: engine.clock.now() + 10 * 60_000 },
    };
  }
  const facts = await gatherFacts(engine, origin.pair, { [origin.system]: origin.body }, call);
  const creation = composeCreate(mappings[origin.pair], origin.system, origin.body, facts);
  if ('blocked' in creation) return show(work, 'blocked', creation.blocked);
  if ('waitFor' in creation) return work.linkParent(creation.waitFor);
  const now = engine.clock.now();
  const intent: Intent = {
    origin: { system: origin.system, pair: origin.pair, id: origin.id },
    opId: engine.newId(),
    bodyHash: bodyHash(creation.body),
    startedAt: now,
    sentAt: now,
    attempts: 1,
    keys: keysOf(engine, origin).map((key) => hashOf(engine, key)),
  };
  const opened = await openIntent(engine, intent, work.lease);
  if (opened.opened) return create(work, origin, intent, creation);
  const key = opened.blockedBy ? fenceKey(opened.blockedBy) : 'busy';
  return {
    did: 'parked',
    cause: { name: opened.blockedBy ? 'fence' : 'busy', key, due: engine.clock.now() + 30_000 },
  };
}

const bodyHash = (body: unknown): string =>
  createHash('sha256').update(JSON.stringify(body)).digest('base64url');

type Sendable = { readonly body: Snapshot['body']; readonly rows: readonly string[] };

/** The one remote create. Any definite answer closes the intent; without one it stays open, and nothing is concluded. */
async function create(work: Work, origin: Snapshot, intent: Intent, creation: Sendable): Promise<Handled> {
  const { engine, call } = work;
  const target = otherSystem(origin.system);
  const marked =
    target === 'customcrm' ? { ...creation.body, ExternalId: `wave:${origin.id}` } : creation.body;
  try {
    const made = await engine.systems[target].create(origin.pair, marked, intent.opId, call);
    return await linkUp(work, origin, made, creation.rows, intent);
  } catch (error) {
    if (error instanceof RemoteOutcomeUnknownError) return { did: 'parked', cause: settling(engine, intent) };
    if (!isDefinite(error)) throw error;
    await engine.table.write([stillHeld(work.lease), ...closeWrites(engine, intent)]);
    await wake(engine, fenceKey(intent.origin));
    if (error instanceof RemoteRejectedError) return show(work, 'blocked', error.message);
    throw error;
  }
}

const isDefinite = (error: unknown): boolean => error instanceof Error && 'retryable' in error;

const settling = (engine: Engine, intent: Intent): Cause => ({
  name: 'settle',
  key: `settle#${refKey(intent.origin)}`,
  due: intent.sentAt + engine.settings.settleMs,
});

/** An attempt of an earlier invocation never told its outcome. Wait, look twice, and only then try again. */
async function resume(work: Work, origin: Snapshot, intent: Intent): Promise<Handled> {
  const { engine, call, lease } = work;
  const now = engine.clock.now();
  if (now < intent.sentAt + engine.settings.settleMs)
    return { did: 'parked', cause: settling(engine, intent) };
  const found = await lookUp(engine, origin, intent, call);
  if (found.found === 'ambiguous') return show(work, 'ambiguous', found.reason);
  if (found.found === 'one')
    return linkUp(work, origin, found.snapshot, found.rows, { ...intent, lookedUpAt: now });
  const { lookupPauseMs } = engine.settings;
  if (intent.lookedUpAt === undefined || now < intent.lookedUpAt + lookupPauseMs) {
    const lookedUpAt = intent.lookedUpAt ?? now;
    await updateIntent(engine, intent, { ...intent, lookedUpAt }, lease);
    return {
      did: 'parked',
      cause: { name: 'settle', key: `settle#${refKey(origin)}`, due: lookedUpAt + lookupPauseMs },
    };
  }
  const facts = await gatherFacts(engine, origin.pair, { [origin.system]: origin.body }, call);
  const creation = composeCreate(mappings[origin.pair], origin.system, origin.body, facts);
  if ('blocked' in creation) return show(work, 'blocked', creation.blocked);
  if ('waitFor' in creation) return work.linkParent(creation.waitFor);
  const { lookedUpAt: _lookedUpAt, ...rest } = intent;
  const again: Intent = {
    ...rest,
    ...sameOperation(engine, intent, creation.body),
    sentAt: now,
    attempts: intent.attempts + 1,
  };
  if (!(await updateIntent(engine, intent, again, lease)))
    return { did: 'parked', cause: settling(engine, intent) };
  return create(work, origin, again, creation);
}

/** The same body goes out under the same key; another body would be refused under it. */
const sameOperation = (engine: Engine, intent: Intent, body: unknown) =>
  bodyHash(body) === intent.bodyHash ? {} : { opId: engine.newId(), bodyHash: bodyHash(body) };

/** Links a record that was found, without a create. Nothing is agreed yet: the first plan says what flows. */
async function linkMatch(work: Work, origin: Snapshot, counterpart: Snapshot): Promise<Handled> {
  const link = newLink(work.engine, origin, counterpart, 'matched');
  const written = await work.engine.table.write([...newLinkWrites(link), stillHeld(work.lease)]);
  if (!written.done)
    return { did: 'parked', cause: { name: 'busy', key: 'busy', due: work.engine.clock.now() } };
  return afterLink(work, link, origin, counterpart);
}

/** Links what was created, or found again, and drops the intent: one transaction. */
async function linkUp(
  work: Work,
  origin: Snapshot,
  made: Snapshot,
  rows: readonly string[],
  intent: Intent,
): Promise<Handled> {
  const { engine, call } = work;
  const bare = newLink(engine, origin, made, 'created');
  const both = bothOf(origin, made);
  const agreed = agreedAfterCreate(await picture(engine, bare, both, call), origin.system, rows);
  const link = { ...bare, agreed, marked: made.system === 'customcrm' };
  const written = await engine.table.write([
    ...newLinkWrites(link),
    stillHeld(work.lease),
    ...closeWrites(engine, intent),
  ]);
  if (!written.done) return { did: 'parked', cause: settling(engine, intent) };
  return afterLink(work, link, origin, made);
}

async function afterLink(work: Work, link: Link, origin: Snapshot, counterpart: Snapshot): Promise<Handled> {
  const { engine } = work;
  await indexKeys(engine, counterpart);
  await setRecordState(engine, origin, undefined, '');
  for (const ref of [origin, counterpart]) await wake(engine, `parent#${refKey(ref)}`);
  await wake(engine, fenceKey(origin));
  // The link's lease is that of its Customcrm record: a worker who came from Wave takes it now.
  const both = bothOf(origin, counterpart);
  const applied = await work.underLease(both.customcrm, (lease) =>
    applyChange({ ...work, lease }, link, both),
  );
  if (applied.did === 'parked') return applied;
  return {
    ...applied,
    message: link.history[0]?.did === 'created' ? 'counterpart created' : 'records linked',
    counterpart: counterpart.id,
  };
}

const bothOf = (origin: Snapshot, other: Snapshot) =>
  origin.system === 'customcrm' ? { customcrm: origin, wave: other } : { customcrm: other, wave: origin };

function newLink(engine: Engine, origin: Snapshot, counterpart: Snapshot, did: 'matched' | 'created'): Link {
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
