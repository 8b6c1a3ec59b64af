import { checkNames } from './checks.ts';
import type { Result } from './run.ts';

export const print = (text: string): void => void process.stdout.write(`${text}\n`);

/** What a batch of seeds showed, added up. */
export interface Sums {
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

export const nothingYet = (): Sums => ({
  counts: { seeds: 0, edits: 0, writes: 0, creates: 0, events: 0 },
  faults: {},
  exceptions: {},
  looked: {},
  violated: {},
  failing: [],
});

export function count(sums: Sums, result: Result): void {
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

/** Invariants for which no seed had a case. */
export const unseen = ({ looked }: Sums): readonly string[] => checkNames.filter((name) => !looked[name]);

/** Prints it, ending with `0 violations` or the failing seeds. */
export function report(sums: Sums, tookMs: number): void {
  const { seeds, edits, writes, creates, events } = sums.counts;
  print(
    `\n${seeds} seeds, ${edits} edits of users, ${writes} writes of the engine, ${creates} creates among them, ${events} events; ${Math.round(tookMs / 1000)} s`,
  );
  listed('Faults', sums.faults);
  listed('Exceptions, by name', sums.exceptions);
  print('\nInvariants: looked at, violated');
  for (const [name, looked] of Object.entries(sums.looked))
    print(`  ${String(looked).padStart(9)}  ${String(sums.violated[name] ?? 0).padStart(5)}  ${name}`);
  if (unseen(sums).length > 0) print(`  never looked at: ${unseen(sums).join(', ')}`);
  const failing = sums.failing.toSorted((a, b) => a.seed - b.seed);
  for (const { seed, violations } of failing.slice(0, 20)) {
    print(`\nseed ${seed}`);
    for (const { check, what } of violations.slice(0, 5))
      print(`  ${check}: ${sums.counts.seeds > 1 ? what.slice(0, 400) : what}`);
  }
  print(
    failing.length === 0
      ? '\n0 violations'
      : `\n${failing.length} failing seeds: ${failing.map(({ seed }) => seed).join(' ')}`,
  );
}
