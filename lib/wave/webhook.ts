import { createHmac, timingSafeEqual } from 'node:crypto';
import * as z from 'zod';
import { type Delivery, type Headers, toleranceMs } from '../domain/webhook.ts';

// https://developer.waveapps.com/hc/en-us/articles/47778664499220 (Webhooks setup guide). Ids are inner numbers of up to 19 digits.
const digits = z.string().regex(/^\d{1,20}$/);
const event = z.object({
  event_id: z.string().min(1),
  event_type: z.string(),
  business_id: z.string().regex(/^[0-9a-fA-F-]{36}$/),
  data: z.object({ invoice_id: digits.optional() }).loose(),
});

/** Verifies `x-wave-signature: t=...,v1=...` over the raw body and rebuilds the invoice's global id. */
export function readWaveWebhook(
  rawBody: string,
  headers: Headers,
  secrets: readonly string[],
  now: number,
): Delivery {
  const parts = (headers['x-wave-signature'] ?? '').split(',').map((part) => part.trim().split('='));
  const stamp = parts.find(([name]) => name === 't')?.[1] ?? '';
  const signatures = parts.filter(([name]) => name === 'v1').map(([, value]) => value ?? '');
  if (!/^\d{1,12}$/.test(stamp) || signatures.length === 0) return { outcome: 'unsigned' };
  if (Math.abs(now - Number(stamp) * 1000) > toleranceMs) return { outcome: 'stale' };
  const expected = secrets.map((secret) =>
    createHmac('sha256', secret).update(`${stamp}.${rawBody}`).digest('hex'),
  );
  const genuine = signatures.some((signature) => expected.some((hex) => equal(signature, hex)));
  return genuine ? parseEvent(rawBody) : { outcome: 'unsigned' };
}

function equal(a: string, b: string): boolean {
  const left = Buffer.from(a);
  const right = Buffer.from(b);
  return left.length === right.length && timingSafeEqual(left, right);
}

function parseEvent(rawBody: string): Delivery {
  const parsed = event.safeParse(jsonOf(rawBody));
  if (!parsed.success) return { outcome: 'malformed' };
  const { event_id, event_type, business_id, data } = parsed.data;
  if (!event_type.startsWith('invoice.')) return { outcome: 'ignored', type: event_type };
  if (data.invoice_id === undefined) return { outcome: 'malformed' };
  const id = Buffer.from(`Business:${business_id};Invoice:${data.invoice_id}`).toString('base64');
  return {
    outcome: 'event',
    eventId: `${business_id}:${event_id}`,
    ref: { system: 'wave', pair: 'order', id },
  };
}

/** An id that came as a JSON number would lose digits: it is quoted before parsing. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text.replace(/("(?:invoice|customer)_id"\s*:\s*)(\d+)/g, '$1"$2"'));
  } catch {
    return undefined;
  }
}
