import type { Fingerprints } from '../domain/fingerprint.ts';
import {
  type Agreed,
  type Ahead,
  type Refusal,
  type Refusals,
  type RowPrints,
  wholeRecord,
} from '../domain/link.ts';
import {
  type Plan,
  type Policies,
  plan,
  type RowState,
  type Side,
  type WriteBecause,
} from '../domain/plan.ts';
import { type Body, otherSystem, type RecordRef, type System, systems } from '../domain/record.ts';
import { type Cells, cellsFor, cellsOf, emptyCell, isBlank, isBlankOrNone } from './cells.ts';
import {
  type Cell,
  compareCell,
  type Facts,
  formSent,
  type PairMapping,
  putCell,
  type Row,
  readCell,
  sameCells,
  setPath,
} from './mapping.ts';

/** Both bodies of a linked record as they were just read, and what is known about them. */
export interface Pictured {
  readonly mapping: PairMapping;
  readonly customcrm: Body;
  readonly wave: Body;
  readonly agreed: Agreed;
  readonly ahead: Pick<Ahead, System> | undefined;
  /** What was refused before. */
  readonly refusals?: Refusals | undefined;
  readonly facts: Facts;
  readonly prints: Fingerprints;
}

/** One write to one system: the whole body as it shall be, and what of it differs. */
export interface RemoteWrite {
  readonly next: Body;
  readonly paths: readonly string[];
  readonly rows: readonly string[];
  /** The prints of what is about to be sent, for the write-ahead. */
  readonly prints: RowPrints;
  /** By these a refusal of a row is known again: see {@link Refusals}. */
  readonly asks: RowPrints;
}

/** A plan made concrete: what to send, and what stays with its reason. */
export interface RecordPlan {
  readonly verdicts: Plan;
  /** One print of everything that both sides show: the same picture makes the same plan. */
  readonly picture: string;
  readonly writes: Readonly<Partial<Record<System, RemoteWrite>>>;
  /** Earlier refusals that still stand: their rows are blocked or held, and not written. */
  readonly refusals: Refusals;
  /** Rows that were refused once, and are tried again when what is written now has been answered. */
  readonly postponed: readonly string[];
  /** Both sides show the same lines and discount, but Wave computes another sum of them than we do. */
  readonly totalsDiffer: boolean;
  readonly blocked: readonly { readonly row: string; readonly reason: string }[];
  readonly held: readonly { readonly row: string; readonly reason: string }[];
  readonly waitsFor: readonly { readonly row: string; readonly ref: RecordRef }[];
  /** Rows that a write would empty, and rows that it would take out of use for good: counted by the fuses. */
  readonly empties: readonly string[];
  readonly archives: readonly string[];
  /** Rows of which one side's value is about to be replaced although its user changed it. */
  readonly lost: readonly { readonly row: string; readonly system: System; readonly value: unknown }[];
}

/** Decides about every row of a linked record and composes the writes. Pure. */
export function planRecord(pictured: Pictured, policies: Policies): RecordPlan {
  const rows = pictured.mapping.rows(pictured.facts.settings);
  const cells = new Map(cellsOf(pictured, rows));
  for (const row of rows.filter((each) => wasTakenBack(each, pictured, cells)))
    cells.set(row.id, { ...cellsFor(cells, row), wave: emptyCell });
  const verdicts = plan(
    rows.map((row) => rowState(row, pictured, cells)),
    policies,
  );
  return compose(pictured, rows, cells, verdicts);
}

/**
 * Of two rows that share a cell of Wave's, ours stands there now, over what had been agreed for the other: its user took that away. Ours
 * may have been written before the other side was told.
 */
function wasTakenBack(row: Row, pictured: Pictured, cells: Cells): boolean {
  const { agreed, prints } = pictured;
  const { wave } = cellsFor(cells, row);
  const { customcrm } = cellsFor(cells, row);
  if (!row.rules.waveCellOf || !wave || rowState(row, pictured, cells).applies) return false;
  // What a user has typed there since is none of Wave's.
  const isKept =
    customcrm !== undefined && prints.compare(agreed.customcrm[row.id], row.id, customcrm.form) === 'same';
  return (
    isKept && [wave.form, ''].every((form) => prints.compare(agreed.wave[row.id], row.id, form) === 'changed')
  );
}

