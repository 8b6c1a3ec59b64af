import * as z from 'zod';
import { type CrmRecord, checkQuery, defaultLimit, type ListQuery, type RecordType } from './contract.ts';
import { ProblemError } from './problem.ts';
import { type Filters, type Place, searchedOf } from './record-rows.ts';
import type { Store } from './store.ts';

export interface Page {
  readonly data: readonly CrmRecord[];
  readonly next_cursor: string | null;
}

/** The contract allows this many ids in one query. */
const idsLimit = 100;

const cursorSchema = z.object({
  type: z.string(),
  query: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  after: z.object({ number: z.int(), updatedAt: z.int(), id: z.string() }),
});

/** One page of a list as it is, or as it was at `at` (milliseconds since 1970). @throws ProblemError 400. */
export function readPage(
  store: Store,
  type: RecordType,
  raw: Readonly<Record<string, string>>,
  at?: number,
): Page {
  const { cursor, ...given } = checkQuery(type, raw);
  const first = cursor === undefined ? undefined : readCursor(type, cursor, given);
  const query = first ? { ...first.query, ...given } : given;
  const limit = query.limit ?? defaultLimit;
  const rows = store.records.list(type, filtersOf(type, query), limit + 1, first?.after, at);
  const shown = rows.slice(0, limit);
  const last = rows.length > limit ? shown.at(-1) : undefined;
  return {
    data: shown.map(({ record }) => record),
    next_cursor: last ? writeCursor(type, query, last.place) : null,
  };
}

function filtersOf(type: RecordType, query: ListQuery): Filters {
  const ids = query.ids?.split(',').filter(Boolean);
  if (ids && (ids.length === 0 || ids.length > idsLimit))
    throw new ProblemError(400, `ids holds ${ids.length} ids; from 1 to ${idsLimit} are allowed`);
  return {
    updatedSince: query.updatedSince === undefined ? undefined : Date.parse(query.updatedSince),
    includeDeleted: query.includeDeleted,
    ids,
    searched: searchedOf(type, query.email ?? query.name ?? query.orderNumber),
    customerId: query.customerId,
    externalId: query.externalId,
  };
}

const writeCursor = (type: RecordType, query: ListQuery, after: Place): string =>
  Buffer.from(JSON.stringify({ type, query, after })).toString('base64url');

/** A filter beside a cursor must be the one that the cursor carries: another one would be ignored in silence. */
function readCursor(type: RecordType, cursor: string, given: ListQuery): { query: ListQuery; after: Place } {
  const parsed = cursorSchema.safeParse(jsonOf(Buffer.from(cursor, 'base64url').toString()));
  if (!parsed.success || parsed.data.type !== type)
    throw new ProblemError(400, 'cursor is not one of this list');
  const { query, after } = parsed.data;
  for (const [name, value] of Object.entries(given)) {
    if (name !== 'limit' && query[name] !== value)
      throw new ProblemError(400, `${name} differs from the filter of the first page`);
  }
  return { query, after };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
