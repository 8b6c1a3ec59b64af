import { isDeepStrictEqual } from 'node:util';
import { fingerprints } from '../domain/fingerprint.ts';
import { type Ahead, type Link, type Refusal, refOf, wholeRecord } from '../domain/link.ts';
import {
  otherSystem,
  type RecordRef,
  refKey,
  type Snapshot,
  type System,
  systems,
} from '../domain/record.ts';
import {
  RemoteMissingError,
  RemoteOutcomeUnknownError,
  RemoteRejectedError,
  StaleVersionError,
} from '../errors.ts';
import { arrivedAt, editedSinceAgreement, showsSent } from '../mappings/agreement.ts';
import { type Aftermath, readCell } from '../mappings/mapping.ts';
import { mappings } from '../mappings/pairs.ts';
import type { RecordPlan } from '../mappings/record-plan.ts';
import { absenceInWave, secondLookMs } from './absence.ts';
import { asksAbout } from './agree.ts';
import type { Handled } from './engine.ts';
import { gatherFacts } from './facts.ts';
import { passFuse } from './fuses.ts';
import { rejectedHere, waits } from './guard-write.ts';
import { forgetKeys } from './key-index.ts';
import { pictureStamp } from './lagging.ts';
import { renewed, stillHeld } from './leases.ts';
import { endLinkWrites, saveLink, withOutcome } from './links.ts';
import { unparkWrites } from './parking.ts';
import type { Reading, Write } from './ports.ts';
import { leftBehindWrite } from './record-state.ts';
import { takesNoWrite } from './takes-no-write.ts';
import { tombstoneWrite } from './tombstones.ts';
import { ringFor } from './unlinked-record.ts';
import { isTooOld, lastSend, type Step, type Work } from './work.ts';

/**
 * One side of a link did not show its record. Nothing is concluded from a single answer of Wave's, and never from Customcrm's 404.
 * @param readAt when Wave was read, ms
 */
export async function handleGone(
  work: Work,
  link: Link,
  readings: Readonly<Record<System, Reading>>,
  readAt: number,
): Promise<Step> {
  const { customcrm, wave } = readings;
  if (wave.state === 'living')
    return customcrm.state === 'deleted'
      ? outlive(work, link, { survivor: wave.snapshot, readAt }, customcrm.version)
      : suspect(work, link, 'customcrm', undefined, wave.snapshot);
  const proven = await absenceInWave(work.engine, refOf(link, 'wave'), work.call);
  if (proven === 'living') return again(work);
  const { missing } = link;
  const { clock } = work.engine;
  const shown = customcrm.state === 'living' ? customcrm.snapshot : undefined;
  if (!proven) return suspect(work, link, 'wave', missing, shown);
  const since = missing?.system === 'wave' ? missing.since : clock.now();
  if (clock.now() < since + secondLookMs || customcrm.state === 'not-found')
    return suspect(work, link, 'wave', { system: 'wave', since }, shown);
  if (customcrm.state === 'deleted')
    return bury(work, link, ['customcrm', 'wave'], 'deleted in both systems');
  const removedAfter = link.ahead?.removedAfter;
  // A removal of ours that nobody answered was it. An order that was given up, and is not any more, begins a new life.
  return removedAfter === undefined
    ? outlive(work, link, { survivor: customcrm.snapshot, readAt })
    : bury(work, link, ['wave'], itsInvoiceWent, removedAfter);
}

/** An order that was cancelled behaves like a deleted one, as long as its invoice is an untouched draft. */
export async function giveUp(
  work: Work,
  link: Link,
  { customcrm, wave }: Readonly<Record<System, Snapshot>>,
  { picture, refusals }: Pick<RecordPlan, 'picture' | 'refusals'>,
  readAt: number,
): Promise<Step | undefined> {
  const aftermath = mappings[link.pair].afterDeletion('customcrm', wave.body);
  if (aftermath.do === 'keep' || refusals[wholeRecord] || (await isEdited(work, link, wave)))
    return undefined;
  const done = await carryOut(work, link, { survivor: wave, readAt }, aftermath, customcrm.version);
  if (done.did === 'rejected') {
    const { reason, spends } = done;
    const refusal: Refusal = { print: picture, reason, shows: reason === rejectedHere ? 'held' : 'blocked' };
    const after = { ...done.link, refusals: { ...refusals, [wholeRecord]: refusal } };
    const saved = await saveLink(work.engine.table, done.link, after, stillHeld(work.lease), spends);
    return saved ? { did: 'again', link: saved } : again(work);
  }
  if (done.did !== 'done') return done;
  return bury(work, done.link, ['wave'], itsInvoiceWent, customcrm.version);
}

