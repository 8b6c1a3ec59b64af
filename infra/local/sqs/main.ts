import { parseArgs } from 'node:util';
import { startSqs } from './server.ts';

const usage = `Usage: node infra/local/sqs/main.ts [--port 9324] [--path FILE]

An SQS server for one machine, on 127.0.0.1.
  --port   the port to listen on; 0 takes a free one (default 9324)
  --path   the SQLite file that keeps queues and messages (default: memory only)
  --help   shows this text
`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '9324' },
      path: { type: 'string', default: ':memory:' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    return;
  }
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new Error('--port must be 0 to 65535.');
  const server = await startSqs({ port, path: values.path });
  process.stdout.write(`SQS listens on ${server.url}\n`);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void server.close());
}

await main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${usage}`);
  process.exitCode = 1;
});
