import type { DatabaseSync } from 'node:sqlite';

/** A redrive: messages of a dead-letter queue go back, or to another queue. */
export interface MoveTask {
  readonly id: number;
  readonly handle: string;
  /** The id of the queue that is emptied. */
  readonly source: number;
  readonly sourceArn: string;
  /** Null: every message returns to the queue that it came from. */
  readonly destinationArn: string | null;
  readonly perSecond: number | null;
  readonly status: 'RUNNING' | 'COMPLETED' | 'CANCELLED' | 'FAILED';
  readonly moved: number;
  readonly toMove: number;
  /** Messages that arrived later are not moved, so that the task ends. */
  readonly lastSeq: number;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  readonly failure: string | null;
}

export interface MoveTaskRows {
  /** Keeps the task and the nine before it. */
  readonly insert: (task: Omit<MoveTask, 'id'>) => MoveTask;
  readonly save: (task: MoveTask) => void;
  readonly find: (handle: string) => MoveTask | undefined;
  /** Newest first. */
  readonly ofSource: (source: number, limit: number) => readonly MoveTask[];
  readonly running: () => readonly MoveTask[];
  readonly newestSeq: (source: number) => number;
}

/** As many as `ListMessageMoveTasks` can show. */
const kept = 10;

export function moveTaskRows(db: DatabaseSync): MoveTaskRows {
  const insert = db.prepare(`INSERT INTO moveTasks
    (handle, source, sourceArn, destinationArn, perSecond, status, moved, toMove, lastSeq, startedAt, failure)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
  const prune = db.prepare(`DELETE FROM moveTasks WHERE source = ?1 AND id NOT IN (
    SELECT id FROM moveTasks WHERE source = ?1 ORDER BY id DESC LIMIT ?2)`);
  const save = db.prepare('UPDATE moveTasks SET status = ?, moved = ?, failure = ? WHERE id = ?');
  const find = db.prepare('SELECT * FROM moveTasks WHERE handle = ?');
  const ofSource = db.prepare('SELECT * FROM moveTasks WHERE source = ? ORDER BY id DESC LIMIT ?');
  const running = db.prepare("SELECT * FROM moveTasks WHERE status = 'RUNNING'");
  const newest = db.prepare('SELECT max(seq) AS n FROM messages WHERE queue = ?');
  return {
    insert(task) {
      const { handle, source, sourceArn, destinationArn, perSecond } = task;
      const { status, moved, toMove, lastSeq, startedAt, failure } = task;
      const { lastInsertRowid } = insert.run(
        ...[handle, source, sourceArn, destinationArn, perSecond],
        ...[status, moved, toMove, lastSeq, startedAt, failure],
      );
      prune.run(source, kept);
      return { ...task, id: Number(lastInsertRowid) };
    },
    save: ({ id, status, moved, failure }) => void save.run(status, moved, failure, id),
    find: (handle) => find.get(handle) as MoveTask | undefined,
    ofSource: (source, limit) => ofSource.all(source, limit) as readonly unknown[] as readonly MoveTask[],
    running: () => running.all() as readonly unknown[] as readonly MoveTask[],
    newestSeq: (source) => Number(newest.get(source)?.n ?? 0),
  };
}
