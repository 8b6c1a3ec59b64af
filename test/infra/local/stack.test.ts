import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { ListQueuesCommand, SQSClient } from '@aws-sdk/client-sqs';
import { packaged } from '../../../infra/local/package.ts';
import { type Stack, startStack } from '../../../infra/local/stack.ts';
import { localBusinessId } from '../../../infra/local/wave/server.ts';
import { messagesIn } from '../../support/queues.ts';

const main = new URL('../../../infra/local/main.ts', import.meta.url).pathname;
const patienceMs = 240_000;
/** Nothing that happens to be set where the tests run. */
const bareEnv = { PATH: process.env.PATH, HOME: process.env.HOME };

before(() => packaged(() => undefined));

async function stateFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'stack-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return join(folder, 'state');
}

const standard = { port: 0, standIns: true, sample: false, onLine: () => undefined };

async function started(t: TestContext, statePath: string): Promise<Stack> {
  const stack = await startStack({ ...standard, statePath, env: { WAVE_POLL_INTERVAL_SECONDS: '1' } });
  t.after(() => stack.close());
  return stack;
}

async function eventually<T>(what: string, check: () => Promise<T | undefined | false>): Promise<T> {
  const end = Date.now() + patienceMs;
  let cause: unknown;
  while (Date.now() < end) {
    // A connection that was kept for too long is closed under a question, on a machine that is busy.
    const found = await check().catch((error) => {
      cause = error;
    });
    if (found !== undefined && found !== false) return found;
    await sleep(200);
  }
  throw new Error(`Waited in vain: ${what}`, { cause });
}

type Json = Record<string, unknown>;
interface Addresses {
  readonly customcrm: string | undefined;
  readonly wave: string | undefined;
}

