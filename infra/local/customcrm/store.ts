import { DatabaseSync } from 'node:sqlite';
import { type AnswerRows, answerRows } from './answer-rows.ts';
import { type RecordRows, recordRows } from './record-rows.ts';
import { type SubscriptionRows, subscriptionRows } from './subscription-rows.ts';

/** `id` numbers everything that gets an id; ids are never used twice, not even after a reset. */
type Counter = 'id' | 'orderNumber' | 'writes';

interface Counters {
  readonly read: (name: Counter) => number;
  /** The next number. */
  readonly next: (name: Counter) => number;
  /** Never lets the counter fall below `least`. */
  readonly raise: (name: Counter, least: number) => void;
}

export interface Store {
  readonly records: RecordRows;
  readonly answers: AnswerRows;
  readonly subscriptions: SubscriptionRows;
  readonly counters: Counters;
  /** Runs `work` as one transaction: all of it is kept, or nothing. */
  readonly atomically: <T>(work: () => T) => T;
  /** Forgets every record, answer, write and subscription; the one whose id is `kept` stays. */
  readonly reset: (kept: string) => void;
  readonly close: () => void;
}

/** Opens, or makes, the SQLite file at `path`; `:memory:` keeps nothing. @throws when another server has it open. */
export function openStore(path: string): Store {
  const db = new DatabaseSync(path);
  // A commit reaches the operating system before it is answered, so it outlives this process (kill -9).
  db.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;');
  db.exec('PRAGMA temp_store = MEMORY;');
  const records = recordRows(db);
  const answers = answerRows(db);
  const subscriptions = subscriptionRows(db);
  const counters = countersOf(db);
  function atomically<T>(work: () => T): T {
    db.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      db.exec('COMMIT');
      return result;
    } catch (error) {
      if (db.isTransaction) db.exec('ROLLBACK');
      throw error;
    }
  }
  return {
    records,
    answers,
    subscriptions,
    counters,
    atomically,
    reset: (kept) =>
      atomically(() => {
        records.clear();
        answers.clear();
        subscriptions.clear(kept);
        db.exec("DELETE FROM counters WHERE name = 'writes'");
      }),
    close: () => db.close(),
  };
}

/** The first order number is SO-1001. */
const beforeFirst: Readonly<Record<Counter, number>> = { id: 0, orderNumber: 1000, writes: 0 };

function countersOf(db: DatabaseSync): Counters {
  db.exec(
    'CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID',
  );
  const find = db.prepare('SELECT value FROM counters WHERE name = ?');
  const save = db.prepare('INSERT OR REPLACE INTO counters (name, value) VALUES (?, ?)');
  const read = (name: Counter) => Number(find.get(name)?.value ?? beforeFirst[name]);
  return {
    read,
    next(name) {
      const value = read(name) + 1;
      save.run(name, value);
      return value;
    },
    raise: (name, least) => {
      if (read(name) < least) save.run(name, least);
    },
  };
}
