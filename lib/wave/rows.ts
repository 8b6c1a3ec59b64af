import type { Pair } from '../domain/record.ts';
import { RemoteUnavailableError } from '../errors.ts';
import type { ListPage, Unreadable } from '../sync/ports.ts';
import type { WaveAnswer, WaveError } from './answer.ts';
import { hasMore, type PageInfo, placesOf } from './pages.ts';
import { snapshotOf } from './snapshot.ts';

// The rows of Wave's lists. A row with an error under its path was not read; it must not keep the others from being read.

export const listOf = { customer: 'customers', product: 'products', order: 'invoices' } as const;

/** What Wave shows of a row that it does not show whole. */
interface Row {
  readonly id?: string | undefined;
  readonly modifiedAt?: string | undefined;
}
type Lists = Readonly<Partial<Record<string, unknown>>>;

/** A page of which a row was not read; so many before it were. */
export class RowNotReadError extends RemoteUnavailableError {
  readonly pair: Pair;
  readonly pageSize: number;
  readonly before: number;
  /** What Wave shows of it beside the error. */
  readonly row: Row;
  /** Its properties that Wave does not show. */
  readonly parts: readonly string[];
  constructor(
    pair: Pair,
    { pageSize, before }: { readonly pageSize: number; readonly before: number },
    row: Row,
    parts: readonly string[],
  ) {
    super('wave', `a row of ${listOf[pair]} was not read`);
    this.pair = pair;
    this.pageSize = pageSize;
    this.before = before;
    this.row = row;
    this.parts = parts;
  }
}

/**
 * One page of each of these lists. @throws RowNotReadError for the first row that was not read, RemoteUnavailableError when it is more
 * than rows: then nothing of the answer is believed.
 */
export function rowsOf(
  {
    data,
    errors,
  }: Pick<WaveAnswer<{ readonly business: (Lists & { readonly id: string }) | null }>, 'data' | 'errors'>,
  businessId: string,
  asked: readonly Pair[],
  pageSize: number,
): Readonly<Partial<Record<Pair, ListPage & { readonly places: number }>>> {
  const business = data?.business;
  const rows = errors.map((error) => rowOf(error, asked));
  if (business?.id !== businessId || rows.includes(undefined))
    throw new RemoteUnavailableError('wave', 'a list was not read completely');
  return Object.fromEntries(
    asked.map((pair) => {
      const list = business[listOf[pair]] as
        | {
            readonly edges?: readonly ({ readonly node: Row | null } | null)[] | null;
            readonly pageInfo?: PageInfo | null;
          }
        | null
        | undefined;
      const failed = rows.flatMap((row) => (row?.pair === pair ? [row] : []));
      // No list is no empty list, also where no error says why: from what is missing in it, new records follow.
      if (!list?.edges && failed.length === 0)
        throw new RemoteUnavailableError('wave', 'a list was not read completely');
      const edges = list?.edges ?? [];
      const snapshots = edges.map((edge) => snapshotOf(pair, edge?.node));
      const holes = [
        ...failed.map(({ index }) => index),
        ...snapshots.flatMap((each, index) => (each ? [] : [index])),
      ];
      if (holes.length > 0) {
        const before = Math.min(...holes);
        const parts = failed.flatMap(({ index, part }) => (index === before && part ? [part] : []));
        throw new RowNotReadError(pair, { pageSize, before }, edges[before]?.node ?? {}, parts);
      }
      const page = { rows: edges, pageInfo: list?.pageInfo };
      const full = hasMore(page, pageSize);
      const places = placesOf(page, pageSize);
      return [pair, { snapshots: snapshots.flatMap((each) => each ?? []), full, places }];
    }),
  );
}

/** Which row of these lists an error is about, and which part of it; undefined when it is about more than one row. */
function rowOf({ path }: WaveError, asked: readonly Pair[]) {
  const [root, name, edges, index, , ...part] = path ?? [];
  const pair = asked.find((each) => listOf[each] === name);
  const isRow = root === 'business' && edges === 'edges' && /^\d+$/.test(String(index));
  if (!pair || !isRow) return undefined;
  return { pair, index: Number(index), part: part.filter((each) => !/^\d+$/.test(String(each))).join('.') };
}

/** @param named what Wave shows of it @param place what stands for its id where Wave shows none */
export function unreadable(
  { pair, parts }: RowNotReadError,
  named: Row | null | undefined,
  place: string,
): Unreadable {
  return {
    state: 'unreadable',
    ref: { system: 'wave', pair, id: named?.id ?? place },
    isNamed: named?.id !== undefined,
    because: `Wave does not show ${[...new Set(parts)].join(', ') || 'a part of it'}`,
    modifiedAt: Date.parse(named?.modifiedAt ?? '') || 0,
  };
}
