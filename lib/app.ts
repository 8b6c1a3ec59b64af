import { randomUUID } from 'node:crypto';
import { changeQueue, parseDoorbell } from './aws/change-queue.ts';
import { parametersUnder } from './aws/parameters.ts';
import { dynamoTable, tableIdOf } from './aws/table.ts';
import { type Config, loadConfig } from './config.ts';
import { type CustomcrmClient, customcrmClient } from './customcrm/client.ts';
import { customcrmRecords } from './customcrm/records.ts';
import { readCustomcrmWebhook } from './customcrm/webhook.ts';
import { type Subscription, webhooksApi } from './customcrm/webhooks-api.ts';
import type { System } from './domain/record.ts';
import type { Delivery, Headers } from './domain/webhook.ts';
import { ReconnectNeededError, SyncError } from './errors.ts';
import { log } from './log.ts';
import { count, countOutcome, sendMetrics } from './metrics.ts';
import type { Engine, OutcomeLine, OutcomeMessage } from './sync/engine.ts';
import { handleBatch, type Message } from './sync/handle-batch.ts';
import { ensureIdentity } from './sync/identity.ts';
import { tidy } from './sync/janitor.ts';
import { noteDelivery } from './sync/last-delivery.ts';
import { markFailed } from './sync/mark-failed.ts';
import { pollCustomcrm } from './sync/poll-customcrm.ts';
import { progressOf } from './sync/poll-progress.ts';
import { type PollResult, pollWave } from './sync/poll-wave.ts';
import type { Call, Clock } from './sync/ports.ts';
import { receive } from './sync/receive-webhook.ts';
import { type Registration, stopBesideOthers } from './sync/registrations.ts';
import { sweep } from './sync/sweep.ts';
import type { RequestMeasure, WaveClient } from './wave/client.ts';
import { connectWave, type WaveConnection, type WaveSettings } from './wave/connection.ts';
import { waveFeed } from './wave/feed.ts';
import type { OAuthApplication } from './wave/oauth.ts';
import type { WaveOptions } from './wave/options.ts';
import { waveRecords } from './wave/records.ts';
import { connectionState } from './wave/refusals.ts';
import { waveTaxes } from './wave/taxes.ts';
import { readWaveWebhook } from './wave/webhook.ts';

/** The longest that one remote request may take, ms. */
const requestTimeoutMs = 20_000;
/** A read of Customcrm waits this long for others, ms: no longer than one of Wave does beside it. */
const sharingMs = 30;
/** What a worker keeps for itself before Lambda ends it: the last commit and the answer, ms. */
const reserveMs = 3_000;
/** The most messages of one batch, as infra/functions.yml has it. */
const fullBatch = 10;
/** A poll that could not take this long before the deadline is left to the next invocation, ms. */
const pollReserveMs = 3_000;
/** A run ended early, as it had no time for another page: the next one has, ms. */
const pagesReserveMs = 10_000;
/** How long the subscriptions in Customcrm are waited for, ms: a webhook has ten seconds, and they prove nothing anyway. */
const listingMs = 4_000;
/** Bodies beyond this are not webhooks of ours, in characters. */
const bodyLimit = 256 * 1024;

/** An HTTP request as far as a webhook needs it. `rawBody` is exactly what was signed; header names are lower case. */
export interface WebhookRequest {
  readonly rawBody: string;
  readonly headers: Headers;
}

/** A message of a queue, as an event source delivers it. */
export interface QueueMessage {
  readonly messageId: string;
  readonly body: string;
  readonly receiveCount: number;
}

export interface App {
  /** Answers the HTTP status. */
  readonly customcrmWebhook: (request: WebhookRequest) => Promise<number>;
  readonly waveWebhook: (request: WebhookRequest) => Promise<number>;
  /** Answers the ids of the messages that must come again. */
  readonly applyChanges: (
    messages: readonly QueueMessage[],
    remainingMs: number,
  ) => Promise<readonly string[]>;
  /** @param isAsked somebody asks for it: else a list that was read to its end is not read again before its interval is over */
  readonly customcrmPoll: (remainingMs: number, isAsked: boolean) => Promise<void>;
  readonly wavePoll: (remainingMs: number) => Promise<void>;
  readonly janitor: (remainingMs: number) => Promise<void>;
  readonly sweep: (remainingMs: number) => Promise<void>;
  readonly markFailed: (messages: readonly QueueMessage[]) => Promise<readonly string[]>;
}

let current: { readonly values: string; readonly app: App } | undefined;

/**
 * The app of this container. Secrets come from Parameter Store when `PARAMETERS_PATH` is set, and a rotated one makes a new app without
 * a deployment. @throws SettingsError, also when the table belongs to other systems
 */
