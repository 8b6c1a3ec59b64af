import { randomUUID } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import type { Faults } from '../faults.ts';
import type { CrmRecord, RecordType } from './contract.ts';
import type { Subscription, SubscriptionRows } from './subscription-rows.ts';

/** How long after each failed attempt the next one follows, ms. Then the message is given up. */
const pausesMs = [200, 1_000, 3_000, 10_000, 30_000];
/** The longest that a receiver may take to answer, ms. */
const timeoutMs = 5_000;
/** Deliveries under way at once; the others wait in line, at most so many. */
const atOnce = 16;
const lineLimit = 10_000;
/** The longest that a delayed delivery is held back, ms. */
const longestDelayMs = 3_000;

interface WebhookCounts {
  /** Messages that a receiver has taken. */
  readonly delivered: number;
  /** Attempts after a failed one. */
  readonly retried: number;
  /** Messages whose last attempt failed. */
  readonly givenUp: number;
  /** Messages that are waiting or under way. */
  readonly pending: number;
}

export interface Webhooks {
  /** Tells every active subscription to this event, as a thin event: the receiver re-reads the record. */
  readonly announce: (type: RecordType, change: 'created' | 'updated' | 'deleted', record: CrmRecord) => void;
  /** Sends `webhook.ping`, which no fault touches. */
  readonly ping: (subscription: Subscription) => void;
  readonly counts: () => WebhookCounts;
  /** Forgets what waits, and the counts. Lost webhooks are allowed: receivers poll as well. */
  readonly drop: () => void;
  /** As `drop`, breaks off what is under way and stops for good. */
  readonly close: () => void;
}

interface Message {
  /** The `webhook-id`: the same in every attempt. */
  readonly id: string;
  readonly subscriptionId: string;
  /** JSON, signed as it stands. */
  readonly payload: string;
  readonly failures: number;
}

const noCounts = { delivered: 0, retried: 0, givenUp: 0 };

/** Sends Standard Webhooks 1.0.0 in no particular order, from memory only. */
export function sendWebhooks(subscriptions: SubscriptionRows, faults: Faults): Webhooks {
  const stopping = new AbortController();
  const line = waitingLine(deliver);
  let counts = { ...noCounts };

  async function deliver(message: Message): Promise<void> {
    const subscription = subscriptions.find(message.subscriptionId);
    if (subscription?.status !== 'active') return;
    const status = await attempt(message, subscription, stopping.signal);
    if (stopping.signal.aborted) return;
    if (status >= 200 && status < 300) counts.delivered += 1;
    // Standard Webhooks: 410 Gone means that this receiver wants no more of them.
    else if (status === 410) subscriptions.save({ ...subscription, status: 'disabled' });
    else retry(message);
  }
  function retry(message: Message): void {
    const pauseMs = pausesMs[message.failures];
    if (pauseMs === undefined) {
      counts.givenUp += 1;
      return;
    }
    counts.retried += 1;
    line.add({ ...message, failures: message.failures + 1 }, pauseMs);
  }
  function drop(): void {
    line.clear();
    counts = { ...noCounts };
  }
  return {
    announce(type, change, { Id, Version, UpdatedAt }) {
      const event = `${type}.${change}`;
      for (const { id, events, status } of subscriptions.all()) {
        if (status !== 'active' || !events.includes(event) || faults.strikes('webhookDropped')) continue;
        const message = messageOf(id, event, { Id, Version, UpdatedAt });
        line.add(message, faults.strikes('webhookDelayed') ? faults.between(0, longestDelayMs) : 0);
        if (faults.strikes('webhookRepeated')) line.add(message, faults.between(0, longestDelayMs));
      }
    },
    ping: ({ id }) => line.add(messageOf(id, 'webhook.ping', {}), 0),
    counts: () => ({ ...counts, pending: line.size() }),
    drop,
    close() {
      stopping.abort();
      drop();
    },
  };
}

/** Holds each message for its pause, then has it delivered as soon as fewer than {@link atOnce} are under way. */
function waitingLine(deliver: (message: Message) => Promise<void>) {
  const timers = new Set<NodeJS.Timeout>();
  let ready: Message[] = [];
  let underWay = 0;
  function advance(): void {
    while (underWay < atOnce) {
      const message = ready.shift();
      if (!message) return;
      underWay += 1;
      void deliver(message).finally(() => {
        underWay -= 1;
        advance();
      });
    }
  }
  return {
    /** A message that finds the line full is lost, as webhooks may be. */
    add(message: Message, pauseMs: number): void {
      if (timers.size + ready.length >= lineLimit) return;
      const timer = setTimeout(() => {
        timers.delete(timer);
        ready.push(message);
        advance();
      }, pauseMs);
      timers.add(timer);
    },
    size: () => timers.size + ready.length + underWay,
    clear(): void {
      for (const timer of timers) clearTimeout(timer);
      timers.clear();
      ready = [];
    },
  };
}

const messageOf = (subscriptionId: string, type: string, data: object): Message => ({
  id: `msg_${randomUUID()}`,
  subscriptionId,
  payload: JSON.stringify({ type, timestamp: new Date().toISOString(), data }),
  failures: 0,
});

/** The receiver's status; 0 when it did not answer. */
async function attempt(
  { id, payload }: Message,
  { url, secret }: Subscription,
  stop: AbortSignal,
): Promise<number> {
  const sentAt = new Date();
  try {
    const answer = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'webhook-id': id,
        'webhook-timestamp': String(Math.floor(sentAt.getTime() / 1000)),
        'webhook-signature': new Webhook(secret).sign(id, sentAt, payload),
      },
      body: payload,
      redirect: 'manual',
      signal: AbortSignal.any([stop, AbortSignal.timeout(timeoutMs)]),
    });
    await answer.body?.cancel();
    return answer.status;
  } catch {
    return 0;
  }
}
