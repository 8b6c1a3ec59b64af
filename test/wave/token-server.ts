import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { OAuthApplication, TokenPair } from '../../lib/wave/oauth.ts';

export const lifetimeMs = 6 * 3_600_000;

/** What happens to the next refresh: executed and the answer lost, an error before it is executed, a slow answer, or a strange lifetime in it. */
export type Mishap =
  | 'answer lost'
  | 'error'
  | 'html'
  | { readonly slowMs?: number; readonly retryAfter?: string; readonly expiresIn?: unknown };

/** One request with a refresh token. `by` is the container, as its token address says: `?by=3`. */
export interface Use {
  readonly refreshToken: string;
  readonly by: string;
  /** What it was when it arrived. `spent`: it was traded for a new pair. */
  readonly was: 'good' | 'spent' | 'revoked';
  /** Under way while it is undefined. `failed`: it was not executed. */
  ended: 'issued' | 'lost' | 'failed' | 'dead' | 'lapsed' | undefined;
}

export interface TokenServer {
  readonly application: OAuthApplication;
  /** A login by hand: a pair of its own; earlier ones stay as they are. */
  readonly login: () => TokenPair;
  readonly accepts: (accessToken: string) => boolean;
  /** The consent is taken back, or the plan ends: nothing is accepted until a new login. */
  readonly revoke: () => void;
  readonly lapse: (hasLapsed: boolean) => void;
  readonly next: (mishap: Mishap) => void;
  readonly seen: {
    /** Requests to the token endpoint. */
    requests: number;
    refreshes: number;
    /** Refreshes with a token that was dead. */
    dead: number;
  };
  readonly close: () => Promise<void>;
}

interface Issued extends TokenPair {
  readonly until: number;
}

/**
 * A token endpoint as Wave's is described: a refresh makes a new pair and kills the old one. Its time is the test's.
 * @param thinks before each answer. @param onUse told of each use, with the earlier ones of the same refresh token.
 */
export async function startTokenServer(
  now: () => number,
  {
    thinks = async () => undefined,
    onUse = () => undefined,
  }: {
    readonly thinks?: () => Promise<void>;
    readonly onUse?: (use: Use, earlier: readonly Use[]) => void;
  } = {},
): Promise<TokenServer> {
  let living: Issued[] = [];
  let mishap: Mishap | undefined;
  let hasLapsed = false;
  const revoked = new Set<string>();
  const uses = new Map<string, Use[]>();
  const seen = { requests: 0, refreshes: 0, dead: 0 };
  const issue = (): Issued => {
    const pair = { accessToken: randomUUID(), refreshToken: randomUUID(), lifetimeMs };
    const issued = { ...pair, until: now() + lifetimeMs };
    living.push(issued);
    return issued;
  };
  const refused = (error: string, status = 400) => ({ status, body: { error } });

  function used(refreshToken: string, by: string): Use {
    const earlier = uses.get(refreshToken) ?? [];
    const isLiving = living.some((pair) => pair.refreshToken === refreshToken);
    const was = isLiving ? 'good' : revoked.has(refreshToken) ? 'revoked' : 'spent';
    const use: Use = { refreshToken, by, was, ended: undefined };
    uses.set(refreshToken, [...earlier, use]);
    onUse(use, earlier);
    return use;
  }

  function refresh(use: Use): { status: number; body: object } {
    use.ended = 'lapsed';
    if (hasLapsed) return refused('access_denied', 403);
    const old = living.find((pair) => pair.refreshToken === use.refreshToken);
    if (!old) {
      use.ended = 'dead';
      seen.dead += 1;
      return refused('invalid_grant');
    }
    use.ended = 'issued';
    seen.refreshes += 1;
    living = living.filter((pair) => pair !== old);
    const { accessToken, refreshToken: next } = issue();
    const body = { access_token: accessToken, refresh_token: next, expires_in: lifetimeMs / 1000 };
    return { status: 200, body };
  }

  const server = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    const form = new URLSearchParams(text);
    const refreshToken = form.get('refresh_token') ?? '';
    const current = mishap;
    mishap = undefined;
    seen.requests += 1;
    const by = new URL(request.url ?? '/', 'http://localhost').searchParams.get('by') ?? '';
    const use = used(refreshToken, by);
    const { slowMs, retryAfter, ...stated } = typeof current === 'object' ? current : {};
    await (slowMs === undefined ? thinks() : sleep(slowMs));
    const isOurs = form.get('client_id') === 'app' && form.get('client_secret') === 'secret';
    const isTooSoon = retryAfter !== undefined;
    const failed = current === 'error' || current === 'html' || isTooSoon;
    const answer = failed
      ? { status: isTooSoon ? 429 : 503, body: { error: 'down' } }
      : isOurs
        ? refresh(use)
        : refused('invalid_client', 401);
    if (failed) use.ended = 'failed';
    if (current === 'answer lost') {
      use.ended = 'lost';
      request.socket.destroy();
    } else if (current === 'html') response.end('<html>Sorry</html>');
    else {
      const headers = isTooSoon ? { 'retry-after': retryAfter } : {};
      const lifetime = 'expiresIn' in stated && { expires_in: stated.expiresIn };
      response.writeHead(answer.status, headers).end(JSON.stringify({ ...answer.body, ...lifetime }));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    application: {
      clientId: 'app',
      clientSecret: 'secret',
      tokenUrl: `http://127.0.0.1:${port}/oauth2/token/`,
      redirectUri: undefined,
    },
    login: issue,
    accepts: (accessToken) =>
      !hasLapsed && living.some((pair) => pair.accessToken === accessToken && pair.until > now()),
    revoke() {
      for (const pair of living) revoked.add(pair.refreshToken);
      living = [];
    },
    lapse(lapsed) {
      hasLapsed = lapsed;
    },
    next(happens) {
      mishap = happens;
    },
    seen,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
