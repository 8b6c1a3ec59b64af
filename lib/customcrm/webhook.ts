import { Webhook } from 'standardwebhooks';
import * as z from 'zod';
import type { Pair } from '../domain/record.ts';
import { type Delivery, type Headers, toleranceMs } from '../domain/webhook.ts';

const event = z.object({
  type: z.string(),
  data: z
    .object({
      Id: z.string().min(1).optional(),
      Version: z.int().optional(),
      UpdatedAt: z.string().optional(),
    })
    .optional(),
});

const pairOf: Readonly<Record<string, Pair>> = { customer: 'customer', product: 'product', order: 'order' };
const actions = new Set(['created', 'updated', 'deleted']);

/** Verifies and reads a Standard Webhooks 1.0.0 delivery. Several secrets stand during a rotation. `rawBody` is what was signed. */
export function readCustomcrmWebhook(
  rawBody: string,
  headers: Headers,
  secrets: readonly string[],
  now: number,
): Delivery {
  const timestamp = Number(headers['webhook-timestamp']);
  const id = headers['webhook-id'];
  const signed = {
    'webhook-id': id ?? '',
    'webhook-timestamp': headers['webhook-timestamp'] ?? '',
    'webhook-signature': headers['webhook-signature'] ?? '',
  };
  if (!id || !Number.isInteger(timestamp)) return { outcome: 'unsigned' };
  if (Math.abs(now - timestamp * 1000) > toleranceMs) return { outcome: 'stale' };
  if (!secrets.some((secret) => verifies(secret, rawBody, signed))) return { outcome: 'unsigned' };
  return parseEvent(rawBody, id);
}

/** A secret that was mistyped verifies nothing, and keeps none beside it from doing so. */
function verifies(secret: string, rawBody: string, headers: Record<string, string>): boolean {
  try {
    new Webhook(secret).verify(rawBody, headers, { jsonParse: false });
    return true;
  } catch {
    return false;
  }
}

function parseEvent(rawBody: string, eventId: string): Delivery {
  const parsed = event.safeParse(jsonOf(rawBody));
  if (!parsed.success) return { outcome: 'malformed' };
  const { type, data } = parsed.data;
  const [subject = '', action = ''] = type.split('.');
  const pair = pairOf[subject];
  if (!pair || !actions.has(action)) return { outcome: 'ignored', type };
  if (!data?.Id) return { outcome: 'malformed' };
  return {
    outcome: 'event',
    eventId,
    ref: { system: 'customcrm', pair, id: data.Id },
    ...(data.Version !== undefined && { version: String(data.Version) }),
    ...(data.UpdatedAt !== undefined && { updatedAt: data.UpdatedAt }),
  };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
