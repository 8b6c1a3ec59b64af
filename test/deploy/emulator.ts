import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pythonTools } from './python.ts';
import { bare, freePort, type PythonServer, startPythonServer } from './python-server.ts';

const preload = fileURLToPath(new URL('./knows-cjs.cjs', import.meta.url));

/** Ending it ends every function that it runs. */
export interface Emulator extends PythonServer {
  /** What a shell needs so that the serverless CLI and the AWS SDK reach the emulator, and nothing else. */
  readonly env: NodeJS.ProcessEnv;
}

/**
 * An emulated AWS (ministack) on a free port of this machine, with IAM enforced: functions act with the policies of their roles. It runs
 * nodejs functions with the `node` that runs this test. Its state is in `folder`.
 */
export async function startEmulator(folder: string): Promise<Emulator> {
  const port = await freePort();
  const env = {
    ...bare(process.env),
    AWS_ENDPOINT_URL: `http://127.0.0.1:${port}`,
    AWS_REGION: 'us-east-1',
    AWS_DEFAULT_REGION: 'us-east-1',
    // The root of the emulated account.
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
  };
  const server = await startPythonServer({
    bin: await pythonTools('requirements.txt'),
    module: 'ministack',
    args: [],
    port,
    folder,
    healthPath: '/_ministack/health',
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
  return { ...server, env };
}

/** A folder whose `node` is the one of this process, and loads what Lambda loads. */
async function nodeFolder(folder: string): Promise<string> {
  const path = join(folder, 'bin');
  await mkdir(path);
  const script = `#!/bin/sh\nexec '${process.execPath}' --require '${preload}' "$@"\n`;
  await writeFile(join(path, 'node'), script, { mode: 0o755 });
  return path;
}
