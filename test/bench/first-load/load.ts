import { setTimeout as sleep } from 'node:timers/promises';
import type { Engine } from '../../../lib/sync/engine.ts';
import { overview, waitingRecords } from '../../../lib/sync/overview.ts';
import { progressOf } from '../../../lib/sync/poll-progress.ts';
import { type SweepProgress, sweepProgress } from '../../../lib/sync/sweep-progress.ts';
import { editWhile, type LiveEdits, noEdits } from './live-edits.ts';
import type { Outside } from './outside.ts';
import type { Product } from './product.ts';
import type { Seeded } from './seed.ts';

/** After these shares of the records our part is killed. */
const killsAt = [0.1, 0.25, 0.4] as const;
/** Users edit until this share of what is to be done, so that the load is also seen without them. */
const editsUntil = 0.7;
/** What was killed, and live edits, are felt for so long, ms: by then background work has its whole share again. */
const feltMs = 120_000;
const lookMs = 1_000;
const windowMs = 60_000;
/** Waiting records that are looked at; more are so many. */
const waitingLimit = 200;

export interface Loaded {
  /** From the start of the pairs until every record was rung for, kills included, ms. */
  readonly workMs: number;
  /** From there until nothing waited any more, ms. */
  readonly tailMs: number;
  readonly kills: number;
  /** Requests to Wave in 60 s, at the mean over all such windows from the first record that was rung for. */
  readonly perMinute: number;
  /** The same over the windows without kills and live edits; undefined when the load was too short to have some. */
  readonly undisturbedPerMinute: number | undefined;
  readonly live: LiveEdits;
}

interface Sample {
  readonly at: number;
  readonly requests: number;
  readonly isDisturbed: boolean;
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

/** Starts every pair and kills our part on the way; users edit from the last restart on. */
export async function load(
  outside: Outside,
  product: Product,
  plan: {
    readonly targets: readonly Seeded[];
    readonly records: number;
    /** How often it is killed, at the most. */
    readonly kills: number;
    /** Between two live edits, ms; 0: there are none. */
    readonly everyMs: number;
    readonly deadline: number;
    /** Shows a line, when one is due. */
    readonly say: (line: () => Promise<string>) => Promise<void>;
  },
): Promise<Loaded> {
  const startedAt = Date.now();
  for (const pair of ['customer', 'product', 'order']) await product.sync('start', pair, '--without-webhook');
  const samples: Sample[] = [];
  let kills = 0;
  let live: Promise<LiveEdits> | undefined;
  let progress: SweepProgress | undefined;
  let disturbedAt = 0;
  let isEditing = false;
  do {
    await lookAgain(plan.deadline, `the load is not over: ${JSON.stringify(progress)}`);
    const { requests } = await outside.door();
    progress = await sweepProgress(product.engine());
    if (!progress || progress.stopped) throw new Error(`A guard stopped the load: ${progress?.stopped}`);
    // Until its schedule starts the sweep, and it has compared the first lists, there is no work.
    if (progress.phase === 'ring' || samples.length > 0)
      samples.push({ at: Date.now(), requests, isDisturbed: isEditing || Date.now() < disturbedAt + feltMs });
    const { phase, pair = '', done, total } = progress;
    const where = `${phase} ${pair} ${done} of ${total}, ${kills} kills, ${requests} requests`;
    await plan.say(async () => `${where}; ${await waitingNow(product.engine())} wait`);
    const next = kills < plan.kills ? killsAt[kills] : undefined;
    if (next !== undefined && progress.done > next * plan.records) {
      await product.kill();
      await product.start();
      kills += 1;
      disturbedAt = Date.now();
    }
    const isTime = progress.phase === 'ring' && progress.done < editsUntil * progress.total;
    if (isEditing) disturbedAt = Date.now();
    isEditing = plan.everyMs > 0 && kills === plan.kills && isTime;
    if (isEditing && !live) {
      live = editWhile(outside, product, plan.targets, {
        everyMs: plan.everyMs,
        name: 'during',
        isOver: () => !isEditing,
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
    perMinute: mean(perMinute(samples)) ?? overall(samples),
    undisturbedPerMinute: mean(perMinute(samples, ({ isDisturbed }) => !isDisturbed)),
    live: (await live) ?? noEdits,
  };
}

/** Records that are put aside, by cause: a load that is slow shows what it waits for. */
async function waitingNow(engine: Engine): Promise<string> {
  const byCause = Map.groupBy(await waitingRecords(engine, waitingLimit), ({ cause }) => cause);
  return JSON.stringify(Object.fromEntries([...byCause].map(([cause, records]) => [cause, records.length])));
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

/** Requests in each window of 60 s whose samples are all such. */
function perMinute(samples: readonly Sample[], isSuch: (sample: Sample) => boolean = () => true) {
  return samples.flatMap(({ at, requests }, index) => {
    const first = samples.findLastIndex((each) => each.at <= at - windowMs);
    const before = samples[first];
    if (!before || !samples.slice(first, index + 1).every(isSuch)) return [];
    return [((requests - before.requests) * windowMs) / (at - before.at)];
  });
}

/** Of a load that took less than a minute. */
function overall(samples: readonly Sample[]): number {
  const [first, last] = [samples[0], samples.at(-1)];
  return first && last ? ((last.requests - first.requests) * windowMs) / (last.at - first.at) : 0;
}

const mean = (numbers: readonly number[]): number | undefined =>
  numbers.length === 0 ? undefined : numbers.reduce((sum, each) => sum + each, 0) / numbers.length;

async function lookAgain(deadline: number, otherwise: string): Promise<void> {
  if (Date.now() > deadline) throw new Error(`Out of time: ${otherwise}`);
  await sleep(lookMs);
}
