import { isDeepStrictEqual } from 'node:util';
import type { MiddlewareHandler } from 'hono';
import type { CrmRecord } from './contract.ts';
import { ProblemError } from './problem.ts';
import { etagOf } from './records.ts';
import { bodyOf, type Env } from './request.ts';
import type { Store } from './store.ts';

/** The type of the problem that tells a key used for another request. */
const mismatch = 'urn:customcrm:idempotency-mismatch';
const keyLimit = 255;

interface IdempotencyCounts {
  readonly remembered: number;
  readonly inFlight: number;
  readonly replayed: number;
  readonly mismatched: number;
}

/** Guards creates: the route keeps its answer in `store.answers`, in the transaction of the create; refusals are not kept. */
export function idempotency(store: Store): {
  readonly guard: MiddlewareHandler<Env>;
  readonly counts: () => IdempotencyCounts;
} {
  const inFlight = new Set<string>();
  let replayed = 0;
  let mismatched = 0;
  return {
    counts: () => ({ remembered: store.answers.count(), inFlight: inFlight.size, replayed, mismatched }),
    async guard(c, next) {
      const key = c.req.header('idempotency-key');
      if (key === undefined) return next();
      if (key === '' || key.length > keyLimit)
        throw new ProblemError(400, `Idempotency-Key must have from 1 to ${keyLimit} characters`);
      const request = await bodyOf(c, 'application/json');
      if (inFlight.has(key))
        throw new ProblemError(409, 'The first request with this key is still under way');
      const known = store.answers.find(key);
      if (!known) {
        inFlight.add(key);
        return next().finally(() => inFlight.delete(key));
      }
      if (known.path !== c.req.path || !isDeepStrictEqual(JSON.parse(known.request), request)) {
        mismatched += 1;
        throw new ProblemError(422, 'This Idempotency-Key was used for another request', { type: mismatch });
      }
      replayed += 1;
      const record = JSON.parse(known.answer) as CrmRecord;
      return c.json(record, 201, { ETag: etagOf(record) });
    },
  };
}
