/*
 * The simulator: the real use cases of lib/sync over two simulated systems, one simulated table and simulated queues. Everything
 * that happens follows from one seed: the people who work in both systems, what goes wrong, and when each await of the engine ends.
 *
 *   scheduler.ts  the only clock, an event heap       container.ts  one Lambda sandbox: its skewed clock, kills, freezes, requests
 *   table.ts, queue.ts  the ports to DynamoDB, SQS    customcrm.ts, wave.ts  state and rules of the systems
 *   *-client.ts   their APIs, below the real adapters truth.ts      what truly happened: edits, writes, origins of creates
 *   users.ts      the people                          lambda.ts     schedules, queue workers, time-outs
 *   operators.ts  who decides from the command line   desk.ts       what each remote write was for
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
import { type Canary, canaries } from './canaries.ts';
import { type FaultName, faultNames } from './faults.ts';
import { count, nothingYet, print, report, unseen } from './report.ts';
import { type Result, run } from './run.ts';

const help = `npm run simulate -- [options]
  --seeds N        how many seeds to run (100)
  --from N         the first of them (1; of a canary the one that it begins with in the tests)
  --workers N      on how many threads (as many as there are cores)
  --seed N         one seed, with its trace
  --grep TEXT      of the trace, only the lines that match this regular expression
  --faults A,B     exactly these faults; none with --faults ''; by default each seed draws its own
  --operators      operators decide in every world whose table is not restored, or with --no-operators in none; by default in a quarter of them
  --canary NAME    with a planted bug, or 'all' of them in turn: fails unless each is found
  --list           the faults and the canaries
  --help           this`;

const { values: options } = parseArgs({
  allowNegative: true,
  options: {
    seeds: { type: 'string', default: '100' },
    from: { type: 'string' },
    workers: { type: 'string', default: String(availableParallelism()) },
    seed: { type: 'string' },
    grep: { type: 'string' },
    faults: { type: 'string' },
    operators: { type: 'boolean' },
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

function chosenCanaries(name: string): readonly Canary[] {
  const chosen = canaries.filter((each) => name === 'all' || each.name === name);
  if (chosen.length === 0) throw new RangeError(`There is no canary ${name}: see --list`);
  return chosen;
}

/** On a terminal one line that is written over; in a log a line for every fifty seeds. A failing seed is said at once. */
function progress(done: number, of: number, failing: number, result: Result): void {
  const line = `${done} of ${of} seeds, ${failing} failing`;
  if (result.violations.length > 0) process.stderr.write(`\nseed ${result.seed} fails\n`);
  if (process.stderr.isTTY) process.stderr.write(`\r${line}`);
  else if (done % 50 === 0) process.stderr.write(`${line}\n`);
}

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
  const faults = chosenFaults();
  if (options.canary !== undefined) return plantAll(chosenCanaries(options.canary), faults);
  const chosen = {
    ...(faults && { faults }),
    ...(options.operators !== undefined && { decides: options.operators }),
  };
  const sums = nothingYet();
  const startedAt = performance.now();
  if (options.seed === undefined) {
    const batch = batchOf();
    await runBatch(batch, chosen, (result) => {
      count(sums, result);
      progress(sums.counts.seeds, batch.last - batch.from + 1, sums.failing.length, result);
      return true;
    });
  } else {
    const seed = whole('seed', options.seed);
    const result = await run({ seed, ...chosen, keepTrace: true });
    count(sums, result);
    const pattern = new RegExp(options.grep ?? '');
    for (const line of result.trace) if (pattern.test(line)) print(line);
  }
  report(sums, performance.now() - startedAt);
  // A batch of this size looks at everything, or it says nothing about what it did not look at.
  const isWhole = faults !== undefined || sums.counts.seeds < wholeBatch || unseen(sums).length === 0;
  if (!isWhole) print(`A batch of ${wholeBatch} seeds looks at every invariant; this one did not.`);
  return sums.failing.length === 0 && isWhole ? 0 : 1;
}

const wholeBatch = 1_000;

function batchOf(first = 1) {
  const from = options.from === undefined ? first : whole('from', options.from);
  const last = from + whole('seeds', options.seeds) - 1;
  return { from, last, workers: whole('workers', options.workers) };
}

/** Each bug is planted in one seed after the other until it is found. */
async function plantAll(
  planted: readonly Canary[],
  faults: readonly FaultName[] | undefined,
): Promise<number> {
  let missed = 0;
  print('Seeds until it was found, the first of them, and by what');
  for (const { name, from } of planted) {
    let found: Result | undefined;
    const batch = batchOf(from);
    await runBatch(batch, { ...(faults && { faults }), canary: name }, (result) => {
      if (result.violations.length > 0 && result.seed < (found?.seed ?? Number.POSITIVE_INFINITY))
        found = result;
      return found === undefined;
    });
    if (!found) missed += 1;
    const by = [...new Set(found?.violations.map(({ check }) => check))].join(', ');
    print(
      `  ${found ? String(found.seed - batch.from + 1).padStart(5) : 'never'}  ${String(batch.from).padStart(4)}  ${name.padEnd(44)}  ${by}`,
    );
  }
  print(missed === 0 ? `\nAll ${planted.length} were found` : `\n${missed} were not found`);
  return missed === 0 ? 0 : 1;
}

process.exitCode = await main();
