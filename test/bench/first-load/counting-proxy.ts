import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface CountingProxy {
  readonly url: string;
  /** How often each match of the pattern went by, by its first group. */
  readonly counts: () => Readonly<Record<string, number>>;
  readonly close: () => Promise<void>;
}

/** Kept of what went by, in case a match is cut in two. */
const overlapBytes = 64;

/**
 * Passes bytes on to a server of this machine and counts what the requests say. It looks at bytes only, so that it costs little;
 * `pattern` is global, has one group, and matches once in the head of each request.
 */
export async function countingProxy(targetUrl: string, pattern: RegExp): Promise<CountingProxy> {
  const target = new URL(targetUrl);
  const counts: Record<string, number> = {};
  const open = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname);
    let carried = '';
    client.on('data', (bytes) => {
      const text = carried + bytes.toString('latin1');
      let end = 0;
      for (const match of text.matchAll(pattern)) {
        const name = match[1] ?? '';
        counts[name] = (counts[name] ?? 0) + 1;
        end = match.index + match[0].length;
      }
      carried = text.slice(Math.max(end, text.length - overlapBytes));
    });
    for (const socket of [client, upstream]) {
      open.add(socket);
      socket.setNoDelay(true);
      socket.once('close', () => open.delete(socket));
      socket.on('error', () => {
        client.destroy();
        upstream.destroy();
      });
    }
    client.pipe(upstream);
    upstream.pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}${target.pathname === '/' ? '' : target.pathname}`,
    counts: () => ({ ...counts }),
    close() {
      for (const socket of open) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
