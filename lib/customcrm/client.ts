import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import got, { type Method } from 'got';
import {
  RemoteMissingError,
  RemoteOutcomeUnknownError,
  RemoteRejectedError,
  RemoteUnavailableError,
  StaleVersionError,
} from '../errors.ts';
import { failedStatus, noAnswer, scrub } from '../remote-failure.ts';
import type { Call } from '../sync/ports.ts';
import { problemSchema } from './schema.ts';

export interface CustomcrmOptions {
  /** Base URL, such as `https://crm.example.com/api/v1`. */
  readonly url: string;
  readonly token: string;
  /** The longest that one request may take, ms. */
  readonly timeoutMs: number;
}

export interface CustomcrmRequest {
  readonly method: Method;
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface CustomcrmAnswer {
  readonly status: number;
  readonly body: unknown;
  /** When the CRM answered, by its own clock (ms, whole seconds); by ours where it does not say. */
  readonly date: number;
}

export type CustomcrmClient = (request: CustomcrmRequest, call: Call) => Promise<CustomcrmAnswer>;

/** Nothing is sent when less than this remains before the deadline, ms. */
const leastTimeMs = 200;

/** One HTTP exchange with the CRM. 404 and 410 are answers; everything else that is not 2xx throws a `SyncError`. Never repeats. */
export function customcrmClient({ url, token, timeoutMs }: CustomcrmOptions): CustomcrmClient {
  const http = got.extend({
    prefixUrl: url,
    agent: { http: new HttpAgent({ keepAlive: true }), https: new HttpsAgent({ keepAlive: true }) },
    headers: { authorization: `Bearer ${token}`, accept: 'application/json' },
    retry: { limit: 0 },
    throwHttpErrors: false,
    followRedirect: false,
  });
  return async (request, call) => {
    const intention = request.method === 'GET' ? 'read' : 'write';
    const remaining = Math.min(timeoutMs, call.deadline - Date.now());
    if (remaining < leastTimeMs)
      throw new RemoteUnavailableError('customcrm', 'no time is left for a request');
    const answer = await http(request.path, {
      method: request.method,
      ...(request.query && { searchParams: request.query }),
      ...(request.body !== undefined && { body: JSON.stringify(request.body) }),
      headers: {
        'content-type': request.method === 'PATCH' ? 'application/merge-patch+json' : 'application/json',
        ...request.headers,
      },
      timeout: { request: remaining },
    }).catch((error: unknown) => {
      throw noAnswer('customcrm', intention, error);
    });
    const failure = failedStatus('customcrm', intention, answer);
    if (failure) throw failure;
    const body = parse(answer.body);
    const date = Date.parse(answer.headers.date ?? '') || Date.now();
    if (answer.statusCode === 404 || answer.statusCode === 410) {
      if (intention === 'write') throw new RemoteMissingError(`customcrm: HTTP ${answer.statusCode}`);
      return { status: answer.statusCode, body, date };
    }
    if (answer.statusCode >= 200 && answer.statusCode < 300) return { status: answer.statusCode, body, date };
    throw refusal(answer.statusCode, body, request.body);
  };
}

/** Undefined for an empty or a non-JSON body: the caller's schema then says what is missing. */
function parse(text: string): unknown {
  try {
    return text === '' ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

function refusal(status: number, body: unknown, sent: unknown): Error {
  const problem = problemSchema.safeParse(body);
  const { type = '', title = '', errors = [] } = problem.success ? problem.data : {};
  if (status === 412) return new StaleVersionError('customcrm: the record moved since it was read');
  if (status === 409) return new RemoteOutcomeUnknownError('customcrm', 'the same create is still under way');
  const details = errors.map(({ field, code, message }) => [field, code, message].filter(Boolean).join(' '));
  const reason = [`HTTP ${status}`, title, type.startsWith('urn:') ? type : '', ...details]
    .filter(Boolean)
    .join('; ');
  const paths = errors.flatMap(({ field }) => (field ? [field.replaceAll(/\[\d*\]/g, '')] : []));
  return new RemoteRejectedError('customcrm', scrub(reason, sent), { paths });
}