async function request(method: string, url: string, body?: unknown): Promise<Json> {
  const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
  const answer = await fetch(url, {
    method,
    headers: { authorization: 'Bearer local', 'content-type': type },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  assert.ok(answer.ok, `${method} ${url}: ${answer.status}`);
  return (await answer.json()) as Json;
}

const inCustomcrm = ({ customcrm }: Addresses, method: string, path: string, body?: unknown) =>
  request(method, `${customcrm}${path}`, body);

/** Names and phones of all of Wave's customers. */
async function inWave({ wave }: Addresses): Promise<readonly Json[]> {
  const query =
    'query ($b: ID!) { business(id: $b) { customers(page: 1, pageSize: 50) { edges { node { name phone } } } } }';
  const { data } = (await request('POST', String(wave), { query, variables: { b: localBusinessId } })) as {
    data: { business: { customers: { edges: readonly { node: Json }[] } } };
  };
  return data.business.customers.edges.map(({ node }) => node);
}

const arrives = (addresses: Addresses, wanted: Json) =>
  eventually(`${JSON.stringify(wanted)} is in Wave`, async () => {
    const all = await inWave(addresses);
    return all.some(({ name, phone }) => name === wanted.name && phone === wanted.phone);
  });

/** Whether no queue of the stack with this state holds a message. */
async function isAtRest(statePath: string): Promise<boolean> {
  const env = JSON.parse(await readFile(join(statePath, 'functions-env.json'), 'utf8')) as Record<
    string,
    string
  >;
  const sqs = new SQSClient({
    endpoint: String(env.AWS_ENDPOINT_URL_SQS),
    region: String(env.AWS_REGION),
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  });
  const { QueueUrls = [] } = await sqs.send(new ListQueuesCommand({}));
  const depths = await Promise.all(QueueUrls.map((url) => messagesIn(sqs, url)));
  sqs.destroy();
  assert.ok(depths.length > 0, 'the stack has queues');
  return depths.every((depth) => depth === 0);
}

/** `npm start` without npm, in a process group of its own. */
function run(t: TestContext, args: readonly string[], env: Record<string, string | undefined> = {}) {
  const child: ChildProcess = spawn(process.execPath, [main, ...args], {
    env: { ...bareEnv, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const said = { out: '', err: '', at: Date.now() };
  const note = (stream: 'out' | 'err') => (text: string) => {
    said[stream] += text;
    said.at = Date.now();
  };
  child.stdout?.setEncoding('utf8').on('data', note('out'));
  child.stderr?.setEncoding('utf8').on('data', note('err'));
  t.after(() => child.kill('SIGKILL'));
  return { child, said, ended: once(child, 'close') };
}

/** A process that nobody has buried yet does not run any more. */
const isRunning = (pid: number): Promise<boolean> =>
  promisify(execFile)('ps', ['-o', 'stat=', '-p', String(pid)]).then(
    ({ stdout }) => !stdout.startsWith('Z'),
    () => false,
  );

test('an edit crosses from one stand-in to the other, and goes on after a restart without a second counterpart', async (t) => {
  const statePath = await stateFolder(t);
  const first = await started(t, statePath);
  const { Id } = await inCustomcrm(first.addresses, 'POST', '/customers', { Name: 'Alder' });
  await arrives(first.addresses, { name: 'Alder', phone: null });
  await first.close();
  assert.ok(!existsSync(join(statePath, 'functions-env.json')));

  const second = await started(t, statePath);
  await inCustomcrm(second.addresses, 'PATCH', `/customers/${Id}`, { Phone: '1' });
  await arrives(second.addresses, { name: 'Alder', phone: '1' });
  assert.equal((await inWave(second.addresses)).length, 1);
});

test('what a stack killed without warning left behind is cleared away by the next, which goes on', async (t) => {
  const statePath = await stateFolder(t);
  const { child, said, ended } = run(t, ['--port', '0', '--state', statePath, '--json'], {
    // What somebody had set for a deployment must not reach a real system from here.
    CUSTOMCRM_API_URL: 'https://crm.example.com/api/v1',
  });
  await eventually('it runs', async () => said.err.includes('Running.'));
  assert.match(said.err, /Not used, because this run has stand-ins: CUSTOMCRM_API_URL/);
  const addressOf = (name: string) => new RegExp(`${name} +(http\\S+)`).exec(said.err)?.[1];
  const addresses = { customcrm: addressOf('Customcrm'), wave: addressOf('Wave') };
  const { Id } = await inCustomcrm(addresses, 'POST', '/customers', { Name: 'Birch' });
  await arrives(addresses, { name: 'Birch', phone: null });
  const lines = said.out.split('\n').slice(0, -1);
  assert.ok(lines.length > 0);
  for (const line of lines) assert.doesNotThrow(() => JSON.parse(line), line);
  // What is in hand at a kill is waited for: its message is hidden for minutes, and its lease holds.
  await eventually(
    'nothing is in hand',
    async () => (await isAtRest(statePath)) && Date.now() - said.at > 3_000,
  );
  process.kill(-Number(child.pid), 'SIGKILL');
  await ended;
  const orphan = Number(await readFile(join(statePath, 'dynamodb.pid'), 'utf8'));
  assert.ok(await isRunning(orphan));

  const next = await started(t, statePath);
  assert.ok(!(await isRunning(orphan)));
  await inCustomcrm(next.addresses, 'PATCH', `/customers/${Id}`, { Phone: '2' });
  await arrives(next.addresses, { name: 'Birch', phone: '2' });
  const names = (await inWave(next.addresses)).map(({ name }) => name);
  assert.equal(names.filter((name) => name === 'Birch').length, 1);
});

test('a state directory belongs to one stack, and is emptied only when it holds nothing else', async (t) => {
  const statePath = await stateFolder(t);
  const stack = await started(t, statePath);
  const again = { ...standard, statePath, env: {} };
  await assert.rejects(startStack(again), /Another stack \(process \d+\)/);
  await assert.rejects(startStack({ ...again, reset: true }), /Another stack/);
  await inCustomcrm(stack.addresses, 'POST', '/customers', { Name: 'Cedar' });
  await stack.close();

  await writeFile(join(statePath, 'thesis.txt'), 'mine');
  await assert.rejects(startStack({ ...again, reset: true }), /thesis\.txt/);
  await rm(join(statePath, 'thesis.txt'));
  const fresh = await startStack({ ...again, reset: true });
  t.after(() => fresh.close());
  assert.deepEqual((await inCustomcrm(fresh.addresses, 'GET', '/customers')).data, []);
});

test('without stand-ins every missing setting is named at once, before anything starts', async (t) => {
  const statePath = await stateFolder(t);
  const { said, ended } = run(t, ['--no-stand-ins', '--port', '0', '--state', statePath]);
  const [code] = (await ended) as [number];
  assert.equal(code, 1);
  for (const name of ['CUSTOMCRM_API_URL', 'CUSTOMCRM_API_TOKEN', 'WAVE_ACCESS_TOKEN', 'WAVE_BUSINESS_ID'])
    assert.match(said.err, new RegExp(`${name}: is not set`));
  assert.doesNotMatch(said.err, /TABLE_NAME|FINGERPRINT_KEYS|\bat /);
  assert.ok(!existsSync(statePath));
});

test('without stand-ins no pair starts by itself, and polls keep the pace of a deployment', async (t) => {
  const statePath = await stateFolder(t);
  const nobody = 'http://127.0.0.1:9';
  const stack = await startStack({
    ...standard,
    statePath,
    standIns: false,
    env: {
      CUSTOMCRM_API_URL: nobody,
      CUSTOMCRM_API_TOKEN: 'a',
      CUSTOMCRM_WEBHOOK_SECRET: 'whsec_YQ==',
      WAVE_API_URL: nobody,
      WAVE_ACCESS_TOKEN: 'b',
      WAVE_WEBHOOK_SECRET: 'c',
      WAVE_BUSINESS_ID: 'd',
      TABLE_NAME: 'production',
    },
  });
  t.after(() => stack.close());
  const { PAIRS_STARTED, WAVE_POLL_INTERVAL_SECONDS, CUSTOMCRM_API_URL, TABLE_NAME } = stack.env;
  assert.deepEqual([PAIRS_STARTED, WAVE_POLL_INTERVAL_SECONDS], ['', '']);
  assert.equal(CUSTOMCRM_API_URL, nobody);
  assert.notEqual(TABLE_NAME, 'production');
  assert.deepEqual([stack.addresses.customcrm, stack.addresses.wave], [undefined, undefined]);
  assert.ok(!(await readdir(statePath)).includes('wave.sqlite'));
});

test('a port that is taken, and an option that does not exist, are said in one line', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1');
  t.after(() => taken.close());
  await once(taken, 'listening');
  const { port } = taken.address() as AddressInfo;
  const busy = run(t, ['--port', String(port), '--state', await stateFolder(t)]);
  assert.deepEqual(await busy.ended, [1, null]);
  assert.match(busy.said.err, new RegExp(`^Port ${port} is in use\\. .*--port`));
  const strange = run(t, ['--prot', '1']);
  assert.deepEqual(await strange.ended, [1, null]);
  assert.match(strange.said.err, /^Unknown option '--prot'/);
});

test('the first signal ends everything in order', async (t) => {
  const statePath = await stateFolder(t);
  const { child, said, ended } = run(t, ['--port', '0', '--state', statePath]);
  await eventually('it runs', async () => said.out.includes('Running.'));
  const database = Number(await readFile(join(statePath, 'dynamodb.pid'), 'utf8'));
  // A terminal's Ctrl-C comes twice when npm passes it on.
  child.kill('SIGINT');
  child.kill('SIGINT');
  assert.deepEqual(await ended, [0, null]);
  assert.ok(!(await isRunning(database)));
  assert.ok(!existsSync(join(statePath, 'dynamodb.pid')));
  assert.doesNotMatch(said.out, /A function failed/);
});
