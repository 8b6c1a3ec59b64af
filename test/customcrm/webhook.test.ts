import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Webhook } from 'standardwebhooks';
import { readCustomcrmWebhook } from '../../lib/customcrm/webhook.ts';

const secret = `whsec_${Buffer.from('a secret of the CRM, for tests').toString('base64')}`;
const newer = `whsec_${Buffer.from('the secret that replaces it.').toString('base64')}`;
// The library that verifies looks at the clock itself.
const now = Date.now();

function delivery(payload: unknown, signedWith = secret, at = now) {
  const body = typeof payload === 'string' ? payload : JSON.stringify(payload);
  const signature = new Webhook(signedWith).sign('msg_1', new Date(at), body);
  return {
    body,
    headers: {
      'webhook-id': 'msg_1',
      'webhook-timestamp': String(Math.floor(at / 1000)),
      'webhook-signature': signature,
    },
  };
}
const event = {
  type: 'order.updated',
  timestamp: '2026-11-01T12:00:00Z',
  data: { Id: 'ord_7', Version: 3, UpdatedAt: '2026-11-01T11:59:59.120Z' },
};
const read = ({ body, headers }: ReturnType<typeof delivery>, secrets = [secret], at = now) =>
  readCustomcrmWebhook(body, headers, secrets, at);

test('a signed event names its record, its delivery and the stamp of the change', () => {
  assert.deepEqual(read(delivery(event)), {
    outcome: 'event',
    eventId: 'msg_1',
    ref: { system: 'customcrm', pair: 'order', id: 'ord_7' },
    version: '3',
    updatedAt: '2026-11-01T11:59:59.120Z',
  });
});

test('either secret is good during a rotation', () => {
  assert.equal(read(delivery(event, newer), [secret, newer]).outcome, 'event');
  assert.equal(read(delivery(event, secret), [secret, newer]).outcome, 'event');
});

test('a mistyped secret verifies nothing, and keeps none beside it from doing so', () => {
  const mistyped = 'whsec_base64url-and_no-base64';
  for (const secrets of [
    [mistyped, secret],
    [secret, mistyped],
  ]) {
    assert.equal(read(delivery(event), secrets).outcome, 'event');
    assert.equal(read(delivery(event, newer), secrets).outcome, 'unsigned');
  }
});

test('several signatures in the header: one good one is enough', () => {
  const signed = delivery(event);
  const headers = {
    ...signed.headers,
    'webhook-signature': `v1,AAAA ${signed.headers['webhook-signature']}`,
  };
  assert.equal(read({ ...signed, headers }).outcome, 'event');
});

test('a wrong secret, a changed body, and missing headers are unsigned', () => {
  const signed = delivery(event);
  assert.equal(read(delivery(event, newer)).outcome, 'unsigned');
  assert.equal(read({ ...signed, body: signed.body.replace('ord_7', 'ord_8') }).outcome, 'unsigned');
  assert.equal(readCustomcrmWebhook(signed.body, {}, [secret], now).outcome, 'unsigned');
});

test('five minutes of difference are tolerated, more is stale, in both directions', () => {
  for (const minutes of [-4.9, 4.9])
    assert.equal(read(delivery(event, secret, now + minutes * 60_000)).outcome, 'event');
  for (const minutes of [-5.2, 5.2])
    assert.equal(read(delivery(event, secret, now + minutes * 60_000)).outcome, 'stale');
});

test('a ping and types that are new to us are ignored, not refused', () => {
  assert.deepEqual(read(delivery({ ...event, type: 'webhook.ping' })), {
    outcome: 'ignored',
    type: 'webhook.ping',
  });
  assert.equal(read(delivery({ ...event, type: 'invoice.archived' })).outcome, 'ignored');
});

test('a signed body that is no event is malformed', () => {
  assert.equal(read(delivery('not json')).outcome, 'malformed');
  assert.equal(read(delivery({ type: 'order.updated', data: {} })).outcome, 'malformed');
});
