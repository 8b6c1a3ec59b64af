import assert from 'node:assert/strict';
import { after, before, mock, test } from 'node:test';
import { Webhook } from 'standardwebhooks';
import { localBusinessId } from '../infra/local/wave/server.ts';
import { currentApp } from '../lib/app.ts';
import { type ParameterStore, startParameterStore } from './support/parameter-store.ts';
import { type Database, type SyncWorld, startDatabase, startSyncWorld } from './support/sync-world.ts';

const path = '/customcrm-wave-sync/rotating';
const secretOf = (byte: number) => `whsec_${Buffer.alloc(24, byte).toString('base64')}`;
const [old, next] = [secretOf(1), secretOf(2)];
/** What a container believes of Parameter Store, at the longest, ms. */
const believedMs = 5 * 60_000;

let database: Database;
let world: SyncWorld;
let store: ParameterStore;
before(async () => {
  database = await startDatabase();
  world = await startSyncWorld(database);
  store = await startParameterStore();
  mock.timers.enable({ apis: ['Date'], now: Date.now() });
});
after(async () => {
  mock.timers.reset();
  await store.close();
  await world.close();
  await database.close();
});

/** What this container answers to a ping that is signed with this secret. */
async function ping(secret: string): Promise<number> {
  const { config } = world.connections;
  process.env.AWS_ENDPOINT_URL_SSM = store.url;
  const app = await currentApp({
    PARAMETERS_PATH: path,
    CUSTOMCRM_API_URL: config.CUSTOMCRM_API_URL,
    WAVE_API_URL: config.WAVE_API_URL,
    WAVE_BUSINESS_ID: localBusinessId,
    TABLE_NAME: config.TABLE_NAME,
    CUSTOMCRM_CHANGES_QUEUE_URL: config.CUSTOMCRM_CHANGES_QUEUE_URL,
    WAVE_CHANGES_QUEUE_URL: config.WAVE_CHANGES_QUEUE_URL,
    CUSTOMCRM_BACKGROUND_QUEUE_URL: config.CUSTOMCRM_BACKGROUND_QUEUE_URL,
    WAVE_BACKGROUND_QUEUE_URL: config.WAVE_BACKGROUND_QUEUE_URL,
  });
  const now = new Date();
  const rawBody = JSON.stringify({ type: 'webhook.ping', data: {} });
  return app.customcrmWebhook({
    rawBody,
    headers: {
      'webhook-id': 'msg_1',
      'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
      'webhook-signature': new Webhook(secret).sign('msg_1', now, rawBody),
    },
  });
}

test('a secret that is put into Parameter Store is in use five minutes later, without a deployment', async () => {
  const put = (name: string, value: string) => void store.values.set(`${path}/${name}`, value);
  put('CUSTOMCRM_API_TOKEN', 'local');
  put('WAVE_ACCESS_TOKEN', 'local');
  put('WAVE_WEBHOOK_SECRET', 'local');
  put('FINGERPRINT_KEYS', `k1:${Buffer.alloc(32, 7).toString('base64')}`);
  put('CUSTOMCRM_WEBHOOK_SECRET', old);
  assert.deepEqual([await ping(old), await ping(next)], [202, 401]);

  put('CUSTOMCRM_WEBHOOK_SECRET', `${next},${old}`);
  assert.equal(await ping(next), 401, 'what was read is believed for a while');
  mock.timers.tick(believedMs + 1);
  assert.deepEqual([await ping(next), await ping(old)], [202, 202]);

  put('CUSTOMCRM_WEBHOOK_SECRET', next);
  mock.timers.tick(believedMs + 1);
  assert.deepEqual([await ping(next), await ping(old)], [202, 401]);
});
