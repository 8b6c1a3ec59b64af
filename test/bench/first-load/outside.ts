import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { startCustomcrm } from '../../../infra/local/customcrm/server.ts';
import { startDynamoDb } from '../../../infra/local/dynamodb.ts';
import { localSecrets } from '../../../infra/local/secrets.ts';
import { localToken, standInSettings } from '../../../infra/local/stand-ins.ts';
import { startWave } from '../../../infra/local/wave/server.ts';
import { countingProxy } from './counting-proxy.ts';

/** Requests to Wave in any 60 s, and at once. */
export interface Budget {
  readonly perMinute: number;
  readonly inFlight: number;
  /** How long Wave takes for a request at the least, ms. */
  readonly answerMs: number;
}

/** What the door of the Wave stand-in saw. */
export interface Door {
  readonly requests: number;
  readonly maxInFlight: number;
  readonly maxPer60s: number;
  readonly refused: number;
  readonly bans: number;
}

/** What goes on while our part is killed: both systems, with Wave's memory of what it was asked, and the table. */
export interface Outside {
  /** Where our functions will listen. */
  readonly port: number;
  readonly settings: Readonly<Record<string, string>>;
  /** The table itself, past the counter. */
  readonly tableUrl: string;
  /** So far, by name. */
  readonly tableOperations: () => Readonly<Record<string, number>>;
  readonly customcrmRequests: () => number;
  readonly door: () => Promise<Door>;
  readonly customcrm: (method: string, path: string, body?: unknown) => Promise<Json>;
  readonly control: (system: 'customcrm' | 'wave', path: string) => Promise<Json>;
  readonly close: () => Promise<void>;
}
export type Json = Record<string, unknown>;

/** Refused so often within a minute, the stand-in bans whoever it is. */
const banAfter = 3;
const settleSeconds = 30;

/** Starts both stand-ins on their files in `folder`, and the table, with counters in between. */
export async function startOutside(
  folder: string,
  { perMinute, inFlight, answerMs }: Budget,
): Promise<Outside> {
  const file = (name: string) => join(folder, name);
  const port = await freePort();
  const secrets = await localSecrets(file('outside-secrets.json'));
  const dynamodb = await startDynamoDb();
  const customcrm = await startCustomcrm({
    port: 0,
    path: file('customcrm.sqlite'),
    token: localToken,
    sample: false,
    webhook: { url: `http://127.0.0.1:${port}/webhooks/customcrm`, secret: secrets.CUSTOMCRM_WEBHOOK_SECRET },
  });
  const wave = await startWave({
    port: 0,
    path: file('wave.sqlite'),
    token: localToken,
    sample: false,
    webhook: { url: `http://127.0.0.1:${port}/webhooks/wave`, secret: secrets.WAVE_WEBHOOK_SECRET },
    behaviours: { requestsPer60s: perMinute, inFlight, banAfter, answerMs },
  });
  const table = await countingProxy(dynamodb.url, /DynamoDB_20120810\.(\w+)/g);
  const crm = await countingProxy(customcrm.url, /(GET|POST|PATCH|DELETE) \/api\/v1\//g);
  const control = (system: 'customcrm' | 'wave', path: string) =>
    request('GET', `${{ customcrm, wave }[system].origin}/_control/${path}`);
  return {
    port,
    settings: {
      ...standInSettings(crm.url, wave.url, secrets),
      DYNAMODB_ENDPOINT: table.url,
      PAIRS_STARTED: 'false',
      WAVE_POLL_INTERVAL_SECONDS: '60',
      CUSTOMCRM_POLL_INTERVAL_SECONDS: '300',
      WAVE_MAX_REQUESTS_PER_MINUTE: String(perMinute),
      WAVE_MAX_IN_FLIGHT: String(inFlight),
      // An unanswered create is looked for this much later: the three kills leave some behind.
      SETTLE_SECONDS: String(settleSeconds),
    },
    tableUrl: dynamodb.url,
    tableOperations: table.counts,
    customcrmRequests: () => sum(crm.counts()),
    door: async () => (await control('wave', 'seen')) as unknown as Door,
    customcrm: (method, path, body) => request(method, `${customcrm.url}${path}`, body),
    control,
    async close() {
      await Promise.all([table.close(), crm.close()]);
      await wave.close();
      await customcrm.close();
      await dynamodb.close();
    },
  };
}

export const sum = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((total, count) => total + count, 0);

async function request(method: string, url: string, body?: unknown): Promise<Json> {
  const answer = await fetch(url, {
    method,
    headers: {
      authorization: `Bearer ${localToken}`,
      'content-type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json',
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  if (!answer.ok) throw new Error(`${method} ${url}: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as Json;
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}
