import type { Fingerprints } from '../domain/fingerprint.ts';
import type { Body, Pair, RecordRef, Snapshot, System } from '../domain/record.ts';

/** What a cell holds in the common language of both systems. `null` is the one canonical empty. */
export type Value =
  | string
  | boolean
  | null
  | readonly Value[]
  | { readonly [key: string]: Value | undefined };

/** A cell that one record holds. `form` is its canonical text: equal forms are equal values. Absent cells are unknown. */
export interface Cell {
  readonly value: Value;
  readonly form: string;
}

/** What a conversion answers when asked to put a value: the cell, or why it cannot. */
export type Put = { readonly cell: unknown } | { readonly blocked: string } | { readonly waitFor: RecordRef };

/** What conversions may know beside the two cells; gathered before planning, so that planning stays pure. */
export interface Facts {
  readonly settings: MappingSettings;
  /** The counterpart's id, or undefined when the record is not linked (yet). */
  readonly waveIdOf: (pair: Pair, customcrmId: string) => string | undefined;
  readonly customcrmIdOf: (pair: Pair, waveId: string) => string | undefined;
  /** Every sales tax of the business, archived ones included. */
  readonly taxes: readonly {
    readonly id: string;
    readonly abbreviation: string;
    readonly archived: boolean;
  }[];
}

/** The switches of docs/dataflow.md. */
export interface MappingSettings {
  readonly createInvoicesFrom: 'draft' | 'confirmed';
  readonly poNumberFrom: 'OrderNumber' | 'PurchaseOrderNumber';
  readonly approveInvoices: 'never' | 'on-confirm';
  readonly editIssuedInvoices: boolean;
  readonly waveFallbackProductId: string | undefined;
  readonly wavePercentage: 'percent' | 'fraction';
  readonly waveKeepsLineOrder: boolean;
}

/**
 * How one cell reads and writes in each system. Laws: putting back what was got changes nothing (an unchanged cell keeps
 * its own spelling), and what is put is what is got.
 */
export interface Conversion<C, W> {
  readonly fromCustomcrm: (cell: C, facts: Facts) => Value;
  readonly fromWave: (cell: W, facts: Facts) => Value;
  readonly toCustomcrm: (value: Value, current: C | undefined, facts: Facts) => Put;
  readonly toWave: (value: Value, current: W | undefined, facts: Facts) => Put;
  /** Canonical text of a value; default: stable JSON. */
  readonly form?: (value: Value, facts: Facts) => string;
  /** Are these two equal after conversion? Default: equal forms. */
  readonly same?: (customcrm: Value, wave: Value, facts: Facts) => boolean;
  /** Does this value leave something to the system that receives it? What it fills in flows back once. */
  readonly partial?: (value: Value) => boolean;
  /** The value without what a system may fill in: by this a record is known again whose create left something out. */
  readonly withoutFilled?: (value: Value) => Value;
  /** Many records hold the same: by this alone none is known again. */
  readonly isCommon?: true;
  /** The value as links hold it that were last written while it stood in the other system's terms. */
  readonly formerly?: (value: Value, facts: Facts) => Value;
}

export type Direction = 'both' | 'toWave' | 'toCustomcrm';

/** What a rule of a row may look at. */
export interface RowSituation {
  readonly customcrm: Body;
  readonly wave: Body;
  readonly facts: Facts;
  /** Is what Wave holds now what we last put there for this row? */
  readonly waveCellIsOurs: boolean;
}

/** One row of the specification's property table. */
export interface Row {
  readonly id: string;
  readonly direction: Direction;
  readonly customcrm: string;
  readonly wave: string;
  // biome-ignore lint/suspicious/noExplicitAny: the table's builders check both cell types; the engine passes cells through.
  readonly conversion: Conversion<any, any>;
  readonly rules: RowRules;
}

