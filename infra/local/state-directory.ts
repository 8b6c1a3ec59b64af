import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SettingsError } from '../../lib/errors.ts';
import { takeLock } from './lock.ts';

/** Everything that a stack keeps, with the files that SQLite puts beside its own. */
const ours =
  /^(lock|pid|package|secrets\.json|functions-env\.json(\.new)?|dynamodb\.pid|(dynamodb|sqs|customcrm|wave)\.sqlite)(-wal|-shm|-journal)?$/;
/** What a reset leaves: our own hold on the directory, and the trace of a database server that a killed stack left running. */
const kept = ['lock', 'pid', 'dynamodb.pid'];

export interface StateDirectory {
  readonly file: (name: string) => string;
  readonly release: () => Promise<void>;
}

/**
 * Takes a state directory for this process alone, and empties it first when asked to.
 * @throws SettingsError when another stack has it, or when a reset would remove what is not ours
 */
export async function takeStateDirectory(path: string, reset: boolean): Promise<StateDirectory> {
  const file = (name: string) => join(path, name);
  const names = await readdir(path).catch(() => []);
  const foreign = names.filter((name) => !ours.test(name));
  if (reset && foreign.length > 0)
    throw new SettingsError(
      `${path} holds more than the state of a local stack (${foreign.slice(0, 3).join(', ')}); nothing was removed.`,
    );
  await mkdir(path, { recursive: true, mode: 0o700 });
  const release = takeLock(file('lock'));
  if (!release) {
    const holder = await readFile(file('pid'), 'utf8').catch(() => 'unknown');
    throw new SettingsError(
      `Another stack (process ${holder}) uses ${path}. Stop it, or choose another directory with --state DIR.`,
    );
  }
  await writeFile(file('pid'), String(process.pid));
  if (reset)
    for (const name of names.filter((each) => !kept.includes(each)))
      await rm(file(name), { recursive: true, force: true });
  return {
    file,
    async release() {
      await rm(file('pid'), { force: true });
      release();
    },
  };
}
