import type { DatabaseSync } from 'node:sqlite';

/** Which de-duplication ids were accepted in the last five minutes, kept even after the message is deleted. */
export interface DedupRows {
  readonly find: (queue: number, scope: string, dedupId: string, now: number) => Sent | undefined;
  readonly remember: (queue: number, scope: string, dedupId: string, sent: Sent, expiresAt: number) => void;
  readonly forget: (now: number) => void;
}

interface Sent {
  readonly messageId: string;
  readonly seq: number;
}

export function dedupRows(db: DatabaseSync): DedupRows {
  const find = db.prepare(
    'SELECT messageId, seq FROM dedup WHERE queue = ? AND scope = ? AND dedupId = ? AND expiresAt > ?',
  );
  const remember = db.prepare(`INSERT OR REPLACE INTO dedup (queue, scope, dedupId, messageId, seq, expiresAt)
    VALUES (?, ?, ?, ?, ?, ?)`);
  const forget = db.prepare('DELETE FROM dedup WHERE expiresAt <= ?');
  return {
    find: (queue, scope, dedupId, now) => find.get(queue, scope, dedupId, now) as Sent | undefined,
    remember: (queue, scope, dedupId, { messageId, seq }, expiresAt) =>
      void remember.run(queue, scope, dedupId, messageId, seq, expiresAt),
    forget: (now) => void forget.run(now),
  };
}
