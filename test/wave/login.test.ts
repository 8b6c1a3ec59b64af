import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { localBusinessId, localIncomeAccountId } from '../../infra/local/wave/server.ts';
import { waveApplication } from '../../lib/app.ts';
import { loadConfig } from '../../lib/config.ts';
import { ReconnectNeededError, RemoteRejectedError } from '../../lib/errors.ts';
import { connectWave } from '../../lib/wave/connection.ts';
import { authorizeUrl, exchangeCode } from '../../lib/wave/oauth.ts';
import { waveRecords } from '../../lib/wave/records.ts';
import { saveLogin, tokenState } from '../../lib/wave/tokens.ts';
import { callIn, customerBody, startCountedWave } from './connected.ts';
import { memoryTable } from './memory-table.ts';

describe('a login to Wave', () => {
  let wave: Awaited<ReturnType<typeof startCountedWave>>;
  before(async () => {
    wave = await startCountedWave();
  });
  after(() => wave.close());

  test('is good for as long as the tokens are renewed, and after a lapse only another login helps', async () => {
    let passedMs = 0;
    const surroundings = {
      table: memoryTable(),
      clock: { now: () => Date.now() + passedMs, sleep: (ms: number) => sleep(ms) },
      newId: randomUUID,
      keys: [{ id: 'k1', secret: new Uint8Array(32).fill(7) }] as const,
    };
    const { client, options } = connectWave(
      {
        url: wave.url,
        businessId: localBusinessId,
        incomeAccountId: localIncomeAccountId,
        access: wave.application,
        timeoutMs: 10_000,
        perMinute: 1_000,
        inFlight: 5,
        perDay: 10_000,
        countsFields: false,
        operations: 10,
      },
      surroundings,
    );
    const records = waveRecords(client, options);
    const later = () => callIn(4 * 3_600_000);
    await assert.rejects(
      records.create('customer', customerBody('Before'), '', callIn()),
      ReconnectNeededError,
    );
    await saveLogin(surroundings, await wave.login(), localBusinessId);
    const made = await records.create('customer', customerBody('First'), '', callIn());
    passedMs += 2 * 3_600_000;
    assert.equal((await records.read('customer', made.id, later())).state, 'living');
    const state = await tokenState(surroundings.table, wave.application);
    assert.ok(state.connection === 'good' && state.generation >= 2);

    await wave.behave({ planLapsed: true });
    passedMs += 60_000;
    await assert.rejects(records.read('customer', made.id, later()), ReconnectNeededError);
    assert.equal((await tokenState(surroundings.table, wave.application)).connection, 'reconnect-needed');
    const before = await wave.requests();
    await assert.rejects(records.read('customer', made.id, later()), ReconnectNeededError);
    assert.equal(await wave.requests(), before);

    await wave.behave({ planLapsed: false, accessTokenSeconds: 7200 });
    await saveLogin(surroundings, await wave.login(), localBusinessId);
    passedMs += 5_100;
    assert.equal((await records.read('customer', made.id, later())).state, 'living');
  });

  test('needs a code that was not used before', async () => {
    const code = await wave.codeFor('s3');
    await exchangeCode(wave.application, code);
    await assert.rejects(exchangeCode(wave.application, code), RemoteRejectedError);
  });

  test('asks for what the synchronisation does, and never for the right to send e-mails', () => {
    const url = new URL(authorizeUrl(wave.application, { state: 's', businessId: 'b' }));
    assert.equal(url.pathname, '/oauth2/authorize/');
    const scope = url.searchParams.get('scope') ?? '';
    assert.ok(scope.includes('invoice:write') && scope.includes('invoice:read'));
    assert.ok(!scope.includes('send'));
    assert.equal(url.searchParams.get('businessId'), 'b');
    assert.equal(url.searchParams.get('response_type'), 'code');
  });
});

describe('the settings of the access to Wave', () => {
  const given = {
    CUSTOMCRM_API_URL: 'https://crm.example.com/api/v1',
    CUSTOMCRM_API_TOKEN: 'token',
    CUSTOMCRM_WEBHOOK_SECRET: 'whsec_b25l',
    WAVE_WEBHOOK_SECRET: 'one',
    WAVE_BUSINESS_ID: 'QnVzaW5lc3M6MQ==',
    FINGERPRINT_KEYS: `k1:${Buffer.alloc(32, 7).toString('base64')}`,
    TABLE_NAME: 'sync',
    CUSTOMCRM_CHANGES_QUEUE_URL: 'http://127.0.0.1:9324/queue/customcrm-changes.fifo',
    WAVE_CHANGES_QUEUE_URL: 'http://127.0.0.1:9324/queue/wave-changes.fifo',
    CUSTOMCRM_BACKGROUND_QUEUE_URL: 'http://127.0.0.1:9324/queue/customcrm-background.fifo',
    WAVE_BACKGROUND_QUEUE_URL: 'http://127.0.0.1:9324/queue/wave-background.fifo',
  };
  const faults = (env: Readonly<Record<string, string>>) => {
    try {
      loadConfig({ ...given, ...env });
      return [];
    } catch (error) {
      return (error as Error).message
        .split('\n')
        .slice(1)
        .map((line) => line.trim().split(':')[0]);
    }
  };

  // biome-ignore format: reads as a decision table.
  const table: [Record<string, string>, string[]][] = [
    [{ WAVE_ACCESS_TOKEN: 't' },                                                           []],
    [{ WAVE_CLIENT_ID: 'i', WAVE_CLIENT_SECRET: 's' },                                     []],
    [{},                                                                                   ['WAVE_ACCESS_TOKEN']],
    [{ WAVE_ACCESS_TOKEN: ' ', WAVE_CLIENT_ID: '' },                                       ['WAVE_ACCESS_TOKEN']],
    [{ WAVE_CLIENT_ID: 'i' },                                                              ['WAVE_CLIENT_SECRET']],
    [{ WAVE_CLIENT_SECRET: 's' },                                                          ['WAVE_CLIENT_ID']],
    [{ WAVE_ACCESS_TOKEN: 't', WAVE_CLIENT_ID: 'i', WAVE_CLIENT_SECRET: 's' },             ['WAVE_ACCESS_TOKEN']],
    [{ WAVE_CLIENT_ID: 'i', WAVE_MAX_IN_FLIGHT: '0', WAVE_TOKEN_URL: 'no' },               ['WAVE_TOKEN_URL', 'WAVE_MAX_IN_FLIGHT', 'WAVE_CLIENT_SECRET']],
  ];
  for (const [env, expected] of table) {
    test(`${JSON.stringify(env)}: ${expected.length > 0 ? `names ${expected.join(', ')}` : 'are good'}`, () => {
      assert.deepEqual(faults(env), expected);
    });
  }

  test('make an application only where one is set', () => {
    const application = { WAVE_CLIENT_ID: 'i', WAVE_CLIENT_SECRET: 's' };
    assert.equal(waveApplication(loadConfig({ ...given, WAVE_ACCESS_TOKEN: 't' })), undefined);
    assert.deepEqual(waveApplication(loadConfig({ ...given, ...application })), {
      clientId: 'i',
      clientSecret: 's',
      tokenUrl: 'https://api.waveapps.com/oauth2/token/',
      redirectUri: undefined,
    });
  });
});
