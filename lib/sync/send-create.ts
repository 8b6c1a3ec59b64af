import { createHash } from 'node:crypto';
import type { RowPrints } from '../domain/link.ts';
import { otherSystem, refKey, type Snapshot } from '../domain/record.ts';
import {
  PassingRefusalError,
  RemoteMissingError,
  RemoteOutcomeUnknownError,
  RemoteRejectedError,
} from '../errors.ts';
import { composeCreate, printsSent } from '../mappings/creation.ts';
import type { Facts } from '../mappings/mapping.ts';
import { mappings } from '../mappings/pairs.ts';
import { secondLookMs, waveShowsOthers } from './absence.ts';
import { answeredAfter } from './agree.ts';
import type { Engine, Handled } from './engine.ts';
import { notExcluded } from './exclusions.ts';
import { gatherFacts } from './facts.ts';
import { lastRestore } from './identity.ts';
import {
  closeWrites,
  fenceKey,
  findIntent,
  type Intent,
  openIntent,
  settling,
  updateIntent,
} from './intents.ts';
import { hashesOf, keysOf } from './key-index.ts';
import { waitBehind } from './late-create.ts';
import { stillHeld } from './leases.ts';
import { linkUp, newLink } from './link-up.ts';
import { newLinkWrites } from './links.ts';
import { agreedWithoutOrigin, type Found, isFree, knownRows, lookUp, printsOfIntent } from './look-up.ts';
import { parkedNow, wake } from './parking.ts';
import { clockAhead } from './poll-progress.ts';
import { setRecordState } from './record-state.ts';
import { noteGone } from './sighting.ts';
import { type Tombstone, unlinkedAsBefore } from './tombstones.ts';
import { busy, finished, hourMs, linkParent, show } from './unlinked-record.ts';
import type { Work } from './work.ts';

/** What usually passes is tried so often, {@link secondLookMs} apart, before it is shown as refused. */
const refusedTries = 6;
/** After a restore of the table, creates that it does not know of are looked out for this long, ms. */
const forgottenMs = 24 * hourMs;

/**
 * Opens an intent and creates under it, unless the record cannot be created yet, or somebody else creates the same.
 * @param tombstone of a link that the record once had, as it was looked at
 */
export async function openCreate(
  work: Work,
  origin: Snapshot,
  tombstone: Tombstone | undefined,
): Promise<Handled> {
  const { engine, call } = work;
  const target = otherSystem(origin.system);
  const facts = await gatherFacts(engine, origin.pair, { [origin.system]: origin.body }, call);
  const creation = composeCreate(mappings[origin.pair], origin.system, origin.body, facts);
  if ('blocked' in creation) return show(work, 'blocked', creation.blocked);
  if ('waitFor' in creation) return (await linkParent(work, creation.waitFor)) ?? busy(engine);
  const now = engine.clock.now();
  const intent: Intent = {
    origin: { system: origin.system, pair: origin.pair, id: origin.id },
    opId: engine.newId(),
    bodyHash: bodyHash(creation.body),
    sent: sentBy(engine, origin, creation, facts),
    startedAt: now,
    clockAheadMs: await clockAhead(engine, target),
    sentAt: now,
    attempts: 1,
    ...((await mayBeForgotten(engine, origin)) && { forgets: true }),
    keys: keysOf(engine, origin).flatMap((key) => hashesOf(engine, key)),
  };
  const stands = [notExcluded(origin), unlinkedAsBefore(origin, tombstone)];
  const opened = await openIntent(engine, intent, work.lease, stands);
  if (opened.opened) return create(work, origin, intent, creation);
  const rival = opened.blockedBy && (await findIntent(engine, opened.blockedBy));
  return rival ? waitBehind(work, rival) : busy(engine);
}

/** Could a create for it have been sent in the time that a restored table does not know of, and still be executed? */
async function mayBeForgotten(engine: Engine, { createdAt }: Snapshot): Promise<boolean> {
  const restoredAt = await lastRestore(engine);
  return restoredAt !== undefined && createdAt < restoredAt && engine.clock.now() < restoredAt + forgottenMs;
}

const sentBy = (engine: Engine, origin: Snapshot, creation: Sendable, facts: Facts): RowPrints =>
  printsSent(
    mappings[origin.pair],
    otherSystem(origin.system),
    creation,
    facts,
    printsOfIntent(engine, origin),
  );

const bodyHash = (body: unknown): string =>
  createHash('sha256').update(JSON.stringify(body)).digest('base64url');

type Sendable = { readonly body: Snapshot['body']; readonly rows: readonly string[] };