const itsInvoiceWent = 'cancelled: its invoice was deleted';

const again = ({ engine }: Work): Handled => ({
  did: 'parked',
  cause: { name: 'busy', key: 'busy', due: engine.clock.now() },
});

const notFound = 'not found in ';

/**
 * Marked and asked again later; the link stays.
 * @param shown the other side, if it shows: that what was sent to it without an answer has arrived is known now
 */
async function suspect(
  work: Work,
  link: Link,
  system: System,
  missing: Link['missing'],
  shown: Snapshot | undefined,
): Promise<Handled> {
  const { engine } = work;
  const { missing: _before, ...bare } = shown && link.ahead ? await looked(work, link, shown) : link;
  const reason = `${notFound}${system}`;
  // What a person is asked about stays so.
  const asked = link.reasons.filter((each) => !each.startsWith(notFound));
  const isNoted =
    link.state === 'deletion-suspected' &&
    missing?.since === link.missing?.since &&
    link.reasons[0] === reason &&
    isDeepStrictEqual([bare.agreed, bare.ahead], [link.agreed, link.ahead]);
  if (!isNoted)
    await saveLink(
      engine.table,
      link,
      { ...bare, ...(missing && { missing }), state: 'deletion-suspected', reasons: [reason, ...asked] },
      stillHeld(work.lease),
    );
  return {
    did: 'parked',
    cause: { name: 'not-found', key: `not-found#${link.id}`, due: engine.clock.now() + secondLookMs },
  };
}

/** With what has arrived; what has not by the time that it could is not ours any more, should a user type the same. */
async function looked(work: Work, link: Link, shown: Snapshot): Promise<Link> {
  const remains = await withArrived(work, link, shown);
  const { ahead } = remains;
  return ahead && work.engine.clock.now() >= ahead.settlesAt
    ? { ...remains, ahead: { ...ahead, [shown.system]: {} } }
    : remains;
}

/** What is left of a link, and when Wave was read, ms. */
interface Survivor {
  readonly survivor: Snapshot;
  readonly readAt: number;
}

/**
 * The survivor of a deletion: an edit since agreement beats the delete, else the pair's policy is carried out.
 * @param deletedAt the version at which Customcrm shows the other one deleted
 */
async function outlive(
  work: Work,
  link: Link,
  { survivor, readAt }: Survivor,
  deletedAt?: string,
): Promise<Step> {
  const deletedIn = otherSystem(survivor.system);
  const lifeAfter = ({ system, body, version }: Snapshot) =>
    system === 'customcrm' && mappings[link.pair].givenUp(body) ? version : undefined;
  if (await isEdited(work, link, survivor)) {
    const remains = await withArrived(work, link, survivor);
    const reason = 'deleted on the other side, but edited here since';
    return bury(work, remains, [deletedIn], reason, lifeAfter(survivor));
  }
  const aftermath = mappings[link.pair].afterDeletion(deletedIn, survivor.body);
  const done = await carryOut(work, link, { survivor, readAt }, aftermath, deletedAt);
  if (done.did === 'rejected') {
    const why = done.reason === rejectedHere ? '' : `; here that was refused: ${done.reason}`;
    return bury(work, done.link, [deletedIn], `deleted on the other side${why}`, undefined, done.spends);
  }
  if (done.did !== 'done') return done;
  const gone = aftermath.do === 'remove' ? (['customcrm', 'wave'] as const) : [deletedIn];
  const remaining = done.answer ?? survivor;
  const remains = await withArrived(work, done.link, remaining);
  return bury(work, remains, gone, 'deleted on the other side', lifeAfter(remaining));
}

