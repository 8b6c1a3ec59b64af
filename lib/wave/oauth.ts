import got, { RequestError } from 'got';
import * as z from 'zod';
import { RemoteRejectedError, RemoteUnavailableError } from '../errors.ts';
import { failedStatus } from '../remote-failure.ts';

// https://developer.waveapps.com/hc/en-us/articles/360019493652 (OAuth guide) and 360032818132 (scopes).

/** The application as Wave's developer portal shows it. */
export interface OAuthApplication {
  readonly clientId: string;
  readonly clientSecret: string;
  /** Such as `https://api.waveapps.com/oauth2/token/`; the other addresses lie beside it. */
  readonly tokenUrl: string;
  /** Without it, Wave takes the first one that is registered. */
  readonly redirectUri: string | undefined;
}

/** Tokens as Wave hands them out. A refresh kills the pair before. */
export interface TokenPair {
  readonly accessToken: string;
  readonly refreshToken: string;
  /** How long the access token is good, ms from now. */
  readonly lifetimeMs: number;
}

/** All that the synchronisation does. Writing does not include reading. `invoice:send`, which e-mails people, is not asked for. */
const scopes = [
  'business:read',
  'user:read',
  'account:read',
  'sales_tax:read',
  'customer:read',
  'customer:write',
  'product:read',
  'product:write',
  'invoice:read',
  'invoice:write',
];
/** Wave publishes no lifetime; third parties report two hours. Used when the answer does not say, seconds. */
const standardLifetime = 3600;

const tokenAnswer = z.object({
  access_token: z.string().min(1),
  refresh_token: z.string().min(1).nullish(),
  // The pair before is dead by now: this one is kept, whatever is said of its time.
  expires_in: z.coerce.number().positive().nullish().catch(undefined),
});
const faultAnswer = z.object({ error: z.string() });

/**
 * Where a person allows the access. `state` must come back unchanged with the code.
 * @param businessId pre-selects a business.
 */
export function authorizeUrl(
  { clientId, tokenUrl, redirectUri }: Omit<OAuthApplication, 'clientSecret'>,
  { state, businessId }: { readonly state: string; readonly businessId?: string },
): string {
  const url = new URL('../authorize/', tokenUrl);
  const parameters = {
    client_id: clientId,
    response_type: 'code',
    scope: scopes.join(' '),
    state,
    ...(redirectUri !== undefined && { redirect_uri: redirectUri }),
    ...(businessId !== undefined && { businessId }),
  };
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return url.href;
}

/**
 * Trades the code of an authorization, good once and for ten minutes, for tokens.
 * @throws RemoteRejectedError when the code or the application is refused, RemoteUnavailableError when a new code must be got.
 */
export async function exchangeCode(
  application: OAuthApplication,
  code: string,
  timeoutMs = 20_000,
): Promise<TokenPair> {
  const answer = await requestTokens(application, { grant_type: 'authorization_code', code }, timeoutMs);
  if (answer.did === 'issued') return answer.pair;
  if (answer.did === 'failed') throw new RemoteUnavailableError('wave', answer.because);
  throw new RemoteRejectedError('wave', answer.because);
}

/** What the token endpoint made of a request. */
export type TokenAnswer =
  | { readonly did: 'issued'; readonly pair: TokenPair }
  /** The grant is dead, revoked, or the plan lapsed: only a new login helps. */
  | { readonly did: 'refused'; readonly because: string }
  /** The request itself is wrong, such as an unknown client: the grant may be fine. */
  | { readonly did: 'misconfigured'; readonly because: string }
  /** No answer, or none that says anything: it may have happened. */
  | { readonly did: 'failed'; readonly because: string; readonly retryAfterMs: number | undefined };

/** A new pair for the refresh token of the old one. */
export const refreshTokens = (
  application: OAuthApplication,
  refreshToken: string,
  timeoutMs: number,
): Promise<TokenAnswer> =>
  requestTokens(application, { grant_type: 'refresh_token', refresh_token: refreshToken }, timeoutMs);

async function requestTokens(
  { clientId, clientSecret, tokenUrl, redirectUri }: OAuthApplication,
  grant: Readonly<Record<string, string>>,
  timeoutMs: number,
): Promise<TokenAnswer> {
  const answer = await got
    .post(tokenUrl, {
      form: {
        client_id: clientId,
        client_secret: clientSecret,
        ...grant,
        ...(redirectUri !== undefined && { redirect_uri: redirectUri }),
      },
      retry: { limit: 0 },
      throwHttpErrors: false,
      followRedirect: false,
      timeout: { request: timeoutMs },
    })
    .catch((error: unknown) => (error instanceof RequestError ? error : Promise.reject(error)));
  if (answer instanceof RequestError)
    return { did: 'failed', because: `the token endpoint: ${answer.code}`, retryAfterMs: undefined };
  const failure = failedStatus('wave', 'read', answer);
  const pause = failure instanceof RemoteUnavailableError ? failure.retryAfterMs : undefined;
  return meaningOf(answer.statusCode, jsonOf(answer.body), grant, pause);
}

function meaningOf(
  status: number,
  body: unknown,
  grant: Readonly<Record<string, string>>,
  pause: number | undefined,
): TokenAnswer {
  const issued = tokenAnswer.safeParse(body);
  if (status === 200 && issued.success) {
    const { access_token: accessToken, refresh_token, expires_in } = issued.data;
    const refreshToken = refresh_token ?? grant.refresh_token;
    if (refreshToken === undefined) return { did: 'misconfigured', because: 'Wave gave no refresh token' };
    const lifetimeMs = (expires_in ?? standardLifetime) * 1000;
    return { did: 'issued', pair: { accessToken, refreshToken, lifetimeMs } };
  }
  const fault = faultAnswer.safeParse(body);
  const because = `the token endpoint answers ${status}${fault.success ? ` ${fault.data.error.slice(0, 60)}` : ''}`;
  if (status === 403 || (fault.success && fault.data.error === 'invalid_grant'))
    return { did: 'refused', because };
  const isTransient = status < 400 || status === 408 || status === 429 || status >= 500;
  return isTransient ? { did: 'failed', because, retryAfterMs: pause } : { did: 'misconfigured', because };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
