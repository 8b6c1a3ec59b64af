import { type Pair, pairs } from '../domain/record.ts';
import { pauseFor } from '../errors.ts';
import type { Engine } from './engine.ts';
import { blowFuse, mendFuse } from './fuses.ts';
import { hasLinks } from './links.ts';
import { isPaused } from './pause.ts';
import type { Call } from './ports.ts';
import { isStarted, markStarted } from './started-pairs.ts';
import { comparePage } from './sweep-compare.ts';
import { type Alarm, directoryAlarm, listAlarm } from './sweep-guards.ts';
import { checkLinks, loadMarks, type Marks } from './sweep-links.ts';
import { type SweepProgress, sweepProgress } from './sweep-progress.ts';
import { outstanding, outstandingLimit, ringBatchOf } from './sweep-ring.ts';
import {
  nextStep,
  type Step,
  type StoredRun,
  type SweepRun,
  saveRun,
  stepsOf,
  storedRun,
  sweptPage,
} from './sweep-run.ts';

// A run compares both lists and all links of the pairs that take part, and then rings doorbells. It writes to neither system and to no link:
// what a doorbell leads to is the worker's business. Which ids were seen is kept by page, as marks of links: one item for each page of
// a list instead of one write for each record, and no by-id read of a record that a list has shown.

/** The lists are compared this often, ms. */
const everyMs = 24 * 3600_000;
/** What is kept of an invocation for the last write, ms. */
const reserveMs = 5_000;
/** A run is claimed for so long with each write, ms: whoever was killed holds the next invocation up no longer. */
const claimMs = 30_000;
/** How long to wait for the workers before looking at the queues again, ms. */
const lookAgainMs = 1_000;
const tries = 5;

/** A person starts a pair: from now on its records get counterparts, and a sweep rings for every one that is not linked. @throws RangeError */
export async function startPair(engine: Engine, pair: Pair): Promise<void> {
  await markStarted(engine, pair);
  await startSweep(engine, { pairs: [pair] });
}

/**
 * Begins a run over these pairs, by default over all that are started; {@link sweep} does the work. A run that is under way begins
 * again with its pairs and these. @param confirmed a person has looked at why the last run was stopped: no guard stops this one.
 * @throws RangeError when none of the pairs is started, nor has a link.
 */
export async function startSweep(
  engine: Engine,
  {
    pairs: wanted = pairs,
    confirmed = false,
  }: { readonly pairs?: readonly Pair[]; readonly confirmed?: boolean } = {},
): Promise<void> {
  const takePart = await sweptPairs(engine);
  for (let attempt = 0; attempt < tries; attempt++) {
    const before = await storedRun(engine);
    const open = before?.run.finishedAt === undefined ? before?.run : undefined;
    const chosen = takePart.filter((pair) => wanted.includes(pair) || open?.pairs.includes(pair));
    if (chosen.length === 0) throw new RangeError('None of these pairs is started.');
    const run = newRun(engine, chosen, confirmed || open?.confirmed === true);
    if (!(await saveRun(engine, before, { busyUntil: 0, run }))) continue;
    // Who says that everything did change lets it pass.
    if (confirmed) await mendFuse(engine, 'changed', true);
    return;
  }
  throw new Error(`The sweep could not be started: another one was faster ${tries} times`);
}

const newRun = (engine: Engine, chosen: readonly Pair[], confirmed: boolean): SweepRun => ({
  id: engine.newId(),
  startedAt: engine.clock.now(),
  pairs: chosen,
  confirmed,
  step: 0,
  page: 0,
  restarts: 0,
  seen: {},
  found: 0,
  rung: 0,
  settled: 0,
  repairs: 0,
});

/** Works on the run that is under way until the time of this invocation is nearly over; begins one when the last was a day ago. */
export async function sweep(engine: Engine, call: Call): Promise<SweepProgress | undefined> {
  await startDaily(engine);
  const before = await unclaimed(engine, call);
  if (before && before.run.finishedAt === undefined) {
    const claimed = await saveRun(engine, before, { busyUntil: claimEnd(engine), run: before.run });
    if (claimed) await workOn(engine, claimed, call);
  }
  return sweepProgress(engine);
}

const claimEnd = ({ clock }: Engine): number => clock.now() + claimMs;

/** The run, once nobody works on it: what another invocation left behind is not left to the next one. */
async function unclaimed(engine: Engine, call: Call): Promise<StoredRun | undefined> {
  const run = await storedRun(engine);
  const waitMs = (run?.busyUntil ?? 0) - engine.clock.now();
  if (!run || waitMs <= 0) return run;
  if (engine.clock.now() + waitMs + reserveMs > call.deadline) return undefined;
  await engine.clock.sleep(waitMs);
  const again = await storedRun(engine);
  return again && again.busyUntil <= engine.clock.now() ? again : undefined;
}

/** Those that are started, and those of which a person has linked records all the same. */
async function sweptPairs(engine: Engine): Promise<readonly Pair[]> {
  const takesPart = await Promise.all(
    pairs.map(async (pair) => (await isStarted(engine, pair)) || (await hasLinks(engine.table, pair))),
  );
  return pairs.filter((_, index) => takesPart[index]);
}

/**
 * Once a day everything is compared, also while a first load rings for days: what that has not come to yet is found again. A run that rings
 * is counted from when it began to, as comparing may take long itself.
 */
