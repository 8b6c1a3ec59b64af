import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  GetFunctionConfigurationCommand,
  type GetFunctionConfigurationCommandOutput,
  LambdaClient,
} from '@aws-sdk/client-lambda';
import { type Connections, connect as connectApp } from '../app.ts';
import { parametersUnder } from '../aws/parameters.ts';
import { loadConfig } from '../config.ts';
import { SettingsError } from '../errors.ts';
import type { Call } from '../sync/ports.ts';

/** Where the commands go: a deployed stage, or the stack on this machine. */
export interface Place {
  readonly stage?: string;
  /** State directory of the local stack. */
  readonly state: string;
}

/** How long one command may talk to the systems, ms. What decides about records holds them for as long when it is interrupted. */
const patienceMs = { live: 2 * 60_000, background: 10 * 60_000 } as const;

export const callNow = (priority: Call['priority'] = 'background'): Call => ({
  deadline: Date.now() + patienceMs[priority],
  priority,
});

/** Connects with exactly the settings that the functions have. @throws SettingsError */
export async function connect(place: Place): Promise<Connections> {
  const env =
    place.stage === undefined ? await localSettings(place.state) : await deployedSettings(place.stage);
  Object.assign(process.env, env);
  const secrets = env.PARAMETERS_PATH ? await parametersUnder(env.PARAMETERS_PATH) : {};
  // What a command finds is its own answer; log lines belong to the functions.
  return connectApp(loadConfig({ ...env, ...secrets }), () => undefined);
}

async function localSettings(state: string): Promise<Record<string, string>> {
  const path = join(state, 'functions-env.json');
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Record<string, string>;
  } catch {
    throw new SettingsError(
      `No local stack was found at ${path}. Start it with: npm start. For a deployed one, say --stage NAME.`,
    );
  }
}

/** The janitor has every setting; the others have the same. */
const deployedSettings = async (stage: string): Promise<Record<string, string>> =>
  (await janitorOf(stage)).Environment?.Variables ?? {};

/** The topic that the alarms of a stage go to: in the account and region of its functions. @throws SettingsError */
export async function alarmTopicOf(stage: string): Promise<string> {
  const [, partition, , region, account] = (await janitorOf(stage)).FunctionArn?.split(':') ?? [];
  return `arn:${partition}:sns:${region}:${account}:customcrm-wave-sync-${stage}-alarms`;
}

/** @throws SettingsError when it cannot be read, or this machine's clock is wrong */
async function janitorOf(stage: string): Promise<GetFunctionConfigurationCommandOutput> {
  const name = `customcrm-wave-sync-${stage}-janitor`;
  const client = new LambdaClient({});
  const aheadMs = clockAheadOf(client);
  try {
    const found = await client.send(new GetFunctionConfigurationCommand({ FunctionName: name }));
    mustBeRight(aheadMs());
    return found;
  } catch (error) {
    if (error instanceof SettingsError) throw error;
    const reason = error instanceof Error ? error.name : 'unknown';
    throw new SettingsError(
      `The function ${name} could not be read (${reason}). Is the stage deployed in this region, and do your AWS credentials reach it?`,
    );
  }
}

/** Beyond these, what a command takes of the request budget and its leases ends at another time than the functions think: said, and refused, ms. */
const clockWarnMs = 2_000;
const clockLimitMs = 20_000;

/** How much this machine's clock is ahead of AWS's at the least, by the date of the last answer, ms; below 0 when it is behind. */
function clockAheadOf(client: LambdaClient): () => number {
  let aheadMs = 0;
  client.middlewareStack.add(
    (next) => async (args) => {
      const sentAt = Date.now();
      const result = await next(args);
      const { headers } = result.response as { readonly headers?: Readonly<Record<string, string>> };
      const date = Date.parse(headers?.date ?? '');
      // A date is of whole seconds, and of some time between the request and the answer.
      if (!Number.isNaN(date)) aheadMs = Math.max(0, sentAt - date - 1_000) - Math.max(0, date - Date.now());
      return result;
    },
    { step: 'deserialize', name: 'clockAhead', priority: 'low' },
  );
  return () => aheadMs;
}

/** @throws SettingsError */
function mustBeRight(aheadMs: number): void {
  if (Math.abs(aheadMs) <= clockWarnMs) return;
  const wrong = `The clock of this machine is ${Math.round(Math.abs(aheadMs) / 1000)} s ${aheadMs > 0 ? 'ahead of' : 'behind'} that of AWS. Set it right: commands share leases and the request budget with the functions, which go by the time.`;
  if (Math.abs(aheadMs) > clockLimitMs) throw new SettingsError(wrong);
  process.stderr.write(`${wrong}\n`);
}
