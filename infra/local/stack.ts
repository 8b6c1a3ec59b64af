import { rename, rm, writeFile } from 'node:fs/promises';
import { loadConfig } from '../../lib/config.ts';
import { driveQueues, driveSchedules } from './drivers.ts';
import { startDynamoDb } from './dynamodb.ts';
import type { Driver } from './event-sources.ts';
import type { FaultRates } from './faults.ts';
import { type Functions, functionsOf, routesOf } from './functions.ts';
import { startFront } from './http-front.ts';
import { copyPackage } from './package.ts';
import { type Endpoints, namesIn, provision, stackIdIn } from './provision.ts';
import { localSecrets } from './secrets.ts';
import { checkSettings, environmentOf } from './settings.ts';
import { startSqs } from './sqs/server.ts';
import { startStandIns } from './stand-ins.ts';
import { takeStateDirectory } from './state-directory.ts';
import { readTemplate } from './template.ts';

/** Work in progress may end within this time before it is ended, ms. */
const graceMs = 3_000;

export interface StackOptions {
  /** Of the functions; Customcrm gets the next one, Wave the one after. 0: any free ports. */
  readonly port: number;
  /** Directory of everything that survives a restart. */
  readonly statePath: string;
  /** Removes what an earlier run left there. */
  readonly reset?: boolean;
  readonly standIns: boolean;
  readonly sample: boolean;
  /** Settings of the functions; these win over what the stack sets. Anything else is left out. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly faults?: { readonly seed: number; readonly rates: FaultRates };
  /** Puts something between the functions and the services that they use, for who wants to see every call. */
  readonly between?: (endpoints: Endpoints) => Promise<Endpoints>;
  /** One line that a function wrote: JSON, or plain text of the runtime. */
  readonly onLine: (line: string) => void;
  readonly say?: (text: string) => void;
}

export interface Stack {
  readonly addresses: {
    readonly functions: string;
    readonly customcrm: string | undefined;
    readonly wave: string | undefined;
  };
  readonly env: Readonly<Record<string, string>>;
  readonly close: () => Promise<void>;
}

type Closer = () => Promise<unknown>;

/**
 * Starts everything on this machine from what was packaged. What was started is stopped again when a later part fails.
 * @throws SettingsError when settings are missing or wrong, or the state directory is in use; before anything has started
 */
export async function startStack(options: StackOptions): Promise<Stack> {
  checkSettings(options.env, options.standIns);
  const closers: Closer[] = [];
  const close = async () => {
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  try {
    return await start(options, closers, close);
  } catch (error) {
    await close();
    throw error;
  }
}

async function start(options: StackOptions, closers: Closer[], close: () => Promise<void>): Promise<Stack> {
  const state = await takeStateDirectory(options.statePath, options.reset ?? false);
  closers.push(state.release);
  await copyPackage(state.file('package'));
  const template = await readTemplate(state.file('package/template.json'));
  const onError = failureLine(options.onLine);
  const front = await startFront(options.port, { onError });
  closers.push(front.close);
  const files = { dbPath: state.file('dynamodb.sqlite'), pidPath: state.file('dynamodb.pid') };
  const dynamodb = await startDynamoDb(files, options.say);
  closers.push(dynamodb.close);
  const sqs = await startSqs({ port: 0, path: state.file('sqs.sqlite') });
  closers.push(sqs.close);
  const direct = { dynamodb: dynamodb.url, sqs: sqs.url };
  const endpoints = (await options.between?.(direct)) ?? direct;
  const known = namesIn(template, endpoints);
  await provision(template, known, endpoints);

  const secrets = await localSecrets(state.file('secrets.json'));
  const standIns = options.standIns
    ? await startStandIns(
        {
          port: options.port && options.port + 1,
          file: state.file,
          sample: options.sample,
          faults: options.faults,
        },
        front.url,
        await stackIdIn(template, known, endpoints),
        secrets,
        closers,
      )
    : undefined;
  const standard = { FINGERPRINT_KEYS: secrets.FINGERPRINT_KEYS, ...standIns?.settings };
  const env = environmentOf(template, known, endpoints, standard, options.env);
  loadConfig(env);
  // Whoever sees it reads all of it.
  await writeFile(state.file('functions-env.json.new'), JSON.stringify(env, null, 2), { mode: 0o600 });
  await rename(state.file('functions-env.json.new'), state.file('functions-env.json'));
  closers.push(() => rm(state.file('functions-env.json'), { force: true }));

  const functions = functionsOf(template, state.file('package'), env, options.onLine);
  front.serve(routesOf(template, functions));
  const queues = driveQueues(
    template,
    known,
    endpoints.sqs,
    functions,
    options.env.WAVE_MAX_IN_FLIGHT,
    onError,
  );
  const schedules = driveSchedules(template, known, functions, env, onError);
  closers.push(() => endWork(functions, queues, schedules, onError.silence));
  return {
    addresses: { functions: front.url, customcrm: standIns?.customcrm, wave: standIns?.wave },
    env,
    close,
  };
}

/** Nothing new begins; a batch in hand is finished if it is quick; a poll may be cut anywhere, and the rest is ended. */
async function endWork(
  functions: Functions,
  queues: readonly Driver[],
  schedules: readonly Driver[],
  silence: () => void,
): Promise<void> {
  for (const driver of [...queues, ...schedules]) driver.stop();
  const inHand = Promise.all(queues.map((driver) => driver.ended()));
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([
    inHand,
    new Promise((resolve) => {
      timer = setTimeout(resolve, graceMs);
    }),
  ]);
  clearTimeout(timer);
  silence();
  await Promise.all([...functions.values()].map((each) => each.close()));
  await Promise.all([inHand, ...schedules.map((driver) => driver.ended())]);
}

/** Says failed invocations as a log line, until it is silenced because everything is being ended anyway. */
function failureLine(onLine: (line: string) => void) {
  let silent = false;
  const onError = (error: unknown) => {
    if (!silent)
      onLine(JSON.stringify({ level: 'error', message: 'invocation failed', error: String(error) }));
  };
  return Object.assign(onError, {
    silence() {
      silent = true;
    },
  });
}
