import type { Pair, System } from '../domain/record.ts';
import type { Engine } from './engine.ts';
import type { Item, Write } from './ports.ts';

/** What is done for each pair: both lists and all links are looked through, and only then is anything rung for. */
export type Phase = System | 'links' | 'ring';
export interface Step {
  readonly phase: Phase;
  readonly pair: Pair;
}

/** What one list showed. */
export interface Seen {
  readonly rows: number;
  readonly linked: number;
  /** Linked rows that are not what they were when both sides last agreed. */
  readonly changed: number;
  /** Linked rows of which something stands under an older fingerprint key; absent in runs of older code. */
  readonly older?: number;
}
export const nothingSeen: Seen = { rows: 0, linked: 0, changed: 0, older: 0 };

/** One comparison of everything, over as many invocations as it takes. */
export interface SweepRun {
  readonly id: string;
  readonly startedAt: number;
  readonly pairs: readonly Pair[];
  /** A person has looked: no guard stops this run. */
  readonly confirmed: boolean;
  /** Position in {@link stepsOf}. */
  readonly step: number;
  /** Where the step stands: the cursor of a list, the last entry of the directory, or the last page rung for. */
  readonly cursor?: string;
  /** Pages of this step so far. */
  readonly page: number;
  /** How often a cursor that Customcrm refused made this step begin again. */
  readonly restarts: number;
  readonly seen: Readonly<Partial<Record<Pair, Readonly<Record<System, Seen>>>>>;
  /** Records to ring for, and those that were. */
  readonly found: number;
  readonly rung: number;
  /** Found, but changed or linked by somebody else before it was their turn. */
  readonly settled: number;
  /** Of those rung for: changes that webhook and poll had missed. */
  readonly repairs: number;
  readonly ringingSince?: number;
  readonly finishedAt?: number;
  /** Why a guard stopped the run. Nothing was rung. */
  readonly stopped?: string;
}

export const seenOf = (run: SweepRun, pair: Pair): Readonly<Record<System, Seen>> =>
  run.seen[pair] ?? { customcrm: nothingSeen, wave: nothingSeen };

/** Everything is compared before anything is rung for: matching needs complete lists, and the guards need the whole picture. */
export function stepsOf({ pairs }: Pick<SweepRun, 'pairs'>): readonly Step[] {
  const looked = (['customcrm', 'wave', 'links'] as const).flatMap((phase) =>
    pairs.map((pair) => ({ phase, pair })),
  );
  return [...looked, ...pairs.map((pair) => ({ phase: 'ring' as const, pair }))];
}

/** The run goes on with its next step. */
export const nextStep = ({ cursor: _cursor, ...run }: SweepRun): SweepRun => ({
  ...run,
  step: run.step + 1,
  page: 0,
  restarts: 0,
});

/** The run as it is stored. Its revision grows with every write; `busyUntil` (ms) keeps two invocations from doing the same work. */
export interface StoredRun {
  readonly revision: number;
  readonly busyUntil: number;
  readonly run: SweepRun;
}

const key = { pk: 'sweep', sk: 'run' };

export async function storedRun({ table }: Engine): Promise<StoredRun | undefined> {
  const item = await table.get(key);
  return (
    item && { revision: Number(item.revision), busyUntil: Number(item.busyUntil), run: item.run as SweepRun }
  );
}

/** Stores the run, with what its step found, unless somebody else did. Undefined: it is not ours any more. */
export async function saveRun(
  { table }: Engine,
  before: StoredRun | undefined,
  after: Omit<StoredRun, 'revision'>,
  beside: readonly Write[] = [],
): Promise<StoredRun | undefined> {
  const stored = { ...after, revision: (before?.revision ?? 0) + 1 };
  const when = before ? { equals: { revision: before.revision } } : ('absent' as const);
  const { done } = await table.write([{ put: { ...key, ...stored }, when }, ...beside]);
  return done ? stored : undefined;
}

/** A record that a run will ring for. */
export interface FoundRecord {
  readonly system: System;
  readonly id: string;
  /** Of the link at the time, 0 without one: when it moved on, somebody else was there. */
  readonly revision: number;
  /** What the sighting is recognised by; absent when no list showed the record. */
  readonly print?: string;
  /** The stamp of the picture in the list: an older one, that a reader is shown afterwards, lags. */
  readonly seen?: number;
  readonly repair: boolean;
}

/** What one page of a list or of the directory was worth keeping: the links it showed, and the records to ring for. */
export interface SweptPage {
  readonly sk: string;
  readonly marks: readonly string[];
  readonly found: readonly FoundRecord[];
}

/** Pages are forgotten by then, ms: long after the end of any run, as a first load may take a week at the standard daily limit. */
const keptMs = 30 * 24 * 3600 * 1000;
/** Pages of one list that are looked at together: 100 rows or more each. */
const pageLimit = 100_000;

const partition = (run: SweepRun): string => `sweep#${run.id}`;

export function sweptPage(run: SweepRun, { pair, phase }: Step, content: Omit<SweptPage, 'sk'>): Write {
  return {
    put: {
      pk: partition(run),
      sk: `${pair}#${phase}#${String(run.page).padStart(6, '0')}`,
      ...content,
      expiresAt: Math.ceil((run.startedAt + keptMs) / 1000),
    },
  };
}

const pageOf = (item: Item): SweptPage => ({
  sk: item.sk,
  marks: item.marks as readonly string[],
  found: item.found as readonly FoundRecord[],
});

/** Every link that the list of this system showed, as {@link SweptPage.marks}. */
export async function marksOf(
  { table }: Engine,
  run: SweepRun,
  pair: Pair,
  system: System,
): Promise<ReadonlySet<string>> {
  const items = await table.query(partition(run), { prefix: `${pair}#${system}#`, limit: pageLimit });
  return new Set(items.flatMap((item) => pageOf(item).marks));
}

/** The first page after `after` that was kept for this pair. */
export async function pageAfter(
  { table }: Engine,
  run: SweepRun,
  pair: Pair,
  after: string | undefined,
): Promise<SweptPage | undefined> {
  const [item] = await table.query(partition(run), {
    prefix: `${pair}#`,
    ...(after !== undefined && { after }),
    limit: 1,
  });
  return item && pageOf(item);
}
