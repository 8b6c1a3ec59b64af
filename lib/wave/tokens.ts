import { createHash } from 'node:crypto';
import type { FingerprintKeys } from '../domain/fingerprint.ts';
import { ReconnectNeededError, RemoteUnavailableError, SyncError } from '../errors.ts';
import type { Call, Clock, Item, Key, Table } from '../sync/ports.ts';
import { seal, unseal } from '../sync/seal.ts';
import { TokenRefusedError } from './answer.ts';
import { type OAuthApplication, refreshTokens, type TokenAnswer, type TokenPair } from './oauth.ts';

// Refreshing kills the old pair, so one item holds the pair with a generation that every write depends on. Who refreshes holds the
// lease of that generation. A new login raises the generation as well: a refresh that is under way then finds itself overtaken.

/** An access token, and the generation that it belongs to. */
export interface AccessToken {
  readonly text: string;
  readonly generation: number;
}

export interface AccessTokens {
  /**
   * The token to use now. @param believedMs what this container read is good for so long.
   * @throws ReconnectNeededError without asking Wave, RemoteUnavailableError
   */
  current(call: Call, believedMs?: number): Promise<AccessToken>;
  /** Another one, after Wave refused this one. @throws TokenRefusedError when there is none, ReconnectNeededError, RemoteUnavailableError */
  insteadOf(refused: AccessToken, call: Call): Promise<AccessToken>;
}

/** A full-access token: there is no other one when it is refused. */
export const fullAccessToken = (text: string): AccessTokens => ({
  current: async () => ({ text, generation: 0 }),
  async insteadOf() {
    throw new TokenRefusedError();
  },
});

/** How the connection to Wave stands, for people. No token is in it. */
export type TokenState =
  | { readonly connection: 'none' }
  | {
      readonly connection: 'good' | 'reconnect-needed';
      readonly because: string | undefined;
      /** Why it cannot be renewed, although the grant may be fine; undefined while nothing says so. */
      readonly trouble: string | undefined;
      readonly generation: number;
      readonly businessId: string;
      /** When the access token is renewed, and expires; ms since 1970. */
      readonly goodUntil: number;
      readonly deadAfter: number;
      readonly issuedAt: number;
    };

interface Stored {
  readonly generation: number;
  readonly connection: 'good' | 'reconnect-needed';
  readonly because?: string;
  /** Why the token endpoint refuses us, whatever the pair is. Gone with the next pair. */
  readonly trouble?: string;
  /** The application that it refuses, by its hash: another one may be right. */
  readonly troubleOf?: string;
  /** The sealed pair. */
  readonly secret: string;
  /** The access token is renewed from here on, and expires there; ms since 1970. */
  readonly goodUntil: number;
  readonly deadAfter: number;
  readonly issuedAt: number;
  readonly businessId: string;
  /** Who wrote it, to recognise a write of our own that nobody answered. */
  readonly writer: string;
}
interface Known {
  readonly stored: Stored | undefined;
  readonly readAt: number;
}

const tokensKey: Key = { pk: 'oauth#wave', sk: 'tokens' };
const purpose = 'oauth-tokens';
/** Renewed this long before the end, or a fifth of the lifetime, whichever is shorter, ms. */
const marginMs = 5 * 60_000;
/** How long this container believes that the connection is good, ms: that it is broken, not at all, as a login wakes what waits for it. */
const standardBelievedMs = 60_000;
/** The longest request for tokens, and what must be left of a call so that an answer is also kept, ms. */
const refreshTimeoutMs = 10_000;
const leastTimeMs = 8_000;
const storeReserveMs = 2_000;
/** A refresh that nobody ended may have happened: nobody tries that generation again before, ms. */
const leaseMs = 30_000;
/** The longest wait for another worker's refresh, and between two looks at it, ms. */
const patienceMs = 10_000;
const lookMs = 250;
/** Whoever waits for the token endpoint looks again after this: somebody may have logged in meanwhile, ms. */
const lookAgainMs = 15 * 60_000;
/** A token this young that is refused is not renewed again, ms: that would never end. */
const youngMs = 60_000;
const storeTries = 6;
const loginTries = 20;
const roundLimit = 100;

export interface TokenOptions {
  readonly table: Table;
  readonly clock: Clock;
  readonly newId: () => string;
  readonly keys: FingerprintKeys;
  readonly application: OAuthApplication;
}

