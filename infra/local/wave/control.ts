import type { Hono } from 'hono';
import type { FaultRates, Faults } from '../faults.ts';
import type { Behaviours } from './behaviours.ts';
import { type Business, touch } from './business.ts';
import { invoiceViewed } from './invoices.ts';
import type { openDoor } from './limits.ts';
import { sample } from './sample.ts';

/** What tests and the curious ask beside the API: what is there, what was counted, what should go wrong. Faults never hit these. */
export function mountControl(
  app: Hono,
  business: Business,
  door: ReturnType<typeof openDoor>,
  faults: Faults,
  change: (behaviours: Partial<Behaviours>) => void,
): void {
  const { store } = business;
  app.get('/_control/state', (c) =>
    c.json({
      customers: store.all('customer'),
      products: store.all('product'),
      invoices: store.all('invoice'),
      payments: store.all('payment'),
      writes: store.counter('writes'),
      refusals: store.counter('refusals'),
      emailsSent: store.counter('emailsSent'),
      faults: faults.struck(),
      ...door.seen(),
    }),
  );
  app.get('/_control/seen', (c) => c.json(door.seen()));
  app.get('/_control/customers/:id', (c) => c.json(store.find('customer', c.req.param('id')) ?? null));
  app.get('/_control/faults', (c) => c.json(faults.struck()));
  app.post('/_control/faults', async (c) => {
    faults.set((await c.req.json()) as FaultRates);
    return c.json({});
  });
  app.post('/_control/behaviours', async (c) => {
    change((await c.req.json()) as Partial<Behaviours>);
    return c.json({});
  });
  app.post('/_control/reset', (c) => {
    store.clear();
    sample(business, false);
    return c.json({});
  });
  // What only Wave's web app, or an invoice's reader, can do.
  app.post('/_control/unarchive', async (c) => {
    const { id } = (await c.req.json()) as { id: string };
    const product = store.find('product', id);
    if (product) touch(business, 'product', { ...product, isArchived: false });
    return c.json({}, product ? 200 : 404);
  });
  app.post('/_control/view', async (c) => {
    const { id } = (await c.req.json()) as { id: string };
    return c.json({ id: invoiceViewed(business, id).id });
  });
}
