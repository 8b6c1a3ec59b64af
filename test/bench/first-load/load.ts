import { setTimeout as sleep } from 'node:timers/promises';
import type { Engine } from '../../../lib/sync/engine.ts';
import { overview } from '../../../lib/sync/overview.ts';
import { progressOf } from '../../../lib/sync/poll-progress.ts';
import { type SweepProgress, sweepProgress } from '../../../lib/sync/sweep-progress.ts';
import { editWhile, type LiveEdits } from './live-edits.ts';
import type { Outside } from './outside.ts';
import type { Product } from './product.ts';
import type { Seeded } from './seed.ts';

/** After these shares of the records our part is killed. */
const killsAt = [0.1, 0.25, 0.4] as const;
const lookMs = 1_000;
const windowMs = 60_000;

export interface Loaded {
  /** From the start of the pairs until every record was rung for, kills included, ms. */
  readonly workMs: number;
  /** From there until nothing waited any more, ms. */
  readonly tailMs: number;
  readonly kills: number;
  /** Requests to Wave in 60 s, at the mean over all such windows of the work. */
  readonly perMinute: number;
  readonly live: LiveEdits;
}

interface Sample {
  readonly at: number;
  readonly requests: number;
}

/** Waits until both lists of each pair were read once: nothing is created before. */
export async function listsRead(product: Product, deadline: number): Promise<void> {
  for (;;) {
    const read = await Promise.all(
      (['customcrm', 'wave'] as const).map((each) => progressOf(product.engine(), each)),
    );
    if (read.every(({ completeAt }) => completeAt > 0)) return;
    await lookAgain(deadline, 'the lists were not read');
  }
}

/** Starts every pair and kills our part three times on the way; users edit from the last restart on. */
export async function load(
  outside: Outside,
  product: Product,
  plan: {
    readonly targets: readonly Seeded[];
    readonly records: number;
    readonly everyMs: number;
    readonly deadline: number;
    readonly say: (text: string) => void;
  },
): Promise<Loaded> {
  const startedAt = Date.now();
  for (const pair of ['customer', 'product', 'order']) await product.sync('start', pair, '--without-webhook');
  const samples: Sample[] = [];
  let kills = 0;
  let live: Promise<LiveEdits> | undefined;
  let progress: SweepProgress | undefined;
  do {
    await lookAgain(plan.deadline, `the load is not over: ${JSON.stringify(progress)}`);
    samples.push({ at: Date.now(), requests: (await outside.door()).requests });
    progress = await sweepProgress(product.engine());
    if (!progress || progress.stopped) throw new Error(`A guard stopped the load: ${progress?.stopped}`);
    plan.say(
      `${progress.phase} ${progress.pair ?? ''} ${progress.done} of ${progress.total}, ${kills} kills`,
    );
    const next = killsAt[kills];
    if (next !== undefined && progress.done > next * plan.records) {
      await product.kill();
      await product.start();
      kills += 1;
    }
    if (kills === killsAt.length && !live) {
      live = editWhile(outside, plan.targets, {
        everyMs: plan.everyMs,
        name: 'during',
        isOver: () => progress?.finishedAt !== undefined,
      });
      // Whatever ends the load first is what is said.
      live.catch(() => undefined);
    }
  } while (progress.finishedAt === undefined);
  const doneAt = Date.now();
  await atRest(product.engine(), plan.deadline);
  return {
    workMs: doneAt - startedAt,
    tailMs: Date.now() - doneAt,
    kills,
    perMinute: meanPerMinute(samples),
    live: (await live) ?? { tookMs: [], lost: 0 },
  };
}

/** Nothing waits, no create is open, and the queues are empty. */
export async function atRest(engine: Engine, deadline: number): Promise<void> {
  for (;;) {
    const { waiting, intents } = await overview(engine);
    const lanes = await Promise.all(Object.values(engine.queues).map((queue) => queue.depth?.() ?? {}));
    const depths = lanes.flatMap((lane) => Object.values(lane));
    if (Object.keys(waiting).length === 0 && intents.open === 0 && depths.every((depth) => depth === 0))
      return;
    await lookAgain(deadline, `it does not come to rest: ${JSON.stringify({ waiting, intents, depths })}`);
  }
}

function meanPerMinute(samples: readonly Sample[]): number {
  const [first] = samples;
  const last = samples.at(-1);
  if (!first || !last) return 0;
  const windows = samples.flatMap(({ at, requests }) => {
    const before = samples.findLast((each) => each.at <= at - windowMs);
    return before ? [((requests - before.requests) * windowMs) / (at - before.at)] : [];
  });
  if (windows.length === 0) return ((last.requests - first.requests) * windowMs) / (last.at - first.at);
  return windows.reduce((sum, each) => sum + each, 0) / windows.length;
}

async function lookAgain(deadline: number, otherwise: string): Promise<void> {
  if (Date.now() > deadline) throw new Error(`Out of time: ${otherwise}`);
  await sleep(lookMs);
}
