import { execFile } from 'node:child_process';
import { cp, mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { takeLock } from './lock.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const template = join(root, '.serverless', 'cloudformation-template-update-stack.json');
const state = join(root, '.serverless', 'serverless-state.json');
/** The one that serverless.yml stands for when nobody names one. */
const localStage = 'dev';
const bundles = join('.build', 'functions');
const sources = ['functions', 'lib', 'infra', 'serverless.yml', 'package.json', 'package-lock.json'];

/** Another process packages the same checkout; wait for it this long at most, ms. */
const turnMs = 120_000;

/** Packages the service as a deployment would, unless nothing changed since the last time. One process at a time. */
export const packaged = (say: (text: string) => void): Promise<void> => inTurn(() => packageOnce(say));

/**
 * Copies what was packaged into a folder, which then holds `template.json` and each bundle at the path that its `Handler` names. A stack
 * that runs from a copy does not notice when the checkout is packaged again.
 */
export function copyPackage(folder: string): Promise<void> {
  return inTurn(async () => {
    if ((await madeAt()) === 0) throw new Error('Nothing is packaged yet: npm run package');
    await rm(folder, { recursive: true, force: true });
    await cp(join(root, bundles), join(folder, bundles), { recursive: true });
    await cp(template, join(folder, 'template.json'));
  });
}

async function inTurn(run: () => Promise<void>): Promise<void> {
  await mkdir(join(root, '.build'), { recursive: true });
  const end = Date.now() + turnMs;
  let release = takeLock(join(root, '.build', 'lock'));
  while (!release) {
    if (Date.now() > end) throw new Error(`Another process has been packaging for ${turnMs / 1000} s`);
    await sleep(100);
    release = takeLock(join(root, '.build', 'lock'));
  }
  try {
    await run();
  } finally {
    release();
  }
}

async function packageOnce(say: (text: string) => void): Promise<void> {
  if ((await madeAt()) > (await newest(sources.map((path) => join(root, path))))) return;
  say('Packaging ...');
  try {
    await promisify(execFile)('npm', ['run', '--silent', 'package'], { cwd: root, maxBuffer: 10_000_000 });
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    throw new Error(`Packaging failed:\n${stdout}\n${stderr}`);
  }
}

/** When the template was written, ms since 1970; 0 when there is none, or that of a deployed stage. */
async function madeAt(): Promise<number> {
  try {
    const { service } = JSON.parse(await readFile(state, 'utf8')) as {
      readonly service: { readonly provider: { readonly stage: string } };
    };
    return service.provider.stage === localStage ? (await stat(template)).mtimeMs : 0;
  } catch {
    return 0;
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
