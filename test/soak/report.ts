import { checkNames, type Verdict } from './case.ts';
import type { Ledger } from './ledger.ts';

/** What a run counted, beside what its people did. */
export interface Sums {
  kills: number;
  /** Open creates that were found after a kill. */
  inFlight: number;
  readonly faults: Map<string, number>;
}

export interface Ending {
  readonly ledger: Ledger;
  readonly sums: Sums;
  readonly verdict: Verdict;
  /** What did not come to rest; undefined when all did. */
  readonly restless: string | undefined;
  readonly restSeconds: number;
}

/** Findings that are printed of one check; there may be many of one kind. */
const shownLimit = 10;

export const faultSum = ({ faults }: Sums): number =>
  [...faults.values()].reduce((sum, each) => sum + each, 0);

/** The closing table; its last line says how many checks passed and failed. */
export function tableOf(ending: Ending): { readonly text: string; readonly failed: number } {
  const { ledger, sums, verdict, restless, restSeconds } = ending;
  const failing = checkNames.filter((name) => verdict.findings.some(({ check }) => check === name));
  const failed = failing.length + (restless === undefined ? 0 : 1);
  const count = (name: string) => verdict.findings.filter(({ check }) => check === name).length;
  const lines = [
    '',
    ...rows([
      ['edits', ledger.sums.edits],
      ['creates', ledger.sums.creates],
      ['requests of people that ended without an answer', ledger.sums.unknown],
      ['kills', sums.kills],
      ['creates in flight at a kill', sums.inFlight],
      ['seconds until everything rested', restSeconds],
      ['duplicates', count('no duplicate')],
      ['lost edits', count('no edit lost')],
    ]),
    '\nFaults that struck',
    ...rows([...sums.faults]),
    ...titled('\nRefused for good to the people themselves', [...ledger.refusals]),
    ...titled('\nAccounted for by name', [...verdict.accounts]),
    '\nChecks: looked at, violated',
    ...checkNames.map((name) => `  ${pad(verdict.looked[name], 7)}  ${pad(count(name), 5)}  ${name}`),
    `  ${pad(1, 7)}  ${pad(restless === undefined ? 0 : 1, 5)}  everything rests, and is quiet afterwards`,
    ...failing.flatMap((name) => [
      `\nVIOLATED: ${name}`,
      ...verdict.findings
        .filter(({ check }) => check === name)
        .slice(0, shownLimit)
        .map(({ what }) => `  ${what}`),
    ]),
    ...(restless === undefined ? [] : [`\nVIOLATED: rest\n  ${restless}`]),
    `\n${checkNames.length + 1 - failed} passed, ${failed} failed`,
  ];
  return { text: lines.join('\n'), failed };
}

const pad = (value: number, width: number): string => String(value).padStart(width);

const rows = (entries: readonly (readonly [string, number])[]): readonly string[] =>
  entries.map(([name, value]) => `  ${pad(value, 7)}  ${name}`);

const titled = (title: string, entries: readonly (readonly [string, number])[]): readonly string[] =>
  entries.length > 0 ? [title, ...rows(entries)] : [];
