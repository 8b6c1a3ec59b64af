import type { Queue } from './store.ts';

interface Waiter {
  /** Answers true when it is served. */
  readonly attempt: () => boolean;
  readonly until: number;
  readonly leave: () => void;
}

interface Room {
  /** In order of arrival. */
  readonly waiters: Set<Waiter>;
  timer: NodeJS.Timeout | undefined;
}

export interface WaitingRoom {
  /**
   * Ends when `attempt` answers true after a {@link wake} or at a due time, at `until`, or when the client is `gone`.
   * A failing attempt rejects.
   */
  readonly wait: (
    queue: Queue,
    attempt: () => boolean,
    until: number,
    gone: (leave: () => void) => void,
  ) => Promise<void>;
  /** Messages of the queue may have become deliverable. */
  readonly wake: (queue: Queue) => void;
  /** Sends the waiters of a queue, or all waiters, away. */
  readonly dismiss: (queue?: Queue) => void;
}

/** Long polls, each queue with one timer: the next message that becomes visible, or the first poll that ends. */
export function waitingRoom(
  nextDue: (queue: Queue, now: number) => number | undefined,
  now: () => number,
): WaitingRoom {
  const rooms = new Map<number, Room>();

  function wake(queue: Queue): void {
    const room = rooms.get(queue.id);
    if (!room) return;
    const at = now();
    let mayHaveMore = true;
    for (const waiter of room.waiters) {
      // When one stays empty-handed, those behind it would too.
      if (mayHaveMore) mayHaveMore = waiter.attempt();
      if (waiter.until <= at) waiter.leave();
    }
    arm(queue, room);
  }

  function arm(queue: Queue, room: Room): void {
    clearTimeout(room.timer);
    if (room.waiters.size === 0) {
      rooms.delete(queue.id);
      return;
    }
    let at = nextDue(queue, now()) ?? Number.POSITIVE_INFINITY;
    for (const { until } of room.waiters) at = Math.min(at, until);
    room.timer = setTimeout(() => wake(queue), Math.max(1, at - now()));
  }

  return {
    wake,
    wait(queue, attempt, until, gone) {
      const room = rooms.get(queue.id) ?? { waiters: new Set<Waiter>(), timer: undefined };
      rooms.set(queue.id, room);
      return new Promise((resolve, reject) => {
        const leave = () => {
          room.waiters.delete(waiter);
          resolve();
        };
        const tryOnce = () => {
          try {
            const isServed = attempt();
            if (isServed) leave();
            return isServed;
          } catch (error) {
            room.waiters.delete(waiter);
            reject(error);
            return true;
          }
        };
        const waiter: Waiter = { attempt: tryOnce, until, leave };
        room.waiters.add(waiter);
        gone(() => {
          leave();
          if (rooms.get(queue.id) === room) arm(queue, room);
        });
        arm(queue, room);
      });
    },
    dismiss(queue) {
      for (const [id, room] of rooms) {
        if (queue && queue.id !== id) continue;
        clearTimeout(room.timer);
        rooms.delete(id);
        for (const waiter of room.waiters) waiter.leave();
      }
    },
  };
}
