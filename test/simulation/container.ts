import type { System } from '../../lib/domain/record.ts';
import { RemoteOutcomeUnknownError, RemoteUnavailableError } from '../../lib/errors.ts';
import type { Call } from '../../lib/sync/ports.ts';
import type { Ending } from '../../lib/sync/request-slots.ts';
import type { Dice } from './dice.ts';
import type { Faults } from './faults.ts';
import type { Scheduler } from './scheduler.ts';
import type { Trace } from './trace.ts';

/** One Lambda sandbox: its clock, and whether it still lives. Everything that the engine waits for passes through it. */
export interface Container {
  readonly name: string;
  readonly skewMs: number;
  alive: boolean;
  busy: boolean;
  frozenUntil: number;
  /** Every time that it was frozen, by the true clock, ms. */
  readonly freezes: { readonly from: number; readonly until: number }[];
  /** Port calls until it is killed or frozen; none while undefined. */
  fate: { steps: number; readonly kind: 'killed before' | 'killed after' | 'frozen' } | undefined;
}

/** What every call of a port needs of the world. */
export interface Wires {
  readonly scheduler: Scheduler;
  readonly faults: Faults;
  readonly latency: Dice;
  readonly trace: Trace;
}

export const clockOf = ({ scheduler }: Pick<Wires, 'scheduler'>, container: Container): number =>
  scheduler.now() + container.skewMs;

interface Step<T> {
  readonly label: string;
  readonly requestMs: number;
  readonly answerMs: number;
  /** Runs at the server. What it throws is the answer. */
  readonly execute: () => T;
}

/** One await of the engine: the request travels, is executed, and the answer travels back, unless the sandbox dies meanwhile. */
export function step<T>(
  wires: Wires,
  container: Container,
  { label, requestMs, answerMs, execute }: Step<T>,
): Promise<T> {
  const { scheduler, trace } = wires;
  const fate = fateOf(container);
  return new Promise<T>((resolve, reject) => {
    if (!container.alive) return;
    if (fate === 'killed before') {
      kill(wires, container, `before ${label}`);
      return;
    }
    if (fate === 'frozen') {
      container.frozenUntil = scheduler.now() + wires.faults.dice.between(5_000, 300_000);
      container.freezes.push({ from: scheduler.now(), until: container.frozenUntil });
      trace.note(`${container.name} freezes at ${label}`);
    }
    scheduler.after(requestMs, () => {
      const settle = outcomeOf(execute, resolve, reject);
      if (fate === 'killed after') kill(wires, container, `after ${label}`);
      deliver(wires, container, answerMs, settle);
    });
  });
}

function fateOf(container: Container): string | undefined {
  const { fate } = container;
  if (!fate) return undefined;
  fate.steps -= 1;
  if (fate.steps > 0) return undefined;
  container.fate = undefined;
  return fate.kind;
}

export function kill({ trace }: Wires, container: Container, when: string): void {
  container.alive = false;
  trace.note(`${container.name} is killed ${when}`);
}

function outcomeOf<T>(
  execute: () => T,
  resolve: (value: T) => void,
  reject: (error: unknown) => void,
): () => void {
  try {
    const value = execute();
    return () => resolve(value);
  } catch (error) {
    return () => reject(error);
  }
}

/** A dead sandbox hears nothing any more; a frozen one hears it when it thaws. */
export function deliver(wires: Wires, container: Container, ms: number, settle: () => void): void {
  const { scheduler } = wires;
  scheduler.after(ms, () => {
    if (!container.alive) return;
    const frozenMs = container.frozenUntil - scheduler.now();
    if (frozenMs > 0) deliver(wires, container, frozenMs, settle);
    else settle();
  });
}

/** The longest that one remote request may take, and the least that must be left of the deadline, ms. */
const requestTimeoutMs = 20_000;
const leastTimeMs = 200;
/** The latest that a request is executed after it was sent, ms: what the settle time is made for. */
const latestExecutionMs = 80_000;
/** What only creates do, and nothing is made for: see `lateCreateHeld`. */
const tooLateMs = [200_000, 900_000] as const;

