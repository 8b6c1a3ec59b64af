import { fingerprints } from '../domain/fingerprint.ts';
import { type Link, refOf } from '../domain/link.ts';
import type { ObservedAt } from '../domain/policy.ts';
import { otherSystem, type RecordRef, type Snapshot, type System, systems } from '../domain/record.ts';
import {
  ReconnectNeededError,
  RemoteMissingError,
  RemoteOutcomeUnknownError,
  RemoteRejectedError,
  RemoteUnavailableError,
  StaleVersionError,
} from '../errors.ts';
import { externalIdOf } from '../mappings/match-keys.ts';
import { mappings } from '../mappings/pairs.ts';
import {
  arrived,
  type Pictured,
  planRecord,
  type RecordPlan,
  seenBefore,
  settle,
} from '../mappings/record-plan.ts';
import {
  agree,
  answeredAfter,
  firstSeen,
  observedAfter,
  openRows,
  reasonsOf,
  rowsOf,
  type Sent,
  stampOf,
  stateOf,
} from './agree.ts';
import { keepLosers, reportLosers } from './conflict-log.ts';
import type { Engine, Handled } from './engine.ts';
import { gatherFacts } from './facts.ts';
import { giveUp, handleGone } from './gone.ts';
import { rejectedByFuse, throughFuses } from './guard-write.ts';
import { indexKeys } from './key-index.ts';
import { throwIfReadLags } from './lagging.ts';
import type { Lease } from './leases.ts';
import { renewed, stillHeld } from './leases.ts';
import { linkWrite, saveLink } from './links.ts';
import type { Call, Doorbell, Reading, Write } from './ports.ts';

/** One round: read, plan, write, agree. A stale write or a user in between starts another; then the record waits its turn. */
const roundLimit = 4;

/** What a linked record is worked on with. */
export interface Work {
  readonly engine: Engine;
  readonly doorbell: Doorbell;
  readonly lease: Lease;
  readonly call: Call;
  /** When a change of either side was first heard of, as far as doorbells that came, or wait, tell. */
  readonly heard: ObservedAt;
  /** What the link showed before: only something else is news. */
  readonly showed?: Pick<Link, 'state' | 'reasons'>;
  /** Makes sure that this record is linked; answers what it waits for otherwise. */
  readonly linkParent: (parent: RecordRef) => Promise<Handled>;
  /** Runs with the lease on this record, or answers that another worker has it. */
  readonly underLease: (ref: RecordRef, run: (lease: Lease) => Promise<Handled>) => Promise<Handled>;
}

type Both = Readonly<Record<System, Snapshot>>;

/** Brings both sides of a link together. The lease is held; `fresh` are snapshots that were read or answered just now. */
export async function applyChange(given: Work, start: Link, fresh?: Both): Promise<Handled> {
  const work = { ...given, showed: start };
  let link = start;
  let both = fresh;
  for (let round = 0; round < roundLimit; round++) {
    const { ahead } = link;
    if (ahead && work.engine.clock.now() < ahead.settlesAt) return settling(link, ahead.settlesAt);
    const readings = both ? undefined : await readBoth(work, link);
    // From the answer on: a read may have waited for a slot of the request budget.
    const readAt = work.engine.clock.now();
    if (readings) {
      for (const system of systems)
        throwIfReadLags(work.engine, work.doorbell, refOf(link, system), readings[system], link);
      both = livingOf(readings);
      if (!both) return handleGone(work, link, readings);
    }
    if (!both) continue;
    const shown: Link | undefined = link.missing ? await showsAgain(work, link) : link;
    if (!shown) return lostLease(work);
    link = shown;
    const step = await planAndWrite(work, link, both, readAt);
    if (step.did !== 'again') return step;
    link = step.link;
    both = undefined;
  }
  return { did: 'parked', cause: { name: 'busy', key: 'busy', due: work.engine.clock.now() + 30_000 } };
}

/** What was missing once is there: the next time that it is not found is the first one. */
async function showsAgain({ engine, lease }: Work, link: Link): Promise<Link | undefined> {
  const { missing: _missing, ...bare } = link;
  return saveLink(engine.table, link, { ...bare, state: 'in-sync', reasons: [] }, stillHeld(lease));
}

const settling = (link: Link, due: number): Handled => ({
  did: 'parked',
  cause: { name: 'settle', key: `settle#${link.id}`, due },
});