/** The one remote create. Any definite answer closes the intent; without one it stays open, and nothing is concluded. */
async function create(work: Work, origin: Snapshot, intent: Intent, creation: Sendable): Promise<Handled> {
  const { engine, call } = work;
  const target = otherSystem(origin.system);
  const marked =
    target === 'customcrm' ? { ...creation.body, ExternalId: `wave:${origin.id}` } : creation.body;
  let made: Snapshot;
  try {
    made = await engine.systems[target].create(origin.pair, marked, intent.opId, call);
  } catch (error) {
    return notMade(work, intent, error);
  }
  // The same key brings the same record again, and a person may have said meanwhile whose that is: the next create is another one.
  if (intent.attempts > 1 && !(await isFree(engine, made))) {
    await close(work, intent);
    return busy(engine);
  }
  // What goes wrong from here on says nothing about the create: its intent stays open, and the result will be found.
  return linkUp(
    work,
    origin,
    { snapshot: made, at: engine.clock.now(), isOurs: true, known: creation },
    intent,
  );
}

async function notMade(work: Work, intent: Intent, error: unknown): Promise<Handled> {
  const { engine } = work;
  if (error instanceof RemoteOutcomeUnknownError) return { did: 'parked', cause: settling(engine, intent) };
  if (!isDefinite(error)) throw error;
  await close(work, intent);
  if (error instanceof RemoteRejectedError) return show(work, 'blocked', error.message);
  if (error instanceof RemoteMissingError) return namesNothing(work, intent);
  if (error instanceof PassingRefusalError) return refusedAgain(work, intent, error);
  throw error;
}

const namesNothingKey = ({ origin }: Intent): string => `names-nothing#${refKey(origin)}`;

/** What it names there, such as its customer, is gone: that will be heard of, and then shown; or it only lags. */
const namesNothing = ({ engine }: Work, intent: Intent, shows?: string): Handled => ({
  did: 'parked',
  cause: {
    name: 'not-found',
    key: namesNothingKey(intent),
    due: engine.clock.now() + secondLookMs,
    ...(shows !== undefined && { shows }),
  },
});

/** At first it is tried again as if nobody had answered, then for an hour; what is refused for so long is not passing. */
async function refusedAgain(work: Work, intent: Intent, error: PassingRefusalError): Promise<Handled> {
  const parked = await parkedNow(work.engine, intent.origin);
  const isTold = parked?.cause === namesNothingKey(intent);
  if (!isTold && parked?.cause !== 'unavailable') throw error;
  return isTold && Number(parked.times) >= refusedTries
    ? show(work, 'blocked', error.message)
    : namesNothing(work, intent, error.message);
}

const isDefinite = (error: unknown): boolean => error instanceof Error && 'retryable' in error;

/** An attempt of an earlier invocation never told its outcome. Wait, look twice, and only then try again. */
export async function resume(
  work: Work,
  origin: Snapshot,
  intent: Intent,
  excluded: string | undefined,
): Promise<Handled> {
  const { engine, call } = work;
  const now = engine.clock.now();
  if (now < intent.sentAt + engine.settings.settleMs)
    return { did: 'parked', cause: settling(engine, intent) };
  const found = await lookUp(engine, intent, call, origin);
  if (found.found === 'ambiguous') return suspectsOf(work, intent, found);
  // Its link would end with what was found, and that may be somebody's own.
  if (found.found === 'one' && !found.isOurs && excluded !== undefined)
    return suspectsOf(work, intent, onlyAlike(found));
  if (found.found === 'one') {
    const known = await knownRows(engine, intent, origin, found, call);
    const foundAll = found.isOurs && intent.attempts === 1;
    return linkUp(
      work,
      origin,
      { ...found, at: now, known },
      { ...intent, lookedUpAt: now, ...(foundAll && { foundAll }) },
    );
  }
  const unproven = await notedLook(work, intent, now);
  if (unproven) return unproven;
  if (excluded === undefined) return repeat(work, origin, intent);
  // It must not get one any more.
  await close(work, intent);
  return show(work, 'excluded', excluded);
}

/** Nothing came of the attempt before. When nothing can be sent now either, the intent has no reason to stay open. */
async function repeat(work: Work, origin: Snapshot, intent: Intent): Promise<Handled> {
  const { engine, call } = work;
  const now = engine.clock.now();
  const facts = await gatherFacts(engine, origin.pair, { [origin.system]: origin.body }, call);
  const creation = composeCreate(mappings[origin.pair], origin.system, origin.body, facts);
  if (!('body' in creation)) {
    await close(work, intent);
    return 'blocked' in creation
      ? show(work, 'blocked', creation.blocked)
      : ((await linkParent(work, creation.waitFor)) ?? busy(engine));
  }
  const { lookedUpAt: _lookedUpAt, suspects: _suspects, lookAgainAt: _lookAgainAt, ...rest } = intent;
  const again: Intent = {
    ...rest,
    ...sameOperation(engine, intent, creation.body),
    keys: [...new Set([...intent.keys, ...keysOf(engine, origin).flatMap((key) => hashesOf(engine, key))])],
    sent: sentBy(engine, origin, creation, facts),
    sentAt: now,
    attempts: intent.attempts + 1,
  };
  if (!(await updateIntent(engine, intent, again, work.lease)))
    return { did: 'parked', cause: settling(engine, intent) };
  return create(work, origin, again, creation);
}

