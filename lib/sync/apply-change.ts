import { fingerprints } from '../domain/fingerprint.ts';
import { type Link, refOf } from '../domain/link.ts';
import { type RecordRef, refKey, type System, systems } from '../domain/record.ts';
import { arrived, seenBefore, settle } from '../mappings/agreement.ts';
import { externalIdOf } from '../mappings/match-keys.ts';
import { mappings } from '../mappings/pairs.ts';
import { type Pictured, planRecord, type RecordPlan } from '../mappings/record-plan.ts';
import { firstSeen } from './agree.ts';
import type { Cause, Engine, Handled } from './engine.ts';
import { gatherFacts } from './facts.ts';
import { giveUp, handleGone } from './gone.ts';
import { rejectedByFuse, throughFuses } from './guard-write.ts';
import { throwIfReadLags } from './lagging.ts';
import { stillHeld } from './leases.ts';
import { saveLink } from './links.ts';
import { waitsSince } from './parking.ts';
import type { Call, Doorbell, Reading } from './ports.ts';
import { rest } from './rest.ts';
import { sendChanges } from './send-changes.ts';
import { takesNoWrite } from './takes-no-write.ts';
import { type Both, isTooOld, lostLease, type Pictures, type Step, settling, type Work } from './work.ts';

/** One round: read, plan, write, agree. A stale write or a user in between starts another; then the record waits its turn. */
const roundLimit = 4;

/** So often a record may show, and take no write because it is not there, before it waits. */
const missingLimit = 2;

/** Brings both sides of a link together. The lease is held; `fresh` is what its linking brought, and serves the first round if it is young enough. */
export async function applyChange(given: Work, start: Link, fresh?: Pictures): Promise<Handled> {
  const work = { ...given, showed: start };
  let link = start;
  let pictures = fresh;
  let timesMissing = 0;
  for (let round = 0; round < roundLimit; round++) {
    const { ahead } = link;
    if (ahead && work.engine.clock.now() < ahead.settlesAt) return settling(link, ahead.settlesAt);
    if (!pictures) {
      const { readings, readAt } = await readBoth(work, link, round > 0);
      for (const system of systems)
        for (const told of [
          work.doorbell,
          ...(work.told ? [work.told] : []),
          ...waitingDoorbell(work, refOf(link, system)),
        ])
          throwIfReadLags(work.engine, told, refOf(link, system), readings[system], link);
      const both = livingOf(readings);
      if (!both) {
        const step = await handleGone(work, link, readings, readAt);
        if (step.did !== 'again') return step;
        link = step.link;
        continue;
      }
      pictures = { both, readAt };
    }
    const shown: Link | undefined = link.missing ? await showsAgain(work, link) : link;
    if (!shown) return lostLease(work);
    link = shown;
    const step = await planAndWrite(work, link, pictures);
    if (step.did !== 'again') return step;
    link = step.link;
    pictures = undefined;
    if (step.isMissing) timesMissing += 1;
    if (timesMissing === missingLimit) return takesNoWrite(work, link);
  }
  return { did: 'parked', cause: { name: 'busy', key: 'busy', due: work.engine.clock.now() + 30_000 } };
}

/** What this half waits with was heard of as well, whoever rang now. */
function waitingDoorbell({ waited, doorbell }: Work, { system, pair, id }: RecordRef): readonly Doorbell[] {
  const parked = waited.get(refKey({ system, pair, id }));
  if (parked?.seen === undefined) return [];
  const at = Number(parked.seenAt ?? waitsSince(parked));
  return [{ system, pair, id, eventId: doorbell.eventId, at, seen: Number(parked.seen) }];
}

/** What was missing once is there: the next time that it is not found is the first one. */
async function showsAgain({ engine, lease }: Work, link: Link): Promise<Link | undefined> {
  const { missing: _missing, ...bare } = link;
  return saveLink(engine.table, link, { ...bare, state: 'in-sync', reasons: [] }, stillHeld(lease));
}

/** @param wavesLast Wave's picture became too old before: it is not to wait for the other's answer again */
async function readBoth(
  { engine, call }: Work,
  link: Link,
  wavesLast: boolean,
): Promise<{ readonly readings: Readonly<Record<System, Reading>>; readonly readAt: number }> {
  const readWave = async () => {
    const reading = await engine.systems.wave.read(link.pair, link.waveId, call);
    // From the answer on, as it may have waited for a slot; but not from the other's answer on.
    return { reading, readAt: engine.clock.now() };
  };
  const reading = engine.systems.customcrm.read(link.pair, link.customcrmId, call);
  if (wavesLast) await reading;
  const [customcrm, wave] = await Promise.all([reading, readWave()]);
  return { readings: { customcrm, wave: wave.reading }, readAt: wave.readAt };
}