async function readBoth({ engine, call }: Work, link: Link): Promise<Readonly<Record<System, Reading>>> {
  const [customcrm, wave] = await Promise.all([
    engine.systems.customcrm.read(link.pair, link.customcrmId, call),
    engine.systems.wave.read(link.pair, link.waveId, call),
  ]);
  return { customcrm, wave };
}

function livingOf({ customcrm, wave }: Readonly<Record<System, Reading>>): Both | undefined {
  return customcrm.state === 'living' && wave.state === 'living'
    ? { customcrm: customcrm.snapshot, wave: wave.snapshot }
    : undefined;
}

type Step = Handled | { readonly did: 'again'; readonly link: Link };

async function planAndWrite(work: Work, link: Link, both: Both, readAt: number): Promise<Step> {
  const { engine, call } = work;
  const pictured = arrived(await picture(engine, link, both, call));
  const bare = planRecord(pictured, policiesOf(work, link));
  if (mappings[link.pair].givenUp(both.customcrm.body)) {
    const ended = await giveUp(work, link, both, bare);
    if (ended) return ended;
  }
  const offered = withMarker(link, both, bare);
  const parents = await linkParents(work, offered);
  if (parents === 'linked') return { did: 'again', link };
  const planned = { ...offered, blocked: [...offered.blocked, ...parents.gone] };
  const step = await carryOut(work, link, both, pictured, planned, readAt);
  // What can flow has flowed; the record waits for the rest.
  return step.did === 'finished' && parents.waits ? parents.waits : step;
}

/** Sends what is to be sent, through the fuses; without anything to send, what is equal is agreed. */
async function carryOut(
  work: Work,
  link: Link,
  both: Both,
  pictured: Pictured,
  planned: RecordPlan,
  readAt: number,
): Promise<Step> {
  const { engine } = work;
  if (Object.keys(planned.writes).length === 0) return rest(work, link, both, pictured, planned);
  const fuses = await throughFuses(work, link, planned);
  if (fuses.did === 'parked') return fuses;
  if (fuses.did === 'rejected') return rejectedByFuse(work, link, planned, fuses);
  if (engine.clock.now() - readAt > engine.settings.maxReadToWriteMs) return { did: 'again', link };
  // What is equal is agreed with the write-ahead: who is killed after it leaves nothing of what was known then.
  const known = { ...pictured, agreed: settle(pictured, planned, {}).agreed };
  return write(work, link, both, seenBefore(known, planned), planned, readAt, fuses.spends);
}

/**
 * Links the records that a row names and that are not linked yet. A row whose parent is deleted, or waits for a person, is blocked
 * and the other rows flow; should that parent be linked one day, it wakes this record.
 */
async function linkParents(
  work: Work,
  { waitsFor }: RecordPlan,
): Promise<'linked' | { readonly gone: RecordPlan['blocked']; readonly waits?: Handled }> {
  const gone: { row: string; reason: string }[] = [];
  let waits: Handled | undefined;
  let isLinked = false;
  for (const { row, ref } of waitsFor) {
    const linked = await work.linkParent(ref);
    if (linked.did !== 'parked') isLinked = true;
    else {
      const { shows } = linked.cause;
      if (shows !== undefined) gone.push({ row, reason: shows });
      if (shows === undefined || !waits) waits = linked;
    }
  }
  return isLinked ? 'linked' : { gone, ...(waits && { waits }) };
}

export async function picture(engine: Engine, link: Link, both: Both, call: Call): Promise<Pictured> {
  const bodies = { customcrm: both.customcrm.body, wave: both.wave.body };
  return {
    mapping: mappings[link.pair],
    ...bodies,
    agreed: link.agreed,
    ahead: link.ahead,
    refusals: link.refusals,
    facts: await gatherFacts(engine, link.pair, bodies, call),
    prints: fingerprints(engine.settings.keys, link.id),
  };
}

function policiesOf(work: Work, link: Link) {
  const { settings } = work.engine;
  return {
    conflict: (row: string) => settings.conflict(link.pair, row),
    firstLink: (row: string) => settings.firstLink(link.pair, row),
    observed: firstSeen(work, link),
  };
}

/** Offers Customcrm the marker of its counterpart once, when it has none; a foreign one is never touched. */
function withMarker(link: Link, both: Both, planned: RecordPlan): RecordPlan {
  const current = both.customcrm.body.ExternalId;
  if (link.marked || current === undefined || (current !== null && current !== '')) return planned;
  const nothing = { next: both.customcrm.body, paths: [], rows: [], prints: {}, asks: {} };
  const write = planned.writes.customcrm ?? nothing;
  const marked = {
    ...write,
    next: { ...write.next, ExternalId: externalIdOf(link.waveId) },
    paths: [...write.paths, 'ExternalId'],
  };
  return { ...planned, writes: { ...planned.writes, customcrm: marked } };
}