/** One HTTP exchange with a system, as its client sees it: an answer, or the error that the real client would make of it. */
export function exchange<T>(
  wires: Wires,
  container: Container,
  request: {
    readonly system: System;
    readonly intention: 'read' | 'write';
    readonly label: string;
    readonly call: Call;
    /** It makes a record. */
    readonly creates?: boolean;
    /** Told that it sets out, and what became of it. */
    readonly sent?: () => void;
    readonly ended?: (ending: Ending) => void;
  },
  execute: () => T,
): Promise<T> {
  const { system, intention, call, creates = false, sent, ended } = request;
  const { faults, latency, trace, scheduler } = wires;
  const label = `${system} ${request.label}`;
  const timeoutMs = Math.min(requestTimeoutMs, call.deadline - clockOf(wires, container));
  const refuse = (error: Error, ending: Ending): Promise<T> => {
    ended?.(ending);
    return step(wires, container, {
      label,
      requestMs: latency.between(5, 60),
      answerMs: latency.between(5, 60),
      execute: () => {
        throw error;
      },
    });
  };
  if (timeoutMs < leastTimeMs) {
    ended?.({ did: 'unsent' });
    return Promise.reject(new RemoteUnavailableError(system, 'no time is left for a request'));
  }
  sent?.();
  if (faults.strikes('throttled')) {
    trace.note(`${container.name} ${label}: throttled`);
    const retryAfterMs = faults.dice.chance(0.5) ? faults.dice.between(1, 60) * 1000 : undefined;
    return refuse(new RemoteUnavailableError(system, 'HTTP 429', { retryAfterMs }), {
      did: 'refused',
      retryAfterMs,
    });
  }
  if (faults.strikes('serverError')) {
    trace.note(`${container.name} ${label}: server error, nothing executed`);
    return refuse(noAnswer(system, intention, 'HTTP 503'), { did: 'answered' });
  }
  const lost = faults.strikes('lostAnswer');
  const late = intention === 'write' && faults.strikes('lateExecution');
  const tooLate = creates && faults.strikes('createdTooLate');
  const slow = faults.strikes('slowAnswer');
  const requestMs = tooLate
    ? faults.dice.between(...tooLateMs)
    : late
      ? faults.dice.between(timeoutMs, latestExecutionMs)
      : latency.between(10, 150);
  const answerMs = slow ? faults.dice.between(1_000, 15_000) : latency.between(10, 150);
  if (!lost && requestMs + answerMs < timeoutMs) {
    ended?.({ did: 'answered' });
    return step(wires, container, { label, requestMs, answerMs, execute });
  }
  ended?.({ did: 'unanswered' });
  trace.note(
    `${container.name} ${label}: ${tooLate ? 'executed much too late' : late ? 'executed late' : 'answer lost'}`,
  );
  return unanswered(
    wires,
    container,
    { label, requestMs, timeoutMs, execute },
    noAnswer(system, intention, 'no answer'),
    scheduler,
  );
}

/** The client gives up while the request still travels, or after its answer was lost. */
function unanswered<T>(
  wires: Wires,
  container: Container,
  {
    label,
    requestMs,
    timeoutMs,
    execute,
  }: { label: string; requestMs: number; timeoutMs: number; execute: () => T },
  error: Error,
  scheduler: Scheduler,
): Promise<T> {
  scheduler.after(requestMs, () => void outcomeOf(execute, ignore, ignore));
  return step(wires, container, {
    label,
    requestMs: timeoutMs,
    answerMs: 1,
    execute: () => {
      throw error;
    },
  });
}

const ignore = () => undefined;

const noAnswer = (system: System, intention: 'read' | 'write', reason: string): Error =>
  intention === 'write'
    ? new RemoteOutcomeUnknownError(system, reason)
    : new RemoteUnavailableError(system, reason);
