import { setTimeout as sleep } from 'node:timers/promises';
import type { MiddlewareHandler } from 'hono';
import type { Faults } from '../faults.ts';
import { ProblemError } from './problem.ts';
import { cut, type Env } from './request.ts';

/** How far a lagging read may look back, ms. */
const longestLagMs = 2_000;
/** How long after the cut a request is executed, ms. */
const lateMs = { least: 200, most: 3_000 };

export interface Disturbances {
  /** Turns requests away: 429, half of them with Retry-After, or 500 and 503. */
  readonly turnAway: MiddlewareHandler<Env>;
  /** Executes, then cuts the connection. */
  readonly loseAnswer: MiddlewareHandler<Env>;
  /** Cuts the connection, then executes. For writes. */
  readonly executeLate: MiddlewareHandler<Env>;
  /** The time that a read looks at, in milliseconds since 1970; undefined is now. */
  readonly lag: () => number | undefined;
  /** Late executions that are still to come never happen. */
  readonly drop: () => void;
}

/** The faults that a request can meet, as middleware. */
export function disturbances(faults: Faults): Disturbances {
  let dropping = new AbortController();
  return {
    async turnAway(_c, next) {
      if (faults.strikes('throttle')) {
        const headers = faults.between(0, 1) === 0 ? {} : { 'retry-after': '1' };
        throw new ProblemError(429, 'Too many requests', { headers });
      }
      if (faults.strikes('serverError'))
        throw new ProblemError(faults.between(0, 1) === 0 ? 500 : 503, 'Something went wrong here');
      return next();
    },
    async loseAnswer(c, next) {
      await next();
      if (!c.env.outgoing.destroyed && faults.strikes('lostAnswer')) cut(c);
    },
    async executeLate(c, next) {
      if (!faults.strikes('lateExecution')) return next();
      // The body is read before the cut; routes then find it in Hono's memory.
      await c.req.text();
      const { signal } = dropping;
      cut(c);
      await sleep(faults.between(lateMs.least, lateMs.most), undefined, { signal });
      return next();
    },
    lag: () => (faults.strikes('lag') ? Date.now() - faults.between(1, longestLagMs) : undefined),
    drop() {
      dropping.abort();
      dropping = new AbortController();
    },
  };
}
