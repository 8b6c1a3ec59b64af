import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loadConfig, settings } from '../lib/config.ts';

const secret = Buffer.alloc(32, 7).toString('base64');
const given = {
  CUSTOMCRM_API_URL: 'https://crm.example.com/api/v1',
  CUSTOMCRM_API_TOKEN: 'token-of-customcrm',
  CUSTOMCRM_WEBHOOK_SECRET: 'whsec_b25l',
  WAVE_WEBHOOK_SECRET: 'one, two,',
  WAVE_ACCESS_TOKEN: 'token-of-wave',
  WAVE_BUSINESS_ID: 'QnVzaW5lc3M6MQ==',
  FINGERPRINT_KEYS: `k2:${secret}, k1:${secret}`,
  TABLE_NAME: 'sync',
  CUSTOMCRM_CHANGES_QUEUE_URL: 'http://127.0.0.1:9324/queue/customcrm-changes.fifo',
  WAVE_CHANGES_QUEUE_URL: 'http://127.0.0.1:9324/queue/wave-changes.fifo',
  CUSTOMCRM_BACKGROUND_QUEUE_URL: 'http://127.0.0.1:9324/queue/customcrm-background.fifo',
  WAVE_BACKGROUND_QUEUE_URL: 'http://127.0.0.1:9324/queue/wave-background.fifo',
};

/** The message of the error that these settings make. */
function faultsOf(env: Readonly<Record<string, string | undefined>>): string {
  try {
    loadConfig(env);
  } catch (error) {
    assert.ok(error instanceof Error);
    assert.equal(error.name, 'SettingsError');
    return error.message;
  }
  return '';
}