function rowState(row: Row, pictured: Pictured, cells: Cells): RowState {
  const { agreed, prints, facts } = pictured;
  const cell = cellsFor(cells, row);
  const sender: System = row.direction === 'toWave' ? 'customcrm' : 'wave';
  const sent = cell[sender];
  const owner = row.rules.waveCellOf ?? row.id;
  // What was taken back is empty where ours stands.
  const isTakenBack = cell.wave?.form === '' && !isBlankIn(row, pictured);
  const waveCellIsOurs =
    cell.wave !== undefined && prints.compare(agreed.wave[owner], owner, cell.wave.form) === 'same';
  const equal =
    cell.customcrm !== undefined &&
    cell.wave !== undefined &&
    sameCells(row, cell.customcrm, cell.wave, facts);
  return {
    id: row.id,
    direction: row.direction,
    customcrm: sideOf(row, 'customcrm', cell, pictured),
    wave: sideOf(row, 'wave', cell, pictured),
    equal,
    applies:
      isTakenBack ||
      (row.rules.applies?.({ customcrm: pictured.customcrm, wave: pictured.wave, facts, waveCellIsOurs }) ??
        true),
    irreversible: row.rules.irreversible ?? false,
    emptyInWave: row.rules.emptyInWave ?? 'allow',
    required: row.rules.required ?? false,
    revertedBefore:
      sent !== undefined && prints.compare(agreed.reverted[row.id], row.id, sent.form) === 'same',
    keptApart: agreed.customcrm[row.id] !== agreed.wave[row.id],
    ...(row.rules.ratchet && {
      lifeCycle: {
        customcrm: cell.customcrm?.form as 'draft' | 'issued' | 'cancelled',
        wave: cell.wave?.form as 'draft' | 'issued',
        mayAdvanceWave: facts.settings.approveInvoices === 'on-confirm',
      },
    }),
  };
}

const isBlankIn = (row: Row, { wave, facts }: Pictured): boolean =>
  isBlankOrNone(readCell(row, 'wave', wave, facts));

function sideOf(
  row: Row,
  system: System,
  cells: Readonly<Record<System, Cell | undefined>>,
  { agreed, prints, facts }: Pictured,
): Side {
  const cell = cells[system];
  return cell
    ? {
        known: true,
        empty: isBlank(cell),
        change: compareCell(prints, agreed[system][row.id], row, cell, facts),
      }
    : { known: false };
}

function compose(pictured: Pictured, rows: readonly Row[], cells: Cells, verdicts: Plan): RecordPlan {
  const blocked: { row: string; reason: string }[] = [];
  const held: { row: string; reason: string }[] = [];
  const lost: { row: string; system: System; value: unknown }[] = [];
  const waitsFor: { row: string; ref: RecordRef }[] = [];
  const refusals: Record<string, Refusals[string]> = {};
  const { mapping, customcrm, wave, facts, prints } = pictured;
  const totalsDiffer = !mapping.totalsAgree(customcrm, wave, facts);
  const shape = shapeOf(cells);
  const stands = ({ print, picture }: Refusal, name: string, form: string): boolean =>
    prints.compare(print, name, form) === 'same' &&
    (picture === undefined || prints.compare(picture, 'picture', shape) === 'same');
  const drafts: Record<System, DraftWrite> = {
    customcrm: draft(pictured.customcrm),
    wave: draft(pictured.wave),
  };
  const last = apartFrom(rows, verdicts, pictured, cells, stands);
  const postponed: string[] = [];
  for (const row of [...rows.filter((each) => !last.includes(each)), ...last]) {
    const verdict = verdicts.get(row.id);
    if (verdict?.do === 'block') blocked.push({ row: row.id, reason: verdict.reason });
    if (verdict?.do === 'hold') {
      held.push({ row: row.id, reason: verdict.because });
      // Once what it names is linked, both sides may be equal.
      waitsFor.push(...parentsIn(row, pictured, cells));
    }
    if (verdict?.do !== 'write') continue;
    const { to } = verdict;
    const cell = cellsFor(cells, row);
    const ask = askOf(row, to, cell);
    const refusal = pictured.refusals?.[row.id];
    const isPostponed = last.includes(row) && drafts[to].paths.some((path) => !isWithin(path, row[to]));
    if (isPostponed) postponed.push(row.id);
    if (refusal && (isPostponed || stands(refusal, askName(row), ask))) {
      refusals[row.id] = refusal;
      (refusal.shows === 'held' ? held : blocked).push({ row: row.id, reason: refusal.reason });
      continue;
    }
    const locked = to === 'wave' ? lockOf(row, pictured, totalsDiffer) : undefined;
    const put = locked
      ? { blocked: locked }
      : putCell(row, to, cell[otherSystem(to)]?.value ?? null, drafts[to].next, facts);
    if ('blocked' in put) blocked.push({ row: row.id, reason: put.blocked });
    else if ('waitFor' in put) waitsFor.push({ row: row.id, ref: put.waitFor });
    else addTo(drafts[to], row, to, put.cell, ask, pictured);
    const saysSomething = verdict.because === 'conflict' || !isBlankOrNone(cell[to]);
    if (overrules.has(verdict.because) && 'cell' in put && saysSomething)
      lost.push({ row: row.id, system: to, value: cell[to]?.value });
  }
  const writes = { ...finished('customcrm', drafts), ...finished('wave', drafts) };
  const fuses = fused(rows, cells, writes);
  const picture = prints.of('picture', shape);
  const whole = pictured.refusals?.[wholeRecord];
  if (whole && stands(whole, 'picture', shape)) {
    refusals[wholeRecord] = whole;
    held.push({ row: wholeRecord, reason: whole.reason });
  }
  return {
    verdicts,
    picture,
    writes,
    refusals,
    postponed,
    totalsDiffer,
    blocked,
    held,
    waitsFor,
    lost,
    ...fuses,
  };
}

