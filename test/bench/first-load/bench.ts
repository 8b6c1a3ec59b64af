import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { localFallbackProductId } from '../../../infra/local/wave/server.ts';
import type { PreviewEntry } from '../../../lib/sync/preview-entry.ts';
import { differences } from './differences.ts';
import { editWhile, type LiveEdits, noEdits, percentile, warmAfterMs } from './live-edits.ts';
import { type Loaded, listsRead, load } from './load.ts';
import { type Measured, measured } from './measure.ts';
import type { Budget, Outside } from './outside.ts';
import type { Product } from './product.ts';
import type { Counts, Seeded } from './seed.ts';
import { aftermathOf, applyFaults, duplicateFaults, leftFaults, previewFaults } from './verify.ts';

export interface Bench {
  readonly outside: Outside;
  readonly product: Product;
  readonly seeded: readonly Seeded[];
  readonly counts: Counts;
  readonly folder: string;
  readonly budget: Budget;
  /** Between two live edits, ms; 0: there are none. */
  readonly everyMs: number;
  /** Live edits without a load beside them, at the most. */
  readonly editsAlone: number;
  readonly kills: number;
  /** The goals that the machine has a hand in are judged as well. */
  readonly isStrict: boolean;
  /** ms since 1970. */
  readonly deadline: number;
}

/** Of the allowed rate, what must be used while there is work. */
const rateGoal = 0.9;
/** Live edits during the load take less than so many times what they take without. */
const editsGoal = 2;
/** The p95 of fewer edits is nearly the slowest of them, and says more of the machine than of us. */
const judgedEdits = 60;
const shownFaults = 10;

const print = (text: string) => void process.stdout.write(`${text}\n`);
/** Between two lines of progress where no terminal shows them, ms. */
const sayMs = 30_000;
let saidAt = 0;

async function say(line: () => Promise<string>): Promise<void> {
  const isTerminal = process.stderr.isTTY;
  if (!isTerminal && Date.now() <= saidAt + sayMs) return;
  saidAt = Date.now();
  process.stderr.write(isTerminal ? `\r\x1b[K${await line()}` : `${await line()}\n`);
}

/**
 * Preview, start, three kills, live edits, and a look at everything afterwards. Answers whether it was all as promised; what the
 * machine has a hand in is said, and judged only where that is asked for.
 */
export async function bench(given: Bench): Promise<boolean> {
  const { outside, product, seeded, everyMs, editsAlone, kills, deadline } = given;
  describeWorld(given);
  await product.start();
  const reading = await measured(outside, () => listsRead(product, deadline));
  print(
    `both lists read in ${reading.seconds} s: ${reading.requests} requests to Wave, ${reading.tableOperations} table operations`,
  );
  const before = await previewed(given, 'before.jsonl');

  const targets = seeded.filter(({ pair, fate }) => pair === 'customer' && fate === 'only in Customcrm');
  const plan = { targets, records: before.length, everyMs, kills, deadline, say };
  const loading = await measured(outside, () => load(outside, product, plan));
  describeLoad(loading, before.length);
  const { live: during } = loading.result;
  const alone =
    everyMs === 0
      ? noEdits
      : await editWhile(outside, product, targets, {
          everyMs,
          name: 'alone',
          isOver: (made) => made >= Math.min(during.tookMs.length, editsAlone),
        });
  describeEdits(during, alone, everyMs);

  const aftermath = await aftermathOf(outside, product.engine());
  const after = await previewed(given, 'after.jsonl');
  const twins = seeded.filter(({ fate }) => fate === 'twins').flatMap(({ waveIds }) => waveIds);
  const door = await outside.door();
  print(
    `Wave's door: at the most ${door.maxPer60s} requests in 60 s and ${door.maxInFlight} at once; ${door.refused} refused, ${door.bans} bans`,
  );
  const goals = [rateIsMet(given, loading.result), editsAreInTime(during, alone)];
  return [
    ...(given.isStrict ? goals : []),
    verdict('records of which the preview said something else than is true', previewFaults(seeded, before)),
    verdict(
      'records that became something else than the preview said',
      applyFaults(seeded, before, aftermath, loading.result.kills),
    ),
    verdict('duplicates', duplicateFaults(aftermath, new Set([...twins, localFallbackProductId]))),
    verdict('differences', [...differences(aftermath), ...leftFaults(seeded, after)]),
    verdict(
      'kills that did not happen',
      Array(kills - loading.result.kills).fill('the load was over before'),
    ),
    verdict(
      'bans',
      Array.from({ length: door.bans }, () => 'Wave banned us'),
    ),
    verdict('live edits that did not arrive', editFaults(during, alone, everyMs)),
  ].every((isFine) => isFine);
}

