import type { Link, LinkState, Refusal, Refusals, RowPrints } from '../domain/link.ts';
import type { NothingBecause } from '../domain/plan.ts';
import type { ObservedAt } from '../domain/policy.ts';
import { type Snapshot, type System, systems } from '../domain/record.ts';
import type { RemoteRejectedError } from '../errors.ts';
import { settle } from '../mappings/agreement.ts';
import { mappings } from '../mappings/pairs.ts';
import { isWithin, type Pictured, type RecordPlan, vaguely } from '../mappings/record-plan.ts';
import type { Engine } from './engine.ts';
import { turnsAfter } from './guard-write.ts';
import { pictureStamp } from './lagging.ts';
import { stillHeld } from './leases.ts';
import { saveLink, withOutcome } from './links.ts';
import type { Both, Work } from './work.ts';

/** What the two systems answered to the writes of one plan, which of them refused, and the error that ended it early. */
export interface Sent {
  readonly answers: Readonly<Partial<Record<System, Snapshot>>>;
  readonly refused: Readonly<Partial<Record<System, RemoteRejectedError>>>;
  readonly error?: unknown;
}

/** Records what is agreed after the answers; an unanswered write stays noted ahead. */
export async function agree(
  work: Work,
  link: Link,
  both: Both,
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
  const { refusals, marked } = refusalsAfter(link, planned, sent);
  const shown: Shown = {
    ...planned,
    refusals,
    totalsDiffer: !pictured.mapping.totalsAgree(
      bodies.customcrm ?? pictured.customcrm,
      bodies.wave ?? pictured.wave,
      pictured.facts,
    ),
  };
  const complete = !sent.error && !settled.somebodyWasThere;
  const state = stateOf(shown, settled.differences);
  const {
    ahead,
    agreedVersion: _version,
    agreedUpdatedAt: _updatedAt,
    refusals: _refusals,
    missing: _missing,
    looked: _looked,
    ...bare
  } = link;
  const isRefused = Object.keys(sent.refused).length > 0;
  const after: Omit<Link, 'revision'> = {
    ...bare,
    ...(complete ? stampOf(state, sent.answers.customcrm ?? both.customcrm, planned) : {}),
    // What was answered is no longer under way.
    ...(unanswered && ahead && { ahead: { ...ahead, ...emptied(sent.answers) } }),
    // A write of two parts may have been refused in its second one.
    ...(isRefused && !unanswered && ahead && { ahead: { ...ahead, settlesAt: engine.clock.now() } }),
    ...(Object.keys(refusals).length > 0 && { refusals }),
    answered: answeredAfter(engine, link, [both.customcrm, both.wave, ...Object.values(sent.answers)]),
    marked,
    agreed: settled.agreed,
    state: complete || isRefused ? state : link.state,
    reasons: complete || isRefused ? reasonsOf(shown, settled.differences) : link.reasons,
    observed: complete ? observedAfter(work, link, planned, both) : firstSeen(work, link, both),
    turns: turnsAfter(link, planned, sent.answers),
    history: withOutcome(link, {
      at: engine.clock.now(),
      eventId: doorbell.eventId,
      did: didOf(sent),
      rows: rowsOf(planned),
    }),
  };
  const saved = await saveLink(engine.table, link, after, stillHeld(work.lease));
  return saved && { link: saved, somebodyWasThere: settled.somebodyWasThere };
}

const emptied = (answers: Sent['answers']): Partial<Record<System, RowPrints>> =>
  Object.fromEntries(systems.filter((system) => answers[system]).map((system) => [system, {}]));

function didOf({ error, refused }: Sent): string {
  if (error) return `failed: ${(error as Error).name}`;
  const by = Object.keys(refused);
  return by.length > 0 ? `refused by ${by.join(' and ')}` : 'applied';
}

/**
 * What is refused after these answers. The rows that a system named are; when it named none, all that it was sent. A marker that it may
 * not have liked is not offered again, and says nothing about the rows beside it.
 */
