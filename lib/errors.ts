import type { System } from './domain/record.ts';

/** Base of every failure that a worker can meet. `retryable` answers the one question that the worker asks. */
export abstract class SyncError extends Error {
  abstract readonly retryable: boolean;
}

/** The other system understood the request and refused it: shown as `blocked` with its reason, retried when either side changes. */
export class RemoteRejectedError extends SyncError {
  override readonly name = 'RemoteRejectedError';
  readonly retryable = false;
  readonly system: System;
  /** The system's own words, without any value that we sent. Safe to log. */
  readonly reason: string;
  /** What it refused, as dotted paths in its read shape; empty when it did not say. */
  readonly paths: readonly string[];
  constructor(
    system: System,
    reason: string,
    options?: ErrorOptions & { readonly paths?: readonly string[] },
  ) {
    super(`${system} refused: ${reason}`, options);
    this.system = system;
    this.reason = reason;
    this.paths = options?.paths ?? [];
  }
}

/** Nothing was written, and a later attempt may succeed: connection refused, 429, 5xx on a read, transient refusals. */
export class RemoteUnavailableError extends SyncError {
  override readonly name = 'RemoteUnavailableError';
  readonly retryable = true;
  readonly system: System;
  /** How long the system asked us to stay away, in milliseconds; undefined when it did not say. */
  readonly retryAfterMs: number | undefined;
  constructor(
    system: System,
    message: string,
    options?: ErrorOptions & { retryAfterMs?: number | undefined },
  ) {
    super(`${system} is unavailable: ${message}`, options);
    this.system = system;
    this.retryAfterMs = options?.retryAfterMs;
  }
}

/** A refusal of a write that usually is taken when it is sent again. Nothing was written. The message is safe to show. */
export class PassingRefusalError extends RemoteUnavailableError {}

/** A write was sent and its answer never came, or did not say: it may or may not have happened, now or a little later. */
export class RemoteOutcomeUnknownError extends SyncError {
  override readonly name = 'RemoteOutcomeUnknownError';
  readonly retryable = true;
  readonly system: System;
  constructor(system: System, message: string, options?: ErrorOptions) {
    super(`${system} did not say whether the write happened: ${message}`, options);
    this.system = system;
  }
}

/** The record moved since it was read (Customcrm 412): read and plan again. Nothing was written. */
export class StaleVersionError extends SyncError {
  override readonly name = 'StaleVersionError';
  readonly retryable = true;
}

/** The record to be written is not there (404, 410, NOT_FOUND). Nothing was written. */
export class RemoteMissingError extends SyncError {
  override readonly name = 'RemoteMissingError';
  readonly retryable = true;
}

/** The token is refused, the plan lapsed or the consent was revoked: a person must reconnect. Nothing was written. */
export class ReconnectNeededError extends SyncError {
  override readonly name = 'ReconnectNeededError';
  readonly retryable = true;
  readonly system: System;
  constructor(system: System, message: string, options?: ErrorOptions) {
    super(`${system} needs a new connection: ${message}`, options);
    this.system = system;
  }
}

/** Settings are missing or wrong. The message names every fault at once and shows no secret. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
}

/** Whether an error is one of those after which the record waits: with the pause that it asks for. */
export function pauseFor(error: unknown):
  | {
      readonly name: 'unavailable' | 'reconnect';
      readonly afterMs: number | undefined;
      /** What went wrong, without any value of a record. */
      readonly because: string;
    }
  | undefined {
  if (error instanceof ReconnectNeededError)
    return { name: 'reconnect', afterMs: undefined, because: error.message };
  if (error instanceof RemoteUnavailableError)
    return { name: 'unavailable', afterMs: error.retryAfterMs, because: error.message };
  return undefined;
}
