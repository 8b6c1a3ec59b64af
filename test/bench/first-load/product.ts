import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { connect } from '../../../lib/app.ts';
import { loadConfig } from '../../../lib/config.ts';
import type { Engine } from '../../../lib/sync/engine.ts';
import type { Json, Outside } from './outside.ts';

const main = new URL('../../../infra/local/main.ts', import.meta.url).pathname;
const cli = new URL('../../../lib/cli/main.ts', import.meta.url).pathname;
/** Says at its end how much memory the process had at the most, in MB. */
const sayMemory = `data:text/javascript,process.on('exit',()=>process.stderr.write('\\nPEAK '+Math.round(process.resourceUsage().maxRSS/1024)))`;
const startLimitMs = 60_000;

/** Our part, as `npm start` runs it, in a process group of its own. */
export interface Product {
  /** Of the run that is up now. */
  readonly engine: () => Engine;
  readonly start: () => Promise<void>;
  /** `kill -9` of the whole process group, without any warning. */
  readonly kill: () => Promise<void>;
  /** Runs an operator's command. Answers what it printed and the most memory that it took, MB. */
  readonly sync: (...args: readonly string[]) => Promise<{ readonly out: string; readonly peakMb: number }>;
  /** How often each message was logged, by its cause. */
  readonly said: () => Readonly<Record<string, number>>;
  readonly stop: () => Promise<void>;
}

export function productIn(statePath: string, { port, settings, tableUrl }: Outside): Product {
  const said: Record<string, number> = {};
  let child: ChildProcess | undefined;
  // Nothing of it outlives this process, which may be stopped at any time.
  process.once('exit', () => {
    if (isRunning(child)) process.kill(-child.pid, 'SIGKILL');
  });
  let engine: Engine | undefined;
  const bare = { PATH: process.env.PATH, HOME: process.env.HOME };

  async function start(): Promise<void> {
    const args = [main, '--no-stand-ins', '--json', '--port', String(port), '--state', statePath];
    const started = spawn(process.execPath, args, {
      env: { ...bare, ...settings },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    child = started;
    createInterface(started.stdout).on('line', (line) => count(said, line));
    await running(started);
    engine = await lookInto(statePath, tableUrl);
  }

  async function end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    if (!isRunning(child)) return;
    const gone = once(child, 'close');
    process.kill(signal === 'SIGKILL' ? -child.pid : child.pid, signal);
    await gone;
  }

  return {
    engine() {
      if (!engine) throw new Error('Our part has not been started');
      return engine;
    },
    start,
    kill: () => end('SIGKILL'),
    sync: (...args) => runCommand([cli, '--state', statePath, '--yes', ...args], bare),
    said: () => ({ ...said }),
    stop: () => end('SIGTERM'),
  };
}

const isRunning = (child: ChildProcess | undefined): child is ChildProcess & { readonly pid: number } =>
  child?.pid !== undefined && child.exitCode === null && child.signalCode === null;

/** What we ask ourselves must not be counted as the product's. */
async function lookInto(statePath: string, tableUrl: string): Promise<Engine> {
  const text = await readFile(join(statePath, 'functions-env.json'), 'utf8');
  const env = { ...(JSON.parse(text) as Record<string, string>), AWS_ENDPOINT_URL_DYNAMODB: tableUrl };
  Object.assign(process.env, env);
  return connect(loadConfig(env), () => undefined).engine;
}

function count(said: Record<string, number>, line: string): void {
  if (!line.startsWith('{')) return;
  const { message, because } = outcomeIn(line);
  if (typeof message !== 'string') return;
  const name = typeof because === 'string' ? `${message}: ${because}` : message;
  said[name] = (said[name] ?? 0) + 1;
}

/** Who is killed may have cut his last line short. */
function outcomeIn(line: string): Json {
  try {
    return JSON.parse(line) as Json;
  } catch {
    return {};
  }
}

/** Waits until it says so. @throws Error with its last words */
function running(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let words = '';
    const refuse = (why: string) => reject(new Error(`Our part did not start: ${why}\n${words}`));
    const timer = setTimeout(() => refuse('it took too long'), startLimitMs);
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      words = `${words}${text}`.slice(-4_000);
      if (!words.includes('Running.')) return;
      clearTimeout(timer);
      resolve();
    });
    child.once('close', (code) => {
      clearTimeout(timer);
      refuse(`it ended with ${code}`);
    });
  });
}

async function runCommand(args: readonly string[], env: NodeJS.ProcessEnv) {
  const child = spawn(process.execPath, ['--import', sayMemory, ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const text = { out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (more: string) => {
    text.out += more;
  });
  child.stderr.setEncoding('utf8').on('data', (more: string) => {
    text.err += more;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`sync ${args.slice(4).join(' ')} ended with ${code}: ${text.err}`);
  return { out: text.out, peakMb: Number(/PEAK (\d+)/.exec(text.err)?.[1] ?? 0) };
}
