import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import got, { type Response } from 'got';
import type { TadaDocumentNode } from 'gql.tada';
import { type DocumentNode, print } from 'graphql';
import * as z from 'zod';
import {
  ReconnectNeededError,
  RemoteOutcomeUnknownError,
  RemoteRejectedError,
  RemoteUnavailableError,
} from '../errors.ts';
import { failedStatus, type Intention, noAnswer, scrub } from '../remote-failure.ts';
import type { Call } from '../sync/ports.ts';
import type { Ending, Slot, Want } from '../sync/request-budget.ts';
import { fieldsIn } from './cost.ts';
import type { AccessToken, AccessTokens } from './tokens.ts';

export interface WaveClientOptions {
  /** The GraphQL endpoint, such as `https://gql.waveapps.com/graphql/public`. */
  readonly url: string;
  readonly tokens: AccessTokens;
  /** The longest that one request may take, ms. */
  readonly timeoutMs: number;
  /** Waits for the right to send one request. @throws RemoteUnavailableError */
  readonly takeSlot: (want: Want) => Promise<Slot>;
  /** Whether Wave counts each aliased field as a request. */
  readonly countsFields: boolean;
  /** Told of each request that set out, or got no slot. */
  readonly onRequest?: ((request: RequestMeasure) => void) | undefined;
}

/** What one request took: for metrics. */
export interface RequestMeasure {
  readonly intention: Intention;
  readonly priority: Call['priority'];
  /** For a slot of the budget, ms. */
  readonly waitedMs: number;
  /** From sending to the answer, ms. */
  readonly tookMs: number;
  readonly did: Ending['did'] | 'no slot';
  /** What the budget still allowed when it set out. */
  readonly slotsLeft: number;
}

/** A GraphQL answer whose transport went well: data, the errors beside it, and when Wave made it (ms). */
export interface WaveAnswer<Data> {
  readonly data: Data | undefined;
  readonly errors: readonly WaveError[];
  readonly date: number;
}

const errorSchema = z.object({
  message: z.string().default(''),
  path: z.array(z.union([z.string(), z.number()])).nullish(),
  extensions: z.object({ code: z.string().nullish(), id: z.string().nullish() }).nullish(),
});
export type WaveError = z.infer<typeof errorSchema>;

const answerSchema = z.object({
  data: z.record(z.string(), z.unknown()).nullish(),
  errors: z.array(errorSchema).nullish(),
});

/** One GraphQL request. `slot` was taken for it before; without one, the request waits for its own. */
export type WaveClient = <Data, Variables>(
  document: TadaDocumentNode<Data, Variables>,
  variables: Variables,
  intention: Intention,
  call: Call,
  slot?: Slot,
) => Promise<WaveAnswer<Data>>;

/** Wave refused the document as a whole, and executed nothing of it. */
export class DocumentRefusedError extends RemoteRejectedError {
  /** It asks for too much at once: half of it may pass. */
  readonly isTooMuch: boolean;
  constructor(reason: string, isTooMuch: boolean) {
    super('wave', reason);
    this.isTooMuch = isTooMuch;
  }
}

/** Wave did not take the access token: nothing was executed, and another token may help. */
class TokenRefusedError extends ReconnectNeededError {
  constructor() {
    super('wave', 'the access token is refused');
  }
}

/** Nothing is sent when less than this remains before the deadline, ms. */
const leastTimeMs = 200;
/** The request was understood and not executed. */
const ourFault: ReadonlySet<string> = new Set([
  'GRAPHQL_VALIDATION_FAILED',
  'GRAPHQL_PARSE_FAILED',
  'VARIABLE_VALUE',
  'BAD_USER_INPUT',
]);
/** Wave's schema has directives `@rateLimit` and `@cost`; what their refusals look like is unconfirmed. */
const limitCodes = /^(RATE_LIMIT|RATE_LIMITED|RATE_LIMIT_EXCEEDED|TOO_MANY_REQUESTS|THROTTLED)$/;
const costWords = /maximum (query )?(cost|complexity)|(cost|complexity) (limit|exceed)|too complex/i;

/** POST is never repeated by itself, but for an access token that was refused. @throws SyncError for transport failures and refused requests. */
export function waveClient(options: WaveClientOptions): WaveClient {
  const { tokens, takeSlot, countsFields, onRequest } = options;
  const post = poster(options);
  return async (document, variables, intention, call, reserved) => {
    const cost = countsFields ? fieldsIn(document as DocumentNode, variables) : 1;
    const send = async (token: AccessToken, slot: Slot) => {
      const sentAt = Date.now();
      const sent = await post(document, variables, intention, call, token);
      await slot.end(sent.ending);
      onRequest?.({
        intention,
        priority: call.priority,
        waitedMs: slot.waitedMs,
        tookMs: Date.now() - sentAt,
        did: sent.ending.did,
        slotsLeft: slot.left,
      });
      return sent.outcome;
    };
    const token = await tokens.current(call).catch(async (error: unknown) => {
      await reserved?.end({ did: 'unsent' });
      throw error;
    });
    const first = await send(token, reserved ?? (await takeSlot({ cost, intention, call })));
    if (!(first instanceof TokenRefusedError)) return unwrapped(first);
    // It was certainly not executed: once more, with another token.
    const another = await tokens.insteadOf(token, call);
    return unwrapped(await send(another, await takeSlot({ cost, intention, call })));
  };
}