/** Nothing to send: what is equal is agreed from now on. */
async function rest(
  work: Work,
  link: Link,
  both: Both,
  pictured: Pictured,
  planned: RecordPlan,
): Promise<Step> {
  const settled = settle(pictured, planned, {});
  const state = stateOf(planned, []);
  const reasons = reasonsOf(planned, []);
  const outcome = {
    did: 'finished',
    ...restingNews(work, { state, reasons }, planned),
    because: state === 'in-sync' ? 'equal' : state,
    ...whyOf({ state, reasons }),
    counterpart: otherId(link, work.doorbell),
  } as const;
  const stamp = stampOf(state, both.customcrm);
  const observed = observedAfter(work, link, planned);
  const unchanged =
    state === link.state &&
    !link.ahead &&
    !link.missing &&
    stamp.agreedVersion === link.agreedVersion &&
    JSON.stringify(settled.agreed) === JSON.stringify(link.agreed) &&
    JSON.stringify(observed) === JSON.stringify(link.observed) &&
    JSON.stringify(reasons) === JSON.stringify(link.reasons) &&
    Object.keys(planned.refusals).length === Object.keys(link.refusals ?? {}).length;
  if (unchanged) return outcome;
  const {
    ahead: _ahead,
    agreedVersion: _version,
    agreedUpdatedAt: _updatedAt,
    refusals: _refusals,
    missing: _missing,
    ...bare
  } = link;
  const saved = await saveLink(
    work.engine.table,
    link,
    {
      ...bare,
      ...stamp,
      marked: true,
      agreed: settled.agreed,
      answered: answeredAfter(work.engine, link, [both.customcrm, both.wave]),
      state,
      reasons,
      observed,
      ...(Object.keys(planned.refusals).length > 0 && { refusals: planned.refusals }),
    },
    stillHeld(work.lease),
  );
  return saved ? outcome : lostLease(work);
}

/** What is to be said of a link to which nothing was written: which rows ask for a person, when they did not before. */
function restingNews(
  work: Work,
  shown: Pick<Link, 'state' | 'reasons'>,
  planned: RecordPlan,
): Pick<Handled & { did: 'finished' }, 'message' | 'rows' | 'again'> {
  if (!asksForSomebody(shown)) return { message: 'nothing to do' };
  if (asksAgain(work, shown)) return { message: 'nothing to do', again: true };
  return {
    message: shown.state === 'blocked' ? 'change blocked' : 'change held',
    rows: openRows(planned),
  };
}

const asksForSomebody = ({ state }: Pick<Link, 'state'>): boolean =>
  state !== 'in-sync' && state !== 'recorded-difference';

const whyOf = (shown: Pick<Link, 'state' | 'reasons'>): { readonly reason?: string } =>
  asksForSomebody(shown) ? { reason: shown.reasons.join('; ') } : {};

/** Does a link ask for somebody, and did it so for the same reasons before this work began? */
const asksAgain = ({ showed }: Work, shown: Pick<Link, 'state' | 'reasons'>): boolean =>
  asksForSomebody(shown) &&
  showed?.state === shown.state &&
  JSON.stringify(showed.reasons) === JSON.stringify(shown.reasons);

