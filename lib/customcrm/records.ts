import DataLoader from 'dataloader';
import type { Body, Pair, Snapshot } from '../domain/record.ts';
import { RemoteOutcomeUnknownError, RemoteUnavailableError } from '../errors.ts';
import type { Call, Change, Reading, Records, Unreadable } from '../sync/ports.ts';
import type { CustomcrmClient } from './client.ts';
import { pageSchema, recordSchemas } from './schema.ts';

/** Rows of one page of a list; the contract allows 200. */
const pageSize = 200;
/** Ids of one `ids=` query; the contract allows 100. */
const idsLimit = 100;
const paths = { customer: 'customers', product: 'products', order: 'orders' } as const;

/**
 * The records of a CRM that keeps the contract in docs/customcrm-openapi.yaml.
 * @param wait resolves when a read has waited long enough for others to share a query with; without it, those of one tick do.
 */
export function customcrmRecords(
  client: CustomcrmClient,
  { wait }: { readonly wait?: () => Promise<void> } = {},
): Records {
  const loader = readLoader(client, wait);
  return {
    system: 'customcrm',
    read: (pair, id, call) => loader.load({ pair, id, call }),
    async create(pair, body, key, call) {
      const answer = await client(
        { method: 'POST', path: paths[pair], body, headers: { 'idempotency-key': key } },
        call,
      );
      return snapshotOf(pair, answer.body) ?? unreadable();
    },
    async update(pair, current, next, changed, call) {
      const properties = new Set(changed.map((path) => path.split('.')[0] ?? path));
      const patch = Object.fromEntries([...properties].map((property) => [property, next[property] ?? null]));
      const headers = current.version === undefined ? {} : { 'if-match': `"${current.version}"` };
      const answer = await client(
        { method: 'PATCH', path: `${paths[pair]}/${encodeURIComponent(current.id)}`, body: patch, headers },
        call,
      );
      return snapshotOf(pair, answer.body) ?? unreadable();
    },
    async remove(pair, current, call) {
      const headers = current.version === undefined ? {} : { 'if-match': `"${current.version}"` };
      await client(
        { method: 'DELETE', path: `${paths[pair]}/${encodeURIComponent(current.id)}`, headers },
        call,
      );
    },
    async changedSince(pair, since, cursor, call) {
      const query =
        cursor === undefined
          ? { updatedSince: new Date(since).toISOString(), includeDeleted: true, limit: pageSize }
          : { cursor, limit: pageSize };
      const page = await readPage(client, pair, query, call);
      return { changes: page.rows.map((row) => listed(pair, row)), next: page.next, date: page.date };
    },
  };
}

const unreadable = (): never => {
  throw new RemoteOutcomeUnknownError('customcrm', 'the answer does not hold the record');
};

interface ReadKey {
  readonly pair: Pair;
  readonly id: string;
  readonly call: Call;
}

/** Reads that are asked for at the same time share one `ids=` query for each pair. Nothing is cached. */
function readLoader(
  client: CustomcrmClient,
  wait: (() => Promise<void>) | undefined,
): DataLoader<ReadKey, Reading> {
  return new DataLoader<ReadKey, Reading>(
    async (keys) => {
      const readings = new Map<ReadKey, Reading | Error>();
      await Promise.all(
        (['customer', 'product', 'order'] as const).map(async (pair) => {
          const own = keys.filter((key) => key.pair === pair);
          const found = await readMany(client, pair, own).catch((error: Error) => error);
          for (const key of own) readings.set(key, found instanceof Error ? found : found(key.id));
        }),
      );
      return keys.map((key) => readings.get(key) ?? { state: 'not-found' });
    },
    {
      cache: false,
      maxBatchSize: idsLimit,
      ...(wait && { batchScheduleFn: (send) => void wait().then(send) }),
    },
  );
}

/** What one query shows of each id. A row that breaks the contract is an error of its own record, not of the others. */
async function readMany(
  client: CustomcrmClient,
  pair: Pair,
  keys: readonly ReadKey[],
): Promise<(id: string) => Reading | Error> {
  const [first] = keys;
  const found = new Map<string, Reading | Error>();
  /** Which record a broken row is, nobody can tell: it may be any that is missing. */
  let missing: Reading | Error = { state: 'not-found' };
  const shown = (id: string) => found.get(id) ?? missing;
  if (!first) return shown;
  const ids = [...new Set(keys.map((key) => key.id))];
  const call = { ...first.call, deadline: Math.min(...keys.map((key) => key.call.deadline)) };
  if (ids.length === 1 || ids.some((id) => id.includes(','))) {
    for (const id of ids) found.set(id, await readOne(client, pair, id, call));
    return shown;
  }
  const query = { ids: ids.join(','), includeDeleted: true, limit: idsLimit };
  for (const row of (await readPage(client, pair, query, call)).rows) {
    try {
      const change = changeOf(pair, row);
      if (change.state === 'living') found.set(change.snapshot.id, change);
      else found.set(change.ref.id, { state: 'deleted', version: change.version });
    } catch (error) {
      const { Id: id } = (row ?? {}) as { readonly Id?: unknown };
      if (typeof id === 'string') found.set(id, error as Error);
      else missing = error as Error;
    }
  }
  return shown;
}

