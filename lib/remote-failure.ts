import { RequestError, TimeoutError } from 'got';
import type { System } from './domain/record.ts';
import { ReconnectNeededError, RemoteOutcomeUnknownError, RemoteUnavailableError } from './errors.ts';

/** Failures before a single byte of the request was sent: nothing can have happened. */
const neverSent = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
  'CERT_HAS_EXPIRED',
]);

/** Whether the request asks or changes: an unanswered change may have happened. */
export type Intention = 'read' | 'write';

/** A request that got no answer at all, in the words of the core. */
export function noAnswer(system: System, intention: Intention, error: unknown): Error {
  if (!(error instanceof RequestError)) return error instanceof Error ? error : new Error(String(error));
  const connecting =
    error instanceof TimeoutError &&
    (error.event === 'lookup' || error.event === 'connect' || error.event === 'secureConnect');
  const happened = !connecting && !neverSent.has(error.code);
  return intention === 'write' && happened
    ? new RemoteOutcomeUnknownError(system, error.code, { cause: error })
    : new RemoteUnavailableError(system, error.code, { cause: error });
}

interface StatusAnswer {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** An answer whose status alone says what happened; undefined when the body must be read. */
export function failedStatus(
  system: System,
  intention: Intention,
  { statusCode, headers }: StatusAnswer,
): Error | undefined {
  const status = `HTTP ${statusCode}`;
  if (statusCode === 401 || statusCode === 403) return new ReconnectNeededError(system, status);
  if (statusCode === 429)
    return new RemoteUnavailableError(system, status, { retryAfterMs: retryAfterMs(headers['retry-after']) });
  if (statusCode === 408 || statusCode >= 500) {
    return intention === 'write'
      ? new RemoteOutcomeUnknownError(system, status)
      : new RemoteUnavailableError(system, status, { retryAfterMs: retryAfterMs(headers['retry-after']) });
  }
  return undefined;
}

/** The longest window that anybody says of these systems is a day. Who asks for more is more likely wrong than angry, ms. */
const longestPauseMs = 24 * 3_600_000;

/** `Retry-After` in seconds or as a date, obeyed up to a day; undefined when absent or unreadable. */
export function retryAfterMs(
  header: string | string[] | undefined,
  now: number = Date.now(),
): number | undefined {
  const text = Array.isArray(header) ? header[0] : header;
  if (!text) return undefined;
  const ms = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(0, ms), longestPauseMs);
}
