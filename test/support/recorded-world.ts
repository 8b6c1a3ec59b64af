import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import {
  DeleteItemCommand,
  DynamoDBClient,
  PutItemCommand,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb';
import { marshall } from '@aws-sdk/util-dynamodb';
import { type LocalFunction, localFunction } from '../../infra/local/containers.ts';
import { credentials, region } from '../../infra/local/provision.ts';
import { localToken } from '../../infra/local/stand-ins.ts';
import { systems } from '../../lib/domain/record.ts';
import { startWorld, type World } from '../end-to-end/world.ts';
import { rightsOf } from './rights.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** What one invocation of ours may take, ms. A token is only renewed when much of it is left. */
const invocationMs = 58_000;
const parametersPath = '/customcrm-wave-sync/dev';
const redirectUri = 'http://127.0.0.1:9/callback';

export interface RecordedWorld extends World {
  /** Runs a function in a container that has just started, with secrets from Parameter Store, and an OAuth login to Wave that has to be renewed. */
  readonly invoke: (name: string, event?: object) => Promise<unknown>;
  /** The same in a container that stays until it is closed; of this code, or of bundles in another folder. */
  readonly container: (name: string, bundles?: string) => Promise<LocalFunction>;
  /** Lets the table forget whose it is, as it was before the first start. */
  readonly forgetIdentity: () => Promise<void>;
  /** Lets it look as if it had been restored from a backup, under the same name. */
  readonly restore: () => Promise<void>;
  /** Puts two records of each system aside since ever, for a live change and for a sweep, as a worker does: some causes, such as two polls that overtake each other, are too rare to wait for. */
  readonly leaveWaiting: (cause: string) => Promise<void>;
  /** How often the stand-ins do what they should not, as their faults. */
  readonly disturb: (rates: object) => Promise<void>;
}

/** A world whose schedules are slow: what they would do, {@link RecordedWorld.invoke} does when asked. */
export async function startRecordedWorld(): Promise<RecordedWorld> {
  const folder = await mkdtemp(join(tmpdir(), 'recorded-'));
  const world = await startWorld({
    WAVE_POLL_INTERVAL_SECONDS: '60',
    CUSTOMCRM_POLL_INTERVAL_SECONDS: '300',
  });
  const close = async () => {
    await rm(folder, { recursive: true, force: true });
    await world.close();
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
      AWS_ENDPOINT_URL_SSM: await world.recorder.parameters(parametersPath, secrets),
    };
    return {
      ...world,
      async invoke(name, event = {}) {
        await inTable(env, letTokenAge);
        const started = await container(ours, name);
        return started.invoke(event).finally(() => started.close());
      },
      container: (name, bundles) => container(ours, name, bundles),
      forgetIdentity: () =>
        inTable(env, (client, TableName) =>
          client.send(new DeleteItemCommand({ TableName, Key: marshall({ pk: 'identity', sk: 'stack' }) })),
        ),
      restore: () =>
        inTable(env, (client, TableName) =>
          client.send(
            new UpdateItemCommand({
              TableName,
              Key: marshall({ pk: 'identity', sk: 'stack' }),
              UpdateExpression: 'SET tableId = :before',
              ExpressionAttributeValues: marshall({ ':before': 'before the restore' }),
            }),
          ),
        ),
      leaveWaiting: (cause) =>
        inTable(env, async (client, TableName) => {
          for (const system of systems)
            for (const lane of [{}, { background: true }]) {
              const sk = `${system}#customer#none${'background' in lane ? 2 : 1}`;
              const since = { name: 'poll', since: 1, state: 'parked', due: 1 };
              const Item = marshall({ pk: `parked#${cause}`, sk, ...since, ...lane });
              await client.send(new PutItemCommand({ TableName, Item }));
            }
        }),
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

/** The settings of a stack whose operator logged in to Wave. */
async function connected(world: World, folder: string): Promise<Variables> {
  const { origin } = new URL(String(world.env.WAVE_API_URL));
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

async function container(
  env: Variables,
  name: string,
  bundles = join(root, '.build', 'functions'),
): Promise<LocalFunction> {
  const { functionName } = (await rightsOf()).get(name) ?? { functionName: '' };
  return localFunction(
    {
      name: functionName,
      bundle: join(bundles, `${name}.cjs`),
      env: { ...env, AWS_SDK_UA_APP_ID: functionName },
      timeoutMs: invocationMs,
      memoryMb: 512,
    },
    () => undefined,
  );
}

/** As if two hours had passed since the last renewal. */
const letTokenAge = (client: DynamoDBClient, TableName: string) =>
  client.send(
    new UpdateItemCommand({
      TableName,
      Key: marshall({ pk: 'oauth#wave', sk: 'tokens' }),
      ConditionExpression: 'attribute_exists(goodUntil)',
      UpdateExpression: 'SET goodUntil = :past',
      ExpressionAttributeValues: marshall({ ':past': 0 }),
    }),
  );

async function inTable(
  env: Variables,
  work: (client: DynamoDBClient, table: string) => Promise<unknown>,
): Promise<void> {
  const client = new DynamoDBClient({ endpoint: String(env.AWS_ENDPOINT_URL_DYNAMODB), region, credentials });
  await work(client, String(env.TABLE_NAME));
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
