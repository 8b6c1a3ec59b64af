import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import type { CrmRecord, RecordType } from './contract.ts';

/** The filters of a list; those that are absent let everything through. */
export interface Filters {
  /** Milliseconds since 1970, inclusive. Also orders the list by UpdatedAt, then Id; else it is in order of creation. */
  readonly updatedSince?: number | undefined;
  readonly includeDeleted?: boolean | undefined;
  readonly ids?: readonly string[] | undefined;
  /** What {@link searchedOf} answers for the records that are looked for. */
  readonly searched?: string | undefined;
  readonly customerId?: string | undefined;
  readonly externalId?: string | undefined;
}

/** Where a page ended. Milliseconds since 1970. */
export interface Place {
  readonly number: number;
  readonly updatedAt: number;
  readonly id: string;
}

interface Listed {
  readonly record: CrmRecord;
  readonly place: Place;
}

export interface RecordRows {
  /** The record as it is, or as it was at `at` (milliseconds since 1970, at most {@link memoryMs} ago). */
  readonly find: (type: RecordType, id: string, at?: number) => CrmRecord | undefined;
  readonly list: (
    type: RecordType,
    filters: Filters,
    limit: number,
    after: Place | undefined,
    at?: number,
  ) => readonly Listed[];
  readonly insert: (type: RecordType, number: number, record: CrmRecord) => void;
  /** Replaces the record of that type and Id, and remembers for a while how it was. */
  readonly save: (type: RecordType, record: CrmRecord) => void;
  /** Every record, deleted ones included, in order of creation. */
  readonly all: (type: RecordType) => readonly CrmRecord[];
  readonly clear: () => void;
}

/** How long replaced versions are remembered, for reads that lag. */
const memoryMs = 3_000;

const columns = 'number, type, id, updatedAt, deleted, searched, customerId, externalId, body';
const shape = `number INTEGER NOT NULL, type TEXT NOT NULL, id TEXT NOT NULL, updatedAt INTEGER NOT NULL, deleted INTEGER NOT NULL,
  searched TEXT, customerId TEXT, externalId TEXT, body TEXT NOT NULL`;
const schema = `
CREATE TABLE IF NOT EXISTS records (${shape}, PRIMARY KEY (type, id));
CREATE INDEX IF NOT EXISTS records_number ON records (type, number);
CREATE INDEX IF NOT EXISTS records_updated ON records (type, updatedAt, id);
CREATE INDEX IF NOT EXISTS records_searched ON records (type, searched);
CREATE INDEX IF NOT EXISTS records_customer ON records (type, customerId) WHERE customerId IS NOT NULL;
CREATE INDEX IF NOT EXISTS records_external ON records (type, externalId) WHERE externalId IS NOT NULL;
CREATE TEMP TABLE past (${shape}, replacedAt INTEGER NOT NULL);
CREATE INDEX temp.past_replaced ON past (replacedAt);
`;
/** The table as it was: what has not changed since, and what was replaced since. */
const lagging = `(SELECT ${columns} FROM records WHERE updatedAt <= $at
  UNION ALL SELECT ${columns} FROM past WHERE updatedAt <= $at AND replacedAt > $at)`;

/** What a record is looked up by: a customer by e-mail, a product by name (both whatever the case), an order by number. */
export function searchedOf(type: RecordType, value: unknown): string | undefined {
  if (typeof value !== 'string') return undefined;
  return type === 'order' ? value : value.toLowerCase();
}

