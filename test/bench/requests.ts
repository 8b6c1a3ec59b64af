import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { randomOf } from '../../infra/local/faults.ts';
import { linkedIds } from '../../lib/sync/links.ts';
import { percentile } from './first-load/live-edits.ts';
import { atRest } from './first-load/load.ts';
import { type Json, type Outside, startOutside } from './first-load/outside.ts';
import { type Product, productIn } from './first-load/product.ts';
import { type Seeded, seed } from './first-load/seed.ts';

// How many requests to Wave an edit in Customcrm takes, and how long, when edits come one after the other: our part as `npm start`
// runs it, within the standard budget.

const help = `npm run bench:requests -- [options]

  --rates LIST      edits a second, one run each (standard: 1,2,4,8)
  --seconds N       length of each run, after 30 s to get going (standard: 60)
  --per-minute N    requests to Wave in any 60 s (standard: 60)
  --answer-ms N     how long Wave takes for a request at the least (standard: 300)
  --seed N          of the times between two edits (standard: 1)
  --help            this text

Ends with 1 when an edit did not arrive, or one took more than 0.4 requests while edits came faster than the budget carries singly.`;

/** The most requests to Wave that an edit may take under load, polls included. */
const goal = 0.4;
/** Read and written by itself, a record takes two. */
const requestsAlone = 2;
/** Edits of the first seconds of a run are not measured: how fast they come must be seen before they are gathered. */
const warmUpSeconds = 30;
const windowMs = 60_000;
/** Between two looks whether edits arrived, ms. */
const lookMs = 200;
/** Edits that have not arrived this long after the last one was made are lost, ms. */
const patienceMs = 300_000;
const linkLimit = 100_000;
const linkPatienceMs = 900_000;
const inFlight = 2;
/** Of seeded customers, this share is the same on both sides. */
const usable = 0.5;

interface Run {
  readonly tookMs: readonly number[];
  readonly lost: number;
  readonly requests: number;
}

/** Waits until so many of these customers are linked, and answers them. */
async function linkedOf(
  product: Product,
  customers: readonly Seeded[],
  count: number,
): Promise<readonly Seeded[]> {
  for (const end = Date.now() + linkPatienceMs; Date.now() < end; await sleep(lookMs * 5)) {
    const links = await linkedIds(product.engine().table, 'customer', { limit: linkLimit });
    const ids = new Set(links.map(({ customcrmId }) => customcrmId));
    const found = customers.filter(({ customcrmId }) => ids.has(customcrmId ?? ''));
    if (process.stderr.isTTY) process.stderr.write(`\r${found.length} of ${count} customers are linked `);
    if (found.length >= count) return found;
  }
  throw new Error('The customers were not linked in time');
}

/** Each customer once, at random times, so many a second. */
async function editAt(
  { customcrm, control, door }: Outside,
  targets: readonly Seeded[],
  rate: number,
  random: () => number,
): Promise<Run> {
  let before = 0;
  const warmUp = Math.round(rate * warmUpSeconds);
  const waiting = new Map<
    string,
    { readonly phone: string; readonly madeAt: number; readonly isMeasured: boolean }
  >();
  const tookMs: number[] = [];
  let isMaking = true;

  async function make(): Promise<void> {
    let due = performance.now();
    for (const [index, { customcrmId, waveIds }] of targets.entries()) {
      due += ((2 * 1000) / rate) * random();
      await sleep(Math.max(0, due - performance.now()));
      if (index === warmUp) before = (await door()).requests;
      const phone = `${rate} a second`;
      await customcrm('PATCH', `/customers/${customcrmId}`, { Phone: phone });
      waiting.set(String(waveIds[0]), { phone, madeAt: performance.now(), isMeasured: index >= warmUp });
    }
    isMaking = false;
  }

  async function look(): Promise<void> {
    let end = Number.POSITIVE_INFINITY;
    while ((isMaking || waiting.size > 0) && performance.now() < end) {
      const { customers } = (await control('wave', 'state')) as { customers: readonly Json[] };
      const now = performance.now();
      for (const { id, fields } of customers) {
        const edit = waiting.get(String(id));
        if (!edit || (fields as Json).phone !== edit.phone) continue;
        waiting.delete(String(id));
        if (edit.isMeasured) tookMs.push(now - edit.madeAt);
      }
      if (!isMaking) end = Math.min(end, now + patienceMs);
      await sleep(lookMs);
    }
  }

  await Promise.all([make(), look()]);
  return { tookMs, lost: waiting.size, requests: (await door()).requests - before };
}

