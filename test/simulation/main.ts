/*
 * The simulator: the real use cases of lib/sync over two simulated systems, one simulated table and simulated queues. Everything
 * that happens follows from one seed: the people who work in both systems, what goes wrong, and when each await of the engine ends.
 *
 *   scheduler.ts  the only clock, an event heap       container.ts  one Lambda sandbox: its skewed clock, kills, freezes, requests
 *   table.ts, queue.ts  the ports to DynamoDB, SQS    customcrm.ts, wave.ts  state and rules of the systems
 *   *-client.ts   their APIs, below the real adapters truth.ts      what truly happened: edits, writes, origins of creates
 *   users.ts      the people                          lambda.ts     schedules, queue workers, time-outs
 *   run.ts        one seed, to rest and a full pass   check-*.ts    the invariants, on an Ending
 *   faults.ts     what goes wrong, swarm style        canaries.ts   planted bugs that must be found
 *   batch.ts      many seeds, on every core           report.ts     what a batch prints
 *
 * An hour of work and faults, then peace: within 150 simulated minutes nothing may wait, and a further pass over every record may
 * write nothing. Exceptions are the limits that the design admits, each determined from what truly happened, never from an outcome.
 * Replay a failing seed with `--seed N`, look for its record in the trace, and give it a name in scenarios.ts once it is repaired.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { runBatch } from './batch.ts';
import { canaries } from './canaries.ts';
import { type FaultName, faultNames } from './faults.ts';
import { count, nothingYet, print, report } from './report.ts';
import { type Result, run } from './run.ts';

const help = `npm run simulate -- [options]
  --seeds N        how many seeds to run (100)
  --from N         the first of them (1)
  --workers N      on how many threads (as many as there are cores)
  --seed N         one seed, with its trace
  --grep TEXT      of the trace, only the lines that match this regular expression
  --faults A,B     exactly these faults; none with --faults ''; by default each seed draws its own
  --canary NAME    with a planted bug: fails unless it is found
  --list           the faults and the canaries
  --help           this`;

const { values: options } = parseArgs({
  options: {
    seeds: { type: 'string', default: '100' },
    from: { type: 'string', default: '1' },
    workers: { type: 'string', default: String(availableParallelism()) },
    seed: { type: 'string' },
    grep: { type: 'string' },
    faults: { type: 'string' },
    canary: { type: 'string' },
    list: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

function whole(name: 'seeds' | 'from' | 'workers' | 'seed', text: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 1)
    throw new RangeError(`--${name} is a whole number above 0`);
  return number;
}

function chosenFaults(): readonly FaultName[] | undefined {
  const names = options.faults?.split(',').filter((name) => name !== '');
  const unknown = names?.find((name) => !faultNames.some((known) => known === name));
  if (unknown !== undefined) throw new RangeError(`There is no fault ${unknown}: see --list`);
  return names as readonly FaultName[] | undefined;
}

function chosenCanary() {
  const canary = canaries.find(({ name }) => name === options.canary);
  if (options.canary !== undefined && !canary)
    throw new RangeError(`There is no canary ${options.canary}: see --list`);
  return canary;
}

/** On a terminal one line that is written over; in a log a line for every fifty seeds. A failing seed is said at once. */
function progress(done: number, of: number, failing: number, result: Result): void {
  const line = `${done} of ${of} seeds, ${failing} failing`;
  if (result.violations.length > 0) process.stderr.write(`\nseed ${result.seed} fails\n`);
  if (process.stderr.isTTY) process.stderr.write(`\r${line}`);
  else if (done % 50 === 0) process.stderr.write(`${line}\n`);
}

/** A planted bug is found by the first seed that fails with it; seeds before it say nothing. */
async function main(): Promise<number> {
  if (options.help) {
    print(help);
    return 0;
  }
  if (options.list) {
    print(
      `Faults:\n  ${faultNames.join('\n  ')}\nCanaries:\n  ${canaries.map(({ name }) => name).join('\n  ')}`,
    );
    return 0;
  }
  const canary = chosenCanary();
  const faults = chosenFaults() ?? (canary && (canary.faults ?? []));
  const sums = nothingYet();
  const startedAt = performance.now();
  if (options.seed === undefined) {
    const from = whole('from', options.from);
    const seeds = whole('seeds', options.seeds);
    const batch = { from, last: from + seeds - 1, workers: whole('workers', options.workers) };
    await runBatch(batch, { ...(faults && { faults }), ...(canary && { canary: canary.name }) }, (result) => {
      count(sums, result);
      progress(sums.counts.seeds, seeds, sums.failing.length, result);
      return !(canary && sums.failing.length > 0);
    });
  } else {
    const result = await run({
      seed: whole('seed', options.seed),
      ...(faults && { faults }),
      keepTrace: true,
      ...(canary && { plant: canary.plant, busy: canary.busy ?? false }),
    });
    count(sums, result);
    const pattern = new RegExp(options.grep ?? '');
    for (const line of result.trace) if (pattern.test(line)) print(line);
  }
  report(sums, performance.now() - startedAt);
  const isFound = sums.failing.length > 0;
  if (canary)
    print(isFound ? `\nThe canary was found by seed ${sums.failing[0]?.seed}` : '\nThe canary was NOT found');
  return isFound === (canary !== undefined) ? 0 : 1;
}

process.exitCode = await main();