function refusalsAfter(
  link: Link,
  planned: RecordPlan,
  { answers, refused, error }: Sent,
): { readonly refusals: Refusals; readonly marked: boolean } {
  const refusals: Record<string, Refusal> = { ...planned.refusals };
  for (const system of systems) {
    const write = planned.writes[system];
    const refusal = refused[system];
    // Nobody has judged again what was not answered.
    if (write && !refusal && !answers[system])
      for (const row of write.rows) if (link.refusals?.[row]) refusals[row] = link.refusals[row];
    if (!write || !refusal) continue;
    const named = namedBy(refusal, system, link, write.rows);
    const mayBeTheMarker = system === 'customcrm' && write.paths.includes('ExternalId');
    const rows = named.length > 0 || mayBeTheMarker ? named : write.rows;
    // Nobody knows which: each object is tried again by itself.
    const isVague =
      named.length === 0 &&
      write.paths.some((path) => !isWithin(path, write.paths[0] ?? path)) &&
      write.rows.some((row) => link.refusals?.[row] === undefined);
    const picture = isVague ? vaguely : planned.picture;
    for (const [index, row] of rows.entries()) {
      const reason = index === 0 ? refusal.message : `refused with ${rows[0]}`;
      refusals[row] = { print: write.asks[row] ?? '', picture, reason, shows: 'blocked' };
    }
  }
  return { refusals, marked: link.marked || error === undefined };
}

/** Whole objects are refused with a part of them, and parts with the whole; else what goes with a part that was not edited itself. */
function namedBy(
  { paths }: RemoteRejectedError,
  system: System,
  { pair }: Link,
  rows: readonly string[],
): readonly string[] {
  const pathOf = (id: string) => mappings[pair].everyRow.find((row) => row.id === id)?.[system] ?? '';
  const isPart = (path: string, own: string) =>
    path === own || own.startsWith(`${path}.`) || path.startsWith(`${own}.`);
  const named = rows.filter((id) => paths.some((path) => isPart(path, pathOf(id))));
  return named.length > 0 ? named : rows.filter((id) => paths.some((path) => isWithin(path, pathOf(id))));
}

/** The newest picture of each side that was agreed on: what it was read as, or what a write of ours was answered with. */
export function answeredAfter(
  { clock }: Engine,
  { answered }: Pick<Link, 'answered'>,
  answers: readonly Snapshot[],
): NonNullable<Link['answered']> {
  const newest = { ...answered };
  for (const answer of answers) {
    const stamp = pictureStamp(answer);
    if (stamp === undefined || stamp <= (newest[answer.system] ?? -1)) continue;
    newest[answer.system] = stamp;
    newest.at = clock.now();
  }
  return newest;
}

/** What of a plan, and of what came of it, a link shows. */
export type Shown = Pick<RecordPlan, 'verdicts' | 'blocked' | 'held' | 'refusals' | 'totalsDiffer'>;

export function stateOf(shown: Shown, differences: readonly string[]): LinkState {
  const open = openIn(shown);
  if (shown.totalsDiffer || open.some(({ shows }) => shows === 'blocked')) return 'blocked';
  if (open.some(({ reason }) => reason === 'both changed')) return 'conflict';
  if (open.length > 0) return 'held';
  return recordedIn(shown).length > 0 || differences.length > 0 ? 'recorded-difference' : 'in-sync';
}

/** Every row that waits for somebody, once: a refusal that the plan knew is among its rows already. */
function openIn({ blocked, held, refusals }: Shown) {
  const known = [...blocked, ...held].map(({ row }) => row);
  return [
    ...blocked.map((each) => ({ ...each, shows: 'blocked' as const })),
    ...held.map((each) => ({ ...each, shows: 'held' as const })),
    ...Object.entries(refusals).flatMap(([row, { reason, shows }]) =>
      known.includes(row) ? [] : [{ row, reason, shows }],
    ),
  ];
}