async function knownOf({ engine, call }: Work, link: Link, { system, pair, body }: Snapshot) {
  return {
    mapping: mappings[pair],
    agreed: link.agreed,
    ahead: link.ahead,
    facts: await gatherFacts(engine, pair, { [system]: body }, call),
    prints: fingerprints(engine.settings.keys, link.id),
  };
}

/**
 * What the policy wrote is ours: a survivor that lives again is not taken for edited. What the deleted side held there counts as news,
 * should it come back: it is sent, or shown as blocked.
 */
async function withArrived(work: Work, link: Link, survivor: Snapshot): Promise<Link> {
  const known = await knownOf(work, link, survivor);
  return { ...link, agreed: arrivedAt(survivor.system, survivor.body, known) };
}

async function isEdited(work: Work, link: Link, survivor: Snapshot): Promise<boolean> {
  const { system, body } = survivor;
  const known = await knownOf(work, link, survivor);
  // What a person is asked about since the two were linked is not ours to take away.
  const isAsked = known.mapping.rows(known.facts.settings).some((row) => {
    if (link.agreed[system][row.id] !== undefined || !asksAbout(link, row.id)) return false;
    return (readCell(row, system, body, known.facts)?.value ?? null) !== null;
  });
  if (isAsked) return true;
  const agreedOn = link.answered?.[system];
  const stamp = pictureStamp(survivor);
  const hasMoved = agreedOn !== undefined && stamp !== undefined && stamp > agreedOn;
  // A write of ours that was never answered has moved it only if it shows.
  return editedSinceAgreement(system, body, known, hasMoved && !showsSent(system, body, known));
}

type CarriedOut =
  | { readonly did: 'again'; readonly link: Link }
  | { readonly did: 'done'; readonly link: Link; readonly answer?: Snapshot | undefined }
  | {
      readonly did: 'rejected';
      readonly link: Link;
      readonly reason: string;
      readonly spends: readonly Write[];
    };

/** Does to the survivor what the policy says, through the fuse and under a renewed lease. */
async function carryOut(
  work: Work,
  link: Link,
  { survivor, readAt }: Survivor,
  aftermath: Aftermath,
  givenUpAt: string | undefined,
): Promise<CarriedOut | Handled> {
  if (aftermath.do === 'keep') return { did: 'done', link };
  const { engine, call } = work;
  const halves = [survivor, refOf(link, otherSystem(survivor.system))] as const;
  const asked = { [wholeRecord]: `${wholeRecord} ${survivor.system}` };
  const passage = await passFuse(engine, 'deletions', halves, asked);
  if (!('spends' in passage)) return waits(engine, 'deletions', asked, passage);
  const { spends } = passage;
  if (passage.did === 'rejected') return { did: 'rejected', link, reason: rejectedHere, spends };
  const settlesAt = engine.clock.now() + engine.settings.settleMs;
  const removes = aftermath.do === 'remove' && givenUpAt !== undefined ? { removedAfter: givenUpAt } : {};
  const ahead = { ...(await aheadOf(work, link, survivor, aftermath)), ...removes, settlesAt };
  // What its user typed since would go with it, and nobody would know.
  if (survivor.system === 'wave' && isTooOld(engine, readAt)) return { did: 'again', link };
  const lease = { ...work.lease, until: call.deadline + engine.settings.leaseReserveMs };
  const noted = await saveLink(engine.table, link, { ...link, ahead }, renewed(lease), spends);
  if (!noted) return again(work);
  let answer: Snapshot | undefined;
  try {
    answer = await act(work, survivor, aftermath, readAt);
  } catch (error) {
    if (error instanceof RemoteOutcomeUnknownError)
      return { did: 'parked', cause: { name: 'settle', key: `settle#${link.id}`, due: settlesAt } };
    const calm = await saveLink(engine.table, noted, link, stillHeld(lease));
    if (error instanceof RemoteRejectedError && calm)
      return { did: 'rejected', link: calm, reason: error.message, spends: [] };
    if (error instanceof StaleVersionError || !calm) return again(work);
    if (error instanceof RemoteMissingError) return takesNoWrite(work, link);
    throw error;
  }
  return { did: 'done', link: noted, answer };
}

