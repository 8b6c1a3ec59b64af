import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { DynamoDBClient, QueryCommand, ScanCommand } from '@aws-sdk/client-dynamodb';
import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { marshall } from '@aws-sdk/util-dynamodb';
import type { Command } from 'commander';
import { credentials, region } from '../../infra/local/provision.ts';
import { localIncomeAccountId } from '../../infra/local/wave/server.ts';
import { program } from '../../lib/cli/program.ts';
import { startParameterStore } from '../support/parameter-store.ts';
import { type Ended, syncCommand } from '../support/sync-command.ts';
import {
  createWaveCustomer,
  eventually,
  type Json,
  mutate,
  readWave,
  startWorld,
  type World,
} from './world.ts';

/** Some two hundred commands, one process each, on a machine that may be crowded. */
const suiteMs = 600_000;
const stranger = 'nobody';
const redirectUri = 'http://127.0.0.1:9/callback';
/** Nobody answers here. */
const nowhere = 'http://127.0.0.1:9';

// Every command, as a person types it: tables, refusals, exit codes. The tests stand in the order in which they must run.
describe('the operator’s commands', { timeout: suiteMs }, () => {
  let world: World;
  let folder: string;
  let customer: { readonly id: string; readonly path: string };
  let waveId: string;
  const used = new Set<string>();
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'commands-'));
    world = await startWorld({ PAIRS_STARTED: 'false', CONFLICT_POLICY: 'hold' });
    const { Id } = await world.customcrm('POST', '/customers', { Name: 'Rowan & Alder', Fax: '1' });
    customer = { id: String(Id), path: `/customers/${Id}` };
  });
  after(async () => {
    await world?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const sync = (...args: string[]): Promise<Ended> => {
    used.add(nameOf(args));
    return syncCommand(['--state', world.statePath, ...args]);
  };
  /** What a command printed that did what it was asked to. */
  async function done(...args: string[]): Promise<string> {
    const { code, out, err } = await sync(...args);
    assert.equal(code, 0, `${args.join(' ')}: ${out}${err}`);
    return out.trim();
  }
  /** What a command said that did not: one line or a usage, and never a stack trace. */
  async function refused(...args: string[]): Promise<string> {
    const { code, out, err } = await sync(...args);
    return saidNo(args, { code, out, err });
  }
  function saidNo(args: readonly string[], { code, out, err }: Ended): string {
    assert.equal(code, 1, `${args.join(' ')}: ${out}${err}`);
    assert.doesNotMatch(err, /^\s+at /m);
    return `${out}${err}`.trim();
  }
  /** The same commands with settings that differ from those of the stack. */
  async function withSettings(
    changed: Record<string, string>,
  ): Promise<(...args: string[]) => Promise<Ended>> {
    const state = await mkdtemp(join(folder, 'state-'));
    const env = { ...world.env, ...changed };
    await writeFile(join(state, 'functions-env.json'), JSON.stringify(env), { mode: 0o600 });
    return (...args) => syncCommand(['--state', state, ...args]);
  }
  async function inTable<T>(work: (client: DynamoDBClient, TableName: string) => Promise<T>): Promise<T> {
    const endpoint = String(world.env.AWS_ENDPOINT_URL_DYNAMODB);
    const client = new DynamoDBClient({ endpoint, region, credentials });
    return work(client, String(world.env.TABLE_NAME)).finally(() => client.destroy());
  }
  /** So many records have something noted under their name. */
  const notedOf = (ref: string) =>
    inTable(async (client, TableName) => {
      const query = {
        TableName,
        KeyConditionExpression: 'pk = :pk',
        ExpressionAttributeValues: marshall({ ':pk': ref }),
      };
      return (await client.send(new QueryCommand(query))).Count;
    });
  const pausesNow = async () => ((await world.cli('status')).paused as readonly Json[]).length;

  test('write nothing without a yes, and say how to give one', async () => {
    const { Id: hook } = ((await world.cli('webhooks', 'list')) as unknown as readonly Json[])[0] ?? {};
    const record = ['customer', customer.id];
    const both = ['customer', customer.id, 'none'];
    const restore = [...record, '--row', 'Fax', '--at', '2026-01-01T00:00:00Z'];
    await each(
      [
        ['resolve', ...record, '--keep', 'wave'],
        ['retry', ...record],
        ['restore', ...restore],
        ['forget', ...record],
        ['fuse', 'deletions', '--release'],
        ['pause', 'all'],
        ['resume', 'all'],
        ['start', 'customer'],
        ['sweep', '--apply'],
        ['sweep', '--confirmed'],
        ['link', ...both],
        ['relink', ...both],
        ['unlink', ...record],
        ['exclude', ...record],
        ['include', ...record],
        ['recreate', ...record],
        ['accept', ...record],
        ['webhooks', 'register', 'https://other.example/webhooks/customcrm'],
        ['webhooks', 'test', String(hook)],
        ['webhooks', 'remove', String(hook)],
      ],
      async (args) => assert.match(await refused(...args), /[?.] Say --yes to confirm\.$/, args.join(' ')),
    );
    assert.equal(await pausesNow(), 0);
    assert.equal(((await world.cli('webhooks', 'list')) as unknown as readonly Json[]).length, 1);
    assert.match(await done('pairs'), /^customer +no /m);
    assert.match(await done('sweep'), /^No sweep has run yet/);
  });

  test('say that a record is not found, and leave nothing behind', async () => {
    await each(
      [
        ['show', 'customer', stranger],
        ['resolve', 'customer', stranger, '--keep', 'wave'],
        ['retry', 'customer', stranger],
        ['restore', 'customer', stranger, '--row', 'Fax', '--at', '2026-01-01'],
        ['forget', 'customer', stranger],
        ['unlink', 'customer', stranger],
        ['exclude', 'customer', stranger],
        ['include', 'customer', stranger],
        ['recreate', 'customer', stranger],
        ['accept', 'customer', stranger],
      ],
      async (args) =>
        assert.match(
          await refused(...args, '--yes'),
          /^Not found: customcrm#customer#nobody\. An id of Wave's needs --wave\.$/,
        ),
    );
    assert.match(
      await refused('show', 'customer', stranger, '--wave'),
      /^Not found: wave#customer#nobody\.$/,
    );
    assert.match(
      await refused('webhooks', 'remove', stranger, '--yes'),
      /^Not found: the subscription nobody/,
    );
    assert.match(await refused('webhooks', 'test', stranger, '--yes'), /^Not found: the subscription nobody/);
    assert.match(
      await refused('link', 'customer', customer.id, stranger, '--yes'),
      /Not done: wave#customer#nobody is not-found/,
    );
    for (const system of ['customcrm', 'wave'])
      assert.equal(await notedOf(`${system}#customer#${stranger}`), 0);
  });

  test('do not take what they cannot understand for something else', async () => {
    const record = ['customer', customer.id];
    await each(
      [
        [['blocked', '--limit', 'abc'], /'abc' is invalid\. Say a number from 1 on/],
        [['waiting', '--limit', '0'], /'0' is invalid/],
        [
          ['resolve', ...record, '--keep', 'wave', '--row', 'Nonsense'],
          /no property Nonsense; say one of Name, /,
        ],
        [['resolve', ...record, '--keep', 'nobody'], /Say one of customcrm, wave/],
        [['restore', ...record, '--row', 'Fax', '--at', 'then'], /Say a time/],
        [['show', 'invoice', '1'], /Say one of customer, product, order/],
        [['pause', 'foo'], /Say all, a pair, or one record/],
        [['resume', 'foo'], /Say all, a pair, or one record/],
        [['resume', 'customer'], /^customer was not paused/],
        [['fuse', 'deletions'], /Say either --release or --reject/],
        [['preview', 'customers'], /There is no pair customers/],
        [
          ['preview', '--csv', join(folder, 'none', 'a.csv')],
          /^The file .*a\.csv cannot be used \(ENOENT\)\.$/,
        ],
        [['start', 'order'], /Start the pair customer first/],
        [['webhooks', 'wave', 'https://a.example', '--minutes', '100'], /Say a number of minutes up to 60/],
        [['wave', 'login'], /Set WAVE_CLIENT_ID and WAVE_CLIENT_SECRET first/],
      ] as const,
      async ([args, says]) => assert.match(await refused(...args, '--yes'), says, args.join(' ')),
    );
    assert.equal(await pausesNow(), 0);
  });

  test('find everything in order', async () => {
    const text = await done('check');
    for (const what of [
      'settings +complete; Wave by a full-access token',
      'queues +answer',
      'Customcrm clock +-?\\d+ s ahead',
      'Wave clock +-?\\d+ s ahead',
      'Customcrm customer +shows every property',
      'Wave customer +can be read; there is none yet',
      'Customcrm webhook +registered as whk_configured',
      'other stacks +none',
    ])
      assert.match(text, new RegExp(`^ok +${what}`, 'm'));
  });

  test('say once of each system that its token is bad, and what to do', async () => {
    const check = await withSettings({ CUSTOMCRM_API_TOKEN: 'bad', WAVE_ACCESS_TOKEN: 'bad' });
    const text = saidNo(['check'], await check('check'));
    assert.equal(text.match(/CUSTOMCRM_API_TOKEN/g)?.length, 1);
    assert.equal(text.match(/WAVE_ACCESS_TOKEN/g)?.length, 1);
    assert.match(text, /^!! +Customcrm +.*HTTP 401: put a token that is good into the environment/m);
    assert.match(text, /^!! +Wave +.*refused: put a token that is good/m);
  });

  test('say of a business that is not there only that', async () => {
    const check = await withSettings({ WAVE_BUSINESS_ID: Buffer.from('Business:none').toString('base64') });
    const text = saidNo(['check'], await check('check'));
    assert.match(text, /^!! +Wave business +not found: check WAVE_BUSINESS_ID/m);
    assert.doesNotMatch(text, /income account/);
  });

  test('say that a setting is missing', async () => {
    const check = await withSettings({ FINGERPRINT_KEYS: '' });
    const text = saidNo(['check'], await check('check'));
    assert.match(text, /^!! +settings +These settings need attention:\n +FINGERPRINT_KEYS: is not set/m);
  });

  test('say that a clock is wrong', async () => {
    const ahead = await serverBefore(String(world.env.CUSTOMCRM_API_URL), { aheadMs: 10 * 60_000 });
    try {
      const check = await withSettings({ CUSTOMCRM_API_URL: ahead.url });
      const text = saidNo(['check'], await check('check'));
      assert.match(text, /^!! +Customcrm clock +(?:599|60[01]) s ahead of this machine: /m);
      assert.match(text, /^ok +Wave clock /m);
    } finally {
      await ahead.close();
    }
  });

  test('say what a system does not show, and which records it does not let us read', async () => {
    const poor = await serverBefore(String(world.env.CUSTOMCRM_API_URL), {
      refused: /\/products/,
      hidden: /"Fax":[^,]*,/g,
    });
    try {
      const check = await withSettings({ CUSTOMCRM_API_URL: poor.url });
      const text = saidNo(['check'], await check('check'));
      assert.match(text, /^!! +Customcrm customer +does not show Fax: these stay as they are/m);
      assert.match(text, /^!! +Customcrm product +cannot be read \(.*403\): the token needs the right to/m);
      assert.match(text, /^ok +Customcrm order +can be read/m);
    } finally {
      await poor.close();
    }
  });

  test('probe a business that nobody uses, and none that is kept in sync', async () => {
    const business = String(world.env.WAVE_BUSINESS_ID);
    const probe = ['wave', 'probe', '--business', business, '--income-account', localIncomeAccountId];
    assert.match(await refused(...probe), /^This is WAVE_BUSINESS_ID, /);
    const elsewhere = await withSettings({ WAVE_BUSINESS_ID: 'QnVzaW5lc3M6MQ==' });
    assert.match(
      saidNo(probe, await elsewhere(...probe)),
      /Is it a business for tests\? Say --yes to confirm\.$/,
    );
  });

  test('lead from a preview to the first counterpart', async () => {
    const csv = join(folder, 'preview.csv');
    const text = await done('preview', 'customer', '--csv', csv);
    assert.match(text, new RegExp(`^create +customer +customcrm +${customer.id}`, 'm'));
    assert.match(text, /^1 create$/m);
    assert.match(await readFile(csv, 'utf8'), new RegExp(`^create,customer,customcrm,${customer.id},`, 'm'));
    assert.match(await done('start', 'customer', '--yes'), /^customer is started/);
    assert.match(await done('sweep', '--watch'), /^finished, 1 compared/);
    await eventually('it is linked', async () => {
      const { link } = await world.cli('show', 'customer', customer.id);
      waveId = String((link as Json | undefined)?.waveId ?? '');
      return waveId !== '';
    });
    assert.match(await done('pairs'), /^customer +yes +0$/m);
    assert.match(await done('sweep', '--apply', '--yes'), /compared/);
  });

  test('show one record, and how everything stands', async () => {
    const shown = await done('show', 'customer', customer.id);
    assert.match(
      shown,
      new RegExp(`^customcrm#customer#${customer.id}: there in customcrm, there in wave$`, 'm'),
    );
    assert.match(shown, new RegExp(`wave ${waveId}$`, 'm'));
    assert.match(shown, /^Name +<-> +Rowan & Alder +Rowan & Alder/m);
    const status = await done('status');
    assert.match(status, /^linked +1 customer$/m);
    assert.match(status, /^Wave connection +good, by a full-access token$/m);
    assert.match(await done('wave', 'status'), /^Wave connection: good, by a full-access token$/);
    await each(
      ['conflicts', 'blocked', 'failed', 'ambiguous', 'unlinked', 'excluded', 'waiting'],
      async (list) => assert.equal(await done(list), 'None.', list),
    );
    assert.deepEqual(JSON.parse(await done('export')).conflict, []);
    assert.equal(await done('redrive'), 'Nothing has failed.');
    assert.equal(await done('retry', 'customer', waveId, '--wave', '--yes'), 'Queued. Watch it with: show');
  });

  test('pause, resume, and show a conflict with the whole id until a person resolves it', async () => {
    for (const scope of [`customcrm#customer#${customer.id}`, `wave#customer#${waveId}`])
      assert.match(await done('pause', scope, '--yes', '--reason', 'a look'), /^Paused within a minute/);
    // Containers that are at work hear of it within three seconds.
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    await world.customcrm('PATCH', customer.path, { Fax: 'here' });
    await mutate(world, 'customerPatch', { id: waveId, fax: 'there' });
    await eventually('both wait', async () => (await done('waiting')).split('\n').length === 3);
    const waiting = await done('waiting');
    assert.match(waiting, new RegExp(`^customer +wave +${waveId} +pause`, 'm'));
    const decision = ['resolve', 'customer', customer.id, '--keep', 'wave', '--row', 'Fax', '--yes'];
    assert.match(await refused(...decision), /^Not decided, .*\(pause\)\. Say it again/);
    for (const scope of [`customcrm#customer#${customer.id}`, `wave#customer#${waveId}`])
      assert.match(await done('resume', scope, '--yes'), /^Resumed: /);
    await eventually('it is shown', async () => (await done('conflicts')).includes(customer.id));
    assert.match(await done(...decision), /applied/);
    assert.equal((await world.customcrm('GET', customer.path)).Fax, 'there');
  });

  test('put back what lost, and forget it for good', async () => {
    const [, at = ''] =
      /^Fax of customcrm, lost (\S+)$/m.exec(await done('show', 'customer', customer.id)) ?? [];
    const restore = ['restore', 'customer', customer.id, '--row', 'Fax', '--yes', '--at'];
    assert.match(await refused(...restore, '2026-01-01T00:00:00Z'), /^No such value was found/);
    assert.match(await done(...restore, at), /^Put back/);
    await eventually(
      'it is on both sides',
      async () => (await readWave(world, 'customer', waveId)).fax === 'here',
    );
    assert.match(
      await done('forget', 'customer', customer.id, '--yes'),
      /^1 lost values and the history were removed/,
    );
    assert.doesNotMatch(await done('show', 'customer', customer.id), /lost/);
  });

  test('carry out what only a person can decide, or say why not', async () => {
    assert.match(
      await refused('recreate', 'customer', customer.id, '--yes'),
      /^Not done: its counterpart was not/,
    );
    assert.match(
      await refused('accept', 'customer', customer.id, '--yes'),
      /^Not done: its counterpart was not/,
    );
    assert.match(await refused('exclude', 'customer', customer.id, '--yes'), /^Not done: it is linked/);
    assert.match(
      await refused('include', 'customer', customer.id, '--yes'),
      /^Not done: no person excluded it/,
    );
    const { id } = await createWaveCustomer(world, { name: 'Alder' });
    await eventually(
      'it has a counterpart',
      async () => (await world.cli('show', 'customer', String(id), '--wave')).link,
    );
    await decided('unlink', 'customer', String(id), '--wave');
    assert.match(await done('excluded'), new RegExp(`^customer +wave +${id} `, 'm'));
    await decided('relink', 'customer', customer.id, String(id));
    await decided('unlink', 'customer', customer.id);
    await decided('link', 'customer', customer.id, waveId);
    assert.match(await done('fuse', 'loop', '--reject', '--yes'), /^0 records were freed/);
  });
  /** A worker that is at the record is said, and gone a moment later. */
  const decided = (...args: string[]) =>
    eventually(args.join(' '), async () => {
      const { code, out } = await sync(...args, '--yes');
      if (out.includes('a worker is at this record')) return false;
      assert.equal(code, 0, out);
      return out === 'Done.\n';
    });

  test('show what has failed, and try it again', async () => {
    const queueUrl = String(world.env.CUSTOMCRM_CHANGES_QUEUE_URL).replace(/\.fifo$/, '-dead.fifo');
    const sqs = new SQSClient({ endpoint: String(world.env.AWS_ENDPOINT_URL_SQS), region, credentials });
    const doorbell = {
      system: 'customcrm',
      pair: 'customer',
      id: customer.id,
      eventId: 'tried',
      at: Date.now(),
    };
    const MessageBody = JSON.stringify(doorbell);
    const ids = { MessageGroupId: 'tried', MessageDeduplicationId: 'tried' };
    await sqs.send(new SendMessageCommand({ QueueUrl: queueUrl, MessageBody, ...ids }));
    sqs.destroy();
    const failed = await eventually('it shows', async () => {
      const text = await done('failed');
      return text !== 'None.' && text;
    });
    assert.match(failed, new RegExp(`^customer +customcrm +${customer.id} .*handled many times`, 'm'));
    assert.match(await refused('redrive'), /^Try 1 failed records again\? Say --yes/);
    assert.match(await done('redrive', '--yes'), /^1 were queued/);
    await eventually('nothing has failed', async () => (await done('failed')) === 'None.');
  });

  test('register, try and end a subscription', async () => {
    const url = 'https://other.example/webhooks/customcrm';
    const registered = await done('webhooks', 'register', url, '--yes');
    const [, id = '', secret = ''] = /^Registered as (\w+)\. [\s\S]*\n(whsec_\S+)$/.exec(registered) ?? [];
    assert.ok(id && secret);
    assert.match(
      await done('webhooks', 'register', url, '--yes'),
      new RegExp(`^Already registered as ${id}`),
    );
    assert.match(await done('webhooks', 'list'), new RegExp(`^${id} +active +this stack +${url} `, 'm'));
    assert.match(
      (await sync('check')).out,
      new RegExp(`registered 2 times: webhooks remove all but one of .*${id}`),
    );
    assert.match(await done('webhooks', 'test', id, '--yes'), /^Sent/);
    assert.equal(await done('webhooks', 'remove', id, '--yes'), 'Removed.');
    assert.match(await done('webhooks', 'wave', url, '--no-watch'), /3\. URL: https:\/\/other\.example/);
    assert.match(
      (await syncCommand(['--stage', 'trial', 'webhooks', 'wave', url, '--no-watch'])).out,
      /--name \/customcrm-wave-sync\/trial\/WAVE_WEBHOOK_SECRET /,
    );
  });

  test('register no URL that another subscription has, and say which', async () => {
    const url = 'https://foreign.example/webhooks/customcrm';
    const { Id } = await world.customcrm('POST', '/webhooks', { Url: url, Events: ['customer.created'] });
    assert.match(
      await refused('webhooks', 'register', url, '--yes'),
      new RegExp(`^Not registered: the subscription ${Id} .* webhooks remove ${Id}, and say this again\\.$`),
    );
    await done('webhooks', 'remove', String(Id), '--yes');
  });

  test('show the secret that could not be stored: it is told only once', async () => {
    const store = await startParameterStore(true);
    try {
      store.values.set('/readonly/CUSTOMCRM_WEBHOOK_SECRET', 'whsec_b2xk');
      const sync = await withSettings({ PARAMETERS_PATH: '/readonly', AWS_ENDPOINT_URL_SSM: store.url });
      const url = 'https://again.example/webhooks/customcrm';
      const said = saidNo(['register'], await sync('webhooks', 'register', url, '--yes'));
      assert.match(said, /could not be stored: AWS refused it: AccessDeniedException/);
      assert.match(said, /\nwhsec_\S+$/);
      const [, id = ''] = /^Registered as (\w+)/.exec(said) ?? [];
      await done('webhooks', 'remove', id, '--yes');
    } finally {
      await store.close();
    }
  });

  test('log in to Wave, and say in words how the login stands', async () => {
    const { origin } = new URL(String(world.env.WAVE_API_URL));
    const sync = await withSettings({
      WAVE_ACCESS_TOKEN: '',
      WAVE_CLIENT_ID: 'local',
      WAVE_CLIENT_SECRET: 'local',
      WAVE_TOKEN_URL: `${origin}/oauth2/token/`,
      WAVE_REDIRECT_URI: redirectUri,
    });
    assert.match(
      (await sync('wave', 'status')).out,
      /^Wave connection: nobody has logged in yet: wave login$/m,
    );
    assert.match((await sync('check')).out, /^!! +Wave +.*: log in with: wave login$/m);
    const ask = new URLSearchParams({ client_id: 'local', redirect_uri: redirectUri });
    const { headers } = await fetch(`${origin}/oauth2/authorize/?${ask}`, { redirect: 'manual' });
    const code = new URL(headers.get('location') ?? '').searchParams.get('code') ?? '';
    const login = ['wave', 'login', '--code', code];
    assert.match(saidNo(login, await sync(...login)), /Say --yes to confirm\.$/);
    assert.match((await sync(...login, '--yes')).out, /^Connected\. 0 waiting records go on\.$/m);
    assert.match((await sync('status')).out, /^Wave connection +good, login or renewal \d+ s ago$/m);
  });

  test('say in one line what keeps them from the table', async () => {
    const gone = await withSettings({ AWS_ENDPOINT_URL_DYNAMODB: nowhere });
    assert.match(
      saidNo(['status'], await gone('status')),
      /^AWS, or the local stack in its place, cannot be reached \(ECONNREFUSED\)/,
    );
    const other = await withSettings({ TABLE_NAME: 'another' });
    assert.match(saidNo(['status'], await other('status')), /^The table or function is not there/);
    const nobody = await syncCommand(['--state', folder, 'status']);
    assert.match(saidNo(['status'], nobody), /^No local stack was found at .*Start it with: npm start/);
    const bare = {
      PATH: process.env.PATH,
      HOME: folder,
      AWS_REGION: region,
      AWS_EC2_METADATA_DISABLED: 'true',
    };
    const deployed = await syncCommand(['--stage', 'none', 'status'], bare);
    assert.match(saidNo(['status'], deployed), /customcrm-wave-sync-none-janitor could not be read \(Cred/);
  });

  test('explain themselves, and how they end', async () => {
    const { out } = await syncCommand(['--help']);
    assert.match(out, /Ends with 0 when .* with 1 when/s);
    assert.match(out, /npm run -s sync -- --json/);
  });

  test('are all tried here', async () => {
    const every = leavesOf(program).map((path) => path.join(' '));
    assert.deepEqual(
      [...used].filter((name) => !every.includes(name)),
      [],
    );
    assert.deepEqual(every.filter((name) => !used.has(name)).sort(), []);
    const { Count } = await inTable((client, TableName) => client.send(new ScanCommand({ TableName })));
    assert.ok(Number(Count) > 0);
  });
});

/** So many commands run at once. */
const atOnce = 4;

async function each<T>(all: readonly T[], run: (one: T) => Promise<unknown>): Promise<void> {
  for (let first = 0; first < all.length; first += atOnce)
    await Promise.all(all.slice(first, first + atOnce).map(run));
}

/** A server before another one: its clock is wrong, it refuses some paths, or leaves something out of its answers. */
async function serverBefore(
  upstream: string,
  {
    aheadMs = 0,
    refused = /^$/,
    hidden = /^$/g,
  }: { readonly aheadMs?: number; readonly refused?: RegExp; readonly hidden?: RegExp },
) {
  const server = createServer(async (incoming, outgoing) => {
    const answer = await fetch(`${new URL(upstream).origin}${incoming.url}`, {
      headers: { authorization: String(incoming.headers.authorization) },
    });
    outgoing.writeHead(refused.test(incoming.url ?? '') ? 403 : answer.status, {
      'content-type': 'application/json',
      date: new Date(Date.now() + aheadMs).toUTCString(),
    });
    outgoing.end((await answer.text()).replaceAll(hidden, ''));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${new URL(upstream).pathname}`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The words that name a command, before its arguments. */
function nameOf(args: readonly string[]): string {
  const isGroup = program.commands.some(({ commands }, index) => {
    return commands.length > 0 && program.commands[index]?.name() === args[0];
  });
  return args.slice(0, isGroup ? 2 : 1).join(' ');
}

const leavesOf = (command: Command): readonly (readonly string[])[] =>
  command.commands.flatMap((each) =>
    each.commands.length === 0 ? [[each.name()]] : leavesOf(each).map((path) => [each.name(), ...path]),
  );