/** Write-ahead, then the remote writes, then what is agreed. */
async function write(
  work: Work,
  link: Link,
  both: Both,
  pictured: Pictured,
  planned: RecordPlan,
  readAt: number,
  spends: readonly Write[],
): Promise<Step> {
  const { engine, lease } = work;
  const now = engine.clock.now();
  const ahead = {
    customcrm: planned.writes.customcrm?.prints ?? {},
    wave: planned.writes.wave?.prints ?? {},
    settlesAt: now + engine.settings.settleMs,
  };
  const renewedLease = { ...lease, until: work.call.deadline + engine.settings.leaseReserveMs };
  const noted = await engine.table.write([
    linkWrite(link, { ...link, agreed: pictured.agreed, ahead }),
    renewed(renewedLease),
    ...keepLosers(engine, refOf(link, 'customcrm'), planned.lost),
    ...spends,
  ]);
  if (!noted.done) return lostLease(work);
  reportLosers(engine, work.doorbell, otherId(link, work.doorbell), planned.lost);
  const aheadLink: Link = { ...link, agreed: pictured.agreed, ahead, revision: link.revision + 1 };
  const sent = await send(work, both, planned);
  if (sent.error instanceof RemoteOutcomeUnknownError) {
    await agree(work, aheadLink, both, pictured, planned, sent, true);
    return settling(link, ahead.settlesAt);
  }
  const saved = await agree(work, aheadLink, both, pictured, planned, sent, false);
  if (!saved) return lostLease(work);
  const { error, refused } = sent;
  if (error instanceof StaleVersionError || error instanceof RemoteMissingError)
    return { did: 'again', link: saved.link };
  if (error) throw error;
  await Promise.all(Object.values(sent.answers).map((snapshot) => indexKeys(engine, snapshot)));
  const isRefused = Object.keys(refused).length > 0;
  if (saved.somebodyWasThere || mayPassAlone(planned, refused, saved.link) || waitsForTheOthers(planned))
    return { did: 'again', link: saved.link };
  return {
    did: 'finished',
    message: isRefused ? 'change blocked' : 'change applied',
    because: saved.link.state === 'in-sync' ? 'changed' : saved.link.state,
    ...whyOf(saved.link),
    rows: rowsOf(planned),
    ...(asksAgain(work, saved.link) && { again: true }),
    counterpart: otherId(link, work.doorbell),
    ...editedAt(both, planned),
    readToWriteMs: now - readAt,
  };
}

/** When the edits were made that were sent, or put back; the earliest of them. What is filled in or linked was not edited. */
function editedAt(both: Both, { verdicts, writes }: RecordPlan): { readonly editedAt?: number } {
  const times = [...verdicts].flatMap(([row, verdict]) => {
    if (verdict.do !== 'write' || !writes[verdict.to]?.rows.includes(row)) return [];
    const { to, because } = verdict;
    if (because === 'reverted') return [both[to].modifiedAt];
    return because === 'changed' || because === 'conflict' ? [both[otherSystem(to)].modifiedAt] : [];
  });
  return times.length > 0 ? { editedAt: Math.min(...times) } : {};
}

/** What was refused together with a row that a system named, or with the marker, was perhaps only refused with it. */
const mayPassAlone = (planned: RecordPlan, refused: Sent['refused'], { refusals = {} }: Link): boolean =>
  systems.some((system) => refused[system] && planned.writes[system]?.rows.some((row) => !refusals[row]));

/** Approving an invoice comes after every other row was written and read again. */
const waitsForTheOthers = (planned: RecordPlan): boolean =>
  [...planned.verdicts.values()].some(
    (verdict) => verdict.do === 'nothing' && verdict.because === 'waits for the other rows',
  );

/**
 * Wave first: it has no version check, so the time between its read and its write is the one to keep short. What one system refuses does
 * not hold up what flows to the other.
 */
async function send({ engine, call }: Work, both: Both, planned: RecordPlan): Promise<Sent> {
  const answers: Partial<Record<System, Snapshot>> = {};
  const refused: Partial<Record<System, RemoteRejectedError>> = {};
  for (const system of ['wave', 'customcrm'] as const) {
    const write = planned.writes[system];
    if (!write) continue;
    try {
      answers[system] = await engine.systems[system].update(
        both[system].pair,
        both[system],
        write.next,
        write.paths,
        call,
      );
    } catch (error) {
      if (!(error instanceof RemoteRejectedError)) return { answers, refused, error };
      refused[system] = error;
    }
  }
  return { answers, refused };
}

const otherId = (link: Link, doorbell: Doorbell): string =>
  doorbell.system === 'customcrm' ? link.waveId : link.customcrmId;

const lostLease = ({ engine, doorbell }: Work): Handled => ({
  did: 'parked',
  cause: { name: 'lease', key: `lease#${doorbell.pair}#${doorbell.id}`, due: engine.clock.now() + 5_000 },
});

/** Whether an error is one of those after which the record waits: with the pause that it asks for. */
export function pauseFor(
  error: unknown,
): { readonly name: 'unavailable' | 'reconnect'; readonly afterMs: number | undefined } | undefined {
  if (error instanceof ReconnectNeededError) return { name: 'reconnect', afterMs: undefined };
  if (error instanceof RemoteUnavailableError) return { name: 'unavailable', afterMs: error.retryAfterMs };
  return undefined;
}