export function recordRows(db: DatabaseSync): RecordRows {
  db.exec(schema);
  const insert = db.prepare(
    `INSERT INTO records (${columns}) VALUES ($number, $type, $id, $updatedAt, $deleted, $searched, $customerId, $externalId, $body)`,
  );
  const update =
    db.prepare(`UPDATE records SET updatedAt = $updatedAt, deleted = $deleted, searched = $searched,
    customerId = $customerId, externalId = $externalId, body = $body WHERE type = $type AND id = $id`);
  const remember = db.prepare(
    `INSERT INTO past SELECT ${columns}, $replacedAt FROM records WHERE type = $type AND id = $id`,
  );
  const forget = db.prepare('DELETE FROM past WHERE replacedAt < ?');
  const findNow = db.prepare('SELECT body FROM records WHERE type = $type AND id = $id');
  const findThen = db.prepare(`SELECT body FROM ${lagging} WHERE type = $type AND id = $id`);
  const all = db.prepare('SELECT body FROM records WHERE type = ? ORDER BY number');
  return {
    find(type, id, at) {
      const row = at === undefined ? findNow.get({ type, id }) : findThen.get({ type, id, at });
      return row && recordOf(row);
    },
    list(type, filters, limit, after, at) {
      const { sql, values } = listQuery(type, filters, limit, after, at);
      return db
        .prepare(sql)
        .all(values)
        .map((row) => ({
          record: recordOf(row),
          place: { number: Number(row.number), updatedAt: Number(row.updatedAt), id: String(row.id) },
        }));
    },
    insert: (type, number, record) => {
      insert.run({ number, ...rowOf(type, record) });
    },
    save(type, record) {
      const row = rowOf(type, record);
      forget.run(Date.now() - memoryMs);
      remember.run({ type, id: record.Id, replacedAt: row.updatedAt });
      update.run(row);
    },
    all: (type) => all.all(type).map(recordOf),
    clear: () => db.exec('DELETE FROM records; DELETE FROM past;'),
  };
}

function listQuery(
  type: RecordType,
  { updatedSince, includeDeleted, ids, searched, customerId, externalId }: Filters,
  limit: number,
  after: Place | undefined,
  at: number | undefined,
): { sql: string; values: Record<string, SQLInputValue> } {
  const byTime = updatedSince !== undefined;
  const conditions: readonly (readonly [string, Readonly<Record<string, SQLInputValue>>])[] = [
    ['type = $type', { type }],
    ...(includeDeleted ? [] : [['deleted = 0', {}] as const]),
    ...(byTime ? [['updatedAt >= $since', { since: updatedSince }] as const] : []),
    ...(ids ? [['id IN (SELECT value FROM json_each($ids))', { ids: JSON.stringify(ids) }] as const] : []),
    ...(searched === undefined ? [] : [['searched = $searched', { searched }] as const]),
    ...(customerId === undefined ? [] : [['customerId = $customerId', { customerId }] as const]),
    ...(externalId === undefined ? [] : [['externalId = $externalId', { externalId }] as const]),
    ...(after ? [afterPlace(after, byTime)] : []),
  ];
  const where = conditions.map(([sql]) => sql).join(' AND ');
  const order = byTime ? 'updatedAt, id' : 'number';
  return {
    sql: `SELECT number, id, updatedAt, body FROM ${at === undefined ? 'records' : lagging} WHERE ${where} ORDER BY ${order} LIMIT $limit`,
    values: Object.assign({ limit }, at === undefined ? {} : { at }, ...conditions.map(([, given]) => given)),
  };
}

const afterPlace = ({ number, updatedAt, id }: Place, byTime: boolean) =>
  byTime
    ? (['(updatedAt, id) > ($afterTime, $afterId)', { afterTime: updatedAt, afterId: id }] as const)
    : (['number > $afterNumber', { afterNumber: number }] as const);

function rowOf(type: RecordType, record: CrmRecord) {
  const { Email, Name, OrderNumber, CustomerId, ExternalId } = record;
  const searched = { customer: Email, product: Name, order: OrderNumber }[type];
  return {
    type,
    id: record.Id,
    updatedAt: Date.parse(record.UpdatedAt),
    deleted: record.DeletedAt === null ? 0 : 1,
    searched: searchedOf(type, searched) ?? null,
    customerId: typeof CustomerId === 'string' ? CustomerId : null,
    externalId: typeof ExternalId === 'string' && ExternalId !== '' ? ExternalId : null,
    body: JSON.stringify(record),
  };
}

const recordOf = (row: Record<string, unknown>): CrmRecord => JSON.parse(String(row.body)) as CrmRecord;
