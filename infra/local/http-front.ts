import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import type { LocalFunction } from './containers.ts';

/** API Gateway takes no larger body. */
const bodyLimit = 10 * 1024 * 1024;
const closedAfterMs = 5_000;

/** `POST /webhooks/wave` -> function. */
export type Routes = ReadonlyMap<string, LocalFunction>;

/** An HTTP API of the 2.0 payload format. It listens before its routes are known: until then it answers 503. */
export async function startFront(port: number): Promise<{
  readonly url: string;
  readonly serve: (routes: Routes) => void;
  readonly close: () => Promise<void>;
}> {
  let routes: Routes | undefined;
  const server = createServer((request, response) => {
    answer(routes, request, response).catch(() => reply(response, 500, { message: 'Internal Server Error' }));
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
): Promise<void> {
  if (!routes) return reply(response, 503, { message: 'Service Unavailable' });
  const url = new URL(request.url ?? '/', 'http://localhost');
  const routeKey = `${request.method} ${url.pathname}`;
  const target = routes.get(routeKey);
  if (!target) return reply(response, 404, { message: 'Not Found' });
  const body = await readBody(request);
  if (!body) return reply(response, 413, { message: 'Request Entity Too Large' });
  try {
    const result = (await target.invoke(eventOf(request, url, routeKey, body))) as
      | { readonly statusCode?: number; readonly body?: string }
      | undefined;
    response.writeHead(result?.statusCode ?? 200, { 'content-type': 'application/json' });
    response.end(result?.body ?? '');
  } catch {
    reply(response, 500, { message: 'Internal Server Error' });
  }
}

async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request) {
    size += (part as Buffer).length;
    if (size > bodyLimit) return undefined;
    parts.push(part as Buffer);
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
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}
