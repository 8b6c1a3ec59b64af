import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { Hono, type MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { Webhook } from 'standardwebhooks';
import { drawFaults, type FaultRates } from '../faults.ts';
import { typeNames } from './contract.ts';
import { controlRoutes } from './control.ts';
import { disturbances } from './disturbances.ts';
import { idempotency } from './idempotency.ts';
import { answerProblem, ProblemError } from './problem.ts';
import { recordRoutes } from './record-routes.ts';
import type { Env } from './request.ts';
import { addSample } from './sample.ts';
import { openStore, type Store } from './store.ts';
import { webhookRoutes } from './webhook-routes.ts';
import { sendWebhooks } from './webhooks.ts';

interface CustomcrmOptions {
  /** 0 takes a free port. The server listens on 127.0.0.1 only. */
  readonly port: number;
  /** The SQLite file that keeps the state, over restarts and `kill -9`. */
  readonly path: string;
  /** The bearer token that every request needs. */
  readonly token: string;
  /** Fills an empty CRM with a few records. */
  readonly sample: boolean;
  /** One more subscription to all events, as long as this option names it. The secret is `whsec_<base64>`. */
  readonly webhook?:
    | { readonly url: string; readonly secret: string; readonly description?: string }
    | undefined;
  /** Which faults strike from the start on, drawn from one seed. */
  readonly faults?: { readonly seed: number; readonly rates: FaultRates } | undefined;
}

interface RunningCustomcrm {
  /** The base URL of the contract, `/api/v1` included. */
  readonly url: string;
  readonly origin: string;
  /** Drops webhooks and late executions that are still to come, breaks connections, closes the file. */
  close(): Promise<void>;
}

/** The subscription that `options.webhook` stands for. */
const configuredId = 'whk_configured';
/** The largest request body, bytes. */
const bodyBytes = 1024 * 1024;

/**
 * A stand-in for Customcrm that keeps the contract in docs/customcrm-openapi.yaml.
 *
 * Beyond the contract: `POST /api/v1/{type}/{Id}/restore` takes a delete back (200, the record; it is announced as updated),
 * and, with the same token, `POST /_control/faults` sets fault rates, `GET /_control/faults` counts the faults so far,
 * `GET /_control/state` shows everything (`writes` counts the writes that succeeded), `POST /_control/reset` empties it.
 * Stricter than the contract says: properties and filters that it does not name, and read-only ones, are refused.
 * @throws when the port or the file is taken, or the webhook's secret is none.
 */
export async function startCustomcrm(options: CustomcrmOptions): Promise<RunningCustomcrm> {
  const store = openStore(options.path);
  try {
    configureWebhook(store, options.webhook);
    if (options.sample) addSample(store);
    const { app, drop } = application(store, options);
    const server = createServer(getRequestListener(app.fetch));
    await listening(server, options.port);
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    let closing: Promise<void> | undefined;
    const close = async () => {
      drop();
      await closed(server);
      store.close();
    };
    return {
      url: `${origin}/api/v1`,
      origin,
      close() {
        closing ??= close();
        return closing;
      },
    };
  } catch (error) {
    store.close();
    throw error;
  }
}

function application(store: Store, { token, faults: drawn }: CustomcrmOptions) {
  const faults = drawFaults(drawn?.seed ?? 1, drawn?.rates);
  const webhooks = sendWebhooks(store.subscriptions, faults);
  const disturb = disturbances(faults);
  const remembered = idempotency(store);
  const app = new Hono<Env>();
  app.onError(answerProblem);
  app.notFound((c) => answerProblem(new ProblemError(404, `There is no ${c.req.method} ${c.req.path}`)));
  app.use('*', authorized(token));
  app.use('*', bodyLimit({ maxSize: bodyBytes, onError: tooLarge }));
  app.use('/api/v1/*', disturb.turnAway, disturb.loseAnswer);
  app.route('/api/v1', recordRoutes({ store, webhooks, disturb, remembered }));
  app.route('/api/v1', webhookRoutes(store, webhooks));
  app.route('/_control', controlRoutes({ store, webhooks, faults, disturb, remembered, kept: configuredId }));
  return {
    app,
    drop() {
      disturb.drop();
      webhooks.close();
    },
  };
}

const authorized =
  (token: string): MiddlewareHandler<Env> =>
  async (c, next) => {
    if (c.req.header('authorization') === `Bearer ${token}`) return next();
    throw new ProblemError(401, 'A bearer token is needed', { headers: { 'www-authenticate': 'Bearer' } });
  };

const tooLarge = () => answerProblem(new ProblemError(413, `The body is larger than ${bodyBytes} bytes`));

function configureWebhook(store: Store, webhook: CustomcrmOptions['webhook']): void {
  if (!webhook) {
    store.subscriptions.remove(configuredId);
    return;
  }
  // Finds out about a bad secret now, not at the first delivery.
  new Webhook(webhook.secret).sign('msg', new Date(0), '');
  store.subscriptions.save({
    id: configuredId,
    url: webhook.url,
    events: typeNames.flatMap((type) => [`${type}.created`, `${type}.updated`, `${type}.deleted`]),
    secret: webhook.secret,
    status: 'active',
    description: webhook.description ?? 'Named by the configuration',
  });
}

const listening = (server: Server, port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve());
  });

const closed = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