export interface RowRules {
  /** Never decided by a first link. */
  readonly irreversible?: true;
  /** Wave cannot hold an empty one: refuse it (`block`), or take Wave's own value back (`restore`). */
  readonly emptyInWave?: 'block' | 'restore';
  /** Customcrm cannot hold an empty one. */
  readonly required?: true;
  /** When false, the row is left alone. */
  readonly applies?: (situation: RowSituation) => boolean;
  /** Two rows share one Wave property: whether its value is ours is known by this other row, which sends ours. */
  readonly waveCellOf?: string;
  /** Wave's life cycle, which only ever moves forward. By us only while this names no reason against it. */
  readonly ratchet?: (customcrm: Body, wave: Body, facts: Facts) => string | undefined;
  /** No create can carry it: a new record of Wave's begins with this value, and what either side holds instead is a change since then. */
  readonly beginsAs?: Value;
}

/** A record's own names for itself, by which its counterpart is recognised before one is created. */
export interface MatchKey {
  readonly name: string;
  readonly form: string;
}

/** The pair's policy for deletions: leave the survivor, remove it, or write one property of it. */
export type Aftermath =
  | { readonly do: 'keep' }
  | { readonly do: 'remove' }
  | { readonly do: 'write'; readonly path: string; readonly cell: unknown };

/** Everything that one pair is: its table, and the few differences that the engine asks for. */
export interface PairMapping {
  readonly pair: Pair;
  /** The specification's table, row for row. */
  readonly everyRow: readonly Row[];
  /** The rows that take part under these settings. */
  readonly rows: (settings: MappingSettings) => readonly Row[];
  /** In order of trust. */
  readonly matchKeys: (record: Snapshot, settings: MappingSettings) => readonly MatchKey[];
  /** Among several records that share a key, those that come first. */
  readonly preferred: (record: Snapshot) => boolean;
  /** Do two records that share the key `by` deny each other by another one? */
  readonly contradicts: (customcrm: Body, wave: Body, by: string, facts: Facts) => boolean;
  /** The records that must be linked first, in the order in which to link them. */
  readonly parents: (system: System, body: Body, settings: MappingSettings) => readonly RecordRef[];
  /** Why this record gets no counterpart, or undefined. */
  readonly excluded: (record: Snapshot, settings: MappingSettings) => string | undefined;
  /** Why Wave may not receive this row now, or undefined. */
  readonly locked: (row: string, wave: Body, settings: MappingSettings) => string | undefined;
  /** What becomes of the survivor when its counterpart was deleted in `deletedIn`; the survivor was not edited since agreement. */
  readonly afterDeletion: (deletedIn: System, survivor: Body) => Aftermath;
  /** Has its own system given this record up, so that it behaves like a deleted one? Only orders can be. */
  readonly givenUp: (customcrm: Body) => boolean;
  /** Does Wave compute the same sum before tax of what both sides hold? Also when they do not hold the same, or Wave shows no sum yet. */
  readonly totalsAgree: (customcrm: Body, wave: Body, facts: Facts) => boolean;
}

/** Stable JSON: keys sorted, undefined left out. */
export function canonical(value: Value | undefined): string {
  if (value === undefined) return '';
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (value !== null && typeof value === 'object') {
    const entries = Object.entries(value).filter(([, field]) => field !== undefined);
    return `{${entries
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, field]) => `${JSON.stringify(key)}:${canonical(field)}`)
      .join(',')}}`;
  }
  return JSON.stringify(value);
}

/** The cell at a dotted path: undefined when a key on the way is absent (unknown), null when something on the way is null. */
export function getPath(body: unknown, path: string): unknown {
  let current: unknown = body;
  for (const key of path.split('.')) {
    if (current === undefined || current === null) return current;
    current = (current as Record<string, unknown>)[key];
  }
  return current;
}

/** A copy of `body` that holds `cell` at the path. Missing objects on the way are made. */
export function setPath(body: Body, path: string, cell: unknown): Body {
  const [key = '', ...rest] = path.split('.');
  if (rest.length === 0) return { ...body, [key]: cell };
  const inner = (body[key] ?? {}) as Body;
  return { ...body, [key]: setPath(inner, rest.join('.'), cell) };
}

