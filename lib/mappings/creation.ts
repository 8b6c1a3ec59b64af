import type { Fingerprints } from '../domain/fingerprint.ts';
import type { Agreed, RowPrints } from '../domain/link.ts';
import {
  type Body,
  otherSystem,
  type RecordRef,
  type Snapshot,
  type System,
  systems,
} from '../domain/record.ts';
import { neverHeld, recordCells } from './agreement.ts';
import { cellsFor, cellsOf, isBlank } from './cells.ts';
import {
  type Cell,
  type Facts,
  formOf,
  formSent,
  formsSent,
  type PairMapping,
  putCell,
  type Row,
  readCell,
  sameCells,
  setPath,
} from './mapping.ts';
import type { Pictured, RecordPlan } from './record-plan.ts';

/** The body of a new counterpart, or why there can be none yet. */
export type Creation =
  | { readonly body: Body; readonly rows: readonly string[] }
  | { readonly blocked: string }
  | { readonly waitFor: RecordRef };

/** Composes the counterpart of an unlinked record. Empty cells are not sent: the new system decides, and that flows back once. */
export function composeCreate(mapping: PairMapping, from: System, origin: Body, facts: Facts): Creation {
  const to = otherSystem(from);
  let body: Body = {};
  const sent: string[] = [];
  for (const row of mapping.rows(facts.settings)) {
    const put = composeRow(row, from, origin, body, facts);
    if (!put) continue;
    if (!('cell' in put)) return put;
    body = setPath(body, row[to], put.cell);
    sent.push(row.id);
  }
  return { body, rows: sent };
}

/** What a create sends for one row into `body`; undefined when it sends nothing. */
function composeRow(row: Row, from: System, origin: Body, body: Body, facts: Facts) {
  const to = otherSystem(from);
  const situation = { customcrm: {}, wave: {}, [from]: origin, facts, waveCellIsOurs: false };
  const direction = to === 'wave' ? 'toWave' : 'toCustomcrm';
  const flows =
    (row.direction === 'both' || row.direction === direction) && (row.rules.applies?.(situation) ?? true);
  if (!flows || (row.rules.beginsAs !== undefined && to === 'wave')) return undefined;
  const cell = readCell(row, from, origin, facts);
  if (cell && !isBlank(cell)) return putCell(row, to, cell.value, body, facts);
  const isNeeded = to === 'wave' ? row.rules.emptyInWave === 'block' : row.rules.required;
  return cell && isNeeded ? { blocked: `${row.id} is empty, and ${to} needs one` } : undefined;
}

/** What is agreed right after a create was answered, or a create of ours was found again. */
export function agreedAfterCreate(pictured: Pictured, from: System, known: KnownRows): Agreed {
  const { mapping, facts, prints } = pictured;
  const to = otherSystem(from);
  const rows = mapping.rows(facts.settings);
  const cells = cellsOf(pictured, rows);
  const agreed: Agreed & { customcrm: Record<string, string>; wave: Record<string, string> } = {
    customcrm: {},
    wave: {},
    reverted: {},
  };
  for (const row of rows) {
    const { [from]: origin, [to]: made } = cellsFor(cells, row);
    if (!origin || !made) continue;
    const both = { [from]: origin, [to]: made } as Record<System, typeof origin>;
    const edited = systems.filter((system) => known.edited?.[system].includes(row.id));
    const { beginsAs } = row.rules;
    if (beginsAs !== undefined && to === 'wave') {
      const begun = { value: beginsAs, form: formOf(row, beginsAs, facts) };
      recordCells(agreed, row, { customcrm: begun, wave: begun }, prints, undefined);
    } else if (known.rows.includes(row.id)) {
      recordCells(agreed, row, both, prints, row.conversion.partial?.(origin.value) ? to : undefined);
    } else if (edited.length > 0) {
      const changed = Object.fromEntries(edited.map((system) => [system, neverHeld]));
      recordCells(agreed, row, { ...both, ...changed }, prints, undefined);
    } else if (isBlank(origin)) {
      recordCells(agreed, row, both, prints, isBlank(made) ? undefined : to);
    }
  }
  return agreed;
}

/** What is agreed at a link, and the values that the first plan will replace on the strength of it. */
interface AgreedAtLink {
  readonly agreed: Agreed;
  readonly lost: RecordPlan['lost'];
}

/**
 * What is agreed when two records are linked that were found: the rows that are equal. A first link decides about the others, but for
 * those that still held on one side what a create was sent with, and were changed on the other since: that change flows, for nobody
 * shall see again what he has replaced. Should the record be somebody's own after all, what it held is not lost. What cannot be taken
 * back is left to the first link.
 */
