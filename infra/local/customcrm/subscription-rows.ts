import type { DatabaseSync } from 'node:sqlite';

export interface Subscription {
  readonly id: string;
  readonly url: string;
  /** Event types, such as `customer.created`. */
  readonly events: readonly string[];
  /** `whsec_<base64>`. */
  readonly secret: string;
  readonly status: 'active' | 'disabled';
  readonly description: string | undefined;
}

export interface SubscriptionRows {
  readonly all: () => readonly Subscription[];
  readonly find: (id: string) => Subscription | undefined;
  readonly save: (subscription: Subscription) => void;
  /** False when there was none. */
  readonly remove: (id: string) => boolean;
  /** Removes all but the one whose id is `kept`. */
  readonly clear: (kept: string) => void;
}

export function subscriptionRows(db: DatabaseSync): SubscriptionRows {
  db.exec(`CREATE TABLE IF NOT EXISTS subscriptions (
    id TEXT PRIMARY KEY, url TEXT NOT NULL, events TEXT NOT NULL, secret TEXT NOT NULL, status TEXT NOT NULL, description TEXT)`);
  const all = db.prepare('SELECT * FROM subscriptions ORDER BY rowid');
  const find = db.prepare('SELECT * FROM subscriptions WHERE id = ?');
  const save = db.prepare(`INSERT INTO subscriptions VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET url = excluded.url, events = excluded.events, secret = excluded.secret,
    status = excluded.status, description = excluded.description`);
  const remove = db.prepare('DELETE FROM subscriptions WHERE id = ?');
  const clear = db.prepare('DELETE FROM subscriptions WHERE id <> ?');
  return {
    all: () => all.all().map(subscriptionOf),
    find(id) {
      const row = find.get(id);
      return row && subscriptionOf(row);
    },
    save: ({ id, url, events, secret, status, description }) => {
      save.run(id, url, JSON.stringify(events), secret, status, description ?? null);
    },
    remove: (id) => remove.run(id).changes > 0,
    clear: (kept) => {
      clear.run(kept);
    },
  };
}

/** The row as {@link subscriptionRows} wrote it. */
function subscriptionOf(row: Record<string, unknown>): Subscription {
  const { description, events, ...rest } = row as unknown as Omit<Subscription, 'events' | 'description'> & {
    readonly events: string;
    readonly description: string | null;
  };
  return { ...rest, events: JSON.parse(events) as readonly string[], description: description ?? undefined };
}
