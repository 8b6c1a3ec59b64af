import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ParameterStore {
  readonly url: string;
  /** By their full names. They may be changed at any time, as a person does in the console. */
  readonly values: Map<string, string>;
  readonly close: () => Promise<void>;
}

/** A Parameter Store that answers what this product asks of one. @param readOnly nothing may be put: the rights of many an operator */
export async function startParameterStore(readOnly = false): Promise<ParameterStore> {
  const values = new Map<string, string>();
  const server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const [, action] = String(incoming.headers['x-amz-target']).split('.');
      const input = JSON.parse(Buffer.concat(chunks).toString()) as Record<string, string>;
      outgoing.setHeader('content-type', 'application/x-amz-json-1.1');
      if (action === 'PutParameter' && readOnly) {
        outgoing.statusCode = 400;
        outgoing.end(JSON.stringify({ __type: 'AccessDeniedException', message: 'not authorized to put' }));
      } else if (action === 'PutParameter') {
        values.set(String(input.Name), String(input.Value));
        outgoing.end(JSON.stringify({ Version: 1 }));
      } else {
        const Parameters = [...values]
          .filter(([name]) => name.startsWith(`${input.Path}/`))
          .map(([Name, Value]) => ({ Name, Value, Type: 'SecureString' }));
        outgoing.end(JSON.stringify({ Parameters }));
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    values,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