/** Answers whether the goal was met. */
function judge(rate: number, perMinute: number, { tookMs, lost, requests }: Run): boolean {
  const each = requests / tookMs.length;
  const isLoad = rate * requestsAlone * 60 > perMinute;
  const isFine = lost === 0 && (!isLoad || each <= goal);
  const times = `p50 ${percentile(tookMs, 0.5)} ms, p95 ${percentile(tookMs, 0.95)} ms`;
  process.stdout.write(
    `${isFine ? 'PASS' : 'MISS'}  ${rate} edits a second: ${each.toFixed(2)} requests to Wave each (${requests} for ${tookMs.length}), ${times}, ${lost} lost\n`,
  );
  return isFine;
}

function parsed() {
  return parseArgs({
    options: {
      rates: { type: 'string', default: '1,2,4,8' },
      seconds: { type: 'string', default: '60' },
      'per-minute': { type: 'string', default: '60' },
      'answer-ms': { type: 'string', default: '300' },
      seed: { type: 'string', default: '1' },
      help: { type: 'boolean', default: false },
    },
  }).values;
}

async function main(values: ReturnType<typeof parsed>): Promise<boolean> {
  const rates = values.rates.split(',').map(Number);
  const [seconds, perMinute] = [Number(values.seconds), Number(values['per-minute'])];
  const answerMs = Number(values['answer-ms']);
  const random = randomOf(Number(values.seed));
  const folder = await mkdtemp(join(tmpdir(), 'requests-'));
  const edits = Math.ceil(Math.max(...rates) * (warmUpSeconds + seconds));
  const counts = { customer: Math.ceil(edits / usable), product: 0, order: 0 };
  const seeded = seed(join(folder, 'customcrm.sqlite'), join(folder, 'wave.sqlite'), counts);
  const equal = seeded.filter(({ fate }) => fate === 'equal');
  const outside = await startOutside(folder, { perMinute: 100_000, inFlight: 100, answerMs });
  const productWith = (settings: Readonly<Record<string, string>>) =>
    productIn(join(folder, 'state'), { ...outside, settings: { ...outside.settings, ...settings } });
  // They are linked with all requests that it takes: only what comes after that is measured.
  const loader = productWith({ PAIRS_STARTED: 'true', WAVE_MAX_IN_FLIGHT: '8' });
  const product = productWith({
    PAIRS_STARTED: 'true',
    WAVE_MAX_REQUESTS_PER_MINUTE: String(perMinute),
    WAVE_MAX_IN_FLIGHT: String(inFlight),
    WAVE_MAX_REQUESTS_PER_DAY: '1000000',
  });
  try {
    await loader.start();
    const targets = await linkedOf(loader, equal, edits);
    // Nothing but edits may take requests.
    await atRest(loader.engine(), Date.now() + linkPatienceMs);
    await loader.stop();
    await product.start();
    let isFine = true;
    for (const rate of rates) {
      // Until nothing that was sent before counts any more.
      await sleep(windowMs + 2_000);
      const run = await editAt(
        outside,
        targets.slice(0, Math.round(rate * (warmUpSeconds + seconds))),
        rate,
        random,
      );
      isFine = judge(rate, perMinute, run) && isFine;
    }
    return isFine;
  } finally {
    await loader.stop();
    await product.stop();
    await outside.close();
    await rm(folder, { recursive: true, force: true });
  }
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
const values = parsed();
if (values.help) process.stdout.write(`${help}\n`);
else process.exitCode = (await main(values)) ? 0 : 1;
