import { createHmac, randomUUID } from 'node:crypto';
import type { Faults } from '../faults.ts';
import { bareBusinessId, innerOf } from './ids.ts';

const pausesMs = [500, 2_000, 8_000];
const timeoutMs = 5_000;
const longestDelayMs = 3_000;

export interface WebhookTarget {
  readonly url: string;
  readonly secret: string;
}

/** Sends Wave's few webhooks, signed, with a few retries. What is pending when it closes is lost: webhooks may be. */
export function openWebhooks(target: WebhookTarget | undefined, faults: Faults) {
  const closing = new AbortController();
  const timers = new Set<NodeJS.Timeout>();
  const later = (ms: number, work: () => void) => {
    const timer = setTimeout(() => {
      timers.delete(timer);
      work();
    }, ms);
    timers.add(timer);
  };

  async function deliver(body: string, { url, secret }: WebhookTarget, attempt: number): Promise<void> {
    const t = Math.floor(Date.now() / 1000);
    const v1 = createHmac('sha256', secret).update(`${t}.${body}`).digest('hex');
    const taken = await fetch(url, {
      method: 'POST',
      body,
      headers: {
        'content-type': 'application/json',
        'x-wave-signature': `t=${t},v1=${v1}`,
        'x-wave-timestamp': String(t),
      },
      signal: AbortSignal.any([closing.signal, AbortSignal.timeout(timeoutMs)]),
    }).then(
      (answer) => answer.ok,
      () => false,
    );
    const pause = pausesMs[attempt];
    if (!taken && pause !== undefined && !closing.signal.aborted)
      later(pause, () => void deliver(body, { url, secret }, attempt + 1));
  }

  return {
    send(type: string, invoiceId: string, data: Readonly<Record<string, string>>): void {
      if (!target || faults.strikes('webhookDropped')) return;
      const body = JSON.stringify({
        event_id: randomUUID(),
        event_type: type,
        business_id: bareBusinessId,
        data: { invoice_id: innerOf('Invoice', invoiceId), ...data },
      });
      const delay = faults.strikes('webhookDelayed') ? faults.between(1, longestDelayMs) : 0;
      const times = faults.strikes('webhookRepeated') ? 2 : 1;
      for (let time = 0; time < times; time++) later(delay, () => void deliver(body, target, 0));
    },
    close(): void {
      closing.abort();
      for (const timer of timers) clearTimeout(timer);
    },
  };
}
