import { setImmediate as drained } from 'node:timers/promises';
import type { Clock } from '../../lib/sync/ports.ts';

/** Time that passes only when everybody sleeps. */
export interface VirtualTime {
  readonly now: () => number;
  readonly sleep: (ms: number) => Promise<void>;
  /** A clock that is ahead by this, ms. */
  readonly clock: (aheadMs?: number) => Clock;
  /** Lets time pass until nobody sleeps any more, or until then. */
  readonly runUntil: (end: number) => Promise<void>;
}

interface Sleeper {
  readonly at: number;
  readonly order: number;
  readonly wake: () => void;
}

export function virtualTime(start = Date.UTC(2026, 0, 1)): VirtualTime {
  let time = start;
  let order = 0;
  let sleepers: Sleeper[] = [];
  const sleep = (ms: number) =>
    new Promise<void>((wake) => {
      order += 1;
      sleepers.push({ at: time + Math.max(0, ms), order, wake });
    });
  return {
    now: () => time,
    sleep,
    clock: (aheadMs = 0) => ({ now: () => time + aheadMs, sleep }),
    async runUntil(end) {
      for (;;) {
        await drained();
        const [next] = sleepers.sort((a, b) => a.at - b.at || a.order - b.order);
        if (!next || next.at > end) break;
        time = Math.max(time, next.at);
        sleepers = sleepers.filter((each) => each !== next);
        next.wake();
      }
      time = Math.max(time, end);
    },
  };
}
