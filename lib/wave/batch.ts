import { RemoteUnavailableError } from '../errors.ts';
import type { Call } from '../sync/ports.ts';
import type { Slot } from '../sync/request-budget.ts';
import type { Seats } from './options.ts';

/** One operation that waits for a document to travel in. */
export interface Passenger<Op> {
  readonly op: Op;
  readonly call: Call;
}

/** How operations come together in documents. */
export interface Batching<Op, Answer> {
  /** ms since 1970. */
  readonly now: () => number;
  /** Operations with one key never share a document, and keep their order; undefined: no order. */
  readonly keyOf: (op: Op) => string | undefined;
  /** The most operations in one document; may shrink. */
  readonly most: () => number;
  /** Resolves when what is wanted at the same time has come together. */
  readonly gathered: (lane: Call['priority']) => Promise<void>;
  /** Waits for the right to send a document of up to this many operations. */
  readonly reserve: (call: Call, operations: number) => Promise<Seats>;
  /** Answers in the order of the operations, each with its answer or its error. */
  readonly send: (
    ops: readonly Op[],
    call: Call,
    slot: Slot | undefined,
  ) => Promise<readonly (Answer | Error)[]>;
}

const tooLate = (): Error =>
  new RemoteUnavailableError('wave', 'no slot came while what the write is based on was young', {
    retryAfterMs: 0,
  });

interface Waiting<Op, Answer> extends Passenger<Op> {
  readonly settle: (answer: Answer | Error) => void;
}

/** A call with less than this left is not delayed by others, nor cuts theirs short, ms... */
const hurryMs = 5_000;
/** ...but travels with those whose deadlines are about the same, ms. */
const sameMs = 1_000;
const lanes = ['live', 'background'] as const;

/**
 * Collects operations into documents while they wait for a slot of the budget. Live work never waits behind background work: each has
 * a lane of its own; background operations ride along where a live document has room.
 */
export function batcher<Op, Answer>(batching: Batching<Op, Answer>): (op: Op, call: Call) => Promise<Answer> {
  const { now, keyOf, most, gathered, reserve, send } = batching;
  const waiting: Waiting<Op, Answer>[] = [];
  const underWay = new Set<string>();
  const isRunning = { live: false, background: false };

  function start(lane: Call['priority']): void {
    if (isRunning[lane]) return;
    isRunning[lane] = true;
    void run(lane);
  }

  /** Sends until nothing of this lane can go. Each pass takes at least one operation out of those that wait. */
  async function run(lane: Call['priority']): Promise<void> {
    await gathered(lane);
    for (let next = nextOf([lane], most()); next.length > 0; next = nextOf([lane], most())) {
      const seats = await reserve(callOf(next, latest), next.length).catch((error: Error) => error);
      if (seats instanceof Error) {
        for (const each of takeOut(next)) each.settle(seats);
        continue;
      }
      for (const each of takeOut(waiting.filter(isLate))) each.settle(tooLate());
      const room = Math.min(most(), seats.operations);
      const chosen = nextOf(lane === 'live' ? lanes : [lane], room);
      if (chosen.length === 0) await seats.slot?.end({ did: 'unsent' });
      else void dispatch(takeOut(chosen), seats.slot);
    }
    isRunning[lane] = false;
  }

  /** The operations that may share the next document, the oldest first. */
  function nextOf(among: readonly Call['priority'][], room: number): readonly Waiting<Op, Answer>[] {
    const seen = new Set<string>();
    const free = waiting.filter(({ op }) => {
      const key = keyOf(op);
      if (key === undefined) return true;
      const isFirst = !seen.has(key) && !underWay.has(key);
      seen.add(key);
      return isFirst;
    });
    const ordered = among.flatMap((lane) => free.filter(({ call }) => call.priority === lane));
    const [first] = ordered;
    return first ? ordered.filter(({ call }) => goTogether(first.call, call, now())).slice(0, room) : [];
  }

  const isLate = ({ call: { sendBy = Number.POSITIVE_INFINITY } }: Waiting<Op, Answer>): boolean =>
    sendBy < now();

  function takeOut(entries: readonly Waiting<Op, Answer>[]): readonly Waiting<Op, Answer>[] {
    const present = entries.filter((entry) => waiting.includes(entry));
    for (const entry of present) waiting.splice(waiting.indexOf(entry), 1);
    return present;
  }

  async function dispatch(entries: readonly Waiting<Op, Answer>[], slot: Slot | undefined): Promise<void> {
    const keys = entries.flatMap(({ op }) => keyOf(op) ?? []);
    for (const key of keys) underWay.add(key);
    const answers = await send(
      entries.map(({ op }) => op),
      callOf(entries, earliest),
      slot,
    ).catch((error: Error) => entries.map(() => error));
    for (const key of keys) underWay.delete(key);
    for (const [index, entry] of entries.entries())
      entry.settle(answers[index] ?? new Error('A document came back without one of its answers'));
    // What waited for its turn behind one of these.
    for (const lane of lanes) if (waiting.some(({ call }) => call.priority === lane)) start(lane);
  }

  return (op, call) =>
    new Promise<Answer>((resolve, reject) => {
      const settle = (answer: Answer | Error) => (answer instanceof Error ? reject(answer) : resolve(answer));
      waiting.push({ op, call, settle });
      start(call.priority);
    });
}

/** The shortest of the deadlines, and live if one is. @param sendBy by which of theirs they set out */
function callOf(
  entries: readonly { readonly call: Call }[],
  sendBy: (calls: readonly Call[]) => number,
): Call {
  const calls = entries.map(({ call }) => call);
  const by = sendBy(calls);
  return {
    deadline: Math.min(...calls.map(({ deadline }) => deadline)),
    priority: calls.some(({ priority }) => priority === 'live') ? 'live' : 'background',
    ...(by < Number.POSITIVE_INFINITY && { sendBy: by }),
  };
}

const times = (calls: readonly Call[]) => calls.map(({ sendBy = Number.POSITIVE_INFINITY }) => sendBy);
/** A slot is worth waiting for while it is in time for one of them... */
const latest = (calls: readonly Call[]): number => Math.max(...times(calls));
/** ...and a document is in time for all that it holds. */
const earliest = (calls: readonly Call[]): number => Math.min(...times(calls));

const goTogether = (one: Call, other: Call, now: number): boolean =>
  (one.deadline - now >= hurryMs && other.deadline - now >= hurryMs) ||
  Math.abs(one.deadline - other.deadline) <= sameMs;