/** What `body` holds for a row, or undefined when the record does not show it. */
export function readCell(row: Row, system: System, body: Body, facts: Facts): Cell | undefined {
  const raw = getPath(body, row[system]);
  if (raw === undefined) return undefined;
  const value =
    system === 'customcrm' ? row.conversion.fromCustomcrm(raw, facts) : row.conversion.fromWave(raw, facts);
  return { value, form: formOf(row, value, facts) };
}

export const formOf = (row: Row, value: Value, facts: Facts): string =>
  row.conversion.form?.(value, facts) ?? canonical(value);

/** What is left to the receiving system makes no difference later. */
export function formSent(row: Row, cell: Cell, facts: Facts): string {
  const { partial, withoutFilled } = row.conversion;
  return partial?.(cell.value) && withoutFilled ? formOf(row, withoutFilled(cell.value), facts) : cell.form;
}

/** The forms in which a cell may have been sent: as it stands, or without what its system fills in by itself. */
export function formsSent(row: Row, { value, form }: Cell, facts: Facts): readonly string[] {
  const { withoutFilled } = row.conversion;
  return withoutFilled ? [form, formOf(row, withoutFilled(value), facts)] : [form];
}

/** Against what was noted, also in the form of before. */
export function compareCell(
  prints: Fingerprints,
  noted: string | undefined,
  row: Row,
  cell: Cell,
  facts: Facts,
): ReturnType<Fingerprints['compare']> {
  const change = prints.compare(noted, row.id, cell.form);
  const { formerly } = row.conversion;
  if (change !== 'changed' || !formerly) return change;
  return prints.compare(noted, row.id, formOf(row, formerly(cell.value, facts), facts));
}

export function sameCells(row: Row, customcrm: Cell, wave: Cell, facts: Facts): boolean {
  return row.conversion.same?.(customcrm.value, wave.value, facts) ?? customcrm.form === wave.form;
}

/** The cell that makes `to`'s record hold `value`. A cell that holds it already keeps its own spelling. */
export function putCell(row: Row, to: System, value: Value, body: Body, facts: Facts): Put {
  const current = getPath(body, row[to]);
  if (readCell(row, to, body, facts)?.form === formOf(row, value, facts)) return { cell: current };
  return to === 'customcrm'
    ? row.conversion.toCustomcrm(value, current ?? undefined, facts)
    : row.conversion.toWave(value, current ?? undefined, facts);
}

// The compiler's side of a table: dotted paths into a record type, and the type found there.
type Step<T> = NonNullable<T> extends readonly unknown[] ? never : NonNullable<T>;
export type Path<T> =
  Step<T> extends object
    ? {
        [K in keyof Step<T> & string]:
          | K
          | (NonNullable<Step<T>[K]> extends readonly unknown[]
              ? never
              : NonNullable<Step<T>[K]> extends object
                ? `${K}.${Path<Step<T>[K]>}`
                : never);
      }[keyof Step<T> & string]
    : never;
export type At<T, P extends string> = P extends `${infer K}.${infer R}`
  ? K extends keyof Step<T>
    ? At<Step<T>[K], R> | null
    : never
  : P extends keyof Step<T>
    ? Exclude<Step<T>[P], undefined>
    : never;

/** The three ways to write a row of a table whose paths and cell types the compiler checks on both sides. */
export function rowsFor<C, W>() {
  const row =
    (direction: Direction) =>
    <P extends Path<C>, Q extends Path<W>>(
      customcrm: P,
      wave: Q,
      conversion: Conversion<At<C, P>, At<W, Q>>,
      rules: RowRules = {},
    ): Row => ({
      id: customcrm,
      direction,
      customcrm,
      wave,
      conversion,
      rules,
    });
  return { both: row('both'), toWave: row('toWave'), toCustomcrm: row('toCustomcrm') };
}