export function agreedAtLink(pictured: Pictured, edited?: KnownRows['edited']): AgreedAtLink {
  const rows = pictured.mapping.rows(pictured.facts.settings);
  const cells = cellsOf(pictured, rows);
  const agreed = { customcrm: {}, wave: {}, reverted: {} };
  const lost: { row: string; system: System; value: Cell['value'] }[] = [];
  for (const row of rows) {
    const { customcrm, wave } = cellsFor(cells, row);
    if (!customcrm || !wave) continue;
    const both = { customcrm, wave };
    const since = systems.filter((system) => edited?.[system].includes(row.id) && !isBlank(both[system]));
    if (sameCells(row, customcrm, wave, pictured.facts))
      recordCells(agreed, row, both, pictured.prints, undefined);
    else if (since.length > 0 && !row.rules.irreversible) {
      const changed = Object.fromEntries(since.map((system) => [system, neverHeld]));
      recordCells(agreed, row, { ...both, ...changed }, pictured.prints, undefined);
      for (const system of systems)
        if (!since.includes(system) && !isBlank(both[system]))
          lost.push({ row: row.id, system, value: both[system].value });
    }
  }
  return { agreed, lost };
}

/** What is known of the rows of a create when its counterpart is linked. */
export interface KnownRows {
  /** Both sides hold what was sent. */
  readonly rows: readonly string[];
  /** Sent, and changed by the user of this system since. */
  readonly edited?: Readonly<Record<System, readonly string[]>>;
}

/** A keyed hash of each value that a create sends: by these its result is known again, whatever its origin holds by then. */
export function printsSent(
  mapping: PairMapping,
  to: System,
  { body, rows }: Extract<Creation, { body: Body }>,
  facts: Facts,
  prints: Fingerprints,
): RowPrints {
  const sent: Record<string, string> = {};
  for (const row of mapping.rows(facts.settings)) {
    const cell = rows.includes(row.id) ? readCell(row, to, body, facts) : undefined;
    if (cell) sent[row.id] = prints.of(row.id, formSent(row, cell, facts));
  }
  return sent;
}

/** The rows that hold what was sent, apart from what the system filled in by itself (a line's taxes), or that do not show. */
export function rowsHeld(
  mapping: PairMapping,
  to: System,
  body: Body,
  sent: RowPrints,
  facts: Facts,
  prints: Fingerprints,
): readonly string[] {
  return mapping
    .rows(facts.settings)
    .filter((row) => {
      const cell = readCell(row, to, body, facts);
      if (!cell) return sent[row.id] !== undefined;
      return formsSent(row, cell, facts).some(
        (form) => prints.compare(sent[row.id], row.id, form) === 'same',
      );
    })
    .map(({ id }) => id);
}

/**
 * What is agreed for the result of a create whose origin is gone: what it holds as it was sent. The rest is its user's, apart from what
 * a system fills in by itself into a record that nobody has touched.
 */
export function agreedOfResult(
  { mapping, facts, prints }: Pick<Pictured, 'mapping' | 'facts' | 'prints'>,
  { system, body, createdAt, modifiedAt }: Snapshot,
  { sent, held }: Pick<Result, 'sent' | 'held'>,
): RowPrints {
  const agreed: Record<string, string> = {};
  for (const row of mapping.rows(facts.settings)) {
    const cell = readCell(row, system, body, facts);
    const mayBeFilledIn = row.conversion.isCommon || row.rules.emptyInWave || row.direction !== 'both';
    const isUntouched = isBlank(cell ?? neverHeld) || (modifiedAt <= createdAt && mayBeFilledIn);
    if (!cell || (sent[row.id] === undefined && isUntouched)) continue;
    agreed[row.id] = prints.of(row.id, held.includes(row.id) ? cell.form : neverHeld.form);
  }
  return agreed;
}

/** What was sent, and what its result holds of it. */
export interface Result {
  readonly sent: RowPrints;
  readonly held: readonly string[];
  /** It held all of it when it was first seen: what it does not hold any more was changed by its user. */
  readonly wasWhole: boolean;
}

/** Of the rows that were sent: those that both sides still hold, and those that a user changed since, in either system. */
export function knownOf(
  mapping: PairMapping,
  from: System,
  origin: Body,
  { sent, held, wasWhole }: Result,
  facts: Facts,
  prints: Fingerprints,
): KnownRows {
  const to = otherSystem(from);
  const rows: string[] = [];
  const here: string[] = [];
  const there: string[] = [];
  for (const row of mapping.rows(facts.settings)) {
    const isHeld = held.includes(row.id);
    const put = composeRow(row, from, origin, {}, facts);
    if (sent[row.id] === undefined || (!isHeld && !wasWhole)) continue;
    // What cannot be sent now, for its parent is not linked, is not what could be sent then.
    const now = put && 'cell' in put ? readCell(row, to, setPath({}, row[to], put.cell), facts) : undefined;
    const isAsSent =
      now !== undefined && prints.compare(sent[row.id], row.id, formSent(row, now, facts)) === 'same';
    if (isAsSent && isHeld) rows.push(row.id);
    if (!isAsSent) here.push(row.id);
    if (!isHeld) there.push(row.id);
  }
  return {
    rows,
    edited: from === 'wave' ? { wave: here, customcrm: there } : { wave: there, customcrm: here },
  };
}
