import assert from 'node:assert/strict';
import { localToken } from '../../infra/local/stand-ins.ts';
import { eventually, type Json, type World } from '../end-to-end/world.ts';
import { clientSettings, type Stage, serviceName } from './stage.ts';

/** The same hands of the two users as over the local stack, here over a deployed stage. Its outcomes are in {@link outcomesOf}. */
export function worldOf({ customcrm, wave, webhookUrls, cli, env, close }: Stage): World {
  return {
    customcrm: (method, path, body) => request(method, `${customcrm.url}${path}`, body),
    async wave(query, variables = {}) {
      const answer = await request('POST', wave.url, { query, variables });
      assert.equal(answer.errors, undefined, JSON.stringify(answer.errors));
      return answer.data as Json;
    },
    control: (system) => request('GET', `${(system === 'wave' ? wave : customcrm).origin}/_control/state`),
    functionsUrl: new URL(webhookUrls.customcrm).origin,
    cli,
    statePath: '',
    outcomes: [],
    recorder: { calls: new Map(), parameters: () => Promise.reject(new Error('It has a Parameter Store.')) },
    env,
    close,
  };
}

/** Lets a stand-in lose its webhooks, or not any more. */
export const loseWebhooks = ({ origin }: { readonly origin: string }, webhookDropped: 0 | 1): Promise<Json> =>
  request('POST', `${origin}/_control/faults`, { webhookDropped });

async function request(method: string, url: string, body?: unknown): Promise<Json> {
  const answer = await fetch(url, {
    method,
    headers: {
      authorization: `Bearer ${localToken}`,
      'content-type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json',
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  assert.ok(answer.ok, `${method} ${url}: ${answer.status} ${text}`);
  return text === '' ? {} : (JSON.parse(text) as Json);
}

const pageLimit = 200;

/** The lines that a deployed function wrote to its log group, oldest first. */
export async function linesOf(stage: Stage, name: string): Promise<readonly string[]> {
  const logGroupName = `/aws/lambda/${serviceName}-${name}`;
  const lines: string[] = [];
  let nextToken: unknown;
  for (let page = 0; page < pageLimit; page += 1) {
    const answer = await askLogs(stage, 'FilterLogEvents', {
      logGroupName,
      ...(nextToken ? { nextToken } : {}),
    });
    lines.push(...(answer.events as readonly Json[]).map(({ message }) => String(message)));
    nextToken = answer.nextToken;
    if (!nextToken) return lines;
  }
  throw new Error(`${logGroupName} has more than ${pageLimit} pages`);
}

/** The JSON lines among them that say an outcome. */
export async function outcomesOf(stage: Stage, name: string): Promise<readonly Json[]> {
  const lines = (await linesOf(stage, name)).filter((line) => line.startsWith('{'));
  return lines.map((line) => JSON.parse(line) as Json).filter(({ message }) => message !== undefined);
}

/** Waits until a deployed function has said something, and answers it. */
export const said = (stage: Stage, name: string, matches: (outcome: Json) => boolean): Promise<Json> =>
  eventually(`${name} says so`, async () => (await outcomesOf(stage, name)).find(matches));

const askLogs = async (stage: Stage, action: string, input: Json): Promise<Json> =>
  JSON.parse(
    await ask(stage, 'logs', JSON.stringify(input), {
      'content-type': 'application/x-amz-json-1.1',
      'x-amz-target': `Logs_20140328.${action}`,
    }),
  ) as Json;

/** Takes a role its policy. */
export const stripRole = (stage: Stage, RoleName: string, PolicyName: string): Promise<string> =>
  ask(
    stage,
    'iam',
    new URLSearchParams({
      Action: 'DeleteRolePolicy',
      Version: '2010-05-08',
      RoleName,
      PolicyName,
    }).toString(),
    { 'content-type': 'application/x-www-form-urlencoded' },
  );

/** Asks a service that this project has no client for. The emulator's root needs no signature, only the key that names it. */
async function ask(
  { emulator }: Stage,
  service: string,
  body: string,
  headers: Readonly<Record<string, string>>,
): Promise<string> {
  const { credentials, region } = clientSettings(emulator.env);
  const scope = `${credentials.accessKeyId}/20260101/${region}/${service}/aws4_request`;
  const authorization = `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=host, Signature=none`;
  const answer = await fetch(emulator.url, { method: 'POST', headers: { ...headers, authorization }, body });
  const text = await answer.text();
  assert.ok(answer.ok, `${service}: ${answer.status} ${text}`);
  return text;
}