/** The same body goes out under the same key; another body would be refused under it. */
const sameOperation = (engine: Engine, intent: Intent, body: unknown) =>
  bodyHash(body) === intent.bodyHash ? {} : { opId: engine.newId(), bodyHash: bodyHash(body) };

/** Gone while the outcome of its create is unknown: the result, when there is one, is linked, so that the deletion finds it. */
export async function abandon(work: Work, intent: Intent): Promise<Handled> {
  const { engine, call, lease } = work;
  const now = engine.clock.now();
  if (now < intent.sentAt + engine.settings.settleMs)
    return { did: 'parked', cause: settling(engine, intent) };
  const found = await lookUp(engine, intent, call);
  if (found.found === 'ambiguous') return suspectsOf(work, intent, found);
  if (found.found === 'one' && !found.isOurs) return suspectsOf(work, intent, onlyAlike(found));
  if (found.found === 'one') {
    const gone = { ...intent.origin, createdAt: 0, modifiedAt: 0, body: {} };
    const bare = newLink(engine, gone, found.snapshot, 'created');
    const link = {
      ...bare,
      agreed: await agreedWithoutOrigin(engine, intent, found.snapshot, bare, call),
      // What its user fills in from now on was not there: an edit beats the deletion.
      answered: answeredAfter(engine, bare, [found.snapshot]),
    };
    const linked = await engine.table.write([
      ...newLinkWrites(link),
      stillHeld(lease),
      ...closeWrites(engine, { ...intent, lookedUpAt: now }),
    ]);
    return linked.done ? busy(engine) : { did: 'parked', cause: settling(engine, intent) };
  }
  const unproven = await notedLook(work, intent, now);
  if (unproven) return unproven;
  // Should the target execute it later still, its result is nobody's: it must not come back.
  await noteGone(engine, intent.origin);
  await close(work, intent);
  return busy(engine);
}

/** Nothing came of a create: what waits behind it goes on. */
async function close({ engine, lease }: Work, intent: Intent): Promise<void> {
  await engine.table.write([stillHeld(lease), ...closeWrites(engine, intent)]);
  await wake(engine, fenceKey(intent.origin));
}

const lookedTwice = ({ settings }: Engine, intent: Intent, now: number): boolean =>
  intent.lookedUpAt !== undefined && now >= intent.lookedUpAt + settings.lookupPauseMs;

const onlyAlike = ({ snapshot }: Extract<Found, { found: 'one' }>) => ({
  suspects: [snapshot.id],
  reason:
    'a new record shares a key with what was sent, and what it was sent for needs no counterpart any more',
});

/** More than one record may be the result: they are held until a person says which, and nothing else is. */
async function suspectsOf(
  { engine, lease, doorbell }: Work,
  intent: Intent,
  { suspects, reason }: Pick<Extract<Found, { found: 'ambiguous' }>, 'suspects' | 'reason'>,
): Promise<Handled> {
  const known = JSON.stringify(intent.suspects) === JSON.stringify(suspects);
  const lookAgainAt = engine.clock.now() + hourMs;
  const held = { ...intent, ...(suspects.length > 0 && { suspects }), lookAgainAt };
  await updateIntent(engine, intent, held, lease);
  if (!known) await wake(engine, fenceKey(intent.origin));
  const isNews = await setRecordState(engine, doorbell, 'ambiguous', reason);
  return finished('record ambiguous', reason, isNews);
}

/** A look-up found nothing: once is not enough, and an empty answer must show that it sees anything at all. Undefined when it was the second. */
async function notedLook(
  { engine, lease, call }: Work,
  intent: Intent,
  now: number,
): Promise<Handled | undefined> {
  const intoWave = intent.origin.system === 'customcrm';
  if (intoWave && !(await waveShowsOthers(engine, intent.origin, call)))
    return { did: 'parked', cause: { ...settling(engine, intent), due: now + engine.settings.settleMs } };
  if (lookedTwice(engine, intent, now)) return undefined;
  const lookedUpAt = intent.lookedUpAt ?? now;
  await updateIntent(engine, intent, { ...intent, lookedUpAt }, lease);
  const due = lookedUpAt + engine.settings.lookupPauseMs;
  return { did: 'parked', cause: { name: 'settle', key: `settle#${refKey(intent.origin)}`, due } };
}
