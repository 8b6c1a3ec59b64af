import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { CreateTableCommand, DynamoDBClient, ScanCommand } from '@aws-sdk/client-dynamodb';
import { unmarshall } from '@aws-sdk/util-dynamodb';
import { startCustomcrm } from '../../infra/local/customcrm/server.ts';
import { type LocalDynamoDb, startDynamoDb } from '../../infra/local/dynamodb.ts';
import type { FaultRates } from '../../infra/local/faults.ts';
import type { Behaviours } from '../../infra/local/wave/behaviours.ts';
import { localBusinessId, localIncomeAccountId, startWave } from '../../infra/local/wave/server.ts';
import { type Connections, connect, waveAccess, waveApplication } from '../../lib/app.ts';
import { loadConfig } from '../../lib/config.ts';
import {
  type Body,
  type Pair,
  type RecordRef,
  refKey,
  type Snapshot,
  type System,
} from '../../lib/domain/record.ts';
import type { Engine, EngineSettings, OutcomeLine } from '../../lib/sync/engine.ts';
import { handleBatch, type Message } from '../../lib/sync/handle-batch.ts';
import { linkKey } from '../../lib/sync/keys.ts';
import { wake } from '../../lib/sync/parking.ts';
import { pollCustomcrm } from '../../lib/sync/poll-customcrm.ts';
import { pollWave } from '../../lib/sync/poll-wave.ts';
import type { Call, ChangeQueue, Doorbell, Item } from '../../lib/sync/ports.ts';
import { authorizeUrl, exchangeCode } from '../../lib/wave/oauth.ts';
import { connectionState } from '../../lib/wave/refusals.ts';
import { saveLogin } from '../../lib/wave/tokens.ts';

const region = { AWS_REGION: 'us-east-1', AWS_ACCESS_KEY_ID: 'local', AWS_SECRET_ACCESS_KEY: 'local' };
/** Messages that one test may work through. */
const workLimit = 2_000;

/** The embedded database of one test file. */
export type Database = LocalDynamoDb;
export const startDatabase = (): Promise<Database> => startDynamoDb();

/** The real core and adapters, a table of their own, empty stand-ins, and queues in memory that deliver when a test says so. */
export interface SyncWorld {
  readonly engine: Engine;
  /** The same engine, with the settings and the clients below it. */
  readonly connections: Connections;
  readonly systems: Awaited<ReturnType<typeof startSystems>>;
  /** Another engine over the same table and systems, which remembers nothing. */
  readonly container: () => Engine;
  /** The settings of both, and what leads to the table. */
  readonly env: Readonly<Record<string, string>>;
  /** Somebody allows the access to Wave, and what waited for it goes on. */
  readonly login: () => Promise<void>;
  /** How the connection to Wave stands. */
  readonly connection: () => Promise<string>;
  /** What Wave's door has counted. */
  readonly door: () => Promise<Readonly<Record<string, number>>>;
  readonly outcomes: readonly OutcomeLine[];
  /** Everything that was rung since the last look. */
  readonly takeRung: () => readonly Doorbell[];
  readonly queued: () => number;
  /** Time passes for the core; the two systems go by the machine's clock. */
  readonly pass: (ms: number) => void;
  readonly call: (ms?: number) => Call;
  /** A user makes a record. */
  readonly make: (system: System, pair: Pair, body: Body) => Promise<Snapshot>;
  /** A user changes properties of a record. */
  readonly edit: (ref: RecordRef, changes: Body) => Promise<void>;
  readonly read: (ref: RecordRef) => Promise<Body>;
  readonly counterpart: (ref: RecordRef) => Promise<RecordRef | undefined>;
  /** Works through the queues until they are empty, with this engine or a variant of it. */
  readonly drain: (by?: Engine) => Promise<void>;
  readonly poll: () => Promise<void>;
  /** Writes that each system has carried out. */
  readonly writes: () => Promise<Readonly<Record<System, number>>>;
  readonly emptyWave: () => Promise<void>;
  /** What is unconfirmed about Wave, from now on so. */
  readonly behave: (behaviours: Partial<Behaviours>) => Promise<void>;
  /** What goes wrong in Wave from now on, and how often. */
  readonly faults: (rates: FaultRates) => Promise<void>;
  /** Mutations that Wave has answered with a refusal. */
  readonly refusals: () => Promise<number>;
  /** A user of Wave's carries out a mutation, which must succeed. */
  readonly inWave: (mutation: string, input: Body) => Promise<void>;
  readonly items: () => Promise<readonly Item[]>;
  readonly close: () => Promise<void>;
}

async function startSystems() {
  return {
    customcrm: await startCustomcrm({ port: 0, path: ':memory:', token: 'local', sample: false }),
    wave: await startWave({ port: 0, path: ':memory:', token: 'local', sample: false }),
  };
}

