import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { access, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { handsAt } from './hands.ts';

const program = fileURLToPath(new URL('../../infra/local/main.ts', import.meta.url));
/** A first start packages the service; a slow machine needs a while, ms. */
const startLimitMs = 180_000;

/** The local stack as one group of processes that can be killed at any moment, and started again on the same state and ports. */
export interface StackProcess {
  readonly start: (faults: string) => Promise<void>;
  /** `kill -9` for the stack, its stand-ins and its database, all at once. */
  readonly kill: () => Promise<void>;
  readonly isUp: () => boolean;
}

export interface StackPlace {
  readonly port: number;
  readonly state: string;
  /** Everything that it prints, over all starts. */
  readonly log: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export function stackProcess({ port, state, log, env }: StackPlace): StackProcess {
  let child: ChildProcess | undefined;
  const ready = join(state, 'functions-env.json');

  async function kill(): Promise<void> {
    const running = child;
    child = undefined;
    const database = await databaseOf(state);
    if (running?.pid !== undefined && running.exitCode === null && running.signalCode === null) {
      const gone = new Promise((resolve) => running.once('exit', resolve));
      process.kill(-running.pid, 'SIGKILL');
      await gone;
    }
    if (database !== undefined) killQuietly(database);
    await rm(ready, { force: true });
  }

  async function start(faults: string): Promise<void> {
    const out = openSync(log, 'a');
    const options = ['--port', String(port), '--state', state, '--json', '--faults', faults];
    const started = spawn(process.execPath, [program, ...options], {
      detached: true,
      stdio: ['ignore', out, out],
      env,
    });
    closeSync(out);
    child = started;
    const end = Date.now() + startLimitMs;
    while (!(await isReady(ready, port))) {
      const ended = started.exitCode !== null || started.signalCode !== null;
      if (ended || Date.now() > end)
        throw new Error(`The stack did not start:\n${(await readFile(log, 'utf8')).slice(-2_000)}`);
      await sleep(100);
    }
  }
  return { start, kill, isUp: () => child !== undefined };
}

async function isReady(file: string, port: number): Promise<boolean> {
  try {
    await access(file);
    await handsAt(originsAt(port)).faults();
    return true;
  } catch {
    return false;
  }
}

/** The stack puts Customcrm and Wave on the two ports after its own. */
export const originsAt = (port: number) => ({
  customcrm: `http://127.0.0.1:${port + 1}`,
  wave: `http://127.0.0.1:${port + 2}`,
});

/** The process of the embedded database, if it is truly that of this state directory. */
async function databaseOf(state: string): Promise<number | undefined> {
  const pid = Number(await readFile(join(state, 'dynamodb.pid'), 'utf8').catch(() => ''));
  if (!pid) return undefined;
  const command = await promisify(execFile)('ps', ['-o', 'args=', '-p', String(pid)]).then(
    ({ stdout }) => stdout,
    () => '',
  );
  return command.includes(state) ? pid : undefined;
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It was gone already.
  }
}

/** The first of three neighbouring ports that are free. */
export async function freePorts(): Promise<number> {
  for (let tries = 0; tries < 50; tries++) {
    const first = 20_000 + Math.floor(Math.random() * 12_000);
    const free = await Promise.all([0, 1, 2].map((offset) => isFree(first + offset)));
    if (free.every(Boolean)) return first;
  }
  throw new Error('No three neighbouring ports are free');
}

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
