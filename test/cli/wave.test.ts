import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { localBusinessId, localIncomeAccountId } from '../../infra/local/wave/server.ts';
import { type Cli, cliWith } from '../support/cli.ts';
import { type Database, type SyncWorld, startDatabase, startSyncWorld } from '../support/sync-world.ts';

let database: Database;
before(async () => {
  database = await startDatabase();
});
after(() => database.close());

/** A port that nothing listens on right now. */
const freePort = () =>
  new Promise<number>((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });

describe('wave login', () => {
  let world: SyncWorld;
  let cli: Cli;
  let redirect: string;
  before(async () => {
    world = await startSyncWorld(database, {}, { access: 'login' });
    redirect = `http://127.0.0.1:${await freePort()}/callback`;
    cli = await cliWith({ ...world.env, WAVE_REDIRECT_URI: redirect });
  });
  after(async () => {
    await cli.close();
    await world.close();
  });

  const begun = async () => {
    const command = cli.start('--yes', 'wave', 'login');
    const [url] = await command.says(/http\S+\/oauth2\/authorize\/\S+(?=\n)/);
    const state = new URL(url).searchParams.get('state') ?? '';
    return { command, url, state };
  };
  /** Where Wave sends the browser of somebody who said yes. */
  const allowed = async (url: string) =>
    (await fetch(url, { redirect: 'manual' })).headers.get('location') ?? '';
  /** The listener may not be up yet. */
  async function open(url: string): Promise<string> {
    for (let attempt = 1; ; attempt++)
      try {
        return await (await fetch(url)).text();
      } catch (error) {
        if (attempt === 50) throw error;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
  }
  const status = async () => JSON.parse((await cli.run('--json', 'wave', 'status')).out).connection;

  test('listens until the browser comes back with the state that it sent, and says how the connection stands', async () => {
    assert.equal(await status(), 'none');
    const { command, url } = await begun();
    assert.match(await open(`${redirect}?code=stolen&state=other`), /not the answer/);
    assert.match(await open(`${redirect}?error=access_denied&state=other`), /not the answer/);
    assert.match(await open(`${new URL(redirect).origin}/favicon.ico`), /not the answer/);
    assert.match(await open(await allowed(url)), /Connected/);
    const { code, out } = await command.ended;
    assert.equal(code, 0);
    assert.match(out, /Connected\. 0 waiting records go on\./);
    assert.equal(await status(), 'good');
  });

  test('ends at once, with Wave’s reason, when the person says no', async () => {
    const { command, state } = await begun();
    assert.match(await open(`${redirect}?error=access_denied&state=${state}`), /not allowed/);
    const { code, err } = await command.ended;
    assert.equal(code, 1);
    assert.match(err, /The access was not allowed \(access_denied\); nothing has changed\./);
  });

  test('takes the address that the browser ended at, a code alone, and no address of another login', async () => {
    const first = await begun();
    const address = await allowed(first.url);
    const pasted = await cli.run('--yes', 'wave', 'login', '--code', address);
    assert.equal(pasted.code, 0, pasted.err);
    const again = await cli.run('--yes', 'wave', 'login', '--code', address);
    assert.match(again.err, /refused: the token endpoint answers 400 invalid_grant/);
    const bare = new URL(await allowed(first.url)).searchParams.get('code') ?? '';
    assert.equal((await cli.run('--yes', 'wave', 'login', '--code', bare)).code, 0);

    const strange = new URL(await allowed(first.url));
    strange.searchParams.set('state', 'other');
    const refused = await cli.run('--yes', 'wave', 'login', '--code', strange.href);
    assert.equal(refused.code, 1);
    assert.match(refused.err, /not the answer to the last `wave login`/);
    const denied = await cli.run('--yes', 'wave', 'login', '--code', `${redirect}?error=access_denied`);
    assert.match(denied.err, /not allowed \(access_denied\)/);
    await open(await allowed(first.url));
    assert.equal((await first.command.ended).code, 0);
  });

  test('keeps what stood before when the new login reaches another business only', async () => {
    const stands = () => world.engine.table.get({ pk: 'oauth#wave', sk: 'tokens' });
    const before = await stands();
    const other = await cliWith({
      ...world.env,
      WAVE_REDIRECT_URI: redirect,
      WAVE_BUSINESS_ID: 'QnVzaW5lc3M6MQ==',
    });
    try {
      const { command, url } = await begun();
      const { code, err } = await other.run('--yes', 'wave', 'login', '--code', await allowed(url));
      assert.equal(code, 1);
      assert.match(err, /does not reach the business of WAVE_BUSINESS_ID/);
      assert.deepEqual(await stands(), before);
      await open(await allowed(url));
      assert.equal((await command.ended).code, 0);
    } finally {
      await other.close();
    }
  });

  test('says what to copy where nothing can listen', async () => {
    const far = await cliWith({ ...world.env, WAVE_REDIRECT_URI: 'https://crm.example.com/wave' });
    try {
      const { code, err } = await far.run('--yes', 'wave', 'login');
      assert.equal(code, 1);
      assert.match(err, /copy the address that the browser ends at, and say --code ADDRESS/);
      const [url = ''] = /http\S+\/oauth2\/authorize\/\S+/.exec(err) ?? [];
      const { out } = await far.run('--yes', 'wave', 'login', '--code', await allowed(url));
      assert.match(out, /Connected/);
    } finally {
      await far.close();
    }
  });
});

describe('wave probe', () => {
  let world: SyncWorld;
  before(async () => {
    world = await startSyncWorld(database);
  });
  after(() => world.close());
  const probe = async (env: Readonly<Record<string, string>>, business: string, ...args: string[]) => {
    const cli = await cliWith({ ...world.env, ...env });
    try {
      return await cli.run(
        ...args,
        'wave',
        'probe',
        '--business',
        business,
        '--income-account',
        localIncomeAccountId,
      );
    } finally {
      await cli.close();
    }
  };
  const elsewhere = { WAVE_BUSINESS_ID: 'QnVzaW5lc3M6MQ==' };

  test('refuses the configured business, though nothing of it is linked yet', async () => {
    const { code, err } = await probe({}, localBusinessId, '--yes');
    assert.equal(code, 1);
    assert.match(err, /This is WAVE_BUSINESS_ID/);
    assert.equal((await world.writes()).wave, 0);
  });

  test('refuses the configured business also when Wave knows it under another spelling', async () => {
    for (const spelt of [` ${localBusinessId}`, `${localBusinessId}=`]) {
      const { code, err } = await probe({}, spelt, '--yes');
      assert.equal(code, 1);
      assert.match(err, /This is WAVE_BUSINESS_ID/);
    }
  });

  test('refuses a business that the token does not reach', async () => {
    const { code, err } = await probe({}, 'QnVzaW5lc3M6Mg==', '--yes');
    assert.equal(code, 1);
    assert.match(err, /This business was not found/);
  });

  test('writes nothing before somebody confirms that it is a business for tests', async () => {
    const { code, err } = await probe(elsewhere, localBusinessId);
    assert.equal(code, 1);
    assert.match(err, /in "Maple & Co", and not all can be removed\. Is it a business for tests\? Say --yes/);
    assert.equal((await world.writes()).wave, 0);
  });

  test('asks its questions, prints the settings that follow, and names what stays', async () => {
    const { code, out, err } = await probe(elsewhere, localBusinessId, '--yes');
    assert.equal(code, 0, err);
    assert.match(out, /^ok Is a discount of a tenth 10 or 0\.10\?\n {5}percent/m);
    assert.match(out, /^Settings that follow:\nWAVE_PERCENTAGE=percent\nWAVE_KEEPS_LINE_ORDER=true$/m);
    assert.match(err, /Wave keeps what the probe made: invoice /);
    assert.ok((await world.writes()).wave > 20);
  });
});