export async function startSyncWorld(
  database: Database,
  settings: Partial<EngineSettings> = {},
  {
    /** How Wave is reached: with a full-access token, or after a login. */
    access = 'token',
    /** Its systems are shared, and end with it. */
    beside,
  }: { readonly access?: 'token' | 'login'; readonly beside?: SyncWorld } = {},
): Promise<SyncWorld> {
  const { customcrm, wave } = beside?.systems ?? (await startSystems());
  const tableName = `sync-${randomUUID()}`;
  const dynamodb = await createTable(database, tableName);
  const env = {
    CUSTOMCRM_API_URL: customcrm.url,
    CUSTOMCRM_API_TOKEN: 'local',
    CUSTOMCRM_WEBHOOK_SECRET: 'whsec_bG9jYWw=',
    WAVE_WEBHOOK_SECRET: 'local',
    WAVE_API_URL: wave.url,
    ...(access === 'token'
      ? { WAVE_ACCESS_TOKEN: 'local' }
      : {
          WAVE_CLIENT_ID: 'local',
          WAVE_CLIENT_SECRET: 'local',
          WAVE_TOKEN_URL: `${wave.origin}/oauth2/token/`,
          WAVE_REDIRECT_URI: 'http://127.0.0.1:9/callback',
        }),
    WAVE_MAX_REQUESTS_PER_MINUTE: '6000',
    WAVE_MAX_IN_FLIGHT: '50',
    WAVE_BUSINESS_ID: localBusinessId,
    WAVE_INCOME_ACCOUNT_ID: localIncomeAccountId,
    FINGERPRINT_KEYS: `k1:${Buffer.alloc(32, 7).toString('base64')}`,
    TABLE_NAME: tableName,
    CUSTOMCRM_CHANGES_QUEUE_URL: 'http://127.0.0.1:1/customcrm.fifo',
    WAVE_CHANGES_QUEUE_URL: 'http://127.0.0.1:1/wave.fifo',
    CUSTOMCRM_BACKGROUND_QUEUE_URL: 'http://127.0.0.1:1/customcrm-background.fifo',
    WAVE_BACKGROUND_QUEUE_URL: 'http://127.0.0.1:1/wave-background.fifo',
  };
  const config = loadConfig(env);
  const queues = { customcrm: memoryQueue(), wave: memoryQueue() };
  const outcomes: OutcomeLine[] = [];
  let passedMs = 0;
  const now = () => Date.now() + passedMs;
  const pass = (ms: number) => {
    passedMs += ms;
  };
  const connections = connect(config, undefined, { now, sleep });
  const engineOver = ({ engine: connected }: Connections): Engine => ({
    ...connected,
    queues,
    clock: { now, sleep: async (ms) => pass(ms) },
    report: (line) => void outcomes.push(line),
    settings: { ...connected.settings, maxReadToWriteMs: 60_000, startedPairs: () => false, ...settings },
  });
  const engine = engineOver(connections);
  const call = (ms = 60_000): Call => ({ deadline: now() + ms, priority: 'live' });
  const state = async (origin: string) => {
    const answer = await fetch(`${origin}/_control/state`, { headers: { authorization: 'Bearer local' } });
    return (await answer.json()) as { readonly writes: number; readonly refusals: number };
  };
  const toWave = async (path: string, body?: object): Promise<object> => {
    const answer = await fetch(`${wave.origin}/${path}`, {
      headers: { authorization: 'Bearer local', 'content-type': 'application/json' },
      ...(body && { method: 'POST', body: JSON.stringify(body) }),
    });
    return (await answer.json()) as object;
  };
  const snapshotOf = async ({ system, pair, id }: RecordRef): Promise<Snapshot> => {
    const reading = await engine.systems[system].read(pair, id, call());
    if (reading.state !== 'living') throw new Error(`${system} ${pair} ${id} is ${reading.state}`);
    return reading.snapshot;
  };
  return {
    engine,
    connections: { ...connections, engine },
    systems: { customcrm, wave },
    container: () => engineOver(connect(config, undefined, { now, sleep })),
    env: { ...env, ...region, AWS_ENDPOINT_URL_DYNAMODB: database.url },
    async login() {
      const application = waveApplication(config);
      if (!application) throw new Error('This world needs no login');
      const allowed = await fetch(authorizeUrl(application, { state: 'state' }), { redirect: 'manual' });
      const code = new URL(allowed.headers.get('location') ?? '').searchParams.get('code') ?? '';
      const pair = await exchangeCode(application, code);
      await saveLogin({ ...engine, keys: config.FINGERPRINT_KEYS }, pair, localBusinessId);
      await wake(engine, 'reconnect');
    },
    connection: async () => (await connectionState(engine.table, waveAccess(config))).connection,
    door: async () => (await toWave('_control/seen')) as Record<string, number>,
    outcomes,
    takeRung: () => [...queues.customcrm.takeRung(), ...queues.wave.takeRung()],
    queued: () => queues.customcrm.size() + queues.wave.size(),
    pass,
    call,
    make: (system, pair, body) => engine.systems[system].create(pair, body, randomUUID(), call()),
    async edit(ref, changes) {
      const before = await snapshotOf(ref);
      const next = { ...before.body, ...changes };
      await engine.systems[ref.system].update(ref.pair, before, next, Object.keys(changes), call());
    },
    read: async (ref) => (await snapshotOf(ref)).body,
    async counterpart({ system, pair, id }) {
      const item = await engine.table.get(linkKey({ system, pair, id }));
      if (!item) return undefined;
      return system === 'customcrm'
        ? { system: 'wave', pair, id: String(item.waveId) }
        : { system: 'customcrm', pair, id: String(item.customcrmId) };
    },
    async drain(by = engine) {
      for (let worked = 0; worked < workLimit; worked++) {
        const batch = [...queues.customcrm.take(10), ...queues.wave.take(10)];
        if (batch.length === 0) return;
        const failed = await handleBatch(by, batch, call());
        if (failed.length > 0) throw new Error(`Messages failed: ${JSON.stringify(outcomes.at(-1))}`);
      }
      throw new Error('The queues never became empty');
    },
    async poll() {
      await pollCustomcrm(engine, call());
      await pollWave(engine, call());
    },
    writes: async () => ({
      customcrm: (await state(customcrm.origin)).writes,
      wave: (await state(wave.origin)).writes,
    }),
    emptyWave: async () => void (await toWave('_control/reset', {})),
    behave: async (behaviours) => void (await toWave('_control/behaviours', behaviours)),
    faults: async (rates) => void (await toWave('_control/faults', rates)),
    refusals: async () => (await state(wave.origin)).refusals,
    async inWave(mutation, input) {
      const type = `${mutation[0]?.toUpperCase()}${mutation.slice(1)}Input`;
      const query = `mutation ($input: ${type}!) { ${mutation}(input: $input) { didSucceed inputErrors { message } } }`;
      const answer = await toWave(new URL(wave.url).pathname.slice(1), { query, variables: { input } });
      const { data } = answer as {
        readonly data?: Readonly<Record<string, { readonly didSucceed: boolean }>>;
      };
      if (!data?.[mutation]?.didSucceed) throw new Error(`${mutation}: ${JSON.stringify(answer)}`);
    },
    items: () => scan(dynamodb, tableName),
    async close() {
      dynamodb.destroy();
      if (!beside) await Promise.all([customcrm.close(), wave.close()]);
    },
  };
}

