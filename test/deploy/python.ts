import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const folder = fileURLToPath(new URL('../../.deploy', import.meta.url));
/** Making one environment takes no longer than this, ms. */
const installLimitMs = 600_000;

/**
 * The `bin` folder of a Python environment that holds exactly the packages of a requirements file beside this one. Made once for each
 * content of that file, in `.deploy/`. @throws Error that says what to do when Python or its package index cannot be reached
 */
export async function pythonTools(requirements: string): Promise<string> {
  const path = fileURLToPath(new URL(requirements, import.meta.url));
  const hash = createHash('sha256')
    .update(await readFile(path))
    .digest('hex')
    .slice(0, 12);
  const home = join(folder, `python-${hash}`);
  if (existsSync(home)) return join(home, 'bin');
  process.stdout.write(`Installing ${requirements} into ${home} ...\n`);
  await install(path, home);
  return join(home, 'bin');
}

/** Under a temporary name first: an installation that was cut off never looks complete. Scripts keep working, as they run by module. */
async function install(requirements: string, home: string): Promise<void> {
  const unfinished = `${home}.${process.pid}`;
  await mkdir(folder, { recursive: true });
  try {
    await step('Python 3.10 or newer with its venv module is needed (Debian: apt-get install python3-venv)', [
      'python3',
      '-m',
      'venv',
      unfinished,
    ]);
    await step(
      'The Python packages could not be installed: is the Python package index reachable (pip config, HTTPS_PROXY)?',
      [
        join(unfinished, 'bin', 'python'),
        ...'-m pip install --quiet --disable-pip-version-check --retries 2 --timeout 30 -r'.split(' '),
        requirements,
      ],
    );
    // Somebody else may have been quicker.
    await rename(unfinished, home).catch((error) => {
      if (!existsSync(home)) throw error;
    });
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

async function step(whenItFails: string, [command = '', ...args]: readonly string[]): Promise<void> {
  try {
    await run(command, args, { timeout: installLimitMs, maxBuffer: 10_000_000 });
  } catch (error) {
    const { stderr = '', message } = error as { stderr?: string; message: string };
    throw new Error(`${whenItFails}\n${stderr.split('\n').slice(-8).join('\n') || message}`);
  }
}
