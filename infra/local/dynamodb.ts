import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { type AddressInfo, createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import packageJson from '../../package.json' with { type: 'json' };

/** The server is up within this time, or something is wrong, ms. */
const startLimitMs = 15_000;
const startAttempts = 3;
const version = packageJson.optionalDependencies['@dynoxide/linux-x64'];

export interface LocalDynamoDb {
  readonly url: string;
  readonly close: () => Promise<void>;
}

/** Where the state is, and the number of the process that has it open. */
interface DatabaseFiles {
  readonly dbPath: string;
  readonly pidPath: string;
}

/**
 * The embedded DynamoDB with its state in a file, or in memory, where it is gone with the process and no disk is waited for; or the one
 * at `DYNAMODB_ENDPOINT`, when that is set.
 */
export async function startDynamoDb(
  files?: DatabaseFiles,
  say: (text: string) => void = () => undefined,
): Promise<LocalDynamoDb> {
  const endpoint = process.env.DYNAMODB_ENDPOINT;
  if (endpoint) return { url: endpoint, close: async () => undefined };
  const binary = await binaryFor(say);
  if (files) await endLeftOver(files.pidPath);
  for (let attempt = 1; ; attempt++) {
    try {
      return await startOn(await freePort(), binary, files);
    } catch (error) {
      // Somebody else may have taken the free port first.
      if (attempt === startAttempts) throw error;
    }
  }
}

async function startOn(
  port: number,
  binary: string,
  files: DatabaseFiles | undefined,
): Promise<LocalDynamoDb> {
  const child = spawn(binary, ['--port', String(port), ...(files ? ['--db-path', files.dbPath] : [])], {
    stdio: ['ignore', 'ignore', 'pipe'],
    // Ctrl-C reaches a whole group: the table must outlast the functions that still write to it.
    detached: true,
  });
  const endWithUs = () => child.kill('SIGKILL');
  process.once('exit', endWithUs);
  child.once('exit', () => process.off('exit', endWithUs));
  try {
    await listening(child);
    if (files) await writeFile(files.pidPath, String(child.pid));
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
  return { url: `http://127.0.0.1:${port}`, close: () => end(child, files?.pidPath) };
}

/** The binary of this platform. Only Linux x64 is in the lock file; its siblings are fetched by name on the first start. */
async function binaryFor(say: (text: string) => void): Promise<string> {
  const name = `@dynoxide/${process.platform}-${process.arch}`;
  const found = installed(name);
  if (found) return found;
  say(`Fetching the embedded DynamoDB for this platform, once: ${name}@${version}`);
  const root = dirname(createRequire(import.meta.url).resolve('../../package.json'));
  const failure = await promisify(execFile)(
    'npm',
    ['install', '--no-save', '--no-audit', '--no-fund', `${name}@${version}`],
    {
      cwd: root,
    },
  ).then(
    () => undefined,
    (error: Error) => error.message.split('\n').slice(0, 3).join(' '),
  );
  const fetched = installed(name);
  if (fetched) return fetched;
  throw new Error(
    `There is no embedded DynamoDB for ${process.platform} ${process.arch} (${failure ?? 'the package holds no program'}).\n` +
      'Start another one, such as DynamoDB Local, and set DYNAMODB_ENDPOINT to its address.',
  );
}

function installed(name: string): string | undefined {
  try {
    const folder = dirname(createRequire(import.meta.url).resolve(`${name}/package.json`));
    const program = ['dynoxide', 'dynoxide.exe']
      .map((file) => join(folder, file))
      .find((file) => existsSync(file));
    return program;
  } catch {
    return undefined;
  }
}

/** A killed stack leaves its database server behind: it must not hold the file. */
async function endLeftOver(pidPath: string): Promise<void> {
  const pid = Number(await readFile(pidPath, 'utf8').catch(() => ''));
  if (!pid || !(await commandOf(pid)).includes('dynoxide')) return;
  process.kill(pid, 'SIGKILL');
  for (let look = 0; look < 100 && (await commandOf(pid)) !== ''; look++) await sleep(20);
}

/** The command line of a process; empty when there is none (any more). Its number may belong to another program by now. */
const commandOf = (pid: number): Promise<string> =>
  promisify(execFile)('ps', ['-o', 'args=', '-p', String(pid)]).then(
    ({ stdout }) => (stdout.includes('<defunct>') ? '' : stdout.trim()),
    () => '',
  );

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

/** Waits for the line that says so. @throws Error with the last words of a server that ends instead */
function listening(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = '';
    const refuse = (why: string) => reject(new Error(`The embedded DynamoDB did not start: ${why} ${said}`));
    const timer = setTimeout(() => refuse('it did not answer.'), startLimitMs);
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said = `${said}${text}`.slice(-2_000);
      if (!said.includes('listening')) return;
      clearTimeout(timer);
      resolve();
    });
    child.once('error', ({ message }) => refuse(message));
    child.once('close', (code) => {
      clearTimeout(timer);
      refuse(`it ended with code ${code}.`);
    });
  });
}

async function end(child: ChildProcess, pidPath: string | undefined): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    const killer = setTimeout(() => child.kill('SIGKILL'), 3_000);
    await gone;
    clearTimeout(killer);
  }
  if (pidPath) await rm(pidPath, { force: true });
}
