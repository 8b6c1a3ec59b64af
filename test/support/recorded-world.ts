import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { DeleteItemCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { localFunction } from '../../infra/local/containers.ts';
import { credentials, region } from '../../infra/local/provision.ts';
import { localToken } from '../../infra/local/stand-ins.ts';
import type { Template } from '../../infra/local/template.ts';
import { functionsByName } from '../../infra/role-actions.ts';
import { startWorld, type World } from '../end-to-end/world.ts';
import { awsRecorder, type Calls } from './aws-recorder.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** Of the Wave stand-in: each invocation of ours comes when the last token is old, seconds. */
const accessTokenSeconds = 2;
/** What one invocation of ours may take, ms. A token is only renewed when much of it is left. */
const invocationMs = 20_000;
const parametersPath = '/customcrm-wave-sync/dev';
const redirectUri = 'http://127.0.0.1:9/callback';

export interface RecordedWorld extends World {
  /** What every function called, by the name in the template. */
  readonly calls: Calls;
  /** Runs a function in a container that has just started, with secrets from Parameter Store and an OAuth login to Wave. */
  readonly invoke: (name: string, event?: object) => Promise<unknown>;
  /** Lets the table forget whose it is, as it was before the first start. */
  readonly forgetIdentity: () => Promise<void>;
  /** How often the stand-ins do what they should not, as their faults. */
  readonly disturb: (rates: object) => Promise<void>;
}

/** A world of which every call to AWS is noted. Its schedules are slow: what they would do, {@link RecordedWorld.invoke} does when asked. */
export async function startRecordedWorld(
  template: Template,
  settings: Record<string, string>,
): Promise<RecordedWorld> {
  const recorder = awsRecorder();
  const folder = await mkdtemp(join(tmpdir(), 'recorded-'));
  const world = await startWorld(settings, async ({ dynamodb, sqs }) => ({
    dynamodb: await recorder.before(dynamodb),
    sqs: await recorder.before(sqs),
  }));
  const close = async () => {
    await world.close();
    await recorder.close();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const env = await connected(world, folder);
    const {
      CUSTOMCRM_API_TOKEN = '',
      CUSTOMCRM_WEBHOOK_SECRET = '',
      WAVE_WEBHOOK_SECRET = '',
      FINGERPRINT_KEYS = '',
      WAVE_CLIENT_SECRET = '',
      ...open
    } = env;
    const secrets = {
      CUSTOMCRM_API_TOKEN,
      CUSTOMCRM_WEBHOOK_SECRET,
      WAVE_WEBHOOK_SECRET,
      FINGERPRINT_KEYS,
      WAVE_CLIENT_SECRET,
    };
    const ours = {
      ...open,
      PARAMETERS_PATH: parametersPath,
      AWS_ENDPOINT_URL_SSM: await recorder.parameters(parametersPath, secrets),
    };
    return {
      ...world,
      calls: recorder.calls,
      invoke: (name, event = {}) => invoke(template, ours, name, event),
      forgetIdentity: () => forgetIdentity(env),
      async disturb(rates) {
        for (const url of [env.CUSTOMCRM_API_URL, env.WAVE_API_URL])
          await control(new URL(String(url)).origin, 'faults', rates);
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

type Variables = Readonly<Record<string, string>>;

/** The settings of a stack whose operator logged in to Wave, and whose tokens are short-lived. */
async function connected(world: World, folder: string): Promise<Variables> {
  const { origin } = new URL(String(world.env.WAVE_API_URL));
  await control(origin, 'behaviours', { accessTokenSeconds });
  const env = {
    ...(world.env as Variables),
    WAVE_ACCESS_TOKEN: '',
    WAVE_CLIENT_ID: 'local',
    WAVE_CLIENT_SECRET: 'local',
    WAVE_TOKEN_URL: `${origin}/oauth2/token/`,
    WAVE_REDIRECT_URI: redirectUri,
  };
  await writeFile(join(folder, 'functions-env.json'), JSON.stringify(env), { mode: 0o600 });
  // What a browser does after the person said yes.
  const authorize = `${origin}/oauth2/authorize/?${new URLSearchParams({ client_id: 'local', redirect_uri: redirectUri })}`;
  const { headers } = await fetch(authorize, { redirect: 'manual' });
  const code = new URL(headers.get('location') ?? '').searchParams.get('code') ?? '';
  const main = join(root, 'lib', 'cli', 'main.ts');
  const args = [main, '--state', folder, '--yes', 'wave', 'login', '--code', code];
  await promisify(execFile)(process.execPath, args);
  return env;
}

async function invoke(template: Template, env: Variables, name: string, event: object): Promise<unknown> {
  const [, found] = functionsByName(template).get(name) ?? [];
  const FunctionName = String(found?.Properties.FunctionName);
  const container = localFunction(
    {
      name: FunctionName,
      bundle: join(root, '.build', 'functions', `${name}.cjs`),
      env: { ...env, AWS_SDK_UA_APP_ID: FunctionName },
      timeoutMs: invocationMs,
      memoryMb: Number(found?.Properties.MemorySize),
    },
    () => undefined,
  );
  try {
    return await container.invoke(event);
  } finally {
    await container.close();
  }
}

async function forgetIdentity(env: Variables): Promise<void> {
  const client = new DynamoDBClient({
    endpoint: String(env.AWS_ENDPOINT_URL_DYNAMODB),
    region,
    credentials,
  });
  const Key = { pk: { S: 'identity' }, sk: { S: 'stack' } };
  await client.send(new DeleteItemCommand({ TableName: String(env.TABLE_NAME), Key }));
  client.destroy();
}

async function control(origin: string, what: string, body: object): Promise<void> {
  const answer = await fetch(`${origin}/_control/${what}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${localToken}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${what}: ${answer.status}`);
}
