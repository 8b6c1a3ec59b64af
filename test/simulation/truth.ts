import { type Body, type Pair, type RecordRef, refKey, type System } from '../../lib/domain/record.ts';
import {
  type Cell,
  type Facts,
  type MappingSettings,
  type Row,
  readCell,
} from '../../lib/mappings/mapping.ts';
import { mappings } from '../../lib/mappings/pairs.ts';
import type { Tax } from '../../lib/sync/ports.ts';
import { stamp, type Trace } from './trace.ts';

/** Who changed a record: a person in that system's own pages, or the engine through its API. */
export type Author =
  | { readonly who: 'user' }
  | { readonly who: 'engine'; readonly attempt: Attempt | undefined };
export const user: Author = { who: 'user' };

/** What the engine set out to do with one remote write. */
export interface Attempt {
  readonly container: string;
  readonly ref: RecordRef | undefined;
  /** The record for which a counterpart is created, as its intent names it. */
  readonly origin: RecordRef | undefined;
  /** The body on which an update is based, as it was read, and the one that it makes of it. */
  readonly basis: Body | undefined;
  readonly next: Body | undefined;
  readonly paths: readonly string[];
  /** What is known of the read that brought `basis`; undefined when it was no read by id, nor the answer to a write. */
  readonly read: BasisRead | undefined;
  /** When it set out, ms. */
  readonly at: number;
  /** When the engine heard what came of it, ms; undefined as long as it has not. */
  answeredAt: number | undefined;
}

/** By the true clock, ms. */
export interface BasisRead {
  /** When its answer reached the engine. */
  readonly heardAt: number;
  /** The earliest time that it can show, where nothing lags. */
  readonly shownFrom: number;
  /** How long the engine stood still between that answer and the write. */
  readonly frozenMs: number;
}

/** The engine reads again before it writes when its reading is older, ms; and then it notes what it sends. */
const readToWriteMs = 2_000 + 1_500;

/** Did it set out as soon after its read as the engine promises? */
export const isFromAYoungPicture = ({ read, at }: Attempt): boolean =>
  read !== undefined && at - read.heardAt - read.frozenMs <= readToWriteMs;

/** One change of one record, as it truly happened. */
export interface Happening extends RecordRef {
  readonly order: number;
  readonly at: number;
  readonly did: 'created' | 'edited' | 'deleted' | 'restored';
  readonly by: Author;
  readonly before: Body | undefined;
  readonly after: Body;
  /** Rows of the mapping whose value is another one now, system-computed ones included. */
  readonly rows: readonly string[];
}

/** When the request that did it was sent; what users do happens at once, ms. */
export const setOut = ({ at, by }: Happening): number => (by.who === 'engine' && by.attempt?.at) || at;

/** Everything that happened in both systems, in order: what the checks compare the end with. */
export interface Truth {
  readonly note: (change: Omit<Happening, 'order' | 'at' | 'rows'>) => void;
  readonly all: () => readonly Happening[];
  readonly of: (ref: RecordRef) => readonly Happening[];
  /** The last thing that had happened to a record at a past time. */
  readonly lastAt: (ref: RecordRef, at: number) => Happening | undefined;
  readonly cellOf: (row: Row, system: System, body: Body) => Cell | undefined;
  readonly rowsOf: (pair: Pair) => readonly Row[];
  readonly facts: Facts;
  readonly lastEngineWriteAt: () => number;
  readonly engineWrites: () => number;
}

export function truthOf(
  now: () => number,
  settings: MappingSettings,
  taxes: readonly Tax[],
  trace: Trace,
): Truth {
  const log: Happening[] = [];
  const byRecord = new Map<string, Happening[]>();
  const facts: Facts = { settings, taxes, waveIdOf: () => undefined, customcrmIdOf: () => undefined };
  const rowsOf = (pair: Pair) => mappings[pair].rows(settings);
  const cellOf = (row: Row, system: System, body: Body) => readCell(row, system, body, facts);
  const of = (ref: RecordRef) => byRecord.get(refKey(ref)) ?? [];
  let lastEngineWriteAt = 0;
  let engineWrites = 0;
  return {
    facts,
    rowsOf,
    cellOf,
    of,
    all: () => log,
    note(change) {
      const { system, pair, id, before, after } = change;
      const rows = rowsOf(pair)
        .filter((row) => (before && cellOf(row, system, before)?.form) !== cellOf(row, system, after)?.form)
        .map((row) => row.id);
      const happening = { ...change, order: log.length, at: now(), rows };
      log.push(happening);
      byRecord.set(refKey(change), [...of(change), happening]);
      if (change.by.who === 'engine') {
        lastEngineWriteAt = now();
        engineWrites += 1;
      }
      trace.note(
        `${change.by.who} ${change.did} ${refKey({ system, pair, id })} ${shown(change.did, system, rows, rowsOf(pair), after, cellOf)}`,
      );
    },
    lastAt: (ref, at) => of(ref).findLast((happening) => happening.at <= at),
    lastEngineWriteAt: () => lastEngineWriteAt,
    engineWrites: () => engineWrites,
  };
}

function shown(
  did: Happening['did'],
  system: System,
  changed: readonly string[],
  rows: readonly Row[],
  after: Body,
  cellOf: Truth['cellOf'],
): string {
  if (did === 'deleted') return '';
  return rows
    .filter((row) => changed.includes(row.id))
    .map((row) => `${row.id}=${JSON.stringify(cellOf(row, system, after)?.form ?? null).slice(0, 60)}`)
    .join(' ');
}

/** One line about a happening, for a report of a violation. */
export const describe = (happening: Happening): string =>
  `${stamp(happening.at)} ${happening.by.who} ${happening.did} ${refKey(happening)} [${happening.rows.join(', ')}]`;
