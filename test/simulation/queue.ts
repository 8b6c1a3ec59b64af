import { type RecordRef, refKey } from '../../lib/domain/record.ts';
import type { Message } from '../../lib/sync/handle-batch.ts';
import type { ChangeQueue, Doorbell } from '../../lib/sync/ports.ts';
import { type Container, step, type Wires } from './container.ts';

/** What a container does with one queue. */
interface QueuePort {
  readonly send: (doorbells: readonly Doorbell[]) => Promise<void>;
  readonly depth: () => Promise<number>;
}

/** Both lanes of one system, as lib/aws/change-queue.ts has them. */
export const lanesOf = (live: QueuePort, background: QueuePort): ChangeQueue => ({
  async ring(doorbells) {
    const soon = doorbells.filter((doorbell) => !doorbell.background);
    const later = doorbells.filter((doorbell) => doorbell.background);
    if (soon.length > 0) await live.send(soon);
    if (later.length > 0) await background.send(later);
  },
  async depth() {
    const [soon, later] = await Promise.all([live.depth(), background.depth()]);
    return { live: soon, background: later };
  },
});

/** SQS FIFO: one group a record, de-duplicated for five minutes, dead-lettered after twenty receives. */
export interface Queue {
  readonly portOf: (container: Container) => QueuePort;
  /** Messages of free groups, at most `limit`; hidden until they are deleted or their time is up. */
  readonly receive: (limit: number) => readonly Message[];
  readonly remove: (messageIds: readonly string[]) => void;
  /** Takes what was dead-lettered. */
  readonly takeDead: () => readonly Message[];
  readonly size: () => number;
  readonly hasFree: () => boolean;
}

const rememberedMs = 5 * 60_000;
const hiddenMs = 5 * 60_000;
const receiveLimit = 20;

interface Stored {
  readonly id: string;
  readonly group: string;
  readonly doorbell: Doorbell;
  receives: number;
  hiddenUntil: number;
}

const groupOf = ({ system, pair, id }: RecordRef): string => `${pair}#${system}#${id}`;

export function queue(wires: Wires, name: string, onSend: (delayMs: number) => void): Queue {
  const { scheduler, faults, latency, trace } = wires;
  let stored: Stored[] = [];
  let count = 0;
  const dead: Message[] = [];
  const remembered = new Map<string, number>();

  function send(doorbell: Doorbell): void {
    const key = `${doorbell.eventId}\u0000${refKey(doorbell)}`;
    if ((remembered.get(key) ?? 0) > scheduler.now()) return;
    remembered.set(key, scheduler.now() + rememberedMs);
    if (faults.strikes('messageLost')) {
      trace.note(`a message for ${refKey(doorbell)} is lost`);
      return;
    }
    const delayMs = faults.strikes('delivery delayed') ? faults.dice.between(1_000, 60_000) : 0;
    const id = `${name}-${++count}`;
    stored.push({
      id,
      group: groupOf(doorbell),
      doorbell: { ...doorbell },
      receives: 0,
      hiddenUntil: scheduler.now() + delayMs,
    });
    onSend(delayMs);
  }

  /** The first message of each group whose first message is free, in an order that only chance decides. */
  function freeGroups(): Stored[][] {
    const groups = new Map<string, Stored[]>();
    for (const message of stored) groups.set(message.group, [...(groups.get(message.group) ?? []), message]);
    const now = scheduler.now();
    return [...groups.values()].filter((messages) => messages.every(({ hiddenUntil }) => hiddenUntil <= now));
  }

  return {
    portOf: (container) => ({
      depth: () =>
        step(wires, container, {
          label: `depth ${name}`,
          requestMs: latency.between(2, 20),
          answerMs: latency.between(2, 20),
          execute: () => stored.length,
        }),
      send(doorbells) {
        const before = faults.strikes('queueFailsBefore');
        const after = !before && faults.strikes('queueFailsAfter');
        return step(wires, container, {
          label: `ring ${name}`,
          requestMs: latency.between(2, 20),
          answerMs: latency.between(2, 20),
          execute() {
            if (before) throw new Error('The queue did not answer: nothing was queued');
            for (const doorbell of doorbells) {
              trace.note(`${container.name} rings ${refKey(doorbell)} (${doorbell.eventId})`);
              send(doorbell);
            }
            if (after) throw new Error('The queue did not answer: all was queued');
          },
        });
      },
    }),
    receive(limit) {
      const groups = freeGroups();
      const taken: Stored[] = [];
      while (groups.length > 0 && taken.length < limit) {
        const [group] = groups.splice(latency.between(0, groups.length - 1), 1);
        taken.push(...(group ?? []).slice(0, limit - taken.length));
      }
      const buried = taken.filter((message) => message.receives >= receiveLimit);
      dead.push(...buried.map(messageOf));
      stored = stored.filter((message) => !buried.includes(message));
      const messages = taken.filter((message) => !buried.includes(message));
      for (const message of messages) {
        message.receives += 1;
        message.hiddenUntil = scheduler.now() + hiddenMs;
      }
      if (messages.length > 0) onSend(hiddenMs + 1);
      return messages.map(messageOf);
    },
    remove(messageIds) {
      const repeated = new Set(messageIds.filter(() => faults.strikes('delivery repeated')));
      stored = stored.filter(({ id }) => !messageIds.includes(id) || repeated.has(id));
    },
    takeDead: () => dead.splice(0),
    size: () => stored.length,
    hasFree: () => freeGroups().length > 0,
  };
}

const messageOf = ({ id, doorbell, receives }: Stored): Message => ({
  messageId: id,
  doorbell,
  receiveCount: receives,
});
