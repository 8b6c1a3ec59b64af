import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import got from 'got';
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

export interface WaveOptions {
  /** The GraphQL endpoint, such as `https://gql.waveapps.com/graphql/public`. */
  readonly url: string;
  readonly accessToken: () => Promise<string>;
  readonly businessId: string;
  /** The longest that one request may take, ms. */
  readonly timeoutMs: number;
  /** Needed to create products. */
  readonly incomeAccountId: string | undefined;
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

export type WaveClient = <Data, Variables>(
  document: TadaDocumentNode<Data, Variables>,
  variables: Variables,
  intention: Intention,
  call: Call,
) => Promise<WaveAnswer<Data>>;

/** Nothing is sent when less than this remains before the deadline, ms. */
const leastTimeMs = 200;
/** The request was understood and not executed. */
const ourFault = new Set([
  'GRAPHQL_VALIDATION_FAILED',
  'GRAPHQL_PARSE_FAILED',
  'VARIABLE_VALUE',
  'BAD_USER_INPUT',
]);

/** One GraphQL request. POST is never repeated by itself. @throws SyncError for transport failures and refused requests. */
export function waveClient({ url, accessToken, timeoutMs }: WaveOptions): WaveClient {
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
  return async (document, variables, intention, call) => {
    const authorization = `Bearer ${await accessToken()}`;
    const remaining = Math.min(timeoutMs, call.deadline - Date.now());
    if (remaining < leastTimeMs) throw new RemoteUnavailableError('wave', 'no time is left for a request');
    const answer = await http
      .post(url, {
        json: { query: textOf(document), variables },
        headers: { authorization },
        timeout: { request: remaining },
      })
      .catch((error: unknown) => {
        throw noAnswer('wave', intention, error);
      });
    const failure = failedStatus('wave', intention, answer);
    if (failure) throw failure;
    const parsed = answerSchema.safeParse(jsonOf(answer.body));
    if (!parsed.success) throw unreadable(intention, `HTTP ${answer.statusCode} without a GraphQL answer`);
    const errors = parsed.data.errors ?? [];
    throwIfRefused(errors, variables);
    return {
      data: (parsed.data.data ?? undefined) as never,
      errors,
      date: Date.parse(answer.headers.date ?? '') || Date.now(),
    };
  };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Errors without a path concern the whole request: it was not executed. */
function throwIfRefused(errors: readonly WaveError[], sent: unknown): void {
  for (const { message, extensions } of errors) {
    const code = extensions?.code ?? '';
    if (code === 'UNAUTHENTICATED') throw new ReconnectNeededError('wave', 'the access token is refused');
    if (ourFault.has(code)) throw new RemoteRejectedError('wave', scrub(`${code}: ${message}`, sent));
  }
}

export const unreadable = (intention: Intention, reason: string): Error =>
  intention === 'write'
    ? new RemoteOutcomeUnknownError('wave', reason)
    : new RemoteUnavailableError('wave', reason);
