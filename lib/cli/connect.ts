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

/** How long one command may talk to the systems, ms. */
const patienceMs = 10 * 60_000;

export const callNow = (priority: Call['priority'] = 'background'): Call => ({
  deadline: Date.now() + patienceMs,
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

/** @throws SettingsError when it cannot be read */
async function janitorOf(stage: string): Promise<GetFunctionConfigurationCommandOutput> {
  const name = `customcrm-wave-sync-${stage}-janitor`;
  try {
    return await new LambdaClient({}).send(new GetFunctionConfigurationCommand({ FunctionName: name }));
  } catch (error) {
    const reason = error instanceof Error ? error.name : 'unknown';
    throw new SettingsError(
      `The function ${name} could not be read (${reason}). Is the stage deployed in this region, and do your AWS credentials reach it?`,
    );
  }
}
