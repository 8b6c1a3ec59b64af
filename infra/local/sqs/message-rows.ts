import type { DatabaseSync } from 'node:sqlite';

/** One message of one queue. Times are milliseconds since 1970. */
export interface StoredMessage {
  /** Grows with every message of every queue, over restarts too. */
  readonly seq: number;
  readonly queue: number;
  readonly messageId: string;
  readonly groupId: string | null;
  readonly dedupId: string | null;
  readonly body: string;
  readonly bodyMd5: string;
  /** JSON of the message attributes as they were sent. */
  readonly attributes: string;
  readonly trace: string | null;
  readonly sentAt: number;
  /** In the future: in flight when there is a receipt, else delayed. */
  readonly visibleAt: number;
  /** The token of the last receive in this queue. */
  readonly receipt: string | null;
  readonly receives: number;
  /** How often it was received in the queues that it was dead-lettered from. */
  readonly receivesBefore: number;
  readonly firstReceivedAt: number | null;
  /** The queue that it was dead-lettered from. */
  readonly sourceArn: string | null;
}

/** What a new row holds; the rest begins empty. */
type NewMessage = Omit<StoredMessage, 'seq' | 'receipt' | 'receives' | 'firstReceivedAt'>;

interface MessageCounts {
  readonly visible: number;
  readonly inFlight: number;
  readonly delayed: number;
}

export interface MessageRows {
  readonly insert: (message: NewMessage) => number;
  readonly find: (seq: number) => StoredMessage | undefined;
  readonly remove: (seq: number) => void;
  readonly received: (seq: number, receipt: string, visibleAt: number, now: number) => void;
  readonly setVisibleAt: (seq: number, visibleAt: number) => void;
  /** Visible messages of a standard queue, those that wait longest first. */
  readonly visible: (queue: number, now: number, limit: number) => readonly StoredMessage[];
  /** Groups of a FIFO queue with a deliverable head, those that wait longest first. */
  readonly readyGroups: (queue: number, now: number, limit: number) => readonly string[];
  /** The first messages of a group in order, whether visible or not. */
  readonly firstOfGroup: (queue: number, groupId: string, limit: number) => readonly StoredMessage[];
  /** Must follow every change of a message of a FIFO group, else the group stays locked or open. */
  readonly refreshGroup: (queue: number, groupId: string) => void;
  readonly expired: (queue: number, sentBefore: number, limit: number) => readonly StoredMessage[];
  /** Visible messages of groups that are not locked, in order, after `afterSeq` and up to `lastSeq`. */
  readonly movable: (span: MovableSpan) => readonly StoredMessage[];
  readonly purge: (queue: number) => void;
  readonly counts: (queue: number, now: number) => MessageCounts;
  /** When the next message becomes deliverable by time alone. */
  readonly nextDue: (queue: number, fifo: boolean, now: number) => number | undefined;
  /** Ends every visibility time-out. */
  readonly releaseAll: (now: number) => void;
}

interface MovableSpan {
  readonly queue: number;
  readonly fifo: boolean;
  readonly afterSeq: number;
  readonly lastSeq: number;
  readonly now: number;
  readonly limit: number;
}

const newColumns = [
  'queue',
  'messageId',
  'groupId',
  'dedupId',
  'body',
  'bodyMd5',
  'attributes',
  'trace',
  'sentAt',
  'visibleAt',
  'receivesBefore',
  'sourceArn',
] as const satisfies readonly (keyof NewMessage)[];

const insertSql = `INSERT INTO messages (${newColumns.join(', ')}) VALUES (${newColumns.map(() => '?').join(', ')})`;

// A group is ready once its head is visible and none of its messages is in flight.
const refreshSql = `INSERT OR REPLACE INTO groups (queue, groupId, head, readyAt)
  SELECT queue, groupId, seq, max(visibleAt, coalesce(
    (SELECT max(visibleAt) FROM messages WHERE queue = ?1 AND groupId = ?2 AND receipt IS NOT NULL), 0))
  FROM messages WHERE queue = ?1 AND groupId = ?2 ORDER BY seq LIMIT 1`;

const movableSql = `SELECT * FROM messages AS m
  WHERE queue = ?1 AND seq > ?2 AND seq <= ?3 AND visibleAt <= ?4 AND (?5 = 0 OR NOT EXISTS (
    SELECT 1 FROM messages WHERE queue = ?1 AND groupId = m.groupId AND receipt IS NOT NULL AND visibleAt > ?4))
  ORDER BY seq LIMIT ?6`;

export function messageRows(db: DatabaseSync): MessageRows {
  return { ...singleRows(db), ...deliverableRows(db), ...wholeQueue(db) };
}

