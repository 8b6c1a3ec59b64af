import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { SettingsError } from '../../lib/errors.ts';
import { guide } from './guide.ts';
import { readable } from './outcome-lines.ts';
import { packaged } from './package.ts';
import { startStack } from './stack.ts';

const help = `Runs the whole synchronisation on this machine: functions, queue, table, and stand-ins for Customcrm and Wave.

  npm start -- [options]

  --port N          functions listen on N, Customcrm on N+1, Wave on N+2 (standard: 4000)
  --no-stand-ins    only our part; set CUSTOMCRM_API_URL, WAVE_API_URL and their tokens in the environment
  --reset           begin with nothing; otherwise the state of the last run goes on
  --state DIR       where the state lives (standard: .local)
  --json            print the functions' log lines as they are
  --help            this text`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '4000' },
      'no-stand-ins': { type: 'boolean', default: false },
      reset: { type: 'boolean', default: false },
      state: { type: 'string', default: '.local' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const say = (text: string) => void process.stdout.write(`${text}\n`);
  if (values.help) {
    say(help);
    return;
  }
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65_533)
    throw new SettingsError(`--port must be a number from 0 to 65533, not ${values.port}`);
  const statePath = resolve(values.state);
  if (values.reset) await reset(statePath);
  await packaged(say);
  const stack = await startStack({
    port,
    statePath,
    standIns: !values['no-stand-ins'],
    sample: true,
    env: process.env,
    say,
    onLine(line) {
      const text = values.json ? line : readable(line, new Date());
      if (text !== undefined) say(text);
    },
  });
  say(guide(stack));
  let stopping = false;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (stopping) process.exit(1);
      stopping = true;
      say('Stopping; once more stops at once.');
      stack.close().then(
        () => process.exit(0),
        () => process.exit(1),
      );
    });
  }
}

/** Removes the state, if it is ours. */
async function reset(statePath: string): Promise<void> {
  if (!existsSync(statePath)) return;
  if (!existsSync(join(statePath, 'secrets.json')))
    throw new SettingsError(`${statePath} holds no state of a local stack; nothing was removed.`);
  await rm(statePath, { recursive: true });
}

main().catch((error: NodeJS.ErrnoException & { port?: number }) => {
  const text =
    error.code === 'EADDRINUSE'
      ? `Port ${error.port} is in use. Choose another one with: npm start -- --port N`
      : error instanceof SettingsError
        ? error.message
        : error.stack;
  process.stderr.write(`${text}\n`);
  process.exit(1);
});
