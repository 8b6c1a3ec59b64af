import { execFile } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const main = new URL('../../lib/cli/main.ts', import.meta.url).pathname;
/** One command takes no longer than this, ms. */
const limitMs = 120_000;
/** Halves the start of a command, of which tests make hundreds. */
export const compileCache = { NODE_COMPILE_CACHE: join(tmpdir(), 'sync-compile-cache') };

/** How a command ended, and what it said. */
export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a command of the operator's as a person does, but with nobody at the keyboard. */
export const syncCommand = (args: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<Ended> =>
  promisify(execFile)(process.execPath, [main, ...args], {
    env: { ...env, ...compileCache },
    timeout: limitMs,
  }).then(
    ({ stdout, stderr }) => ({ code: 0, out: stdout, err: stderr }),
    (error: { code: number; stdout: string; stderr: string }) => ({
      code: error.code,
      out: error.stdout,
      err: error.stderr,
    }),
  );