/** The rows that wait for somebody; `totals` where it is a sum. */
export const openRows = (shown: Shown): readonly string[] => [
  ...openIn(shown).map(({ row }) => row),
  ...(shown.totalsDiffer ? ['totals'] : []),
];

export const asksNothing: ReadonlySet<LinkState> = new Set(['in-sync', 'recorded-difference']);
const waiting: NothingBecause = 'waits for the other rows';
const recorded: NothingBecause = 'recorded difference';

/**
 * Does this link ask a person something about a row? A recorded difference asks nothing, nor does what waits for the other rows, unless a
 * person is asked about one of those.
 */
export const asksAbout = ({ reasons, state }: Pick<Link, 'reasons' | 'state'>, row: string): boolean =>
  reasons.some(
    (reason) =>
      reason.startsWith(`${row}: `) &&
      !reason.endsWith(`: ${recorded}`) &&
      !(reason.endsWith(`: ${waiting}`) && asksNothing.has(state)),
  );

/** Every row that is not equal, and why it stays so. */
export const reasonsOf = (shown: Shown, differences: readonly string[]): readonly string[] => [
  ...openIn(shown).map(({ row, reason }) => `${row}: ${reason}`),
  ...(shown.totalsDiffer ? ['totals: Wave computes another sum before tax'] : []),
  ...becauseOf(shown, waiting).map((row) => `${row}: ${waiting}`),
  ...new Set([...recordedIn(shown), ...differences].map((row) => `${row}: ${recorded}`)),
];

const becauseOf = ({ verdicts }: Pick<Shown, 'verdicts'>, because: NothingBecause): readonly string[] =>
  [...verdicts].flatMap(([row, verdict]) =>
    verdict.do === 'nothing' && verdict.because === because ? [row] : [],
  );

const recordedIn = (shown: Shown): readonly string[] => becauseOf(shown, recorded);

export const rowsOf = (planned: RecordPlan): readonly string[] =>
  (['customcrm', 'wave'] as const).flatMap((system) =>
    (planned.writes[system]?.rows ?? []).map((row) => `${row}->${system}`),
  );

/** The echo of our own write carries this stamp; only a record at rest has one, for which nothing is left to be done. */
export function stampOf(
  state: LinkState,
  customcrm: Snapshot,
  { verdicts, waitsFor }: Pick<RecordPlan, 'verdicts' | 'waitsFor'>,
): { readonly agreedVersion?: string; readonly agreedUpdatedAt?: number } {
  const isOpen = waitsFor.length > 0 || becauseOf({ verdicts }, waiting).length > 0;
  const atRest = !isOpen && asksNothing.has(state);
  return atRest && customcrm.version !== undefined
    ? { agreedVersion: customcrm.version, agreedUpdatedAt: customcrm.modifiedAt }
    : {};
}

/** While something stays open, the times at which each side's change was first heard of are kept: the same conflict is decided the same way. */
export function observedAfter(work: Work, link: Link, planned: RecordPlan, both: Both): Link['observed'] {
  const isOpen = planned.blocked.length > 0 || planned.held.length > 0 || planned.waitsFor.length > 0;
  return isOpen ? firstSeen(work, link, both) : {};
}

/**
 * When a change of each side was first heard of since both agreed, ms; of a side that nobody told of, unknown. Where something stayed
 * open, who rings for a side that has not moved since tells of no change: what is decided stays decided, however often it is looked at.
 */
export function firstSeen({ heard }: Work, { observed, answered, state }: Link, both: Both): ObservedAt {
  const stayedOpen = state === 'blocked' || state === 'held' || state === 'conflict';
  const known = systems.flatMap((system) => {
    const stands = stayedOpen && pictureStamp(both[system]) === answered?.[system];
    const times = [observed[system], stands ? undefined : heard[system]].filter((at) => at !== undefined);
    return times.length > 0 ? [[system, Math.min(...times)]] : [];
  });
  return Object.fromEntries(known);
}