/** The note of what the policy writes, beside that of what was never answered. */
async function aheadOf(
  work: Work,
  link: Link,
  { system, ...survivor }: Snapshot,
  aftermath: Aftermath,
): Promise<Pick<Ahead, System>> {
  const ahead = { customcrm: {}, wave: {}, ...link.ahead };
  if (aftermath.do !== 'write') return ahead;
  const body = { ...survivor.body, [aftermath.path]: aftermath.cell };
  const { mapping, facts, prints } = await knownOf(work, link, { system, ...survivor, body });
  const row = mapping.rows(facts.settings).find((each) => each[system] === aftermath.path);
  const cell = row && readCell(row, system, body, facts);
  return row && cell
    ? { ...ahead, [system]: { ...ahead[system], [row.id]: prints.of(row.id, cell.form) } }
    : ahead;
}

async function act(
  work: Work,
  survivor: Snapshot,
  aftermath: Exclude<Aftermath, { do: 'keep' }>,
  readAt: number,
): Promise<Snapshot | undefined> {
  const { engine } = work;
  const call = survivor.system === 'wave' ? { ...work.call, sendBy: lastSend(engine, readAt) } : work.call;
  const records = engine.systems[survivor.system];
  const next = { ...survivor.body, ...(aftermath.do === 'write' && { [aftermath.path]: aftermath.cell }) };
  if (aftermath.do === 'write') return records.update(survivor.pair, survivor, next, [aftermath.path], call);
  await records.remove(survivor.pair, survivor, call);
  return undefined;
}

const withoutRemoval = ({ removedAfter: _removedAfter, ...ahead }: Ahead): Ahead => ahead;

/**
 * Ends the link and leaves tombstones: nothing comes to life again by itself, and a record that does finds its link.
 * @param newLifeAfter the version at which the survivor was cancelled: a later one that is not cancelled begins a new life.
 */
async function bury(
  work: Work,
  link: Link,
  gone: readonly System[],
  reason: string,
  newLifeAfter?: string,
  spends: readonly Write[] = [],
): Promise<Handled> {
  const { engine, doorbell, lease } = work;
  const at = engine.clock.now();
  const did = { at, eventId: doorbell.eventId, did: reason, rows: [] };
  const { missing: _missing, ahead, ...rest } = link;
  // With what was on its way when it ended: should the record live again, that is ours, and no edit.
  const remains: Link = {
    ...rest,
    ...(ahead && { ahead: withoutRemoval(ahead) }),
    history: withOutcome(link, did),
  };
  const survivors = systems.filter((system) => !gone.includes(system));
  const tombstone = (system: System, kind: 'deleted' | 'survivor') =>
    tombstoneWrite(refOf(link, system), {
      kind,
      other: refOf(link, otherSystem(system)),
      link: remains,
      at,
      ...(newLifeAfter !== undefined && { newLifeAfter }),
    });
  const ended = await engine.table.write([
    ...endLinkWrites(link),
    stillHeld(lease),
    ...spends,
    // Nor does the survivor wait for what it was linked for: what becomes of it is for a person to say.
    ...systems.flatMap((system) => noLongerWaits(work, refOf(link, system))),
    ...gone.map((system) => tombstone(system, 'deleted')),
    ...survivors.flatMap((system) => [
      tombstone(system, 'survivor'),
      leftBehindWrite(engine, refOf(link, system), reason),
    ]),
  ]);
  if (!ended.done) return again(work);
  // It may belong to another record without a link, or begin a new life. Who dies before this rings when the deleted one is looked at again.
  for (const system of survivors) await ringFor(work, refOf(link, system));
  for (const system of gone) await forgetKeys(engine, refOf(link, system));
  return { did: 'finished', message: 'record unlinked', because: reason, rows: [] };
}

const noLongerWaits = ({ waited }: Work, ref: RecordRef): readonly Write[] =>
  unparkWrites(ref, waited.get(refKey(ref)));
