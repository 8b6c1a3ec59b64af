import { DatabaseSync } from 'node:sqlite';
import { type DedupRows, dedupRows } from './dedup-rows.ts';
import { type MessageRows, messageRows } from './message-rows.ts';
import { type MoveTaskRows, moveTaskRows } from './move-task-rows.ts';
import type { Attributes } from './queue-attributes.ts';

export interface Queue {
  readonly id: number;
  readonly name: string;
  readonly arn: string;
  readonly fifo: boolean;
  readonly attributes: Attributes;
  readonly tags: Attributes;
  /** Milliseconds since 1970, like all times of the store. */
  readonly createdAt: number;
  readonly modifiedAt: number;
  readonly purgedAt: number;
}

export interface Store {
  readonly messages: MessageRows;
  readonly dedup: DedupRows;
  readonly moveTasks: MoveTaskRows;
  readonly queues: QueueRows;
  /** Runs `work` as one transaction: all of it is kept, or nothing. */
  readonly atomically: <T>(work: () => T) => T;
  readonly close: () => void;
}

interface QueueRows {
  readonly all: () => readonly Queue[];
  readonly insert: (queue: Omit<Queue, 'id'>) => Queue;
  readonly save: (queue: Queue) => void;
  /** Removes the queue with everything that belongs to it. */
  readonly remove: (id: number) => void;
}

// The body comes last, so that reading the other columns never walks through a long one.
const schema = `
CREATE TABLE IF NOT EXISTS queues (
  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, arn TEXT NOT NULL, fifo INTEGER NOT NULL,
  attributes TEXT NOT NULL, tags TEXT NOT NULL, createdAt INTEGER NOT NULL, modifiedAt INTEGER NOT NULL,
  purgedAt INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS messages (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, queue INTEGER NOT NULL, visibleAt INTEGER NOT NULL, receipt TEXT,
  receives INTEGER NOT NULL DEFAULT 0, receivesBefore INTEGER NOT NULL DEFAULT 0, firstReceivedAt INTEGER,
  messageId TEXT NOT NULL, groupId TEXT, dedupId TEXT, sentAt INTEGER NOT NULL, sourceArn TEXT, trace TEXT,
  bodyMd5 TEXT NOT NULL, attributes TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS messages_visible ON messages (queue, visibleAt);
CREATE INDEX IF NOT EXISTS messages_sent ON messages (queue, sentAt);
CREATE INDEX IF NOT EXISTS messages_group ON messages (queue, groupId) WHERE groupId IS NOT NULL;
CREATE INDEX IF NOT EXISTS messages_received ON messages (queue, groupId, visibleAt) WHERE receipt IS NOT NULL;
CREATE TABLE IF NOT EXISTS groups (
  queue INTEGER NOT NULL, groupId TEXT NOT NULL, head INTEGER NOT NULL, readyAt INTEGER NOT NULL,
  PRIMARY KEY (queue, groupId)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS groups_ready ON groups (queue, readyAt, head);
CREATE TABLE IF NOT EXISTS dedup (
  queue INTEGER NOT NULL, scope TEXT NOT NULL, dedupId TEXT NOT NULL, messageId TEXT NOT NULL,
  seq INTEGER NOT NULL, expiresAt INTEGER NOT NULL, PRIMARY KEY (queue, scope, dedupId)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS dedup_expiry ON dedup (expiresAt);
CREATE TABLE IF NOT EXISTS moveTasks (
  id INTEGER PRIMARY KEY AUTOINCREMENT, handle TEXT NOT NULL UNIQUE, source INTEGER NOT NULL, sourceArn TEXT NOT NULL,
  destinationArn TEXT, perSecond INTEGER, status TEXT NOT NULL, moved INTEGER NOT NULL, toMove INTEGER NOT NULL,
  lastSeq INTEGER NOT NULL, startedAt INTEGER NOT NULL, failure TEXT);
CREATE INDEX IF NOT EXISTS moveTasks_source ON moveTasks (source);
`;

/** Opens, or makes, the SQLite file at `path`; `:memory:` keeps nothing. @throws when another server has it open. */
export function openStore(path: string): Store {
  const db = new DatabaseSync(path);
  // One server owns the file: a second one would hand out the same messages. A commit reaches the operating system
  // before it is acknowledged, so it outlives this process (kill -9), though perhaps not a power cut.
  db.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;');
  db.exec(schema);
  const begin = db.prepare('BEGIN IMMEDIATE');
  const commit = db.prepare('COMMIT');
  return {
    messages: messageRows(db),
    dedup: dedupRows(db),
    moveTasks: moveTaskRows(db),
    queues: queueRows(db),
    atomically(work) {
      begin.run();
      try {
        const result = work();
        commit.run();
        return result;
      } catch (error) {
        if (db.isTransaction) db.exec('ROLLBACK');
        throw error;
      }
    },
    close: () => db.close(),
  };
}

function queueRows(db: DatabaseSync): QueueRows {
  const all = db.prepare('SELECT * FROM queues ORDER BY name');
  const insert =
    db.prepare(`INSERT INTO queues (name, arn, fifo, attributes, tags, createdAt, modifiedAt, purgedAt)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)`);
  const save = db.prepare(
    'UPDATE queues SET attributes = ?, tags = ?, modifiedAt = ?, purgedAt = ? WHERE id = ?',
  );
  const removals = [
    'DELETE FROM queues WHERE id = ?',
    'DELETE FROM messages WHERE queue = ?',
    'DELETE FROM groups WHERE queue = ?',
    'DELETE FROM dedup WHERE queue = ?',
    'DELETE FROM moveTasks WHERE source = ?',
  ].map((sql) => db.prepare(sql));
  return {
    all: () => all.all().map(toQueue),
    insert(queue) {
      const { name, arn, fifo, createdAt, modifiedAt, purgedAt } = queue;
      const texts = [JSON.stringify(queue.attributes), JSON.stringify(queue.tags)] as const;
      const { lastInsertRowid } = insert.run(
        ...[name, arn, Number(fifo), ...texts, createdAt, modifiedAt, purgedAt],
      );
      return { ...queue, id: Number(lastInsertRowid) };
    },
    save({ id, attributes, tags, modifiedAt, purgedAt }) {
      save.run(JSON.stringify(attributes), JSON.stringify(tags), modifiedAt, purgedAt, id);
    },
    remove(id) {
      for (const removal of removals) removal.run(id);
    },
  };
}

/** The row as {@link queueRows} wrote it. */
function toQueue(row: Record<string, unknown>): Queue {
  const stored = row as unknown as Omit<Queue, 'fifo' | 'attributes' | 'tags'> & {
    readonly fifo: number;
    readonly attributes: string;
    readonly tags: string;
  };
  return {
    ...stored,
    fifo: stored.fifo === 1,
    attributes: JSON.parse(stored.attributes) as Attributes,
    tags: JSON.parse(stored.tags) as Attributes,
  };
}
