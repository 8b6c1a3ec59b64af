import type { Response } from 'got';
import * as z from 'zod';
import {
  ReconnectNeededError,
  RemoteOutcomeUnknownError,
  RemoteRejectedError,
  RemoteUnavailableError,
} from '../errors.ts';
import { failedStatus, type Intention, retryAfterMs } from '../remote-failure.ts';
import { scrub } from '../scrub.ts';
import type { Ending } from '../sync/request-slots.ts';
import { pathOfInput } from './inputs.ts';

// What an answer of Wave means: HTTP status, errors beside data, and codes, in the words of this product.

/** A GraphQL answer whose transport went well: data, the errors beside it, and when Wave made it (ms). */
export interface WaveAnswer<Data> {
  readonly data: Data | undefined;
  readonly errors: readonly WaveError[];
  readonly date: number;
}

/** A number is one as well, such as the status of HTTP. */
const codeSchema = z
  .union([z.string(), z.number().transform(String)])
  .nullish()
  .catch(undefined);
const errorSchema = z.object({
  message: z.string().default('').catch(''),
  path: z.array(z.union([z.string(), z.number()])).nullish(),
  extensions: z.object({ code: codeSchema, id: z.string().nullish().catch(undefined) }).nullish(),
});
export type WaveError = z.infer<typeof errorSchema>;

const answerSchema = z.object({
  data: z.record(z.string(), z.unknown()).nullish(),
  errors: z.array(errorSchema).nullish(),
});

/** Wave refused the document as a whole, and executed nothing of it. */
export class DocumentRefusedError extends RemoteRejectedError {
  /** It asks for too much at once: half of it may pass. */
  readonly isTooMuch: boolean;
  constructor(reason: string, isTooMuch: boolean, paths: readonly string[] = []) {
    super('wave', reason, { paths });
    this.isTooMuch = isTooMuch;
  }
}

/** Wave did not take the access token: nothing was executed, and another token may help. */
export class TokenRefusedError extends ReconnectNeededError {
  readonly because: string;
  constructor(because = 'the access token is refused') {
    super('wave', because);
    this.because = because;
  }
}

/** The request was understood and not executed. */
const ourFault: ReadonlySet<string> = new Set([
  'GRAPHQL_VALIDATION_FAILED',
  'GRAPHQL_PARSE_FAILED',
  'VARIABLE_VALUE',
  'BAD_USER_INPUT',
]);
/** Wave's schema has directives `@rateLimit` and `@cost`; what their refusals look like is unconfirmed. */
const limitCodes = /^(RATE_LIMIT|RATE_LIMITED|RATE_LIMIT_EXCEEDED|TOO_MANY_REQUESTS|THROTTLED|429)$/;
const costWords =
  /maximum (query )?(cost|complexity)|\b(query|operation|document|request) (cost|complexity)\b|\b(cost|complexity) (limit|exceed)|too complex/i;
const costCodes = /COST|COMPLEX/;
/** Others say something about values, or that Wave failed: perhaps after it had begun. */
const maySayCost: ReadonlySet<string> = new Set(['', 'GRAPHQL_VALIDATION_FAILED', 'GRAPHQL_PARSE_FAILED']);

/** What came of a request, for the caller and for the budget. */
export interface Sent {
  readonly outcome: WaveAnswer<unknown> | Error;
  readonly ending: Ending;
}

/** A request as it was sent, so that no reason quotes its values. */
export interface Request {
  readonly query: string;
  readonly variables: unknown;
}

export function meaningOf(answer: Response<string>, intention: Intention, sent: Request): Sent {
  const answered = { did: 'answered' } as const;
  const { statusCode, headers, body } = answer;
  if (statusCode === 401) return { outcome: new TokenRefusedError(), ending: answered };
  if (statusCode === 403)
    return { outcome: new TokenRefusedError('HTTP 403: has the plan lapsed?'), ending: answered };
  const failure = failedStatus('wave', intention, answer);
  const pauseMs = retryAfterMs(headers['retry-after']);
  // An answer that says when to come back slows everyone down, also one that is no 429.
  if (failure && (statusCode === 429 || pauseMs !== undefined))
    return { outcome: failure, ending: { did: 'refused', retryAfterMs: pauseMs } };
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
  // What was written and could not be shown has errors below its field.
  const isBegun = intention === 'write' && errors.some(({ path }) => (path?.length ?? 0) > 1);
  const refusal = isBegun ? undefined : refusalOf(errors, data, sent);
  const isLimited = errors.some((error) => isRateLimit(error));
  return {
    outcome: refusal ?? { data, errors, date: Date.parse(headers.date ?? '') || Date.now() },
    ending: isLimited ? { did: 'refused', retryAfterMs: pauseMs } : answered,
  };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A document that asks for too much at once. */
function isTooMuch({ message, extensions }: WaveError): boolean {
  const code = extensions?.code ?? '';
  return costCodes.test(code) || (maySayCost.has(code) && costWords.test(message));
}

const isRateLimit = ({ extensions }: WaveError): boolean => limitCodes.test(extensions?.code ?? '');

/** The error that concerns the whole request, when nothing of it was executed; what stands under a path is judged there. */
function refusalOf(
  errors: readonly WaveError[],
  data: Readonly<Record<string, unknown>> | undefined,
  { query, variables }: Request,
): Error | undefined {
  const nothingWasDone = Object.values(data ?? {}).every((value) => value == null);
  if (!nothingWasDone) return undefined;
  for (const error of errors) {
    const code = error.extensions?.code ?? '';
    if (code === 'UNAUTHENTICATED' && errors.every((other) => other.extensions?.code === code))
      return new TokenRefusedError();
    const isWhole = error.path == null || error.path.length === 0;
    if (isRateLimit(error) && isWhole) return new RemoteUnavailableError('wave', code);
    if (isWhole && (ourFault.has(code) || isTooMuch(error)))
      return new DocumentRefusedError(
        `${code}: ${scrub(error.message, variables, query)}`,
        isTooMuch(error),
        pathsIn(error.message),
      );
  }
  return undefined;
}

/** A variable that does not fit its type is named with its place: `at "input.currency"`. */
const pathsIn = (message: string): readonly string[] =>
  [...message.matchAll(/at "\$?(?:input|m\d+)\.([\w.]+)"/g)].map(([, path = '']) =>
    pathOfInput(path.split('.')),
  );

/** An answer that does not say what happened. */
export const unreadable = (intention: Intention, reason: string): Error =>
  intention === 'write'
    ? new RemoteOutcomeUnknownError('wave', reason)
    : new RemoteUnavailableError('wave', reason);

/** The error of one field that was certainly not executed; undefined when its error does not say so. */
export function notExecuted(error: WaveError, sent: unknown): Error | undefined {
  const code = error.extensions?.code ?? '';
  if (code === 'UNAUTHENTICATED') return new TokenRefusedError();
  if (isRateLimit(error)) return new RemoteUnavailableError('wave', code);
  if (ourFault.has(code)) return new RemoteRejectedError('wave', `${code}: ${scrub(error.message, sent)}`);
  return undefined;
}
