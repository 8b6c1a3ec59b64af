import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as z from 'zod';
import type { Action, Broker } from './action.ts';
import { messageActions } from './message-actions.ts';
import { moveTasks } from './move-tasks.ts';
import { moveActions, queueActions } from './queue-actions.ts';
import { accountId, openQueues } from './queues.ts';
import { receiveAttempts } from './receive-attempts.ts';
import { SqsError } from './sqs-error.ts';
import { openStore } from './store.ts';
import { waitingRoom } from './waiting-room.ts';

/** The largest batch is 1 MiB of text, which JSON escapes can blow up. */
const largestBodyBytes = 4 * 1_048_576;
/** Longer than the longest long poll, so that clients rarely send on a connection that is being closed. */
const keepAliveMs = 65_000;

const actions: Readonly<Record<string, Action>> = { ...messageActions, ...queueActions, ...moveActions };
/** Known to SQS, but there is nobody to allow or forbid anything on one machine. */
const withoutUse = ['AddPermission', 'RemovePermission'];

interface SqsServer {
  /** `http://127.0.0.1:<port>`, the endpoint for an SQS client. */
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Serves the queues in the SQLite file at `path` (`:memory:` keeps nothing) on 127.0.0.1; port 0 takes a free one.
 * Speaks AWS JSON 1.0; signatures are not checked, their region names the queues. Acknowledged messages survive the end
 * of the process, however sudden. On the start messages in flight become visible again: their consumers ran on the same
 * machine and mostly ended with it; one that lives on can still delete from a standard queue, while a FIFO message comes
 * again, as after a visibility time-out. Receive counts are kept.
 *
 * Not built: permissions, encryption, the limits of messages in flight (120,000, and 20,000 for FIFO), the fair order
 * of groups in standard queues.
 * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/Welcome.html
 */
export async function startSqs({
  port,
  path,
  now = Date.now,
}: {
  readonly port: number;
  readonly path: string;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}): Promise<SqsServer> {
  const store = openStore(path);
  const waiting = waitingRoom((queue, at) => store.messages.nextDue(queue.id, queue.fifo, at), now);
  const queues = openQueues(store);
  const moves = moveTasks(store, queues, waiting.wake, now);
  const server = createServer((request, response) => {
    void answer(broker, request, response);
  });
  server.keepAliveTimeout = keepAliveMs;
  const url = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const broker: Broker = {
    ...{ store, queues, waiting, moves, now },
    attempts: receiveAttempts(store),
    urlOf: ({ name }) => `${url()}/${accountId}/${name}`,
  };
  store.atomically(() => store.messages.releaseAll(now()));
  await listen(server, port).catch((error: unknown) => {
    store.close();
    throw error;
  });
  moves.resume();
  return {
    url: url(),
    async close() {
      moves.close();
      const closed = new Promise<void>((resolve) => void server.close(() => resolve()));
      waiting.dismiss();
      server.closeAllConnections();
      await closed;
      store.close();
    },
  };
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject);
      resolve();
    });
  });
}

async function answer(broker: Broker, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    const run = actionOf(request);
    const input = parseBody(await readBody(request));
    const region = regionOf(request.headers.authorization);
    const gone = (leave: () => void) => {
      if (response.closed) leave();
      else response.once('close', leave);
    };
    write(response, 200, await run(broker, input, { region, gone }));
  } catch (error) {
    refuse(response, error);
  }
}

function actionOf(request: IncomingMessage): Action {
  const target = String(request.headers['x-amz-target'] ?? '');
  const name = target.replace(/^AmazonSQS\./, '');
  if (withoutUse.includes(name))
    throw new SqsError('UnsupportedOperation', `${name} is not supported by the embedded SQS server.`);
  const found = Object.hasOwn(actions, name) ? actions[name] : undefined;
  if (request.method === 'POST' && found) return found;
  throw new SqsError(
    'InvalidAction',
    'Send a POST with the header x-amz-target: AmazonSQS.<Action>; the action is missing or unknown.',
  );
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  // Not destroyed when the loop is left early: the refusal still has to reach the client.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > largestBodyBytes)
      throw new SqsError('RequestEntityTooLarge', `The request exceeds ${largestBodyBytes} bytes.`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function parseBody(body: string): unknown {
  try {
    return z.record(z.string(), z.unknown()).parse(JSON.parse(body));
  } catch {
    throw new SqsError('SerializationException', 'The body is not a JSON object.');
  }
}

/** The region of a SigV4 credential scope. */
const regionOf = (authorization = ''): string =>
  /Credential=[^/]+\/\d{8}\/([a-z0-9-]+)\/sqs\/aws4_request/.exec(authorization)?.[1] ?? 'us-east-1';

function refuse(response: ServerResponse, error: unknown): void {
  if (response.destroyed) return;
  if (!(error instanceof SqsError)) {
    process.stderr.write(`SQS: ${error instanceof Error ? error.stack : String(error)}\n`);
    write(response, 500, { __type: 'com.amazonaws.sqs#InternalFailure', message: 'The server failed.' });
    return;
  }
  // The SDK takes the name of the error from __type, and the older name from the header.
  response.setHeader('x-amzn-query-error', `${error.queryCode};Sender`);
  if (error.code === 'RequestEntityTooLarge') response.setHeader('connection', 'close');
  write(response, 400, { __type: `com.amazonaws.sqs#${error.code}`, message: error.message });
}

function write(response: ServerResponse, status: number, answered: object): void {
  if (response.destroyed || response.headersSent) return;
  const body = Buffer.from(JSON.stringify(answered));
  response.writeHead(status, {
    'content-type': 'application/x-amz-json-1.0',
    'content-length': body.length,
    'x-amzn-requestid': randomUUID(),
  });
  response.end(body);
}