describe('the settings', () => {
  test('have defaults for all that has a safe one', () => {
    const config = loadConfig(given);
    assert.equal(config.WAVE_API_URL, 'https://gql.waveapps.com/graphql/public');
    assert.deepEqual(
      {
        WAVE_POLL_INTERVAL_SECONDS: config.WAVE_POLL_INTERVAL_SECONDS,
        CUSTOMCRM_POLL_INTERVAL_SECONDS: config.CUSTOMCRM_POLL_INTERVAL_SECONDS,
        CREATE_INVOICES_FROM: config.CREATE_INVOICES_FROM,
        PO_NUMBER_FROM: config.PO_NUMBER_FROM,
        APPROVE_INVOICES: config.APPROVE_INVOICES,
        EDIT_ISSUED_INVOICES: config.EDIT_ISSUED_INVOICES,
        WAVE_PERCENTAGE: config.WAVE_PERCENTAGE,
        WAVE_KEEPS_LINE_ORDER: config.WAVE_KEEPS_LINE_ORDER,
        SETTLE_SECONDS: config.SETTLE_SECONDS,
        FUSE_LIMIT: config.FUSE_LIMIT,
      },
      {
        WAVE_POLL_INTERVAL_SECONDS: 60,
        CUSTOMCRM_POLL_INTERVAL_SECONDS: 300,
        CREATE_INVOICES_FROM: 'draft',
        PO_NUMBER_FROM: 'OrderNumber',
        APPROVE_INVOICES: 'never',
        EDIT_ISSUED_INVOICES: false,
        WAVE_PERCENTAGE: 'percent',
        WAVE_KEEPS_LINE_ORDER: false,
        SETTLE_SECONDS: 120,
        FUSE_LIMIT: 20,
      },
    );
  });

  test('are trimmed lists where a rotation needs several', () => {
    const config = loadConfig(given);
    assert.deepEqual(config.WAVE_WEBHOOK_SECRET, ['one', 'two']);
    assert.deepEqual(
      config.FINGERPRINT_KEYS.map(({ id, secret }) => [id, secret.length]),
      [
        ['k2', 32],
        ['k1', 32],
      ],
    );
  });

  test('are read from texts as numbers and flags', () => {
    const config = loadConfig({
      ...given,
      FUSE_LIMIT: '7',
      EDIT_ISSUED_INVOICES: 'true',
      SETTLE_SECONDS: '30',
    });
    assert.deepEqual([config.FUSE_LIMIT, config.EDIT_ISSUED_INVOICES, config.SETTLE_SECONDS], [7, true, 30]);
  });

  test('are not set when they are blank: a default stands in', () => {
    for (const blank of ['', ' ', '\t']) {
      const config = loadConfig({
        ...given,
        FUSE_LIMIT: blank,
        WAVE_API_URL: blank,
        WAVE_FALLBACK_PRODUCT_ID: blank,
      });
      assert.equal(config.FUSE_LIMIT, 20);
      assert.equal(config.WAVE_API_URL, 'https://gql.waveapps.com/graphql/public');
      assert.equal(config.WAVE_FALLBACK_PRODUCT_ID, undefined);
    }
  });

  test('that are missing or blank are all named at once', () => {
    const required = Object.keys(given);
    for (const env of [
      {},
      Object.fromEntries(required.map((name) => [name, ''])),
      Object.fromEntries(required.map((name) => [name, ' '])),
    ]) {
      const message = faultsOf(env);
      for (const name of required)
        assert.ok(message.includes(`\n  ${name}: is not set`), `${name} in ${message}`);
      assert.equal(message.split('\n').length, required.length + 1);
    }
  });

  // biome-ignore format: reads as a decision table.
  const wrong: [string, string][] = [
    ['CUSTOMCRM_API_URL',               'not-a-url-9f2c'],
    ['CUSTOMCRM_WEBHOOK_SECRET',        ' , '],
    ['CUSTOMCRM_WEBHOOK_SECRET',        'whsec_base64url-9f2c'],
    ['WAVE_API_URL',                    'not-a-url-9f2c'],
    ['WAVE_POLL_INTERVAL_SECONDS',      '6199'],
    ['WAVE_POLL_INTERVAL_SECONDS',      'often-9f2c'],
    ['CUSTOMCRM_POLL_INTERVAL_SECONDS', '0.05'],
    ['FINGERPRINT_KEYS',                'k1:c2hvcnQ5ZjJj'],
    ['FINGERPRINT_KEYS',                `no id 9f2c:${secret}`],
    ['FINGERPRINT_KEYS',                `${secret}`],
    ['FINGERPRINT_KEYS',                `k1:${secret},k2:c2hvcnQ5ZjJj`],
    ['CREATE_INVOICES_FROM',            'shipped-9f2c'],
    ['PO_NUMBER_FROM',                  'Number-9f2c'],
    ['APPROVE_INVOICES',                'always-9f2c'],
    ['EDIT_ISSUED_INVOICES',            'yes-9f2c'],
    ['WAVE_PERCENTAGE',                 '0.9f2c'],
    ['SETTLE_SECONDS',                  '6199'],
    ['WAVE_MAX_REQUESTS_PER_MINUTE',    '2'],
    ['FUSE_LIMIT',                      '-6199'],
    ['FUSE_LIMIT',                      '1001'],
    ['WAVE_CHANGES_QUEUE_URL',          'not-a-url-9f2c'],
  ];
  for (const [name, value] of wrong) {
    test(`are refused by name, without the value: ${name}=${value}`, () => {
      const message = faultsOf({ ...given, [name]: value });
      assert.match(message, new RegExp(`^These settings need attention:\\n {2}${name}: \\S`));
      assert.equal(message.split('\n').length, 2);
      if (value.trim().length > 3) assert.ok(!message.includes(value), message);
    });
  }

  test('that are wrong show no secret, whatever else is wrong', () => {
    const message = faultsOf({
      ...given,
      CUSTOMCRM_API_URL: 'https://user:hunter-9f2c@',
      FINGERPRINT_KEYS: 'k1:c2hvcnQ5ZjJj',
      FUSE_LIMIT: 'x',
      TABLE_NAME: '',
    });
    for (const name of ['CUSTOMCRM_API_URL', 'FINGERPRINT_KEYS', 'FUSE_LIMIT', 'TABLE_NAME'])
      assert.ok(message.includes(name));
    for (const value of [
      'hunter-9f2c',
      'c2hvcnQ5ZjJj',
      'token-of-customcrm',
      'token-of-wave',
      'whsec_b25l',
      secret,
    ])
      assert.ok(!message.includes(value), message);
  });

  test('are each described in a sentence', () => {
    for (const [name, schema] of Object.entries(settings.shape))
      assert.match(schema.description ?? '', /\w{3,}/, name);
  });
});