async function readOne(client: CustomcrmClient, pair: Pair, id: string, call: Call): Promise<Reading> {
  const answer = await client({ method: 'GET', path: `${paths[pair]}/${encodeURIComponent(id)}` }, call);
  if (answer.status === 404) return { state: 'not-found' };
  if (answer.status === 410) return deletionOf(client, pair, id, call);
  const change = changeOf(pair, answer.body);
  return change.state === 'living' ? change : { state: 'deleted', version: change.version };
}

/** HTTP 410 has no body, and may be a lagging replica's, from before the record was restored: only the list tells of which version it speaks. */
async function deletionOf(client: CustomcrmClient, pair: Pair, id: string, call: Call): Promise<Reading> {
  if (id.includes(',')) return { state: 'deleted' };
  const [row] = (await readPage(client, pair, { ids: id, includeDeleted: true, limit: 1 }, call)).rows;
  if (row === undefined) return { state: 'deleted' };
  const change = changeOf(pair, row);
  if (change.state === 'living')
    throw new RemoteUnavailableError('customcrm', 'a record is deleted by one answer, and there by another');
  return { state: 'deleted', version: change.version };
}

async function readPage(
  client: CustomcrmClient,
  pair: Pair,
  query: Readonly<Record<string, string | number | boolean>>,
  call: Call,
) {
  const answer = await client({ method: 'GET', path: paths[pair], query }, call);
  const page = pageSchema.safeParse(answer.body);
  if (!page.success)
    throw new RemoteUnavailableError('customcrm', `the list of ${paths[pair]} is not what the contract says`);
  return { rows: page.data.data, next: page.data.next_cursor ?? undefined, date: answer.date };
}

/** A row of a list that breaks the contract is told of by its id. @throws RemoteUnavailableError when it has none */
function listed(pair: Pair, row: unknown): Change {
  try {
    return changeOf(pair, row);
  } catch (error) {
    const { Id: id, UpdatedAt: stamp } = (row ?? {}) as {
      readonly Id?: unknown;
      readonly UpdatedAt?: unknown;
    };
    if (typeof id !== 'string' || id === '') throw error;
    return {
      state: 'unreadable',
      ref: { system: 'customcrm', pair, id },
      isNamed: true,
      because: `not what the contract says: ${faultsOf(pair, row)}`,
      modifiedAt: (typeof stamp === 'string' && Date.parse(stamp)) || 0,
    };
  }
}

/** @throws RemoteUnavailableError for a row that breaks the contract: it was not read, so nothing may be concluded from it. */
function changeOf(pair: Pair, row: unknown): Exclude<Change, Unreadable> {
  const snapshot = snapshotOf(pair, row);
  if (!snapshot)
    throw new RemoteUnavailableError(
      'customcrm',
      `a ${pair} is not what the contract says: ${faultsOf(pair, row)}`,
    );
  if (typeof snapshot.body.DeletedAt !== 'string') return { state: 'living', snapshot };
  return {
    state: 'deleted',
    ref: { system: 'customcrm', pair, id: snapshot.id },
    version: String(snapshot.version),
    modifiedAt: snapshot.modifiedAt,
  };
}

function snapshotOf(pair: Pair, row: unknown): Snapshot | undefined {
  const parsed = recordSchemas[pair].safeParse(row);
  if (!parsed.success) return undefined;
  const record = parsed.data;
  return {
    system: 'customcrm',
    pair,
    id: record.Id,
    body: record as Body,
    version: String(record.Version),
    createdAt: Date.parse(record.CreatedAt),
    modifiedAt: Date.parse(record.UpdatedAt),
  };
}

/** Which properties are wrong, never their values. */
function faultsOf(pair: Pair, row: unknown): string {
  const { error } = recordSchemas[pair].safeParse(row);
  return [...new Set(error?.issues.map((issue) => issue.path.join('.') || 'the record'))]
    .slice(0, 5)
    .join(', ');
}