export async function currentApp(env: NodeJS.ProcessEnv = process.env): Promise<App> {
  const secrets = env.PARAMETERS_PATH ? await parametersUnder(env.PARAMETERS_PATH) : {};
  const settings = { ...env, ...secrets };
  const values = JSON.stringify(secrets);
  if (current?.values === values) return current.app;
  const config = loadConfig(settings);
  const connections = connect(config, logAndCount, realClock, () => {
    // It may be back as another one, from a backup: nobody works with that before it was looked at.
    current = undefined;
  });
  await checkIdentity(connections);
  current = { values, app: createApp(connections) };
  return current.app;
}

/** @throws SettingsError when the table belongs to other systems, or another stack is there already */
export async function checkIdentity({ config, engine, customcrm }: Connections): Promise<void> {
  const identity = {
    customcrmUrl: withoutLocalPort(config.CUSTOMCRM_API_URL),
    waveBusinessId: config.WAVE_BUSINESS_ID,
    tableId: await tableIdOf(config.TABLE_NAME),
  };
  await ensureIdentity(engine, identity, () => registrationsIn(customcrm));
}

/** Everybody's webhook subscriptions; undefined when Customcrm does not say. */
const registrationsIn = (customcrm: CustomcrmClient): Promise<readonly Registration[] | undefined> =>
  registrations(customcrm, { deadline: Date.now() + listingMs, priority: 'live' }).catch((error: unknown) => {
    if (error instanceof SyncError) return undefined;
    throw error;
  });

/** Everybody's webhook subscriptions, by what says whose they are. @throws SyncError */
export async function registrations(
  customcrm: CustomcrmClient,
  call: Call,
): Promise<readonly Registration[]> {
  return (await webhooksApi(customcrm).all(call)).map(asRegistration);
}

/** A subscription by what says whose it is. */
export const asRegistration = ({ Id, Status, Description = '' }: Subscription): Registration => ({
  id: Id,
  isActive: Status === 'active',
  note: Description,
});

/** The stand-ins of one machine are the same systems on whichever port they listen. */
function withoutLocalPort(url: string): string {
  const parsed = new URL(url);
  if (['127.0.0.1', 'localhost', '[::1]'].includes(parsed.hostname)) parsed.port = '';
  return parsed.href;
}

/** Wires the use cases to the real adapters: the only place that knows them all. */
function createApp(connections: Connections): App {
  const { config, engine, customcrm, rest, ready } = connections;
  const secretsOf = { customcrm: config.CUSTOMCRM_WEBHOOK_SECRET, wave: config.WAVE_WEBHOOK_SECRET };
  const webhook =
    (
      system: System,
      read: (rawBody: string, headers: Headers, secrets: readonly string[], now: number) => Delivery,
    ) =>
    async ({ rawBody, headers }: WebhookRequest): Promise<number> => {
      if (rawBody.length > bodyLimit) return 413;
      const delivery = read(rawBody, headers, secretsOf[system], Date.now());
      const status = await receive(engine, system, delivery, log);
      if (status !== 202) return status;
      count('ChangesTaken');
      await noteDelivery(engine, system);
      return status;
    };
  return measured({
    customcrmWebhook: webhook('customcrm', readCustomcrmWebhook),
    waveWebhook: webhook('wave', readWaveWebhook),
    applyChanges: (messages, remainingMs) =>
      eachReadable(messages, async (readable) => {
        const call = callWithin(remainingMs, 'live');
        const isLive = readable.some(({ doorbell }) => !doorbell.background);
        if (!isLive && readable.length > 0) await ready({ ...call, priority: 'background' });
        const failed = await handleBatch(engine, readable, call);
        // Only live ones are gathered; more probably wait behind a full batch.
        if (isLive) await rest(call.deadline, readable.length === fullBatch);
        return failed;
      }),
    async customcrmPoll(remainingMs, isAsked) {
      const end = Date.now() + remainingMs;
      const found = await registrationsIn(customcrm);
      if (await stopBesideOthers(engine, config.WAVE_BUSINESS_ID, found))
        log('error', { message: 'another stack is active' });
      const { completeAt } = await progressOf(engine, 'customcrm');
      if (!isAsked && completeAt + config.CUSTOMCRM_POLL_INTERVAL_SECONDS * 1000 > end) return;
      await repeatedly(config.CUSTOMCRM_POLL_INTERVAL_SECONDS, end - Date.now(), 'customcrm', (call) =>
        pollCustomcrm(engine, call),
      );
    },
    wavePoll: (remainingMs) =>
      repeatedly(config.WAVE_POLL_INTERVAL_SECONDS, remainingMs, 'wave', (call) => pollWave(engine, call)),
    async janitor() {
      // A container outlives a restore of the table.
      await checkIdentity(connections);
      const tidied = await tidy(engine);
      count('OldestIntentMs', tidied.oldestIntentMs);
      for (const age of tidied.pollAgesMs) count('PollAgeMs', age);
      if (tidied.sweepAgeMs !== undefined) count('SweepAgeMs', tidied.sweepAgeMs);
      count('Paused', tidied.paused);
      const { connection } = await connectionState(engine.table, waveAccess(config));
      count('WaveConnected', connection === 'good' ? 1 : 0);
      log('info', { message: 'janitor ran', woken: tidied.woken, intents: tidied.intents });
    },
    async sweep(remainingMs) {
      const progress = await sweep(engine, callWithin(remainingMs, 'background'));
      if (progress && (progress.finishedAt ?? Date.now()) > Date.now() - remainingMs)
        log('info', {
          message: 'sweep ran',
          rung: progress.done,
          complete: progress.finishedAt !== undefined,
          because: progress.stopped ?? progress.phase,
        });
    },
    markFailed: (messages) => eachReadable(messages, (readable) => markFailed(engine, readable)),
  });
}