/** The tokens of the last login, renewed in time by one worker at a time. */
export function oauthTokens(options: TokenOptions): AccessTokens {
  const { table, clock, newId, keys, application } = options;
  let known: Known | undefined;
  /** A renewed pair that the table has not taken yet. */
  let unsaved: { readonly over: number; readonly next: Stored } | undefined;

  async function read(): Promise<Stored | undefined> {
    if (unsaved) await store(unsaved.over, unsaved.next);
    const stored = storedOf(await table.get(tokensKey));
    known = { stored, readAt: clock.now() };
    return stored;
  }

  /** Answers whether the renewed pair is what the table holds now. */
  async function store(over: number, next: Stored): Promise<boolean> {
    unsaved = { over, next };
    for (let attempt = 1; ; attempt++) {
      try {
        const write = { put: { ...tokensKey, ...next }, when: { equals: { generation: over } } } as const;
        const result = await table.write([write]);
        unsaved = undefined;
        if (!result.done && storedOf(result.failed.get(0))?.writer !== next.writer) return false;
        known = { stored: next, readAt: clock.now() };
        return true;
      } catch (error) {
        if (attempt === storeTries) throw error;
        await clock.sleep(50 * 2 ** attempt);
      }
    }
  }

  /** The lease of this generation: only while it is the current one, and nobody tried it lately. */
  async function takeLease({ generation }: Stored): Promise<'taken' | { readonly until: number }> {
    const now = clock.now();
    const result = await table.write([
      {
        put: leaseItem(generation, now + leaseMs),
        when: { absentOrExpired: { attribute: 'until', before: now } },
      },
      { check: tokensKey, when: { equals: { generation, connection: 'good' } } },
    ]);
    return result.done ? 'taken' : { until: Number(result.failed.get(0)?.until ?? now) };
  }

  const leaseItem = (generation: number, until: number): Item => ({
    pk: tokensKey.pk,
    sk: `refresh#${generation}`,
    owner: newId(),
    until,
    expiresAt: Math.ceil(until / 1000) + 24 * 3600,
  });

  /** A new token, or undefined when somebody else was faster: then look again. */
  async function refresh(stored: Stored, call: Call): Promise<AccessToken | undefined> {
    const startedAt = clock.now();
    const { refreshToken } = opened(stored, keys);
    const timeoutMs = Math.min(refreshTimeoutMs, call.deadline - startedAt - storeReserveMs);
    const answer = await refreshTokens(application, refreshToken, timeoutMs);
    if (answer.did === 'issued') {
      const next = pairItem(keys, answer.pair, {
        generation: stored.generation + 1,
        businessId: stored.businessId,
        at: startedAt,
        writer: newId(),
      });
      return (await store(stored.generation, next)) ? tokenOf(next, keys) : undefined;
    }
    if (answer.did === 'refused') {
      const marked = { ...stored, connection: 'reconnect-needed' as const, because: answer.because };
      const when = { equals: { generation: stored.generation } };
      await table.write([{ put: { ...tokensKey, ...marked }, when }]);
      return undefined;
    }
    if (answer.did === 'misconfigured') await noteTrouble(stored, answer.because);
    // Who says how long to wait is not asked by anybody before.
    if (answer.did === 'failed' && answer.retryAfterMs !== undefined)
      await table.write([
        { put: leaseItem(stored.generation, clock.now() + Math.max(leaseMs, answer.retryAfterMs)) },
      ]);
    throw failureOf(answer);
  }

  async function noteTrouble(stored: Stored, trouble: string): Promise<void> {
    const troubleOf = hashOf(application);
    if (stored.trouble === trouble && stored.troubleOf === troubleOf) return;
    const when = { equals: { generation: stored.generation } };
    await table.write([{ put: { ...tokensKey, ...stored, trouble, troubleOf }, when }]);
  }

  async function obtain(refused: AccessToken | undefined, call: Call): Promise<AccessToken> {
    const latest = Math.min(clock.now() + patienceMs, call.deadline - lookMs);
    for (let round = 0; round < roundLimit; round++) {
      const stored = connected(await read());
      const now = clock.now();
      const isUsable =
        refused === undefined ? now < stored.goodUntil : stored.generation !== refused.generation;
      if (isUsable) return tokenOf(stored, keys);
      if (refused && now - stored.issuedAt < youngMs)
        throw new TokenRefusedError('an access token is refused right after it was issued');
      const isAlive = refused === undefined && now < stored.deadAfter;
      const lease = call.deadline - now >= leastTimeMs ? await takeLease(stored) : { until: now };
      if (lease === 'taken') {
        const token = await refresh(stored, call).catch((error: unknown) => {
          if (!isAlive) throw error;
          return tokenOf(stored, keys);
        });
        if (token) return token;
        continue;
      }
      if (isAlive) return tokenOf(stored, keys);
      // The token endpoint has said how long to wait.
      if (lease.until > now + leaseMs) throw isBeingRenewed(lease.until - now);
      if (now + lookMs > latest) break;
      await clock.sleep(lookMs);
    }
    throw isBeingRenewed(leaseMs);
  }

  return {
    async current(call, believedMs = standardBelievedMs) {
      const { stored, readAt } = known ?? {};
      const age = clock.now() - (readAt ?? 0);
      if (stored?.connection === 'good' && age < believedMs && clock.now() < stored.goodUntil)
        return tokenOf(stored, keys);
      return obtain(undefined, call).catch(inOurWords);
    },
    insteadOf: (refused, call) => obtain(refused, call).catch(inOurWords),
  };
}

