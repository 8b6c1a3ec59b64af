import type { DatabaseSync } from 'node:sqlite';

/** A create that succeeded, as it was asked and answered. */
interface RememberedAnswer {
  readonly path: string;
  /** JSON. */
  readonly request: string;
  /** JSON. */
  readonly answer: string;
}

export interface AnswerRows {
  readonly find: (key: string) => RememberedAnswer | undefined;
  readonly save: (key: string, answer: RememberedAnswer) => void;
  readonly count: () => number;
  readonly clear: () => void;
}

/** The contract keeps answers for 24 hours. */
const keptMs = 24 * 60 * 60 * 1000;

export function answerRows(db: DatabaseSync): AnswerRows {
  db.exec(`CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, path TEXT NOT NULL, request TEXT NOT NULL, answer TEXT NOT NULL, savedAt INTEGER NOT NULL);
    CREATE INDEX IF NOT EXISTS answers_saved ON answers (savedAt);`);
  const find = db.prepare('SELECT path, request, answer FROM answers WHERE key = ? AND savedAt > ?');
  const save = db.prepare('INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?)');
  const forget = db.prepare('DELETE FROM answers WHERE savedAt <= ?');
  const count = db.prepare('SELECT count(*) AS n FROM answers');
  const oldest = () => Date.now() - keptMs;
  return {
    find: (key) => find.get(key, oldest()) as RememberedAnswer | undefined,
    save(key, { path, request, answer }) {
      forget.run(oldest());
      save.run(key, path, request, answer, Date.now());
    },
    count: () => Number(count.get()?.n),
    clear: () => db.exec('DELETE FROM answers'),
  };
}
