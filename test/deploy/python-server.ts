import { type ChildProcess, spawn } from 'node:child_process';
import { openSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** A server answers within this time, or something is wrong, ms. */
const startLimitMs = 60_000;
/** It is ended by force when it takes longer than this to stop, ms. */
const stopLimitMs = 5_000;
/** Runs a module, and ends its whole group when the end of its standard input says that this process is gone. */
const launcher = `
import os, runpy, signal, sys, threading
def follow():
    sys.stdin.read()
    os.killpg(0, signal.SIGKILL)
threading.Thread(target=follow, daemon=True).start()
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name='__main__')
`;

export interface PythonServer {
  readonly url: string;
  readonly logPath: string;
  /** Ends it, with every process that it started. */
  readonly close: () => Promise<void>;
}

/**
 * Starts a Python module that serves a port of 127.0.0.1, in `folder`, where its log is. @throws Error that names the log when it does not
 * answer
 */
export async function startPythonServer(server: {
  /** The `bin` folder of its environment. */
  readonly bin: string;
  readonly module: string;
  readonly args: readonly string[];
  readonly port: number;
  readonly folder: string;
  readonly env: NodeJS.ProcessEnv;
  /** What answers 200 once it is up. */
  readonly healthPath: string;
}): Promise<PythonServer> {
  const { bin, module, args, port, folder, env, healthPath } = server;
  const url = `http://127.0.0.1:${port}`;
  const logPath = join(folder, `${module}.log`);
  const log = openSync(logPath, 'a');
  const child = spawn(join(bin, 'python'), ['-c', launcher, module, ...args], {
    cwd: folder,
    stdio: ['pipe', log, log],
    // A group of its own: what it started ends with it.
    detached: true,
    env,
  });
  const close = () => end(child);
  try {
    await answers(child, `${url}${healthPath}`, logPath);
  } catch (error) {
    await close();
    throw error;
  }
  return { url, logPath, close };
}

/** The environment without anything that could lead to a real account, or to real systems. */
export const bare = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(
    Object.entries(env).filter(([name]) => !/^(AWS_|CUSTOMCRM_|WAVE_|NODE_TEST)/.test(name)),
  );

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function answers(child: ChildProcess, url: string, logPath: string): Promise<void> {
  const end = Date.now() + startLimitMs;
  while (Date.now() < end && child.exitCode === null) {
    const healthy = await fetch(url).then(
      ({ ok }) => ok,
      () => false,
    );
    if (healthy) return;
    await sleep(200);
  }
  throw new Error(`The server did not start; it says why in ${logPath}`);
}

async function end(child: ChildProcess): Promise<void> {
  const { pid } = child;
  if (pid === undefined) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  if (child.exitCode === null) {
    process.kill(-pid, 'SIGTERM');
    await Promise.race([ended, sleep(stopLimitMs, undefined, { ref: false })]);
  }
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Nobody of the group is left.
  }
}
