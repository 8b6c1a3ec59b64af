import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type StackOptions, startStack } from '../../infra/local/stack.ts';
import { localBankAccountId, localBusinessId, localIncomeAccountId } from '../../infra/local/wave/server.ts';
import { awsRecorder, type Recorder } from '../support/aws-recorder.ts';
import { refusedByRoles } from '../support/rights.ts';
import { compileCache } from '../support/sync-command.ts';

export type Json = Record<string, unknown>;
/** How long a check may take to come true. Generous: machines are slow and noisy. */
const patienceMs = 240_000;
/** What the functions said in this process, newest last: why somebody waited in vain is there. */
const said: Json[] = [];
/** So many of the last lines are shown then. */
const saidShown = 60;

/** The whole local stack with empty stand-ins, and the hands of its two users. */
export interface World {
  readonly customcrm: (method: string, path: string, body?: unknown) => Promise<Json>;
  readonly wave: (query: string, variables?: Json) => Promise<Json>;
  readonly control: (system: 'customcrm' | 'wave') => Promise<Json>;
  readonly functionsUrl: string;
  /** Runs a command of the operator's against this world, and reads its JSON. */
  readonly cli: (...args: string[]) => Promise<Json>;
  /** Where its state is: what the operator's commands need to find it. */
  readonly statePath: string;
  readonly outcomes: Json[];
  /** What its functions called at AWS. */
  readonly recorder: Pick<Recorder, 'calls' | 'parameters'>;
  /** What its functions see. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly close: () => Promise<void>;
}

/** Closing it fails when a function called what its role does not grant: AWS would have refused it. */
export async function startWorld(
  env: Record<string, string> = {},
  between: NonNullable<StackOptions['between']> = async (endpoints) => endpoints,
): Promise<World> {
  const statePath = await mkdtemp(join(tmpdir(), 'sync-world-'));
  const outcomes: Json[] = [];
  const recorder = awsRecorder();
  const stack = await startStack({
    port: 0,
    statePath,
    standIns: true,
    sample: false,
    // On a crowded machine a request times out now and then, and its outcome must settle within our patience.
    env: {
      WAVE_POLL_INTERVAL_SECONDS: '1',
      CUSTOMCRM_POLL_INTERVAL_SECONDS: '2',
      SETTLE_SECONDS: '30',
      ...env,
    },
    async between(endpoints) {
      const { dynamodb, sqs } = await between(endpoints);
      return { dynamodb: await recorder.before(dynamodb), sqs: await recorder.before(sqs) };
    },
    onLine: (line) => {
      if (!line.startsWith('{')) return;
      const outcome = JSON.parse(line) as Json;
      outcomes.push(outcome);
      said.push(outcome);
    },
  });
  const { functions, customcrm, wave } = stack.addresses;
  assert.ok(customcrm && wave);
  return {
    customcrm: (method, path, body) => request(method, `${customcrm}${path}`, body),
    async wave(query, variables = {}) {
      const answer = await request('POST', wave, { query, variables });
      assert.equal(answer.errors, undefined, JSON.stringify(answer.errors));
      return answer.data as Json;
    },
    control: (system) =>
      request('GET', `${new URL(system === 'wave' ? wave : customcrm).origin}/_control/state`),
    functionsUrl: functions,
    async cli(...args) {
      const main = new URL('../../lib/cli/main.ts', import.meta.url).pathname;
      const { stdout } = await promisify(execFile)(
        process.execPath,
        [main, '--state', statePath, '--json', '--yes', ...args],
        { env: { ...process.env, ...compileCache } },
      ).catch(
        // A finding is no failure of the command: it prints, and ends with 1.
        (error: { stdout: string; stderr: string }) => {
          assert.ok(error.stdout, error.stderr);
          return error;
        },
      );
      return JSON.parse(stdout) as Json;
    },
    statePath,
    outcomes,
    recorder,
    env: stack.env,
    async close() {
      await stack.close();
      await recorder.close();
      await rm(statePath, { recursive: true, force: true });
      assert.deepEqual(await refusedByRoles(recorder.calls), []);
    },
  };
}

async function request(method: string, url: string, body?: unknown): Promise<Json> {
  const answer = await fetch(url, {
    method,
    headers: {
      authorization: 'Bearer local',
      'content-type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json',
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  assert.ok(answer.ok, `${method} ${url}: ${answer.status} ${text}`);
  return text === '' ? {} : (JSON.parse(text) as Json);
}

/** Waits until `check` answers something, asking again and again. The last failure is the error. */
export async function eventually<T>(
  what: string,
  check: () => Promise<T | undefined | false>,
  everyMs = 250,
): Promise<T> {
  const end = Date.now() + patienceMs;
  let last: unknown;
  while (Date.now() < end) {
    try {
      const answer = await check();
      if (answer !== undefined && answer !== false) return answer;
    } catch (error) {
      last = error;
    }
    await sleep(everyMs);
  }
  const lines = said.slice(-saidShown).map((line) => JSON.stringify(line));
  throw new Error(`Waited in vain: ${what}\n${lines.join('\n')}`, { cause: last });
}

/** The value at a dotted path; list indexes are path segments too. */
export const at = (record: unknown, path: string): unknown =>
  path.split('.').reduce<unknown>((inner, key) => (inner as Json | null | undefined)?.[key], record);

const customerFields = `id name displayId firstName lastName email phone mobile tollFree fax website internalNotes
  currency { code } address { addressLine1 addressLine2 city postalCode province { code } country { code } }
  shippingDetails { name phone instructions address { addressLine1 addressLine2 city postalCode province { code } country { code } } }`;
const productFields = 'id name description unitPrice isArchived defaultSalesTaxes { id abbreviation }';
const invoiceFields = `id invoiceNumber poNumber status title memo footer invoiceDate dueDate viewUrl currency { code } customer { id }
  discounts { __typename name ... on FixedInvoiceDiscount { amount } ... on PercentageInvoiceDiscount { percentage } }
  items { product { id } description quantity unitPrice taxes { salesTax { id abbreviation } } }
  subtotal { minorUnitValue } taxTotal { minorUnitValue } total { minorUnitValue } amountPaid { minorUnitValue } amountDue { minorUnitValue }`;
const fieldsOf = { customer: customerFields, product: productFields, invoice: invoiceFields };

export type WaveKind = keyof typeof fieldsOf;

/** A Wave record as its user sees it. */
export async function readWave({ wave }: World, kind: WaveKind, id: string): Promise<Json> {
  const data = await wave(
    `query ($b: ID!, $id: ID!) { business(id: $b) { ${kind}(id: $id) { ${fieldsOf[kind]} } } }`,
    { b: localBusinessId, id },
  );
  return at(data, `business.${kind}`) as Json;
}

/** Every record of a kind that Wave lists, archived products included. */
export async function listWave({ wave }: World, kind: WaveKind): Promise<readonly Json[]> {
  const args = kind === 'product' ? ', isArchived: null' : '';
  const data = await wave(
    `query ($b: ID!) { business(id: $b) { ${kind}s(page: 1, pageSize: 200${args}) { edges { node { ${fieldsOf[kind]} } } } } }`,
    { b: localBusinessId },
  );
  return (at(data, `business.${kind}s.edges`) as readonly { node: Json }[]).map(({ node }) => node);
}

/** One mutation of a Wave user, which must succeed. Answers the record. */
export async function mutate(
  { wave }: World,
  name: string,
  input: Json,
  answers: WaveKind | undefined = undefined,
): Promise<Json> {
  const type = `${name[0]?.toUpperCase()}${name.slice(1)}Input`;
  const shown = answers ? `${answers} { ${fieldsOf[answers]} }` : '';
  const data = await wave(
    `mutation ($input: ${type}!) { ${name}(input: $input) { didSucceed inputErrors { path message code } ${shown} } }`,
    { input },
  );
  const outcome = data[name] as Json;
  assert.equal(outcome.didSucceed, true, `${name}: ${JSON.stringify(outcome.inputErrors)}`);
  return (answers ? outcome[answers] : outcome) as Json;
}

/** A manual payment, as the Wave user records it. */
export const pay = (world: World, invoiceId: string, amount: string): Promise<Json> =>
  mutate(world, 'invoicePaymentCreateManual', {
    invoiceId,
    paymentAccountId: localBankAccountId,
    amount,
    paymentDate: new Date().toISOString().slice(0, 10),
    paymentMethod: 'CASH',
    exchangeRate: '1',
  });

export const createWaveCustomer = (world: World, input: Json) =>
  mutate(world, 'customerCreate', { businessId: localBusinessId, ...input }, 'customer');
export const createWaveProduct = (world: World, input: Json) =>
  mutate(
    world,
    'productCreate',
    { businessId: localBusinessId, incomeAccountId: localIncomeAccountId, ...input },
    'product',
  );
export const createWaveInvoice = (world: World, input: Json) =>
  mutate(world, 'invoiceCreate', { businessId: localBusinessId, ...input }, 'invoice');

/** The Wave record that a Customcrm record was given as its counterpart: Customcrm keeps its id as the marker. */
export const counterpartInWave = (world: World, path: string): Promise<string> =>
  eventually(`${path} has a counterpart in Wave`, async () => {
    const { ExternalId } = await world.customcrm('GET', path);
    return typeof ExternalId === 'string' && ExternalId.startsWith('wave:') ? ExternalId.slice(5) : undefined;
  });

/** The Customcrm record that carries the marker of a Wave record. */
export const counterpartInCustomcrm = (world: World, list: string, waveId: string): Promise<Json> =>
  eventually(`${waveId} has a counterpart in Customcrm`, async () => {
    const { data } = await world.customcrm(
      'GET',
      `${list}?externalId=${encodeURIComponent(`wave:${waveId}`)}`,
    );
    return (data as readonly Json[])[0];
  });

/** Waits until neither system is written to for a while. */
export async function quiet(world: World): Promise<void> {
  const writes = async () => [
    (await world.control('customcrm')).writes,
    (await world.control('wave')).writes,
  ];
  let before = await writes();
  await eventually('both systems are left alone', async () => {
    await sleep(4_000);
    const after = await writes();
    const same = JSON.stringify(before) === JSON.stringify(after);
    before = after;
    return same;
  });
}
