import type { Link, LinkState } from '../domain/link.ts';
import type { NothingBecause } from '../domain/plan.ts';
import type { ObservedAt } from '../domain/policy.ts';
import type { Snapshot, System } from '../domain/record.ts';
import { RemoteRejectedError } from '../errors.ts';
import { type Pictured, type RecordPlan, settle } from '../mappings/record-plan.ts';
import type { Work } from './apply-change.ts';
import { turnsAfter } from './guard-write.ts';
import { pictureStamp } from './lagging.ts';
import { stillHeld } from './leases.ts';
import { saveLink, withOutcome } from './links.ts';

/** What the two systems answered to the writes of one plan, and the error that ended it early. */
export interface Sent {
  readonly answers: Readonly<Partial<Record<System, Snapshot>>>;
  readonly error?: unknown;
}

/** Records what is agreed after the answers; an unanswered write stays noted ahead. */
export async function agree(
  work: Work,
  link: Link,
  both: Readonly<Record<System, Snapshot>>,
  pictured: Pictured,
  planned: RecordPlan,
  sent: Sent,
  unanswered: boolean,
) {
  const { engine, doorbell } = work;
  const bodies = {
    ...(sent.answers.customcrm && { customcrm: sent.answers.customcrm.body }),
    ...(sent.answers.wave && { wave: sent.answers.wave.body }),
  };
  const settled = settle(pictured, planned, bodies);
  const rejected = sent.error instanceof RemoteRejectedError ? [sent.error.message] : [];
  const totals = totalsFault(pictured, planned, bodies);
  const reasons = [...rejected, ...totals, ...reasonsOf(planned, settled.differences)];
  const complete = !sent.error && !settled.somebodyWasThere;
  const state =
    reasons.length > 0 && (rejected.length > 0 || totals.length > 0)
      ? 'blocked'
      : stateOf(planned, settled.differences);
  const {
    ahead,
    agreedVersion: _version,
    agreedUpdatedAt: _updatedAt,
    refused: _refused,
    missing: _missing,
    ...bare
  } = link;
  const after: Omit<Link, 'revision'> = {
    ...bare,
    ...(complete ? stampOf(state, sent.answers.customcrm ?? both.customcrm) : {}),
    ...(unanswered && ahead && { ahead }),
    ...(rejected.length > 0 && { refused: planned.picture }),
    answered: answeredAfter(link, [both.customcrm, both.wave, ...Object.values(sent.answers)]),
    marked: link.marked || (!unanswered && planned.writes.customcrm?.paths.includes('ExternalId') === true),
    agreed: settled.agreed,
    state: complete || rejected.length > 0 ? state : link.state,
    reasons: complete || rejected.length > 0 ? reasons : link.reasons,
    observed: complete ? observedAfter(work, link, planned) : link.observed,
    turns: turnsAfter(link, planned, sent.answers),
    history: withOutcome(link, {
      at: engine.clock.now(),
      eventId: doorbell.eventId,
      did: sent.error ? `failed: ${(sent.error as Error).name}` : 'applied',
      rows: rowsOf(planned),
    }),
  };
  const saved = await saveLink(engine.table, link, after, stillHeld(work.lease));
  return saved && { link: saved, somebodyWasThere: settled.somebodyWasThere };
}

/** The newest picture of each side that was agreed on: what it was read as, or what a write of ours was answered with. */
export function answeredAfter(
  { answered }: Pick<Link, 'answered'>,
  answers: readonly Snapshot[],
): NonNullable<Link['answered']> {
  const newest = { ...answered };
  for (const answer of answers) {
    const stamp = pictureStamp(answer);
    if (stamp !== undefined) newest[answer.system] = Math.max(stamp, newest[answer.system] ?? 0);
  }
  return newest;
}

/** Wave's derived totals must agree with what Customcrm's lines and discount make, to the minor unit. */
function totalsFault(
  pictured: Pictured,
  planned: RecordPlan,
  answers: { readonly wave?: Snapshot['body'] },
): readonly string[] {
  const money = planned.writes.wave?.rows.some((row) => row === 'Lines' || row === 'Discount');
  if (!money || !answers.wave) return [];
  return pictured.mapping.totalsAgree(pictured.customcrm, answers.wave, pictured.facts)
    ? []
    : ['totals: Wave computes another sum before tax'];
}

export function stateOf(planned: RecordPlan, differences: readonly string[]): LinkState {
  if (planned.blocked.length > 0) return 'blocked';
  if (planned.held.some((row) => row.reason === 'both changed')) return 'conflict';
  if (planned.held.length > 0) return 'held';
  return recordedIn(planned).length > 0 || differences.length > 0 ? 'recorded-difference' : 'in-sync';
}

/** Does this link ask a person something about a row? A recorded difference asks nothing. */
export const asksAbout = ({ reasons }: Pick<Link, 'reasons'>, row: string): boolean =>
  reasons.some((reason) => reason.startsWith(`${row}: `) && !reason.endsWith(': recorded difference'));

/** Every row that is not equal, and why it stays so. */
export const reasonsOf = (planned: RecordPlan, differences: readonly string[]): readonly string[] => [
  ...[...planned.blocked, ...planned.held].map(({ row, reason }) => `${row}: ${reason}`),
  ...becauseOf(planned, waiting).map((row) => `${row}: ${waiting}`),
  ...new Set([...recordedIn(planned), ...differences].map((row) => `${row}: recorded difference`)),
];

const waiting: NothingBecause = 'waits for the other rows';

const becauseOf = ({ verdicts }: RecordPlan, because: NothingBecause): readonly string[] =>
  [...verdicts].flatMap(([row, verdict]) =>
    verdict.do === 'nothing' && verdict.because === because ? [row] : [],
  );

const recordedIn = (planned: RecordPlan): readonly string[] => becauseOf(planned, 'recorded difference');

export const rowsOf = (planned: RecordPlan): readonly string[] =>
  (['customcrm', 'wave'] as const).flatMap((system) =>
    (planned.writes[system]?.rows ?? []).map((row) => `${row}->${system}`),
  );

/** The echo of our own write carries this stamp; only a record at rest has one. */
export function stampOf(
  state: LinkState,
  customcrm: Snapshot,
): { readonly agreedVersion?: string; readonly agreedUpdatedAt?: number } {
  const atRest = state === 'in-sync' || state === 'recorded-difference';
  return atRest && customcrm.version !== undefined
    ? { agreedVersion: customcrm.version, agreedUpdatedAt: customcrm.modifiedAt }
    : {};
}

/** While something stays open, the times at which each side's change was first seen are kept: the same conflict is decided the same way. */
export function observedAfter(work: Work, link: Link, planned: RecordPlan): Link['observed'] {
  const isOpen = planned.blocked.length > 0 || planned.held.length > 0 || planned.waitsFor.length > 0;
  return isOpen ? firstSeen(work, link) : {};
}

/** When a change of each side was first heard of, ms; of a side that no doorbell named, now. */
export function firstSeen({ engine, doorbell }: Work, { observed }: Link): Required<ObservedAt> {
  const now = engine.clock.now();
  const seen = (system: System) =>
    observed[system] ?? (doorbell.system === system ? Math.min(doorbell.at, now) : now);
  return { customcrm: seen('customcrm'), wave: seen('wave') };
}
