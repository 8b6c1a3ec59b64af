import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type HttpBindings, type ServerType, serve } from '@hono/node-server';
import { type Context, Hono } from 'hono';
import { drawFaults, type FaultRates } from '../faults.ts';
import { type Behaviours, standardBehaviours } from './behaviours.ts';
import type { Business } from './business.ts';
import { mountControl } from './control.ts';
import { type GraphQlRequest, type Prepared, prepare, run, unauthenticated } from './execute.ts';
import { openDoor } from './limits.ts';
import { openOAuth } from './oauth.ts';
import { sample } from './sample.ts';
import { waveSchema } from './schema.ts';
import { openStore } from './store.ts';
import { openWebhooks, type WebhookTarget } from './webhooks.ts';

export { localBankAccountId, localBusinessId, localFallbackProductId, localIncomeAccountId } from './ids.ts';

export interface WaveStandInOptions {
  /** 0: any free port of 127.0.0.1. */
  readonly port: number;
  /** SQLite file, or `:memory:`. */
  readonly path: string;
  /** The full-access token; OAuth tokens are good as well. */
  readonly token: string;
  readonly sample: boolean;
  readonly webhook?: WebhookTarget | undefined;
  readonly behaviours?: Partial<Behaviours>;
  readonly faults?: { readonly seed: number; readonly rates: FaultRates } | undefined;
}

export interface WaveStandIn {
  /** The GraphQL endpoint. */
  readonly url: string;
  readonly origin: string;
  readonly close: () => Promise<void>;
}

const longestLagMs = 2_000;
const lateMs = [200, 3_000] as const;

/** A stand-in for Wave that executes its published schema and behaves as documented. */
export async function startWave(options: WaveStandInOptions): Promise<WaveStandIn> {
  let behaviours: Behaviours = { ...standardBehaviours, ...options.behaviours };
  const store = openStore(options.path);
  const faults = drawFaults(options.faults?.seed ?? 1, options.faults?.rates);
  const webhooks = openWebhooks(options.webhook, faults);
  const business: Business = { store, behaviours: () => behaviours, announce: webhooks.send };
  sample(business, options.sample);
  const schema = waveSchema();
  const door = openDoor(() => behaviours);
  const oauth = openOAuth(() => behaviours);
  const closing = new AbortController();
  const app = new Hono<{ Bindings: HttpBindings }>();

  const bearer = (c: Context) => (c.req.header('authorization') ?? '').replace(/^Bearer /, '');
  app.use('/_control/*', async (c, next) => {
    if (bearer(c) !== options.token) return c.json({ message: 'Unauthorized' }, 401);
    await next();
  });
  mountControl(app as unknown as Hono, business, door, faults, (changed) => {
    behaviours = { ...behaviours, ...changed };
  });
  oauth.mount(app as unknown as Hono);

  app.post('/graphql/public', async (c) => {
    const prepared = prepare(schema, (await c.req.json().catch(() => ({}))) as GraphQlRequest);
    if (!('document' in prepared)) return c.json(prepared);
    const known = bearer(c) === options.token || oauth.accepts(bearer(c));
    if (!known && !prepared.isIntrospection) return c.json(unauthenticated());
    if (behaviours.planLapsed) {
      door.forbid();
      return c.text('Forbidden', 403);
    }
    const refusal = door.enter(prepared.fields);
    if (refusal) {
      if (behaviours.retryAfter) c.header('retry-after', String(refusal.retryAfter));
      return c.json({ message: refusal.banned ? 'Banned' : 'Too many requests' }, 429);
    }
    try {
      await sleep(behaviours.answerMs);
      return await answer(c, prepared);
    } finally {
      door.leave();
    }
  });

  async function answer(c: Context<{ Bindings: HttpBindings }>, prepared: Prepared): Promise<Response> {
    if (faults.strikes('throttle')) {
      if (faults.strikes('throttle') || faults.between(0, 1) === 0) c.header('retry-after', '1');
      return c.json({ message: 'Too many requests' }, 429);
    }
    if (faults.strikes('serverError'))
      return faults.between(0, 1) === 0
        ? c.json({ message: 'Internal Server Error' }, 500)
        : c.html('<html><body>Service Unavailable</body></html>', 503);
    if (behaviours.maximumCost > 0 && prepared.cost > behaviours.maximumCost)
      return c.json({
        errors: [
          {
            message: 'The query exceeds the maximum cost',
            extensions: { code: 'GRAPHQL_VALIDATION_FAILED' },
          },
        ],
      });
    const lag = !prepared.isMutation && faults.strikes('lag') ? faults.between(1, longestLagMs) : 0;
    const work = () => run(schema, business, prepared, faults, lag);
    if (faults.strikes('lateExecution')) {
      sleep(faults.between(...lateMs), undefined, { signal: closing.signal }).then(work, () => undefined);
      return cut(c);
    }
    const result = await work();
    if (faults.strikes('lostAnswer')) return cut(c);
    if (faults.strikes('edgePage')) return c.html('<html><body>One moment, please</body></html>');
    return c.json(result);
  }

  /** Cuts the connection without an answer. */
  function cut(c: Context<{ Bindings: HttpBindings }>): Response {
    c.env.incoming.socket.destroy();
    return c.body(null);
  }

  const server = await listen(app, options.port);
  const { port } = server.address() as AddressInfo;
  const origin = `http://127.0.0.1:${port}`;
  return {
    url: `${origin}/graphql/public`,
    origin,
    async close() {
      closing.abort();
      webhooks.close();
      await new Promise((resolve) => {
        server.close(resolve);
        if ('closeAllConnections' in server) server.closeAllConnections();
      });
      store.close();
    },
  };
}

const listen = (app: Hono<{ Bindings: HttpBindings }>, port: number): Promise<ServerType> =>
  new Promise((resolve, reject) => {
    const server = serve({ fetch: app.fetch, port, hostname: '127.0.0.1' }, () => resolve(server));
    server.once('error', reject);
  });
