import { DatabaseSync } from 'node:sqlite';
import { type Kind, kinds, type Records } from './records.ts';

/** How long an older picture of a record is kept for reads that lag, ms. */
const historyMs = 5_000;

interface Version<T> {
  readonly since: number;
  readonly record: T;
}

export type Store = ReturnType<typeof openStore>;

/** Every record of the business: in memory for reading, in SQLite so that an answered mutation survives a killed process. */
export function openStore(path: string) {
  const db = new DatabaseSync(path);
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;');
  db.exec('CREATE TABLE IF NOT EXISTS records (kind TEXT, id TEXT, body TEXT, PRIMARY KEY (kind, id))');
  db.exec('CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER)');
  const write = db.prepare('INSERT OR REPLACE INTO records VALUES (?, ?, ?)');
  const count = db.prepare(
    'INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value RETURNING value',
  );
  const read = db.prepare('SELECT value FROM counters WHERE name = ?');
  const memory = Object.fromEntries(kinds.map((kind) => [kind, new Map()])) as {
    [K in Kind]: Map<string, Version<Records[K]>[]>;
  };
  for (const { kind, id, body } of db.prepare('SELECT * FROM records ORDER BY rowid').all())
    memory[kind as Kind].set(String(id), [{ since: 0, record: JSON.parse(String(body)) }]);

  const asOf = <T>(versions: readonly Version<T>[], time: number): T | undefined =>
    versions.findLast(({ since }) => since <= time)?.record;
  return {
    close: () => db.close(),
    /** The record as it was at `time`, deleted or not; undefined when it was not there yet. */
    find: <K extends Kind>(kind: K, id: string, time = Number.POSITIVE_INFINITY): Records[K] | undefined =>
      asOf((memory[kind].get(id) ?? []) as Version<Records[K]>[], time),
    all: <K extends Kind>(kind: K, time = Number.POSITIVE_INFINITY): readonly Records[K][] =>
      [...memory[kind].values()].flatMap((versions) => asOf(versions as Version<Records[K]>[], time) ?? []),
    put<K extends Kind>(kind: K, record: Records[K]): void {
      const now = Date.now();
      const versions = (memory[kind].get(record.id) ?? []) as Version<Records[K]>[];
      const first = versions.findLastIndex(({ since }) => since < now - historyMs);
      const kept = [...versions.slice(Math.max(0, first)), { since: now, record }];
      (memory[kind] as Map<string, Version<Records[K]>[]>).set(record.id, kept);
      write.run(kind, record.id, JSON.stringify(record));
    },
    /** Adds to a counter and answers its new value. */
    add: (name: string, amount = 1): number => Number(count.get(name, amount)?.value),
    counter: (name: string): number => Number(read.get(name)?.value ?? 0),
    clear(): void {
      for (const kind of kinds) memory[kind].clear();
      db.exec("DELETE FROM records; DELETE FROM counters WHERE name <> 'number'");
    },
  };
}