export async function createTable({ url }: Database, TableName: string): Promise<DynamoDBClient> {
  Object.assign(process.env, region, { AWS_ENDPOINT_URL_DYNAMODB: url });
  const client = new DynamoDBClient({});
  await client.send(
    new CreateTableCommand({
      TableName,
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: [
        { AttributeName: 'pk', AttributeType: 'S' },
        { AttributeName: 'sk', AttributeType: 'S' },
        { AttributeName: 'state', AttributeType: 'S' },
        { AttributeName: 'due', AttributeType: 'N' },
      ],
      KeySchema: [
        { AttributeName: 'pk', KeyType: 'HASH' },
        { AttributeName: 'sk', KeyType: 'RANGE' },
      ],
      GlobalSecondaryIndexes: [
        {
          IndexName: 'byState',
          KeySchema: [
            { AttributeName: 'state', KeyType: 'HASH' },
            { AttributeName: 'due', KeyType: 'RANGE' },
          ],
          Projection: { ProjectionType: 'ALL' },
        },
      ],
    }),
  );
  return client;
}

/** Every item of the table, in the order of its keys. */
async function scan(client: DynamoDBClient, TableName: string): Promise<readonly Item[]> {
  const { Items = [], LastEvaluatedKey } = await client.send(
    new ScanCommand({ TableName, ConsistentRead: true }),
  );
  if (LastEvaluatedKey) throw new Error('This table is too large for a test');
  const items = Items.map((item) => unmarshall(item) as Item);
  // The request budget moves with every look at Wave, and says nothing about records.
  return items
    .filter(({ pk }) => pk !== 'budget#wave')
    .sort((a, b) => (`${a.pk} ${a.sk}` < `${b.pk} ${b.sk}` ? -1 : 1));
}

interface MemoryQueue extends ChangeQueue {
  readonly take: (limit: number) => readonly Message[];
  readonly takeRung: () => readonly Doorbell[];
  readonly size: () => number;
}

/** De-duplicates by delivery, as the real one does. */
function memoryQueue(): MemoryQueue {
  const waiting: Doorbell[] = [];
  const rung: Doorbell[] = [];
  const deliveries = new Set<string>();
  return {
    async ring(doorbells) {
      for (const doorbell of doorbells) {
        const delivery = `${doorbell.eventId} ${refKey(doorbell)}`;
        if (deliveries.has(delivery)) continue;
        deliveries.add(delivery);
        waiting.push(doorbell);
        rung.push(doorbell);
      }
    },
    async depth() {
      const background = waiting.filter((doorbell) => doorbell.background).length;
      return { live: waiting.length - background, background };
    },
    take: (limit) =>
      waiting.splice(0, limit).map((doorbell) => ({ messageId: randomUUID(), doorbell, receiveCount: 1 })),
    takeRung: () => rung.splice(0),
    size: () => waiting.length,
  };
}
