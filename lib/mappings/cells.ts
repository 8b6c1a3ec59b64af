import type { Body, System } from '../domain/record.ts';
import { type Cell, type Facts, type Row, readCell } from './mapping.ts';

/** What both sides show in each row of the table; undefined where a side did not show the row at all. */
export type Cells = ReadonlyMap<string, Readonly<Record<System, Cell | undefined>>>;

export function cellsOf(
  { customcrm, wave, facts }: { readonly customcrm: Body; readonly wave: Body; readonly facts: Facts },
  rows: readonly Row[],
): Cells {
  return new Map(
    rows.map((row) => [
      row.id,
      { customcrm: readCell(row, 'customcrm', customcrm, facts), wave: readCell(row, 'wave', wave, facts) },
    ]),
  );
}

export const emptyCell: Cell = { value: null, form: '' };

export const isBlank = (cell: Cell): boolean => cell.form === '' || cell.value === null;
export const isBlankOrNone = (cell: Cell | undefined): boolean => !cell || isBlank(cell);

/** Every row of the table has its cells: both maps are made from the same rows. */
export const cellsFor = (cells: Cells, row: Row) =>
  cells.get(row.id) as Readonly<Record<System, Cell | undefined>>;
