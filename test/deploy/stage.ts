import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import { startCustomcrm } from '../../infra/local/customcrm/server.ts';
import { localToken } from '../../infra/local/stand-ins.ts';
import {
  localBusinessId,
  localFallbackProductId,
  localIncomeAccountId,
  startWave,
} from '../../infra/local/wave/server.ts';
import { copyService, type Deployed, deploy } from './deployment.ts';
import { type Emulator, startEmulator } from './emulator.ts';
import { freePort } from './python-server.ts';

export const stage = 'emulated';
export const serviceName = `customcrm-wave-sync-${stage}`;
const main = fileURLToPath(new URL('../../lib/cli/main.ts', import.meta.url));
/** One command of the operator's takes no longer than this, ms. */
const commandLimitMs = 120_000;

type Json = Record<string, unknown>;

/** A stage that was deployed as docs/DEPLOY.md says, onto an emulated AWS, with stand-ins for the two systems. */
export interface Stage {
  readonly emulator: Emulator;
  readonly deployed: Deployed;
  /** The service directory that was deployed from. */
  readonly folder: string;
  readonly env: NodeJS.ProcessEnv;
  readonly customcrm: { readonly url: string; readonly origin: string };
  readonly wave: { readonly url: string; readonly origin: string };
  readonly webhookUrls: { readonly customcrm: string; readonly wave: string };
  readonly cli: (...args: string[]) => Promise<Json>;
  readonly close: () => Promise<void>;
}

/** The steps of docs/DEPLOY.md up to the start of the pairs. What was started is stopped again when a later part fails. */
export async function startStage(): Promise<Stage> {
  const closers: (() => Promise<unknown>)[] = [];
  const close = async () => {
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  try {
    return await start(closers, close);
  } catch (error) {
    await close();
    throw error;
  }
}

async function start(closers: (() => Promise<unknown>)[], close: () => Promise<void>): Promise<Stage> {
  const home = await mkdtemp(join(tmpdir(), 'sync-deploy-'));
  closers.push(() => rm(home, { recursive: true, force: true }));
  const emulator = await startEmulator(home);
  closers.push(emulator.close);
  const customcrm = await startCustomcrm({
    port: 0,
    path: join(home, 'customcrm.sqlite'),
    token: localToken,
    sample: false,
  });
  closers.push(customcrm.close);
  const wavePort = await freePort();

  const waveSecret = randomBytes(16).toString('hex');
  const put = putInto(emulator);
  await put('CUSTOMCRM_API_TOKEN', localToken);
  await put('WAVE_ACCESS_TOKEN', localToken);
  await put('FINGERPRINT_KEYS', `k1:${randomBytes(32).toString('base64')}`);
  await put('CUSTOMCRM_WEBHOOK_SECRET', `whsec_${randomBytes(24).toString('base64')}`);
  await put('WAVE_WEBHOOK_SECRET', waveSecret);
  const settings = {
    CUSTOMCRM_API_URL: customcrm.url,
    WAVE_API_URL: `http://127.0.0.1:${wavePort}/graphql/public`,
    WAVE_BUSINESS_ID: localBusinessId,
    WAVE_INCOME_ACCOUNT_ID: localIncomeAccountId,
    WAVE_FALLBACK_PRODUCT_ID: localFallbackProductId,
    ALARM_EMAIL: 'operator@larch.example',
    // The stand-in has no limits.
    WAVE_MAX_REQUESTS_PER_MINUTE: '6000',
    WAVE_POLL_INTERVAL_SECONDS: '5',
  };
  const { env } = emulator;
  const folder = join(home, 'service');
  await copyService(folder);
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
  await writeFile(join(folder, `.env.${stage}`), lines.join(''));
  const deployed = await deploy(folder, stage, env);
  const webhookUrls = {
    customcrm: reachable(emulator, deployed.outputs.CustomcrmWebhookUrl),
    wave: reachable(emulator, deployed.outputs.WaveWebhookUrl),
  };
  const wave = await startWave({
    port: wavePort,
    path: join(home, 'wave.sqlite'),
    token: localToken,
    sample: false,
    webhook: { url: webhookUrls.wave, secret: waveSecret },
  });
  closers.push(wave.close);
  const cli = cliOf(emulator.env);
  // The secret is new before the function that checks it has started: nothing waits until a cached one expires.
  await cli('webhooks', 'register', webhookUrls.customcrm);
  await cli('preview');
  for (const pair of ['customer', 'product', 'order']) await cli('start', pair);
  return { emulator, deployed, folder, env, customcrm, wave, webhookUrls, cli, close };
}

function putInto({ url, env }: Emulator): (name: string, value: string) => Promise<void> {
  const client = new SSMClient({ endpoint: url, ...clientSettings(env) });
  return async (name, Value) => {
    const Name = `/customcrm-wave-sync/${stage}/${name}`;
    await client.send(new PutParameterCommand({ Name, Value, Type: 'SecureString', Overwrite: true }));
  };
}

/** How an AWS client of a test reaches the emulator, whatever the shell of the test has set. */
export const clientSettings = (env: NodeJS.ProcessEnv) => ({
  region: String(env.AWS_REGION),
  credentials: {
    accessKeyId: String(env.AWS_ACCESS_KEY_ID),
    secretAccessKey: String(env.AWS_SECRET_ACCESS_KEY),
  },
});

/** The host name of an emulated HTTP API is known to no name server; the emulator takes the API's id in the path as well. */
function reachable({ url }: Emulator, output: string | undefined): string {
  const [, api, path] = /^https?:\/\/([^./]+)\.execute-api\.[^/]+(\/.+)$/.exec(output ?? '') ?? [];
  if (!api) throw new Error(`The deployment should say where its webhooks go, but says ${output}`);
  return `${url}/_aws/execute-api/${api}/$default${path}`;
}

const cliOf =
  (env: NodeJS.ProcessEnv) =>
  async (...args: string[]): Promise<Json> => {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [main, '--stage', stage, '--json', '--yes', ...args],
      { env, timeout: commandLimitMs },
    );
    return JSON.parse(stdout) as Json;
  };
