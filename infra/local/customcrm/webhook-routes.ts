import { randomBytes } from 'node:crypto';
import { Hono } from 'hono';
import { checkSubscription } from './contract.ts';
import { ProblemError } from './problem.ts';
import { bodyOf, type Env } from './request.ts';
import type { Store } from './store.ts';
import type { Subscription } from './subscription-rows.ts';
import type { Webhooks } from './webhooks.ts';

/** The subscriptions to webhooks. A secret is answered once, when it is made. */
export function webhookRoutes(store: Store, webhooks: Webhooks): Hono<Env> {
  const app = new Hono<Env>();

  app.get('/webhooks', (c) => c.json({ data: store.subscriptions.all().map(shown) }));

  app.post('/webhooks', async (c) => {
    const { Url, Events, Description } = checkSubscription(await bodyOf(c, 'application/json'));
    const subscription = store.atomically(() => {
      const made = {
        id: `whk_${store.counters.next('id')}`,
        url: Url,
        events: Events,
        secret: `whsec_${randomBytes(32).toString('base64')}`,
        status: 'active',
        description: Description,
      } as const;
      store.subscriptions.save(made);
      return made;
    });
    return c.json({ ...shown(subscription), Secret: subscription.secret }, 201);
  });

  app.delete('/webhooks/:id', (c) => {
    if (!store.subscriptions.remove(c.req.param('id'))) throw unknown(c.req.param('id'));
    return c.body(null, 204);
  });

  app.post('/webhooks/:id/test', (c) => {
    const subscription = store.subscriptions.find(c.req.param('id'));
    if (!subscription) throw unknown(c.req.param('id'));
    webhooks.ping(subscription);
    return c.body(null, 202);
  });
  return app;
}

const unknown = (id: string): ProblemError => new ProblemError(404, `There is no webhook ${id}`);

const shown = ({ id, url, events, status, description }: Subscription) => ({
  Id: id,
  Url: url,
  Events: events,
  Status: status,
  ...(description !== undefined && { Description: description }),
});
