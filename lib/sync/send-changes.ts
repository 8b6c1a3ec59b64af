import { type Link, refOf } from '../domain/link.ts';
import type { WriteBecause } from '../domain/plan.ts';
import { otherSystem, type Snapshot, type System, systems } from '../domain/record.ts';
import {
  RemoteMissingError,
  RemoteOutcomeUnknownError,
  RemoteRejectedError,
  StaleVersionError,
} from '../errors.ts';
import { type Pictured, type RecordPlan, vaguely } from '../mappings/record-plan.ts';
import { agree, rowsOf, type Sent } from './agree.ts';
import { keepLosers, reportLosers } from './conflict-log.ts';
import { indexKeys } from './key-index.ts';
import { renewed } from './leases.ts';
import { linkWrite } from './links.ts';
import { asksAgain, whyOf } from './news.ts';
import type { Write } from './ports.ts';
import { type Both, lastSend, lostLease, otherId, type Step, settling, type Work } from './work.ts';

/** Write-ahead, then the remote writes, then what is agreed. */
export async function sendChanges(
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
  const sentAt = engine.clock.now();
  const sent = await send(work, both, planned, readAt);
  if (sent.error instanceof RemoteOutcomeUnknownError) {
    await agree(work, aheadLink, both, pictured, planned, sent, true);
    return settling(link, ahead.settlesAt);
  }
  const saved = await agree(work, aheadLink, both, pictured, planned, sent, false);
  if (!saved) return lostLease(work);
  const { error, refused } = sent;
  if (error instanceof StaleVersionError) return { did: 'again', link: saved.link };
  if (error instanceof RemoteMissingError) return { did: 'again', link: saved.link, isMissing: true };
  if (error) throw error;
  await Promise.all(Object.values(sent.answers).map((snapshot) => indexKeys(engine, snapshot)));
  const isRefused = Object.keys(refused).length > 0;
  const isMore = planned.postponed.length > 0 || mayPassAlone(planned, refused, saved.link);
  if (saved.somebodyWasThere || isMore || waitsForTheOthers(planned))
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
    readToWriteMs: sentAt - readAt,
  };
}

/** What somebody changed on the side that sends. */
const wasEdited: ReadonlySet<WriteBecause> = new Set(['changed', 'conflict', 'overruled']);

/** When the edits were made that were sent, or put back; the earliest of them. What is filled in or linked was not edited. */
function editedAt(both: Both, { verdicts, writes }: RecordPlan): { readonly editedAt?: number } {
  const times = [...verdicts].flatMap(([row, verdict]) => {
    if (verdict.do !== 'write' || !writes[verdict.to]?.rows.includes(row)) return [];
    const { to, because } = verdict;
    if (because === 'reverted') return [both[to].modifiedAt];
    return wasEdited.has(because) ? [both[otherSystem(to)].modifiedAt] : [];
  });
  return times.length > 0 ? { editedAt: Math.min(...times) } : {};
}

/** What was refused together with a row that a system named, with the marker, or where it named none, was perhaps only refused with it. */
const mayPassAlone = (planned: RecordPlan, refused: Sent['refused'], { refusals = {} }: Link): boolean =>
  systems.some(
    (system) =>
      refused[system] &&
      planned.writes[system]?.rows.some((row) => !refusals[row] || refusals[row].picture === vaguely),
  );

/** Approving an invoice comes after every other row was written and read again. */
const waitsForTheOthers = (planned: RecordPlan): boolean =>
  [...planned.verdicts.values()].some(
    (verdict) => verdict.do === 'nothing' && verdict.because === 'waits for the other rows',
  );

/**
 * Wave first: it has no version check, so the time between its read and its write is the one to keep short. What one system refuses does
 * not hold up what flows to the other.
 */
async function send(work: Work, both: Both, planned: RecordPlan, readAt: number): Promise<Sent> {
  const { engine, call } = work;
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
        system === 'wave' ? { ...call, sendBy: lastSend(engine, readAt) } : call,
      );
    } catch (error) {
      if (!(error instanceof RemoteRejectedError)) return { answers, refused, error };
      refused[system] = error;
    }
  }
  return { answers, refused };
}