/** Every invocation sends what it counted, however it ends. */
function measured(app: App): App {
  const sent =
    <Args extends unknown[], Answer>(run: (...args: Args) => Promise<Answer>) =>
    (...args: Args): Promise<Answer> =>
      run(...args).finally(sendMetrics);
  return {
    customcrmWebhook: sent(app.customcrmWebhook),
    waveWebhook: sent(app.waveWebhook),
    applyChanges: sent(app.applyChanges),
    customcrmPoll: sent(app.customcrmPoll),
    wavePoll: sent(app.wavePoll),
    janitor: sent(app.janitor),
    sweep: sent(app.sweep),
    markFailed: sent(app.markFailed),
  };
}

/** A message that is no doorbell fails alone and ends in the dead-letter queue; the others go on. */
async function eachReadable(
  messages: readonly QueueMessage[],
  handle: (readable: readonly Message[]) => Promise<readonly string[]>,
): Promise<readonly string[]> {
  const readable: Message[] = [];
  const unreadable: string[] = [];
  for (const { messageId, body, receiveCount } of messages) {
    const doorbell = parseDoorbell(body);
    if (doorbell) readable.push({ messageId, receiveCount, doorbell });
    else {
      unreadable.push(messageId);
      log('error', { message: 'unreadable message', id: messageId });
    }
  }
  return [...unreadable, ...(await handle(readable))];
}

const callWithin = (remainingMs: number, priority: Call['priority']): Call => ({
  deadline: Date.now() + remainingMs - reserveMs,
  priority,
});

/** Polls at its own pace inside one invocation, until less than one interval is left; schedules know whole minutes only. */
async function repeatedly(
  intervalSeconds: number,
  remainingMs: number,
  system: System,
  poll: (call: Call) => Promise<PollResult>,
): Promise<void> {
  const call = callWithin(remainingMs, 'live');
  for (;;) {
    const startedAt = Date.now();
    const result = await poll(call).catch(countRefusal);
    if (result.rung > 0 || !result.complete)
      log('info', {
        message: 'polled',
        system,
        pages: result.pages,
        rung: result.rung,
        complete: result.complete,
      });
    const next = result.complete ? startedAt + intervalSeconds * 1000 : Date.now();
    if (next + (result.complete ? pollReserveMs : pagesReserveMs) > call.deadline) return;
    await sleep(Math.max(0, next - Date.now()));
  }
}

/** A refused token would else only show when there is something to do. */
function countRefusal(error: unknown): never {
  if (error instanceof ReconnectNeededError) count('ReconnectNeeded');
  throw error;
}

/** Outcomes that a person should look at. */
const alarming: ReadonlySet<OutcomeMessage> = new Set(['change failed', 'record failed', 'fuse blown']);

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const realClock: Clock = { now: Date.now, sleep };

function logAndCount(line: OutcomeLine): void {
  log(alarming.has(line.message) ? 'error' : 'info', line);
  countOutcome(line);
}

/** The engine, and the two clients below it for what only an operator asks. */
export interface Connections {
  readonly config: Config;
  readonly engine: Engine;
  readonly customcrm: CustomcrmClient;
  readonly wave: WaveClient;
  /** As `wave`, with an access token that is not in use yet. */
  readonly waveWith: (token: string) => WaveClient;
  readonly waveOptions: WaveOptions;
  /** Waits for a worker's turn to go for more changes. */
  readonly rest: WaveConnection['rest'];
  /** Waits until there is a slot for background changes. */
  readonly ready: WaveConnection['ready'];
}

