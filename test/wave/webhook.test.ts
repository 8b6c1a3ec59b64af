import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { readWaveWebhook } from '../../lib/wave/webhook.ts';

const business = '12345678-1234-4234-8234-123456789abc';
const now = Date.UTC(2026, 10, 1, 12);
const event = {
  event_id: 'evt_1',
  event_type: 'invoice.updated',
  business_id: business,
  data: { invoice_id: '1234567890123456789' },
};
const global = (invoiceId: string) =>
  Buffer.from(`Business:${business};Invoice:${invoiceId}`).toString('base64');

function delivery(payload: unknown, secret = 'older', at = now) {
  const body = typeof payload === 'string' ? payload : JSON.stringify(payload);
  const stamp = Math.floor(at / 1000);
  const signature = createHmac('sha256', secret).update(`${stamp}.${body}`).digest('hex');
  return { body, signature, headers: { 'x-wave-signature': `t=${stamp},v1=${signature}` } };
}
const read = (
  { body, headers }: Pick<ReturnType<typeof delivery>, 'body' | 'headers'>,
  secrets: readonly string[] = ['older'],
) => readWaveWebhook(body, headers, secrets, now);

test('a signed event names its invoice by the global id, and its delivery by business and event', () => {
  assert.deepEqual(read(delivery(event)), {
    outcome: 'event',
    eventId: `${business}:evt_1`,
    ref: { system: 'wave', pair: 'order', id: global('1234567890123456789') },
  });
});

test('an id of 19 digits that comes as a number keeps each of them', () => {
  const body = JSON.stringify(event).replace('"1234567890123456789"', '1234567890123456789');
  assert.notEqual(body, JSON.stringify(event));
  const read19 = read(delivery(body));
  assert.equal(read19.outcome === 'event' && read19.ref.id, global('1234567890123456789'));
});

test('either secret is good during a rotation, and one good signature of several is enough', () => {
  for (const secret of ['older', 'newer'])
    assert.equal(read(delivery(event, secret), ['older', 'newer']).outcome, 'event');
  const { body, signature } = delivery(event);
  const stamp = Math.floor(now / 1000);
  const headers = { 'x-wave-signature': `t=${stamp}, v1=${'0'.repeat(64)}, v1=${signature}` };
  assert.equal(read({ body, headers }).outcome, 'event');
});

test('a wrong secret, a changed body or stamp, and a header without its parts are unsigned', () => {
  const signed = delivery(event);
  assert.equal(read(signed, ['newer']).outcome, 'unsigned');
  assert.equal(read(signed, []).outcome, 'unsigned');
  assert.equal(read({ ...signed, body: signed.body.replace('evt_1', 'evt_2') }).outcome, 'unsigned');
  const { signature } = signed;
  for (const header of ['', `v1=${signature}`, `t=${now / 1000}`, `t=${now / 1000 - 1},v1=${signature}`])
    assert.equal(read({ ...signed, headers: { 'x-wave-signature': header } }).outcome, 'unsigned');
});

test('five minutes of difference are tolerated, more is stale, in both directions', () => {
  for (const minutes of [-4.9, 4.9])
    assert.equal(read(delivery(event, 'older', now + minutes * 60_000)).outcome, 'event');
  for (const minutes of [-5.2, 5.2])
    assert.equal(read(delivery(event, 'older', now + minutes * 60_000)).outcome, 'stale');
});

test('events of other records are ignored, not refused', () => {
  assert.deepEqual(read(delivery({ ...event, event_type: 'estimate.created', data: { estimate_id: 5 } })), {
    outcome: 'ignored',
    type: 'estimate.created',
  });
});

test('a signed body that is no event is malformed', () => {
  for (const payload of [
    'not json',
    { ...event, data: {} },
    { ...event, business_id: 'somebody' },
    { ...event, data: { invoice_id: 'INV-7' } },
  ])
    assert.equal(read(delivery(payload)).outcome, 'malformed');
});
