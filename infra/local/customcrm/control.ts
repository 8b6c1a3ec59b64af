import { Hono } from 'hono';
import * as z from 'zod';
import { type FaultRates, type Faults, faultKinds } from '../faults.ts';
import type { Disturbances } from './disturbances.ts';
import type { idempotency } from './idempotency.ts';
import { ProblemError } from './problem.ts';
import { bodyOf, type Env } from './request.ts';
import type { Store } from './store.ts';
import type { Webhooks } from './webhooks.ts';

interface Parts {
  readonly store: Store;
  readonly webhooks: Webhooks;
  readonly faults: Faults;
  readonly disturb: Disturbances;
  readonly remembered: ReturnType<typeof idempotency>;
  /** The id of the subscription that outlives a reset. */
  readonly kept: string;
}

const ratesSchema = z.partialRecord(z.enum(faultKinds), z.number().min(0).max(1));

/** What tests steer the stand-in with; no CRM has this. Faults never strike here. */
export function controlRoutes({ store, webhooks, faults, disturb, remembered, kept }: Parts): Hono<Env> {
  const app = new Hono<Env>();

  app.get('/faults', (c) => c.json(faults.struck()));

  app.post('/faults', async (c) => {
    const rates = ratesSchema.safeParse(await bodyOf(c, 'application/json'));
    if (!rates.success) throw new ProblemError(422, z.prettifyError(rates.error));
    faults.set(rates.data as FaultRates);
    return c.body(null, 204);
  });

  app.get('/state', (c) =>
    c.json({
      customers: store.records.all('customer'),
      products: store.records.all('product'),
      orders: store.records.all('order'),
      writes: store.counters.read('writes'),
      idempotency: remembered.counts(),
      webhooks: webhooks.counts(),
      faults: faults.struck(),
    }),
  );

  app.post('/reset', (c) => {
    disturb.drop();
    webhooks.drop();
    store.reset(kept);
    return c.body(null, 204);
  });
  return app;
}
