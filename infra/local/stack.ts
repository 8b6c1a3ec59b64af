import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadConfig, settings } from '../../lib/config.ts';
import { type FunctionSpec, type LocalFunction, localFunction } from './containers.ts';
import { startCustomcrm } from './customcrm/server.ts';
import { startDynamoDb } from './dynamodb.ts';
import { type Driver, pollQueue } from './event-sources.ts';
import type { FaultRates } from './faults.ts';
import { startFront } from './http-front.ts';
import { credentials, type Endpoints, namesIn, provision, region } from './provision.ts';
import { intervalOf, runOnSchedule } from './schedules.ts';
import { type LocalSecrets, localSecrets } from './secrets.ts';
import { startSqs } from './sqs/server.ts';
import { type Known, readTemplate, resolve, resourcesOf, type Template } from './template.ts';
import { localBusinessId, localFallbackProductId, localIncomeAccountId, startWave } from './wave/server.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const standardTemplate = join(root, '.serverless', 'cloudformation-template-update-stack.json');
/** The token of both stand-ins. */
export const localToken = 'local';

export interface StackOptions {
  /** Of the functions; Customcrm gets the next one, Wave the one after. 0: any free ports. */
  readonly port: number;
  /** Directory of everything that survives a restart. */
  readonly statePath: string;
  readonly standIns: boolean;
  readonly sample: boolean;
  /** Settings of the functions; these win over what the stack sets. Anything else is left out. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly faults?: { readonly seed: number; readonly rates: FaultRates };
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

type Closer = () => unknown;

/** Starts everything on this machine, from the packaged template. What was started is stopped again when a later part fails. */
export async function startStack(options: StackOptions): Promise<Stack> {
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
  const template = await readTemplate(standardTemplate);
  const inState = (file: string) => join(options.statePath, file);
  await mkdir(options.statePath, { recursive: true });
  const unlock = await lock(inState('pid'));
  closers.push(unlock);
  const front = await startFront(options.port);
  closers.push(front.close);
  const dynamodb = await startDynamoDb({
    dbPath: inState('dynamodb.sqlite'),
    pidPath: inState('dynamodb.pid'),
    say: options.say ?? (() => undefined),
  });
  closers.push(dynamodb.close);
  const sqs = await startSqs({ port: 0, path: inState('sqs.sqlite') });
  closers.push(sqs.close);
  const endpoints = { dynamodb: dynamodb.url, sqs: sqs.url };
  const known = namesIn(template, endpoints);
  await provision(template, known, endpoints);

  const secrets = await localSecrets(inState('secrets.json'));
  const standIns = options.standIns ? await startStandIns(options, front.url, secrets, closers) : undefined;
  const env = environment(options, endpoints, { ...secrets, ...standIns?.env });
  const functions = functionsOf(template, known, env, options.onLine);
  const shared = envOf(template, known, env);
  loadConfig(shared);
  await writeFile(inState('functions-env.json'), JSON.stringify(shared, null, 2), { mode: 0o600 });

  front.serve(routesOf(template, functions));
  const drivers = drive(template, known, endpoints, functions, shared, options.onLine);
  // Last in, first out: begin nothing new, end what runs, and let the pollers notice.
  closers.push(() => Promise.all(drivers.map((driver) => driver.ended())));
  closers.push(() => Promise.all([...functions.values()].map((each) => each.close())));
  closers.push(() => drivers.map((driver) => driver.stop()));
  return {
    addresses: { functions: front.url, customcrm: standIns?.customcrm, wave: standIns?.wave },
    env: shared,
    close,
  };
}

/** Refuses a second stack on the same state; the lock of a dead one is taken over. */
async function lock(path: string): Promise<Closer> {
  const holder = Number(await readFile(path, 'utf8').catch(() => ''));
  if (holder && holder !== process.pid && isAlive(holder))
    throw new Error(
      `Another stack (process ${holder}) uses this state directory. Stop it, or say --state for another.`,
    );
  await writeFile(path, String(process.pid));
  return () => rm(path, { force: true });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function startStandIns(
  { port, statePath, sample, faults }: StackOptions,
  frontUrl: string,
  secrets: LocalSecrets,
  closers: Closer[],
) {
  const common = { token: localToken, sample, faults };
  const customcrm = await startCustomcrm({
    ...common,
    port: port && port + 1,
    path: join(statePath, 'customcrm.sqlite'),
    webhook: { url: `${frontUrl}/webhooks/customcrm`, secret: secrets.CUSTOMCRM_WEBHOOK_SECRET },
  });
  closers.push(customcrm.close);
  const wave = await startWave({
    ...common,
    port: port && port + 2,
    path: join(statePath, 'wave.sqlite'),
    webhook: { url: `${frontUrl}/webhooks/wave`, secret: secrets.WAVE_WEBHOOK_SECRET },
  });
  closers.push(wave.close);
  return {
    customcrm: customcrm.url,
    wave: wave.url,
    env: {
      CUSTOMCRM_API_URL: customcrm.url,
      CUSTOMCRM_API_TOKEN: localToken,
      WAVE_API_URL: wave.url,
      WAVE_ACCESS_TOKEN: localToken,
      WAVE_BUSINESS_ID: localBusinessId,
      WAVE_INCOME_ACCOUNT_ID: localIncomeAccountId,
      WAVE_FALLBACK_PRODUCT_ID: localFallbackProductId,
    },
  };
}

/** What the functions see, beside the template: the endpoints of this machine, quick polls, pairs that start by themselves. */
function environment(
  options: StackOptions,
  endpoints: Endpoints,
  own: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const given = Object.entries(options.env).filter(
    (entry): entry is [string, string] => entry[0] in settings.shape && Boolean(entry[1]),
  );
  return {
    ...own,
    PAIRS_STARTED: 'true',
    WAVE_POLL_INTERVAL_SECONDS: '2',
    CUSTOMCRM_POLL_INTERVAL_SECONDS: '2',
    PARAMETERS_PATH: '',
    AWS_REGION: region,
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    AWS_ENDPOINT_URL_DYNAMODB: endpoints.dynamodb,
    AWS_ENDPOINT_URL_SQS: endpoints.sqs,
    ...Object.fromEntries(given),
  };
}

const propertiesOf = (template: Template, known: Known, id: string) =>
  resolve({ ...template.Resources[id]?.Properties, Code: undefined, Role: undefined }, known) as Record<
    string,
    unknown
  >;

function envOf(
  template: Template,
  known: Known,
  env: Readonly<Record<string, string>>,
): Record<string, string> {
  const [first] = resourcesOf(template, 'AWS::Lambda::Function');
  const { Environment } = propertiesOf(template, known, first?.[0] ?? '') as {
    Environment?: { Variables?: Record<string, string> };
  };
  return { ...Environment?.Variables, ...env };
}

function functionsOf(
  template: Template,
  known: Known,
  env: Readonly<Record<string, string>>,
  onLine: (line: string) => void,
): ReadonlyMap<string, LocalFunction> {
  return new Map(
    resourcesOf(template, 'AWS::Lambda::Function').map(([id]) => {
      const properties = propertiesOf(template, known, id);
      const variables = (properties.Environment as { Variables?: Record<string, string> } | undefined)
        ?.Variables;
      const spec: FunctionSpec = {
        name: String(properties.FunctionName),
        bundle: join(root, String(properties.Handler).replace(/\.handler$/, '.cjs')),
        env: { ...variables, ...env },
        timeoutMs: Number(properties.Timeout) * 1000,
        memoryMb: Number(properties.MemorySize),
      };
      return [id, localFunction(spec, onLine)];
    }),
  );
}

function routesOf(
  template: Template,
  functions: ReadonlyMap<string, LocalFunction>,
): ReadonlyMap<string, LocalFunction> {
  return new Map(
    resourcesOf(template, 'AWS::ApiGatewayV2::Route').map(([, { Properties }]) => {
      const [, integration] = /"Ref":"([^"]+)"/.exec(JSON.stringify(Properties.Target)) ?? [];
      const uri = JSON.stringify(template.Resources[integration ?? '']?.Properties.IntegrationUri);
      const [id] = [...functions.keys()].filter((name) => uri.includes(`"${name}"`));
      const target = functions.get(id ?? '');
      if (!target) throw new Error(`The route ${Properties.RouteKey} leads to no function`);
      return [String(Properties.RouteKey), target];
    }),
  );
}

