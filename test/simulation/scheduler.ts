/** The only time there is: events in a heap, fired one by one, each followed by everything that it makes runnable. */
export interface Scheduler {
  /** ms since 1970, by the true clock. */
  readonly now: () => number;
  readonly after: (ms: number, run: () => void) => void;
  /** Fires what is due up to `until` (ms since 1970), and leaves the clock there. */
  readonly runUntil: (until: number) => Promise<void>;
  readonly fired: () => number;
}

interface Event {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/** Every run begins at this time. */
export const beginning = Date.UTC(2026, 2, 2, 9);

export function scheduler(): Scheduler {
  const heap: Event[] = [];
  let now = beginning;
  let order = 0;
  let fired = 0;
  return {
    now: () => now,
    after(ms, run) {
      push(heap, { at: now + Math.max(0, Math.round(ms)), order: order++, run });
    },
    async runUntil(until) {
      for (let first = heap[0]; first && first.at <= until; first = heap[0]) {
        pop(heap);
        now = first.at;
        fired += 1;
        first.run();
        await everythingRunnable();
      }
      now = Math.max(now, until);
    },
    fired: () => fired,
  };
}

/** Promise jobs and ticks all run before an immediate does. */
const everythingRunnable = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const isBefore = (a: Event, b: Event): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);

function push(heap: Event[], event: Event): void {
  heap.push(event);
  let index = heap.length - 1;
  while (index > 0) {
    const above = (index - 1) >> 1;
    const parent = heap[above];
    if (!parent || !isBefore(event, parent)) break;
    heap[index] = parent;
    index = above;
  }
  heap[index] = event;
}

function pop(heap: Event[]): void {
  const last = heap.pop();
  if (!last || heap.length === 0) return;
  let index = 0;
  for (;;) {
    const below = smallerChild(heap, index);
    const child = heap[below];
    if (!child || !isBefore(child, last)) break;
    heap[index] = child;
    index = below;
  }
  heap[index] = last;
}

function smallerChild(heap: readonly Event[], index: number): number {
  const left = heap[2 * index + 1];
  const right = heap[2 * index + 2];
  return left && right && isBefore(right, left) ? 2 * index + 2 : 2 * index + 1;
}
