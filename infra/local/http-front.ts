import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import type { LocalFunction } from './containers.ts';

/** API Gateway takes no larger body. */
const bodyLimit = 10 * 1024 * 1024;
const closedAfterMs = 5_000;
/** API Gateway waits no longer for a function. https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html */
const longestWaitMs = 30_000;

/** `POST /webhooks/wave` -> function. */
export type Routes = ReadonlyMap<string, LocalFunction>;

/** An HTTP API of the 2.0 payload format. It listens before its routes are known: until then it answers 503. */
export async function startFront(
  port: number,
  {
    answerWithinMs = longestWaitMs,
    onError = () => undefined,
  }: { readonly answerWithinMs?: number; readonly onError?: (error: unknown) => void } = {},
): Promise<{
  readonly url: string;
  readonly serve: (routes: Routes) => void;
  readonly close: () => Promise<void>;
}> {
  let routes: Routes | undefined;
  const server = createServer((request, response) => {
    answer(routes, request, response, answerWithinMs).catch((error: unknown) => {
      onError(error);
      reply(response, 500, { message: 'Internal Server Error' });
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const address = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${address.port}`,
    serve: (known) => {
      routes = known;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeIdleConnections();
        setTimeout(() => server.closeAllConnections(), closedAfterMs).unref();
      }),
  };
}

async function answer(
  routes: Routes | undefined,
  request: IncomingMessage,
  response: ServerResponse,
  answerWithinMs: number,
): Promise<void> {
  if (!routes) return reply(response, 503, { message: 'Service Unavailable' });
  const url = new URL(`http://localhost${request.url ?? '/'}`);
  const routeKey = `${request.method} ${url.pathname}`;
  const target = routes.get(routeKey);
  if (!target) return reply(response, 404, { message: 'Not Found' });
  const body = await readBody(request);
  if (!body) {
    response.setHeader('connection', 'close');
    return reply(response, 413, { message: 'Request Entity Too Large' });
  }
  const event = eventOf(request, url, routeKey, body);
  const given = await within(answerWithinMs, target.invoke(event));
  if (given === tooLate) return reply(response, 503, { message: 'Service Unavailable' });
  const result = given as { readonly statusCode?: number; readonly body?: string } | undefined;
  response.writeHead(result?.statusCode ?? 200, { 'content-type': 'application/json' });
  response.end(result?.body ?? '');
}

const tooLate = Symbol('too late');

/** The function goes on after its caller was sent away, as Lambda's does. */
async function within(ms: number, run: Promise<unknown>): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((resolve) => {
    timer = setTimeout(() => resolve(tooLate), ms);
  });
  try {
    return await Promise.race([run, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The whole body, or undefined when it is too large; the connection stays, so that the refusal can still be sent. */
async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > bodyLimit) return undefined;
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function eventOf(request: IncomingMessage, url: URL, routeKey: string, body: Buffer): APIGatewayProxyEventV2 {
  const text = body.toString('utf8');
  const isText = Buffer.from(text, 'utf8').equals(body);
  const headers = Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(',') : value,
    ]),
  );
  return {
    version: '2.0',
    routeKey,
    rawPath: url.pathname,
    rawQueryString: url.search.slice(1),
    headers,
    requestContext: {
      accountId: '000000000000',
      apiId: 'local',
      domainName: 'localhost',
      domainPrefix: 'localhost',
      http: {
        method: request.method ?? '',
        path: url.pathname,
        protocol: 'HTTP/1.1',
        sourceIp: '127.0.0.1',
        userAgent: String(request.headers['user-agent'] ?? ''),
      },
      requestId: randomUUID(),
      routeKey,
      stage: '$default',
      time: new Date().toISOString(),
      timeEpoch: Date.now(),
    },
    body: isText ? text : body.toString('base64'),
    isBase64Encoded: !isText,
  };
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}
