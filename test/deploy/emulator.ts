import { type ChildProcess, spawn } from 'node:child_process';
import { openSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { pythonTools } from './python.ts';

/** The emulator answers within this time, or something is wrong, ms. */
const startLimitMs = 60_000;
/** It is ended by force when it takes longer than this to stop, ms. */
const stopLimitMs = 5_000;
/** Runs the emulator, and ends its whole group when the end of its standard input says that this process is gone. */
const launcher = `
import os, runpy, signal, sys, threading
def follow():
    sys.stdin.read()
    os.killpg(0, signal.SIGKILL)
threading.Thread(target=follow, daemon=True).start()
sys.argv = ['ministack']
runpy.run_module('ministack', run_name='__main__')
`;
const preload = fileURLToPath(new URL('./knows-cjs.cjs', import.meta.url));

export interface Emulator {
  readonly url: string;
  /** What a shell needs so that the serverless CLI and the AWS SDK reach the emulator, and nothing else. */
  readonly env: NodeJS.ProcessEnv;
  readonly logPath: string;
  /** Ends it, with every function that it runs. */
  readonly close: () => Promise<void>;
}

/**
 * An emulated AWS (ministack) on a free port of this machine, with IAM enforced: functions act with the policies of their roles. It runs
 * nodejs functions with the `node` that runs this test. Its state is in `folder`.
 */
export async function startEmulator(folder: string): Promise<Emulator> {
  const bin = await pythonTools('requirements.txt');
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const env = {
    ...bare(process.env),
    AWS_ENDPOINT_URL: url,
    AWS_REGION: 'us-east-1',
    AWS_DEFAULT_REGION: 'us-east-1',
    // The root of the emulated account.
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
  };
  const logPath = join(folder, 'emulator.log');
  const log = openSync(logPath, 'a');
  const child = spawn(join(bin, 'python'), ['-c', launcher], {
    cwd: folder,
    stdio: ['pipe', log, log],
    // A group of its own: the containers of its functions end with it.
    detached: true,
    env: {
      ...env,
      PATH: `${await nodeFolder(folder)}:${process.env.PATH}`,
      GATEWAY_PORT: String(port),
      BIND_HOST: '127.0.0.1',
      MINISTACK_HOST: '127.0.0.1',
      AUTH: 'true',
      SFTP_ENABLED: '0',
      TMPDIR: folder,
      S3_DATA_DIR: join(folder, 's3'),
      STATE_DIR: join(folder, 'state'),
    },
  });
  const close = () => end(child);
  try {
    await answers(child, url, logPath);
  } catch (error) {
    await close();
    throw error;
  }
  return { url, env, logPath, close };
}

/** A folder whose `node` is the one of this process, and loads what Lambda loads. */
async function nodeFolder(folder: string): Promise<string> {
  const path = join(folder, 'bin');
  await mkdir(path);
  const script = `#!/bin/sh\nexec '${process.execPath}' --require '${preload}' "$@"\n`;
  await writeFile(join(path, 'node'), script, { mode: 0o755 });
  return path;
}

/** The environment without anything that could lead to a real account, or to real systems. */
const bare = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
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
    const healthy = await fetch(`${url}/_ministack/health`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (healthy) return;
    await sleep(200);
  }
  throw new Error(`The emulator did not start; it says why in ${logPath}`);
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
