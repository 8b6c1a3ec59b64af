import { createHash } from 'node:crypto';
import { ReconnectNeededError } from '../errors.ts';
import type { Call, Clock, Key, Table } from '../sync/ports.ts';
import { TokenRefusedError } from './answer.ts';
import type { OAuthApplication } from './oauth.ts';
import { type AccessToken, type AccessTokens, inOurWords, type TokenState, tokenState } from './tokens.ts';

// Wave refused a token, and there is no other one: the plan has lapsed, or somebody revoked it. The table notes that for all containers.
// Nobody asks with it any more, but for one request now and then: it finds out whether the plan is paid again. Another token, from a
// login or from the settings, is not the one that was noted, and is tried at once.

/** Access tokens, less those that Wave refused. */
export interface TokensInUse extends AccessTokens {
  /** @throws ReconnectNeededError, RemoteUnavailableError where `current` would, without using up a try. */
  ready(call: Call): Promise<void>;
  /** Wave took this one: what was noted against it is over. Never throws. */
  accepted(token: AccessToken): Promise<void>;
}

interface Mark {
  readonly because: string;
  /** When it was refused for the first time, and when one request may try it again; ms since 1970. */
  readonly since: number;
  readonly tryAt: number;
}

const pauseMs = 5 * 60_000;
/** How long this container believes that nothing is noted, ms: that something is, not at all. */
const believedMs = 60_000;
/** A token that is over is renewed by the next poll: what takes longer than this is not, ms. */
const overdueMs = 5 * 60_000;
const keptMs = 30 * 24 * 3600_000;

/** A token of a login is known by its generation; any other by its hash. */
const nameOf = ({ text, generation }: AccessToken): string =>
  generation > 0 ? `generation ${generation}` : createHash('sha256').update(text).digest('base64url');
const keyOf = (name: string): Key => ({ pk: 'oauth#wave', sk: `refused#${name}` });

const markIn = async (table: Table, name: string): Promise<Mark | undefined> =>
  (await table.get(keyOf(name))) as Mark | undefined;

export function tokensInUse(
  tokens: AccessTokens,
  { table, clock }: { readonly table: Table; readonly clock: Clock },
): TokensInUse {
  let known: { readonly name: string; readonly mark: Mark | undefined; readonly readAt: number } | undefined;
  /** A token was refused just now: what comes of that decides with which one the next request goes, if any. */
  let replacing: Promise<unknown> = Promise.resolve();

  async function markOf(token: AccessToken): Promise<Mark | undefined> {
    const name = nameOf(token);
    const age = clock.now() - (known?.readAt ?? 0);
    if (known?.name === name && !known.mark && age < believedMs) return undefined;
    const mark = await markIn(table, name);
    known = { name, mark, readAt: clock.now() };
    return mark;
  }

  async function look(call: Call): Promise<{ readonly token: AccessToken; readonly mark: Mark | undefined }> {
    const token = await tokens.current(call);
    if (!(await markOf(token))) return { token, mark: undefined };
    // Somebody may have logged in meanwhile.
    const latest = await tokens.current(call, 0);
    return { token: latest, mark: await markOf(latest) };
  }

  /** The one try that is due is taken by one container. */
  async function takeTry(token: AccessToken, mark: Mark): Promise<boolean> {
    if (clock.now() < mark.tryAt) return false;
    return note(token, mark, { equals: { tryAt: mark.tryAt } });
  }

  async function note(
    token: AccessToken,
    { because, since }: Pick<Mark, 'because' | 'since'>,
    when?: { readonly equals: Readonly<Record<string, number>> },
  ): Promise<boolean> {
    const name = nameOf(token);
    const now = clock.now();
    const mark = { because, since, tryAt: now + pauseMs };
    const put = { ...keyOf(name), ...mark, expiresAt: Math.ceil((now + keptMs) / 1000) };
    const { done } = await table.write([{ put, ...(when && { when }) }]);
    known = done ? { name, mark, readAt: now } : undefined;
    return done;
  }

  async function replaced(refused: AccessToken, call: Call): Promise<AccessToken> {
    const before = known?.name === nameOf(refused) ? known.mark : undefined;
    try {
      // What was refused before is not renewed again and again.
      const other = before ? await tokens.current(call, 0) : await tokens.insteadOf(refused, call);
      if (nameOf(other) === nameOf(refused)) throw new TokenRefusedError(before?.because);
      const mark = await markOf(other);
      if (mark) throw refusal(mark);
      return other;
    } catch (error) {
      if (error instanceof TokenRefusedError)
        await note(refused, before ?? { because: error.because, since: clock.now() }).catch(inOurWords);
      return inOurWords(error);
    }
  }

  return {
    async ready(call) {
      await replacing;
      const { mark } = await look(call).catch(inOurWords);
      if (mark && clock.now() < mark.tryAt) throw refusal(mark);
    },
    async current(call) {
      await replacing;
      const { token, mark } = await look(call).catch(inOurWords);
      if (mark && !(await takeTry(token, mark).catch(inOurWords))) throw refusal(mark);
      return token;
    },
    insteadOf(refused, call) {
      const other = replaced(refused, call);
      replacing = other.catch(() => undefined);
      return other;
    },
    async accepted(token) {
      if (known?.name !== nameOf(token) || !known.mark) return;
      known = { ...known, mark: undefined };
      await table.write([{ delete: keyOf(known.name) }]).catch(() => undefined);
    },
  };
}

const refusal = ({ because }: Mark): ReconnectNeededError => new ReconnectNeededError('wave', because);

/** How the connection stands, for people: by the tokens of the last login, or for a full-access token by whether it was refused. */
export async function connectionState(
  table: Table,
  access: string | OAuthApplication,
  now: number = Date.now(),
): Promise<TokenState | { readonly connection: 'good' | 'reconnect-needed'; readonly because?: string }> {
  const state =
    typeof access === 'string' ? { connection: 'good' as const } : await tokenState(table, access);
  if (state.connection !== 'good') return state;
  // What cannot be renewed is good until its time is over.
  if ('trouble' in state && state.trouble !== undefined && now >= state.deadAfter)
    return { ...state, connection: 'reconnect-needed', because: state.trouble };
  if ('deadAfter' in state && now >= state.deadAfter + overdueMs)
    return { ...state, connection: 'reconnect-needed', because: 'the access token was not renewed in time' };
  const generation = 'generation' in state ? state.generation : 0;
  const mark = await markIn(table, nameOf({ text: typeof access === 'string' ? access : '', generation }));
  return mark ? { ...state, connection: 'reconnect-needed', because: mark.because } : state;
}