function singleRows(db: DatabaseSync) {
  const insert = db.prepare(insertSql);
  const find = db.prepare('SELECT * FROM messages WHERE seq = ?');
  const remove = db.prepare('DELETE FROM messages WHERE seq = ?');
  const received = db.prepare(`UPDATE messages SET receipt = ?, visibleAt = ?, receives = receives + 1,
    firstReceivedAt = coalesce(firstReceivedAt, ?) WHERE seq = ?`);
  const setVisibleAt = db.prepare('UPDATE messages SET visibleAt = ? WHERE seq = ?');
  return {
    insert: (message) => Number(insert.run(...newColumns.map((column) => message[column])).lastInsertRowid),
    find: (seq) => find.get(seq) as StoredMessage | undefined,
    remove: (seq) => void remove.run(seq),
    received: (seq, receipt, visibleAt, now) => void received.run(receipt, visibleAt, now, seq),
    setVisibleAt: (seq, visibleAt) => void setVisibleAt.run(visibleAt, seq),
  } satisfies Partial<MessageRows>;
}

function deliverableRows(db: DatabaseSync) {
  const visible = db.prepare(
    'SELECT * FROM messages WHERE queue = ? AND visibleAt <= ? ORDER BY visibleAt, seq LIMIT ?',
  );
  const ready = db.prepare(
    'SELECT groupId FROM groups WHERE queue = ? AND readyAt <= ? ORDER BY readyAt, head LIMIT ?',
  );
  const first = db.prepare('SELECT * FROM messages WHERE queue = ? AND groupId = ? ORDER BY seq LIMIT ?');
  const refresh = db.prepare(refreshSql);
  const removeGroup = db.prepare('DELETE FROM groups WHERE queue = ? AND groupId = ?');
  const movable = db.prepare(movableSql);
  return {
    visible: (queue, now, limit) => rows(visible.all(queue, now, limit)),
    readyGroups: (queue, now, limit) => ready.all(queue, now, limit).map(({ groupId }) => String(groupId)),
    firstOfGroup: (queue, groupId, limit) => rows(first.all(queue, groupId, limit)),
    refreshGroup(queue, groupId) {
      if (refresh.run(queue, groupId).changes === 0) removeGroup.run(queue, groupId);
    },
    movable: ({ queue, fifo, afterSeq, lastSeq, now, limit }) =>
      rows(movable.all(queue, afterSeq, lastSeq, now, Number(fifo), limit)),
  } satisfies Partial<MessageRows>;
}

function wholeQueue(db: DatabaseSync) {
  const expired = db.prepare('SELECT * FROM messages WHERE queue = ? AND sentAt <= ? LIMIT ?');
  const purgeMessages = db.prepare('DELETE FROM messages WHERE queue = ?');
  const purgeGroups = db.prepare('DELETE FROM groups WHERE queue = ?');
  const visible = db.prepare('SELECT count(*) AS n FROM messages WHERE queue = ? AND visibleAt <= ?');
  const later = db.prepare('SELECT count(*) AS n FROM messages WHERE queue = ? AND visibleAt > ?');
  const inFlight = db.prepare(
    'SELECT count(*) AS n FROM messages WHERE queue = ? AND receipt IS NOT NULL AND visibleAt > ?',
  );
  const dueMessage = db.prepare('SELECT min(visibleAt) AS n FROM messages WHERE queue = ? AND visibleAt > ?');
  const dueGroup = db.prepare('SELECT min(readyAt) AS n FROM groups WHERE queue = ? AND readyAt > ?');
  return {
    expired: (queue, sentBefore, limit) => rows(expired.all(queue, sentBefore, limit)),
    purge(queue) {
      purgeMessages.run(queue);
      purgeGroups.run(queue);
    },
    counts(queue, now) {
      const flying = Number(inFlight.get(queue, now)?.n);
      return {
        visible: Number(visible.get(queue, now)?.n),
        inFlight: flying,
        delayed: Number(later.get(queue, now)?.n) - flying,
      };
    },
    nextDue(queue, fifo, now) {
      const due = (fifo ? dueGroup : dueMessage).get(queue, now)?.n;
      return typeof due === 'number' ? due : undefined;
    },
    releaseAll(now) {
      db.prepare('UPDATE messages SET visibleAt = ?1 WHERE receipt IS NOT NULL AND visibleAt > ?1').run(now);
      db.prepare(
        'UPDATE groups SET readyAt = ?1 WHERE readyAt > ?1 AND head IN (SELECT seq FROM messages WHERE visibleAt <= ?1)',
      ).run(now);
    },
  } satisfies Partial<MessageRows>;
}

const rows = (found: readonly unknown[]): readonly StoredMessage[] => found as readonly StoredMessage[];
