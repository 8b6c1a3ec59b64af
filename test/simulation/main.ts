/*
 * The simulator: the real use cases of lib/sync over two simulated systems, one simulated table and two simulated queues. Everything
 * that happens follows from one seed: the people who work in both systems, what goes wrong, and when each await of the engine ends.
 *
 *   scheduler.ts  the only clock, an event heap       container.ts  one Lambda sandbox: its skewed clock, kills, freezes, requests
 *   table.ts, queue.ts  the ports to DynamoDB, SQS    customcrm.ts, wave.ts  state and rules of the systems
 *   *-client.ts   their APIs, below the real adapters truth.ts      what truly happened: edits, writes, origins of creates
 *   users.ts      the people                          lambda.ts     schedules, queue workers, time-outs
 *   run.ts        one seed, to rest and a full pass   check-*.ts    the invariants, on an Ending
 *   faults.ts     what goes wrong, swarm style        canaries.ts   planted bugs that must be found
 *
 * An hour of work and faults, then peace: within 150 simulated minutes nothing may wait, and a further pass over every record may
 * write nothing. Exceptions are the limits that the design admits, each determined from what truly happened, never from an outcome.
 * Replay a failing seed with `--seed N`, look for its record in the trace, and give it a name in scenarios.ts once it is repaired.
 */
import { parseArgs } from 'node:util';
import { canaries } from './canaries.ts';
import { type FaultName, faultNames } from './faults.ts';
import { type Result, run } from './run.ts';

const help = `npm run simulate -- [options]
  --seeds N        how many seeds to run (100)
  --from N         the first of them (1)
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
    seed: { type: 'string' },
    grep: { type: 'string' },
    faults: { type: 'string' },
    canary: { type: 'string' },
    list: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const print = (text: string): void => void process.stdout.write(`${text}\n`);

interface Sums {
  readonly counts: Record<'seeds' | 'edits' | 'writes' | 'creates' | 'events', number>;
  readonly faults: Record<string, number>;
  readonly exceptions: Record<string, number>;
  readonly looked: Record<string, number>;
  readonly violated: Record<string, number>;
  readonly failing: Result[];
}

const add = (into: Record<string, number>, name: string, more: number): void => {
  into[name] = (into[name] ?? 0) + more;
};

function count(sums: Sums, result: Result): void {
  const { counts } = sums;
  counts.seeds += 1;
  for (const name of ['edits', 'writes', 'creates', 'events'] as const) counts[name] += result[name];
  for (const [name, times] of Object.entries(result.faults)) add(sums.faults, name, times);
  for (const [name, times] of Object.entries(result.exceptions)) add(sums.exceptions, name, times);
  for (const { name, looked } of result.checks) add(sums.looked, name, looked);
  for (const { check } of result.violations) add(sums.violated, check, 1);
  if (result.violations.length > 0) sums.failing.push(result);
}

function listed(title: string, entries: Readonly<Record<string, number>>): void {
  print(`\n${title}`);
  for (const [name, times] of Object.entries(entries).sort(([, a], [, b]) => b - a))
    print(`  ${String(times).padStart(9)}  ${name}`);
}

function report(sums: Sums): void {
  const { seeds, edits, writes, creates, events } = sums.counts;
  print(
    `\n${seeds} seeds, ${edits} edits of users, ${writes} writes of the engine, ${creates} creates among them, ${events} events`,
  );
  listed('Faults', sums.faults);
  listed('Exceptions, by name', sums.exceptions);
  print('\nInvariants: looked at, violated');
  for (const [name, looked] of Object.entries(sums.looked))
    print(`  ${String(looked).padStart(9)}  ${String(sums.violated[name] ?? 0).padStart(5)}  ${name}`);
  for (const { seed, violations } of sums.failing.slice(0, 20)) {
    print(`\nseed ${seed}`);
    for (const { check, what } of violations.slice(0, 5))
      print(`  ${check}: ${options.seed === undefined ? what.slice(0, 400) : what}`);
  }
  print(
    sums.failing.length === 0
      ? '\n0 violations'
      : `\n${sums.failing.length} failing seeds: ${sums.failing.map(({ seed }) => seed).join(' ')}`,
  );
}

/** One line that is written over on a terminal; in a log, one line for every fifty seeds. */
function progress(done: number, of: number, failing: number): void {
  const line = `${done} of ${of} seeds, ${failing} failing`;
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
  const canary =
    options.canary === undefined ? undefined : canaries.find(({ name }) => name === options.canary);
  if (options.canary !== undefined && !canary)
    throw new RangeError(`There is no canary ${options.canary}: see --list`);
  const chosen = options.faults
    ?.split(',')
    .filter((name): name is FaultName => faultNames.some((known) => known === name));
  const faults = chosen ?? (canary && (canary.faults ?? []));
  const sums: Sums = {
    counts: { seeds: 0, edits: 0, writes: 0, creates: 0, events: 0 },
    faults: {},
    exceptions: {},
    looked: {},
    violated: {},
    failing: [],
  };
  const from = Number(options.seed ?? options.from);
  const last = options.seed === undefined ? from + Number(options.seeds) - 1 : from;
  for (let seed = from; seed <= last; seed++) {
    const result = await run({
      seed,
      ...(faults && { faults }),
      keepTrace: options.seed !== undefined,
      ...(canary && { plant: canary.plant, busy: canary.busy ?? false }),
    });
    count(sums, result);
    const pattern = new RegExp(options.grep ?? '');
    for (const line of result.trace) if (pattern.test(line)) print(line);
    progress(seed - from + 1, last - from + 1, sums.failing.length);
    if (canary && sums.failing.length > 0) break;
  }
  report(sums);
  const isFound = sums.failing.length > 0;
  if (canary)
    print(isFound ? `\nThe canary was found by seed ${sums.failing[0]?.seed}` : '\nThe canary was NOT found');
  return isFound === (canary !== undefined) ? 0 : 1;
}

process.exitCode = await main();
