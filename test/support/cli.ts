import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../../lib/cli/main.ts', import.meta.url));

/** How a command ended, and what it printed. */
export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** One command of the operator's, while it runs. */
export interface Command {
  /** Resolves once it has printed something like this to standard error. */
  readonly says: (pattern: RegExp) => Promise<RegExpExecArray>;
  readonly ended: Promise<Ended>;
}

export interface Cli {
  readonly folder: string;
  readonly start: (...args: readonly string[]) => Command;
  readonly run: (...args: readonly string[]) => Promise<Ended>;
  readonly close: () => Promise<void>;
}

/** The operator's commands, against a stack with these settings. Nobody is there to be asked. */
export async function cliWith(env: Readonly<Record<string, string>>): Promise<Cli> {
  const folder = await mkdtemp(join(tmpdir(), 'sync-cli-'));
  await writeFile(join(folder, 'functions-env.json'), JSON.stringify(env));
  const running = new Set<ChildProcess>();
  function start(...args: readonly string[]): Command {
    const child = spawn(process.execPath, [main, '--state', folder, ...args], {
      env: { PATH: process.env.PATH, HOME: process.env.HOME },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    running.add(child);
    child.once('close', () => running.delete(child));
    let [out, err] = ['', ''];
    const listeners = new Set<() => void>();
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      err += text;
      for (const listener of listeners) listener();
    });
    const ended = new Promise<Ended>((resolve) => child.once('close', (code) => resolve({ code, out, err })));
    return {
      ended,
      says: (pattern) =>
        new Promise((resolve, reject) => {
          const look = () => {
            const found = pattern.exec(err);
            if (!found) return;
            listeners.delete(look);
            resolve(found);
          };
          listeners.add(look);
          look();
          void ended.then(({ err: all }) => reject(new Error(`It ended without ${pattern}: ${all}`)));
        }),
    };
  }
  return {
    folder,
    start,
    run: (...args) => start(...args).ended,
    async close() {
      for (const child of running) child.kill('SIGKILL');
      await rm(folder, { recursive: true, force: true });
    },
  };
}