/** Connects to everything that the settings name. Opens nothing yet. */
export function connect(
  config: Config,
  report: Engine['report'] = logAndCount,
  clock: Clock = realClock,
  onMissingTable: () => void = () => undefined,
): Connections {
  const table = dynamoTable(config.TABLE_NAME, {}, onMissingTable);
  const surroundings = {
    table,
    clock,
    newId: randomUUID,
    keys: config.FINGERPRINT_KEYS,
    onRequest({ slotsLeft }: RequestMeasure) {
      count('WaveRequests');
      count('WaveSlotsLeft', slotsLeft);
    },
  };
  const { client, options: waveOptions, rest, ready } = connectWave(waveSettings(config), surroundings);
  const customcrm = customcrmClient({
    url: config.CUSTOMCRM_API_URL,
    token: config.CUSTOMCRM_API_TOKEN,
    timeoutMs: requestTimeoutMs,
  });
  const engine: Engine = {
    systems: {
      customcrm: customcrmRecords(customcrm, { wait: () => clock.sleep(sharingMs) }),
      wave: waveRecords(client, waveOptions),
    },
    feed: waveFeed(client, waveOptions),
    taxes: waveTaxes(client, waveOptions),
    table,
    queues: {
      customcrm: changeQueue({
        live: config.CUSTOMCRM_CHANGES_QUEUE_URL,
        background: config.CUSTOMCRM_BACKGROUND_QUEUE_URL,
      }),
      wave: changeQueue({
        live: config.WAVE_CHANGES_QUEUE_URL,
        background: config.WAVE_BACKGROUND_QUEUE_URL,
      }),
    },
    clock,
    newId: randomUUID,
    report,
    settings: engineSettings(config),
  };
  const waveWith = (token: string) =>
    connectWave({ ...waveSettings(config), access: token }, surroundings).client;
  return { config, engine, customcrm, wave: client, waveWith, waveOptions, rest, ready };
}

/** The application that somebody logs in with; undefined where a full-access token is set instead. */
export function waveApplication(config: Config): OAuthApplication | undefined {
  const { WAVE_CLIENT_ID: clientId, WAVE_CLIENT_SECRET: clientSecret } = config;
  if (clientId === undefined || clientSecret === undefined) return undefined;
  return { clientId, clientSecret, tokenUrl: config.WAVE_TOKEN_URL, redirectUri: config.WAVE_REDIRECT_URI };
}

/** The application, or the full-access token: one of them is set. */
export const waveAccess = (config: Config): WaveSettings['access'] =>
  waveApplication(config) ?? config.WAVE_ACCESS_TOKEN ?? '';

const waveSettings = (config: Config): WaveSettings => ({
  url: config.WAVE_API_URL,
  businessId: config.WAVE_BUSINESS_ID,
  incomeAccountId: config.WAVE_INCOME_ACCOUNT_ID,
  access: waveAccess(config),
  timeoutMs: requestTimeoutMs,
  perMinute: config.WAVE_MAX_REQUESTS_PER_MINUTE,
  inFlight: config.WAVE_MAX_IN_FLIGHT,
  perDay: config.WAVE_MAX_REQUESTS_PER_DAY,
  countsFields: config.WAVE_COUNTS_FIELDS,
  operations: config.WAVE_OPERATIONS_PER_DOCUMENT,
});

const engineSettings = (config: Config): Engine['settings'] => ({
  mapping: {
    createInvoicesFrom: config.CREATE_INVOICES_FROM,
    poNumberFrom: config.PO_NUMBER_FROM,
    approveInvoices: config.APPROVE_INVOICES,
    editIssuedInvoices: config.EDIT_ISSUED_INVOICES,
    waveFallbackProductId: config.WAVE_FALLBACK_PRODUCT_ID,
    wavePercentage: config.WAVE_PERCENTAGE,
    waveKeepsLineOrder: config.WAVE_KEEPS_LINE_ORDER,
  },
  keys: config.FINGERPRINT_KEYS,
  conflict: config.CONFLICT_POLICY,
  firstLink: config.FIRST_LINK_POLICY,
  settleMs: config.SETTLE_SECONDS * 1000,
  lookupPauseMs: 30_000,
  fenceMarginMs: 5 * 60_000,
  leaseReserveMs: requestTimeoutMs + 30_000,
  maxReadToWriteMs: 2_000,
  fuseLimit: config.FUSE_LIMIT,
  startedPairs: () => config.PAIRS_STARTED,
});