function describeWorld({ counts, seeded, budget: { perMinute, inFlight, answerMs }, everyMs }: Bench): void {
  const inWave = seeded.filter(({ waveIds }) => waveIds.length > 0).length;
  print(`${counts.customer} customers, ${counts.product} products and ${counts.order} orders in Customcrm`);
  print(`${inWave} records in Wave that are the same, and a few others`);
  print(
    `budget: ${perMinute} requests to Wave in 60 s, ${inFlight} at once, each answered after ${answerMs} ms; ${everyMs > 0 ? `a live edit each ${everyMs} ms` : 'no live edits'}`,
  );
}

function describeLoad(
  { result, seconds, requests, tableOperations, byName }: Measured<Loaded>,
  records: number,
): void {
  const kinds = Object.entries(byName).filter(([, count]) => count > records / 10);
  print(
    `load of ${records} records: ${seconds} s, killed ${result.kills} times; ${inSeconds(result.workMs)} s of work`,
  );
  print(`  ${(requests / records).toFixed(2)} requests to Wave a record`);
  print(
    `  ${(tableOperations / records).toFixed(1)} table operations a record (${kinds.map(([name, count]) => `${name} ${(count / records).toFixed(1)}`).join(', ')})`,
  );
}

const shareOf = (perMinute: number, { budget }: Bench): string =>
  `${Math.round(perMinute)} requests a minute, ${Math.round((100 * perMinute) / budget.perMinute)} % of the allowed rate`;

/** Says how much of the allowed rate was used: with all that disturbed the load, and where nothing did. */
function rateIsMet(given: Bench, { perMinute, undisturbedPerMinute }: Loaded): boolean {
  const all = `while there was work: ${shareOf(perMinute, given)}, kills and live edits included`;
  if (undisturbedPerMinute === undefined) {
    print(`${all}; too short to tell without them`);
    return false;
  }
  const isMet = undisturbedPerMinute >= rateGoal * given.budget.perMinute;
  print(
    `${all}\n${isMet ? 'PASS' : 'MISS'} (goal: ${100 * rateGoal} %) without them: ${shareOf(undisturbedPerMinute, given)}`,
  );
  return isMet;
}

const inSeconds = (ms: number): number => Math.round(ms / 1000);

function describeEdits(during: LiveEdits, alone: LiveEdits, everyMs: number): void {
  for (const [name, { tookMs, warmMs, lost, early }] of Object.entries({
    'during the load': during,
    'without it': alone,
  }))
    print(
      `live edits ${name}, one each ${everyMs} ms: ${tookMs.length}, p50 ${percentile(tookMs, 0.5)} ms, p95 ${percentile(tookMs, 0.95)} ms (from ${warmAfterMs / 1000} s on: ${percentile(warmMs, 0.5)} and ${percentile(warmMs, 0.95)} ms); ${lost} lost, and ${early} of customers that were not linked yet`,
    );
}

/** A ratio of two times of one run, without what a restart does: a machine that is slow is so for both. */
function editsAreInTime(during: LiveEdits, alone: LiveEdits): boolean {
  const times = percentile(during.warmMs, 0.95) / percentile(alone.warmMs, 0.95);
  const fewest = Math.min(during.warmMs.length, alone.warmMs.length);
  const canTell = fewest >= judgedEdits;
  const isMet = canTell && times < editsGoal;
  print(
    canTell
      ? `${isMet ? 'PASS' : 'MISS'} (goal: below ${editsGoal}) p95 of live edits during the load, over that without: ${times.toFixed(1)}`
      : `p95 of live edits: ${fewest} are too few to tell`,
  );
  return isMet;
}

function editFaults(during: LiveEdits, alone: LiveEdits, everyMs: number): readonly string[] {
  const lost = during.lost + alone.lost;
  const isNone = everyMs > 0 && during.tookMs.length === 0;
  return [...(lost > 0 ? [`${lost} edits`] : []), ...(isNone ? ['none was made during the load'] : [])];
}

function verdict(name: string, faults: readonly string[]): boolean {
  print(`${faults.length === 0 ? 'PASS' : 'MISS'} ${name}: ${faults.length}`);
  for (const fault of faults.slice(0, shownFaults)) print(`  ${fault}`);
  return faults.length === 0;
}

async function previewed(
  { product, outside, folder }: Bench,
  name: string,
): Promise<readonly PreviewEntry[]> {
  const path = join(folder, name);
  const { result, seconds, requests } = await measured(outside, () => product.sync('preview', '--out', path));
  const lines = (await readFile(path, 'utf8')).split('\n').filter(Boolean);
  const entries = lines.map((line) => JSON.parse(line) as PreviewEntry);
  const counts = Map.groupBy(entries, ({ pair, action }) => `${pair} ${action}`);
  print(
    `preview in ${seconds} s, ${requests} requests to Wave, at the most ${result.peakMb} MB: ${[...counts].map(([key, some]) => `${some.length} ${key}`).join(', ')}`,
  );
  return entries;
}