function unwrapped(outcome: WaveAnswer<unknown> | Error): WaveAnswer<never> {
  if (outcome instanceof Error) throw outcome;
  return outcome as WaveAnswer<never>;
}

interface Sent {
  readonly outcome: WaveAnswer<unknown> | Error;
  readonly ending: Ending;
}

function poster({ url, timeoutMs }: WaveClientOptions) {
  const http = got.extend({
    agent: { http: new HttpAgent({ keepAlive: true }), https: new HttpsAgent({ keepAlive: true }) },
    retry: { limit: 0 },
    throwHttpErrors: false,
    followRedirect: false,
  });
  const printed = new WeakMap<object, string>();
  const textOf = (document: object): string => {
    const known = printed.get(document) ?? print(document as DocumentNode);
    printed.set(document, known);
    return known;
  };
  return async (
    document: object,
    variables: unknown,
    intention: Intention,
    call: Call,
    token: AccessToken,
  ): Promise<Sent> => {
    const remaining = Math.min(timeoutMs, call.deadline - Date.now());
    if (remaining < leastTimeMs)
      return {
        outcome: new RemoteUnavailableError('wave', 'no time is left for a request'),
        ending: { did: 'unsent' },
      };
    const answer = await http
      .post(url, {
        json: { query: textOf(document), variables },
        headers: { authorization: `Bearer ${token.text}` },
        timeout: { request: remaining },
      })
      .catch((error: unknown): Sent => {
        const isUnsent = noAnswer('wave', 'write', error) instanceof RemoteUnavailableError;
        const ending = { did: isUnsent ? 'unsent' : 'unanswered' } as const;
        return { outcome: noAnswer('wave', intention, error), ending };
      });
    return 'outcome' in answer ? answer : meaningOf(answer, intention, variables);
  };
}

function meaningOf(answer: Response<string>, intention: Intention, variables: unknown): Sent {
  const answered = { did: 'answered' } as const;
  const { statusCode, headers, body } = answer;
  if (statusCode === 401) return { outcome: new TokenRefusedError(), ending: answered };
  const failure = failedStatus('wave', intention, answer);
  if (statusCode === 429 && failure instanceof RemoteUnavailableError)
    return { outcome: failure, ending: { did: 'refused', retryAfterMs: failure.retryAfterMs } };
  if (failure) return { outcome: failure, ending: answered };
  if (statusCode === 413)
    return { outcome: new DocumentRefusedError('HTTP 413: too large', true), ending: answered };
  const parsed = answerSchema.safeParse(jsonOf(body));
  if (!parsed.success) {
    const reason = `HTTP ${statusCode} without a GraphQL answer`;
    return { outcome: unreadable(intention, reason), ending: answered };
  }
  const data = parsed.data.data ?? undefined;
  const errors = parsed.data.errors ?? [];
  const refusal = refusalOf(errors, data, variables);
  const isLimited = errors.some((error) => isRateLimit(error));
  return {
    outcome: refusal ?? { data, errors, date: Date.parse(headers.date ?? '') || Date.now() },
    ending: isLimited ? { did: 'refused', retryAfterMs: undefined } : answered,
  };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const isRateLimit = ({ extensions }: WaveError): boolean => limitCodes.test(extensions?.code ?? '');

/** The error that concerns the whole request, when nothing of it was executed; what stands under a path is judged there. */
function refusalOf(
  errors: readonly WaveError[],
  data: Readonly<Record<string, unknown>> | undefined,
  sent: unknown,
): Error | undefined {
  const nothingWasDone = Object.values(data ?? {}).every((value) => value == null);
  if (!nothingWasDone) return undefined;
  for (const error of errors) {
    const code = error.extensions?.code ?? '';
    if (code === 'UNAUTHENTICATED' && errors.every((other) => other.extensions?.code === code))
      return new TokenRefusedError();
    const isWhole = error.path == null || error.path.length === 0;
    if (isRateLimit(error) && isWhole) return new RemoteUnavailableError('wave', code);
    if (isWhole && (ourFault.has(code) || costWords.test(error.message)))
      return new DocumentRefusedError(
        scrub(`${code}: ${error.message}`, sent),
        costWords.test(error.message),
      );
  }
  return undefined;
}

/** An answer that does not say what happened. */
export const unreadable = (intention: Intention, reason: string): Error =>
  intention === 'write'
    ? new RemoteOutcomeUnknownError('wave', reason)
    : new RemoteUnavailableError('wave', reason);

/** The error of one field that was certainly not executed; undefined when its error does not say so. */
export function notExecuted(error: WaveError | undefined, sent: unknown): Error | undefined {
  const code = error?.extensions?.code ?? '';
  if (!error) return undefined;
  if (code === 'UNAUTHENTICATED') return new TokenRefusedError();
  if (isRateLimit(error)) return new RemoteUnavailableError('wave', code);
  if (ourFault.has(code)) return new RemoteRejectedError('wave', scrub(`${code}: ${error.message}`, sent));
  return undefined;
}