/** In the place of the picture of a refusal: the system named no row, and each object is to be tried by itself. */
export const vaguely = '';

/** Two properties that a system replaces together, or not at all. */
export const isWithin = (path: string, other: string): boolean => path.split('.')[0] === other.split('.')[0];

/**
 * Which rows were refused before, as things stood then. What they are sent with might be refused with them: they go after everything else,
 * one object at a time, those first of which nobody knows yet; unless something else in their object has changed, which may be what mends
 * them.
 */
function apartFrom(
  rows: readonly Row[],
  verdicts: Plan,
  { refusals }: Pictured,
  cells: Cells,
  stands: (refusal: Refusal, name: string, form: string) => boolean,
): readonly Row[] {
  const goes = rows.flatMap((row) => {
    const verdict = verdicts.get(row.id);
    return verdict?.do === 'write' ? [{ row, to: verdict.to }] : [];
  });
  const wasAsked = ({ row, to }: (typeof goes)[number]): boolean => {
    const refusal = refusals?.[row.id];
    if (refusal?.picture === undefined) return false;
    const { picture: _then, ...asked } = refusal;
    return stands(asked, askName(row), askOf(row, to, cellsFor(cells, row)));
  };
  const fresh = goes.filter((each) => !wasAsked(each));
  const isVague = ({ id }: Row): boolean => refusals?.[id]?.picture === vaguely;
  // Together once more, when nothing could be refused with them.
  if (fresh.length === 0 && !goes.some(({ row }) => isVague(row))) return [];
  const apart = goes.filter(
    (each) =>
      wasAsked(each) && !fresh.some(({ row, to }) => to === each.to && isWithin(row[to], each.row[to])),
  );
  const refused = apart.map(({ row }) => row);
  return [...refused.filter(isVague), ...refused.filter((row) => !isVague(row))];
}

/** The records that either side names in a row, and that are not linked. */
function parentsIn(row: Row, pictured: Pictured, cells: Cells): RecordPlan['waitsFor'] {
  return systems.flatMap((to) => {
    const cell = cellsFor(cells, row)[otherSystem(to)];
    const put = cell && putCell(row, to, cell.value, pictured[to], pictured.facts);
    return put && 'waitFor' in put ? [{ row: row.id, ref: put.waitFor }] : [];
  });
}

/** What would be asked of a system: put there what the other side holds, over what stands there now. */
const askOf = (row: Row, to: System, { customcrm, wave }: Readonly<Record<System, Cell | undefined>>) =>
  JSON.stringify([to, row.id, customcrm?.form, wave?.form]);
const askName = ({ id }: Row): string => `ask ${id}`;

/** An invoice that does not say what its order says is not approved. */
function lockOf(
  row: Row,
  { mapping, customcrm, wave, facts }: Pictured,
  totalsDiffer: boolean,
): string | undefined {
  const { ratchet } = row.rules;
  if (ratchet && totalsDiffer) return 'totals';
  return ratchet?.(customcrm, wave, facts) ?? mapping.locked(row.id, wave, facts.settings);
}

/** What a wave of mistakes would look like: many rows going empty, many records going out of use. */
function fused(rows: readonly Row[], cells: Cells, writes: RecordPlan['writes']) {
  const empties: string[] = [];
  const archives: string[] = [];
  for (const system of ['customcrm', 'wave'] as const) {
    for (const row of rows.filter(({ id }) => writes[system]?.rows.includes(id))) {
      const cell = cellsFor(cells, row);
      if (isBlankOrNone(cell[otherSystem(system)]) && !isBlankOrNone(cell[system])) empties.push(row.id);
      if (row.rules.irreversible && system === 'wave') archives.push(row.id);
    }
  }
  return { empties, archives };
}

const shapeOf = (cells: Cells): string =>
  JSON.stringify(
    [...cells].map(([row, cell]) => [row, cell.customcrm?.form ?? null, cell.wave?.form ?? null]),
  );

/** Writes that replace what a user of the receiving side may have typed. */
const overrules: ReadonlySet<WriteBecause> = new Set(['conflict', 'first link', 'overruled', 'reverted']);

interface DraftWrite {
  next: Body;
  readonly paths: string[];
  readonly rows: string[];
  prints: RowPrints;
  asks: RowPrints;
}
const draft = (body: Body): DraftWrite => ({ next: body, paths: [], rows: [], prints: {}, asks: {} });

function addTo(
  write: DraftWrite,
  row: Row,
  to: System,
  cell: unknown,
  ask: string,
  { facts, prints }: Pictured,
): void {
  write.next = setPath(write.next, row[to], cell);
  write.paths.push(row[to]);
  write.rows.push(row.id);
  write.asks = { ...write.asks, [row.id]: prints.of(askName(row), ask) };
  const put = readCell(row, to, write.next, facts);
  if (put) write.prints = { ...write.prints, [row.id]: prints.of(row.id, formSent(row, put, facts)) };
}

const finished = (system: System, drafts: Record<System, DraftWrite>) =>
  drafts[system].rows.length > 0 ? { [system]: drafts[system] as RemoteWrite } : {};
