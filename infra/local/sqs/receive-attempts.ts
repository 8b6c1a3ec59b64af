import type { Delivered } from './queue.ts';
import type { Queue, Store } from './store.ts';

/** How long a receive can be repeated under its attempt id. */
const attemptMs = 5 * 60_000;
/** The oldest attempts are forgotten first, so that memory stays bounded. */
const mostAttempts = 10_000;

/** Lets a client that lost the answer of a FIFO receive ask for the same messages again. Kept in memory only. */
export interface ReceiveAttempts {
  /** The messages of the earlier attempt, hidden anew; undefined when any was deleted, changed or received since. */
  readonly repeat: (
    queue: Queue,
    id: string,
    visibleAt: number,
    now: number,
  ) => readonly Delivered[] | undefined;
  readonly remember: (queue: Queue, id: string, delivered: readonly Delivered[], now: number) => void;
}

/** What shows later whether a message was touched; the message itself stays in the store. */
type Trace = Pick<Delivered, 'seq' | 'receipt' | 'receivedAt' | 'visibleAt'>;

export function receiveAttempts(store: Store): ReceiveAttempts {
  const attempts = new Map<string, { readonly at: number; readonly delivered: readonly Trace[] }>();
  const remember: ReceiveAttempts['remember'] = (queue, id, delivered, now) => {
    const key = `${queue.id} ${id}`;
    attempts.delete(key);
    const traces = delivered.map(({ seq, receipt, receivedAt, visibleAt }) => ({
      seq,
      receipt,
      receivedAt,
      visibleAt,
    }));
    attempts.set(key, { at: now, delivered: traces });
    for (const [oldest, { at }] of attempts) {
      if (attempts.size <= mostAttempts && at > now - attemptMs) break;
      attempts.delete(oldest);
    }
  };
  return {
    remember,
    repeat(queue, id, visibleAt, now) {
      const earlier = attempts.get(`${queue.id} ${id}`);
      if (!earlier || earlier.at <= now - attemptMs) return undefined;
      const delivered = earlier.delivered.flatMap((then) => {
        const message = store.messages.find(then.seq);
        const isUntouched =
          message?.receipt === then.receipt &&
          message.visibleAt === then.visibleAt &&
          message.visibleAt > now;
        return isUntouched
          ? [{ ...message, receipt: then.receipt, receivedAt: then.receivedAt, visibleAt }]
          : [];
      });
      if (delivered.length < earlier.delivered.length) return undefined;
      for (const { seq } of delivered) store.messages.setVisibleAt(seq, visibleAt);
      for (const { groupId } of delivered)
        if (groupId !== null) store.messages.refreshGroup(queue.id, groupId);
      remember(queue, id, delivered, now);
      return delivered;
    },
  };
}