/** What invokes functions by itself: queues and schedules. */
function drive(
  template: Template,
  known: Known,
  endpoints: Endpoints,
  functions: ReadonlyMap<string, LocalFunction>,
  env: Readonly<Record<string, string>>,
  onLine: (line: string) => void,
): readonly Driver[] {
  const onError = (error: unknown) =>
    onLine(JSON.stringify({ level: 'error', message: 'invocation failed', error: String(error) }));
  const target = (arn: unknown): LocalFunction => {
    const found = [...functions.values()].find(({ name }) => String(arn).endsWith(`:${name}`));
    if (!found) throw new Error(`Nothing answers to ${arn}`);
    return found;
  };
  const sources = resourcesOf(template, 'AWS::Lambda::EventSourceMapping').map(([, { Properties }]) => {
    const mapping = resolve(Properties, known) as Record<string, unknown>;
    const arn = String(mapping.EventSourceArn);
    const scaling = mapping.ScalingConfig as { MaximumConcurrency?: number } | undefined;
    return pollQueue(
      endpoints.sqs,
      {
        queueArn: arn,
        queueUrl: `${endpoints.sqs}/000000000000/${arn.split(':').at(-1)}`,
        batchSize: Number(mapping.BatchSize ?? 10),
        concurrency: scaling?.MaximumConcurrency ?? 1,
        reportsFailures:
          (mapping.FunctionResponseTypes as string[] | undefined)?.includes('ReportBatchItemFailures') ??
          false,
      },
      target(mapping.FunctionName),
      onError,
    );
  });
  const schedules = resourcesOf(template, 'AWS::Events::Rule').map(([, { Properties }]) => {
    const rule = resolve(Properties, known) as { ScheduleExpression: string; Targets: { Arn: string }[] };
    const invoked = target(rule.Targets[0]?.Arn);
    return runOnSchedule(invoked, paceOf(invoked.name, intervalOf(rule.ScheduleExpression), env), onError);
  });
  return [...sources, ...schedules];
}

/** A poll whose interval is shorter than its schedule repeats inside its invocation; here the next invocation follows at once. */
function paceOf(name: string, everyMs: number, env: Readonly<Record<string, string>>): number {
  const setting = name.endsWith('wave-poll')
    ? env.WAVE_POLL_INTERVAL_SECONDS
    : name.endsWith('customcrm-poll')
      ? env.CUSTOMCRM_POLL_INTERVAL_SECONDS
      : undefined;
  return setting ? Math.min(everyMs, Number(setting) * 1000) : everyMs;
}
