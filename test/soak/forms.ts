import type { Pair, System } from '../../lib/domain/record.ts';
import type { Picture } from './hands.ts';
import { type Fields, formOf, type NameOf, type Row, rowsOf } from './rows.ts';
import { tagIn } from './typing.ts';

export const idOf = (system: System, record: Fields): string =>
  String(system === 'customcrm' ? record.Id : record.id);

export const isLiving = (system: System, record: Fields): boolean =>
  system === 'customcrm' ? record.DeletedAt === null : record.deleted !== true;

const titleOf = (system: System, pair: Pair, record: Fields): unknown =>
  system === 'customcrm'
    ? record[pair === 'order' ? 'Title' : 'Name']
    : record[pair === 'order' ? 'title' : 'name'];

/** The name that a person gave a record, for life; undefined for what was there before. */
export const tagOf = (system: System, pair: Pair, record: Fields): string | undefined =>
  tagIn(titleOf(system, pair, record));

/** References are compared by tag; what has none keeps its own title, which nobody edits. */
export function namesIn(picture: Picture): NameOf {
  const names = new Map<string, string>();
  for (const [system, pairs] of Object.entries(picture.records))
    for (const [pair, records] of Object.entries(pairs))
      for (const record of records) {
        const [from, of] = [system as System, pair as Pair];
        names.set(
          `${from} ${of} ${idOf(from, record)}`,
          tagOf(from, of, record) ?? String(titleOf(from, of, record)),
        );
      }
  return (system, pair, id) => names.get(`${system} ${pair} ${id}`) ?? id;
}

/** A stand-in for lines without a product; it is never synchronised. */
export const formsOf = (
  pair: Pair,
  system: System,
  record: Fields,
  nameOf: NameOf,
): ReadonlyMap<string, string> =>
  new Map(rowsOf[pair].map((row: Row) => [row.id, formOf(row, system, record, nameOf)]));