async function startDaily(engine: Engine): Promise<void> {
  const last = await storedRun(engine);
  const isOpen = last !== undefined && last.run.finishedAt === undefined;
  const since = isOpen ? last.run.ringingSince : last?.run.startedAt;
  if (last && (since === undefined || since + everyMs > engine.clock.now())) return;
  const chosen = await sweptPairs(engine);
  // Not confirmed: what a person looked at was another day.
  if (chosen.length > 0) await saveRun(engine, last, { busyUntil: 0, run: newRun(engine, chosen, false) });
}

/** What one invocation remembers: the run as it stores it, and what it need not read twice. */
interface Shift {
  stored: StoredRun;
  readonly call: Call;
  marks?: { readonly pair: Pair; readonly marks: Marks };
  /** Doorbells that may still be rung where the queues do not tell their depth. */
  unseen: number;
}

async function workOn(engine: Engine, claimed: StoredRun, call: Call): Promise<void> {
  const shift: Shift = { stored: claimed, call, unseen: outstandingLimit };
  while (engine.clock.now() + reserveMs < call.deadline && shift.stored.run.finishedAt === undefined) {
    const step = stepsOf(shift.stored.run)[shift.stored.run.step];
    try {
      const went = step ? await work(engine, shift, step) : await finish(engine, shift);
      if (went === 'lost') return;
      if (went === 'waits') break;
    } catch (error) {
      if (!pauseFor(error)) throw error;
      break;
    }
  }
  await saveRun(engine, shift.stored, { ...shift.stored, busyUntil: 0 });
}

type Went = 'on' | 'waits' | 'lost';

function work(engine: Engine, shift: Shift, step: Step): Promise<Went> {
  if (step.phase === 'links') return checkDirectory(engine, shift, step);
  if (step.phase === 'ring') return ringNext(engine, shift, step);
  return compareNext(engine, shift, { ...step, phase: step.phase });
}

const finish = (engine: Engine, shift: Shift): Promise<Went> =>
  keep(engine, shift, { ...shift.stored.run, finishedAt: engine.clock.now() });

async function keep(
  engine: Engine,
  shift: Shift,
  run: SweepRun,
  beside: Parameters<typeof saveRun>[3] = [],
): Promise<Went> {
  const saved = await saveRun(engine, shift.stored, { busyUntil: claimEnd(engine), run }, beside);
  if (!saved) return 'lost';
  shift.stored = saved;
  return 'on';
}

async function compareNext(
  engine: Engine,
  shift: Shift,
  step: Step & { phase: 'customcrm' | 'wave' },
): Promise<Went> {
  const { run } = shift.stored;
  const { run: after, marks, found, last } = await comparePage(engine, run, step, shift.call);
  const counted = { ...after, page: run.page + 1, found: run.found + found.length };
  const isGuarded = last && !run.confirmed;
  const alarm = isGuarded ? await listAlarm(engine, counted, step.pair, step.phase) : undefined;
  if (alarm) return stop(engine, shift, step.pair, alarm);
  return keep(engine, shift, last ? nextStep(counted) : counted, [sweptPage(run, step, { marks, found })]);
}

/** The fuse holds back what workers would do, the run ends, and a person looks: `startSweep` with `confirmed` goes on. */
async function stop(
  engine: Engine,
  shift: Shift,
  pair: Pair,
  { fuse, system, reason }: Alarm,
): Promise<Went> {
  await blowFuse(engine, fuse);
  engine.report({ message: 'fuse blown', system, pair, id: 'all', eventId: fuse, because: reason });
  return keep(engine, shift, { ...shift.stored.run, stopped: reason, finishedAt: engine.clock.now() });
}

async function checkDirectory(engine: Engine, shift: Shift, step: Step): Promise<Went> {
  const { run } = shift.stored;
  const { pair } = step;
  if (shift.marks?.pair !== pair) shift.marks = { pair, marks: await loadMarks(engine, run, pair) };
  const { marks } = shift.marks;
  const isGuarded = run.cursor === undefined && !run.confirmed;
  const alarm = isGuarded ? await directoryAlarm(engine, run, pair, marks) : undefined;
  if (alarm) return stop(engine, shift, pair, alarm);
  const { found, next } = await checkLinks(engine, run, pair, marks);
  const counted = { ...run, page: run.page + 1, found: run.found + found.length };
  return keep(
    engine,
    shift,
    next === undefined ? nextStep(counted) : { ...counted, cursor: next },
    found.length > 0 ? [sweptPage(run, step, { marks: [], found })] : [],
  );
}

/** Only so many doorbells at a time: live changes come first, and neither an outage nor a pause must park everything. */
async function ringNext(engine: Engine, shift: Shift, { pair }: Step): Promise<Went> {
  if (await isPaused(engine, 'all')) return 'waits';
  // Its records would all be put aside at once; the resume begins a sweep of its own.
  if (await isPaused(engine, pair)) return keep(engine, shift, nextStep(shift.stored.run));
  const open = await outstanding(engine);
  if (open === undefined ? shift.unseen <= 0 : open >= outstandingLimit) {
    if (open === undefined || engine.clock.now() + lookAgainMs + reserveMs > shift.call.deadline)
      return 'waits';
    await engine.clock.sleep(lookAgainMs);
    return 'on';
  }
  const { run } = shift.stored;
  const { run: after, last } = await ringBatchOf(engine, run, pair);
  shift.unseen -= after.rung - run.rung;
  return keep(engine, shift, last ? nextStep(after) : after);
}
