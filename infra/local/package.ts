import { execFile } from 'node:child_process';
import { mkdir, readdir, rmdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('../..', import.meta.url));
const template = join(root, '.serverless', 'cloudformation-template-update-stack.json');
const sources = ['functions', 'lib', 'infra', 'serverless.yml', 'package.json', 'package-lock.json'];

/** Another process packages the same checkout; wait for it this long at most, ms. */
const turnMs = 120_000;

/** Packages the service as a deployment would, unless nothing changed since the last time. One process at a time. */
export async function packaged(say: (text: string) => void): Promise<void> {
  const lock = join(root, '.packaging');
  const end = Date.now() + turnMs;
  while (
    !(await mkdir(lock).then(
      () => true,
      () => false,
    )) &&
    Date.now() < end
  )
    await sleep(250);
  try {
    await packageOnce(say);
  } finally {
    await rmdir(lock).catch(() => undefined);
  }
}

async function packageOnce(say: (text: string) => void): Promise<void> {
  const made = await stat(template).then(
    ({ mtimeMs }) => mtimeMs,
    () => 0,
  );
  if (made > (await newest(sources.map((path) => join(root, path))))) return;
  say('Packaging ...');
  try {
    await promisify(execFile)('npm', ['run', '--silent', 'package'], { cwd: root, maxBuffer: 10_000_000 });
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    throw new Error(`Packaging failed:\n${stdout}\n${stderr}`);
  }
}

async function newest(paths: readonly string[]): Promise<number> {
  const times = await Promise.all(
    paths.map(async (path) => {
      const found = await stat(path);
      if (!found.isDirectory()) return found.mtimeMs;
      const names = await readdir(path, { recursive: true });
      const files = await Promise.all(names.map((name) => stat(join(path, name))));
      return Math.max(found.mtimeMs, ...files.map(({ mtimeMs }) => mtimeMs));
    }),
  );
  return Math.max(...times);
}

if (import.meta.main) await packaged((text) => void process.stdout.write(`${text}\n`));