/**
 * Keeps the tokens of a login. It wins over any refresh that is under way. Records that waited for it are rung for by
 * `wake(engine, 'reconnect')`.
 */
export async function saveLogin(
  { table, clock, newId, keys }: Omit<TokenOptions, 'application'>,
  pair: TokenPair,
  businessId: string,
): Promise<void> {
  const writer = newId();
  for (let attempt = 1; attempt <= loginTries; attempt++) {
    const before = storedOf(await table.get(tokensKey));
    const generation = (before?.generation ?? 0) + 1;
    const next = pairItem(keys, pair, { generation, businessId, at: clock.now(), writer });
    const when = before ? { equals: { generation: before.generation } } : 'absent';
    const { done } = await table.write([{ put: { ...tokensKey, ...next }, when }]);
    if (done) return;
  }
  throw new RemoteUnavailableError('wave', 'the tokens of this login could not be kept: log in again');
}

/** How the connection stands for this application: what another one was refused for is not its trouble. */
export async function tokenState(table: Table, application: OAuthApplication): Promise<TokenState> {
  const stored = storedOf(await table.get(tokensKey));
  if (!stored) return { connection: 'none' };
  const { connection, because, generation, businessId, goodUntil, deadAfter, issuedAt } = stored;
  const trouble = stored.troubleOf === hashOf(application) ? stored.trouble : undefined;
  return { connection, because, trouble, generation, businessId, goodUntil, deadAfter, issuedAt };
}

const hashOf = ({ clientId, clientSecret }: OAuthApplication): string =>
  createHash('sha256')
    .update(JSON.stringify([clientId, clientSecret]))
    .digest('base64url');

const storedOf = (item: Item | undefined): Stored | undefined => item as Stored | undefined;

function pairItem(
  keys: FingerprintKeys,
  { accessToken, refreshToken, lifetimeMs }: TokenPair,
  about: {
    readonly generation: number;
    readonly businessId: string;
    readonly at: number;
    readonly writer: string;
  },
): Stored {
  const { generation, businessId, at, writer } = about;
  return {
    generation,
    connection: 'good',
    secret: seal(keys, purpose, JSON.stringify({ accessToken, refreshToken })),
    goodUntil: at + lifetimeMs - Math.min(marginMs, lifetimeMs / 5),
    deadAfter: at + lifetimeMs,
    issuedAt: at,
    businessId,
    writer,
  };
}

function connected(stored: Stored | undefined): Stored {
  if (!stored) throw new ReconnectNeededError('wave', 'nobody has connected it yet');
  if (stored.connection !== 'good') throw new ReconnectNeededError('wave', stored.because ?? 'reconnect');
  return stored;
}

function opened({ secret }: Stored, keys: FingerprintKeys): Pick<TokenPair, 'accessToken' | 'refreshToken'> {
  try {
    return JSON.parse(unseal(keys, purpose, secret)) as TokenPair;
  } catch (cause) {
    throw new ReconnectNeededError('wave', 'the tokens cannot be opened with FINGERPRINT_KEYS', { cause });
  }
}

const tokenOf = (stored: Stored, keys: FingerprintKeys): AccessToken => ({
  text: opened(stored, keys).accessToken,
  generation: stored.generation,
});

const isBeingRenewed = (retryAfterMs: number): RemoteUnavailableError =>
  new RemoteUnavailableError('wave', 'the access token is not renewed yet', {
    retryAfterMs: Math.min(retryAfterMs, lookAgainMs),
  });

function failureOf(answer: TokenAnswer & { readonly did: 'misconfigured' | 'failed' }): SyncError {
  return answer.did === 'failed'
    ? new RemoteUnavailableError('wave', answer.because, {
        retryAfterMs: answer.retryAfterMs && Math.min(answer.retryAfterMs, lookAgainMs),
      })
    : new ReconnectNeededError('wave', `${answer.because}: check WAVE_CLIENT_ID and WAVE_CLIENT_SECRET`);
}

/** The table's failures, as callers of Wave know them: nothing was sent. */
export function inOurWords(cause: unknown): never {
  if (cause instanceof SyncError) throw cause;
  throw new RemoteUnavailableError('wave', 'the tokens could not be read or kept', { cause });
}