function livingOf({ customcrm, wave }: Readonly<Record<System, Reading>>): Both | undefined {
  return customcrm.state === 'living' && wave.state === 'living'
    ? { customcrm: customcrm.snapshot, wave: wave.snapshot }
    : undefined;
}

async function planAndWrite(work: Work, link: Link, { both, readAt }: Pictures): Promise<Step> {
  const { engine, call } = work;
  const pictured = arrived(await picture(engine, link, both, call));
  const bare = planRecord(pictured, policiesOf(work, link, both));
  if (mappings[link.pair].givenUp(both.customcrm.body)) {
    // What arrived, and what both hold, is nobody's edit any more.
    const known = { ...link, agreed: settle(pictured, bare, {}).agreed };
    const ended = await giveUp(work, known, both, bare, readAt);
    if (ended) return ended;
  }
  const offered = withMarker(link, both, bare);
  const parents = await linkParents(work, offered);
  if (parents === 'linked') return { did: 'again', link };
  const planned = { ...offered, blocked: [...offered.blocked, ...parents.gone] };
  const step = await carryOut(work, link, both, pictured, planned, readAt);
  // What can flow has flowed; the record waits for the rest. What a person is asked about is said at once.
  if (step.did !== 'finished' || !parents.waits) return step;
  const isAsked = offered.waitsFor.every(({ row }) => isHeld(offered, row));
  return isAsked ? { ...step, waits: parents.waits } : { did: 'parked', cause: parents.waits };
}

/** Sends what is to be sent, through the fuses; without anything to send, what is equal is agreed. */
async function carryOut(
  work: Work,
  given: Link,
  both: Both,
  pictured: Pictured,
  planned: RecordPlan,
  readAt: number,
): Promise<Step> {
  const { engine } = work;
  if (Object.keys(planned.writes).length === 0) return rest(work, given, both, pictured, planned);
  // What is equal is agreed before anything may wait, or is written: who is killed after it leaves nothing of what was known then.
  const known = { ...pictured, agreed: settle(pictured, planned, {}).agreed };
  const link = given.ahead ? await withArrived(work, given, known) : given;
  if (!link) return lostLease(work);
  const fuses = await throughFuses(work, link, planned);
  if (fuses.did === 'parked') return fuses;
  if (fuses.did === 'rejected') return rejectedByFuse(work, link, planned, fuses);
  if (isTooOld(engine, readAt)) return { did: 'again', link };
  return sendChanges(work, link, both, seenBefore(known, planned), planned, readAt, fuses.spends);
}

/** What was sent without an answer is not under way any more, and what of it arrived is agreed: what is typed over it from now on is an edit. */
async function withArrived(
  { engine, lease }: Work,
  link: Link,
  { agreed }: Pictured,
): Promise<Link | undefined> {
  const { ahead: _ahead, ...bare } = link;
  return saveLink(engine.table, link, { ...bare, agreed }, stillHeld(lease));
}

/**
 * Links the records that a row names and that are not linked yet. A row whose parent is deleted, or waits for a person, is blocked
 * and the other rows flow; should that parent be linked one day, it wakes this record.
 */
async function linkParents(
  work: Work,
  offered: RecordPlan,
): Promise<'linked' | { readonly gone: RecordPlan['blocked']; readonly waits?: Cause }> {
  const gone: { row: string; reason: string }[] = [];
  const causes: Cause[] = [];
  let isLinked = false;
  for (const { row, ref } of offered.waitsFor) {
    const linked = await work.linkParent(ref);
    if (linked.did !== 'parked') isLinked = true;
    else {
      const { shows } = linked.cause;
      if (shows !== undefined && !isHeld(offered, row)) gone.push({ row, reason: shows });
      causes.push(linked.cause);
    }
  }
  if (isLinked) return 'linked';
  // What will be over by itself is what it waits for.
  const cause = causes.find(({ shows }) => shows === undefined) ?? causes[0];
  if (!cause) return { gone };
  const due = Math.min(...causes.map((each) => each.due));
  return { gone, waits: { ...cause, due, also: causes } };
}

const isHeld = ({ held }: RecordPlan, row: string): boolean => held.some((each) => each.row === row);

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

function policiesOf(work: Work, link: Link, both: Both) {
  const { settings } = work.engine;
  return {
    conflict: (row: string) => settings.conflict(link.pair, row),
    firstLink: (row: string) => settings.firstLink(link.pair, row),
    observed: firstSeen(work, link, both),
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
