import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** One GraphQL request as it arrived. */
export interface Received {
  readonly query: string;
  readonly variables: Readonly<Record<string, unknown>>;
  readonly authorization: string;
  /** Aliases below the root of a mutation, or below the business of a query, in their order. */
  readonly aliases: readonly string[];
}

/** What the server does with a request: answers, or cuts the connection. */
export type Reply =
  | 'cut'
  | {
      readonly status?: number;
      readonly headers?: Readonly<Record<string, string>>;
      /** Sent as JSON, or as it is when it is text. */
      readonly body?: unknown;
      readonly afterMs?: number;
    };

export interface WaveScript {
  readonly url: string;
  readonly received: readonly Received[];
  readonly close: () => Promise<void>;
}

/** An HTTP server in Wave's place that answers as a test says: for what no real server can be made to do. */
export async function startWaveScript(
  reply: (request: Received, index: number) => Reply | Promise<Reply>,
): Promise<WaveScript> {
  const received: Received[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { query, variables } = JSON.parse(Buffer.concat(chunks).toString('utf8')) as Received;
    const one: Received = {
      query,
      variables,
      authorization: request.headers.authorization ?? '',
      aliases: [...query.matchAll(/\b([mr]\d+):/g)].map(([, alias]) => alias ?? ''),
    };
    received.push(one);
    const answer = await reply(one, received.length - 1);
    if (answer === 'cut') {
      request.socket.destroy();
      return;
    }
    await sleep(answer.afterMs ?? 0);
    const { body = {} } = answer;
    response.writeHead(answer.status ?? 200, { 'content-type': 'application/json', ...answer.headers });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/graphql/public`,
    received,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
