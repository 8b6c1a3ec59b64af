import { createInterface } from 'node:readline/promises';
import { type Command, InvalidArgumentError } from 'commander';
import type { Connections } from '../app.ts';
import { type Pair, pairs, type RecordRef, refKey, type System, systems } from '../domain/record.ts';
import { SettingsError } from '../errors.ts';
import { mappings } from '../mappings/pairs.ts';
import { isKnown } from '../sync/known-record.ts';
import { callNow } from './connect.ts';

/** What the commands need from the program. */
export interface Terminal {
  readonly connected: () => Promise<Connections>;
  /** The deployed stage; undefined for the local stack. */
  readonly stage: () => string | undefined;
  /** What a command found, for people or for programs. */
  readonly say: (data: unknown, text: string) => void;
  /** Asks a person, unless `--yes` was said. False: nothing may be written, and the command ends with 1. @throws SettingsError when nobody can be asked */
  readonly confirmed: (question: string) => Promise<boolean>;
}

/** Asks on the standard error, so that the standard output holds nothing but what was found. */
export async function askPerson(question: string): Promise<boolean> {
  if (!process.stdin.isTTY) throw new SettingsError(`${question} Say --yes to confirm.`);
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await terminal
    .question(`${question} [y/N] `)
    // Ctrl-C and Ctrl-D say no as well.
    .catch((error: Error) => (error.name === 'AbortError' ? '' : Promise.reject(error)))
    .finally(() => terminal.close());
  if (/^y(es)?$/i.test(answer.trim())) return true;
  process.stderr.write('Nothing was changed.\n');
  process.exitCode = 1;
  return false;
}

export function pairOf(text: string): Pair {
  const pair = pairs.find((name) => name === text);
  if (!pair) throw new InvalidArgumentError(`Say one of ${pairs.join(', ')}.`);
  return pair;
}

export function systemOf(text: string): System {
  const system = systems.find((name) => name === text);
  if (!system) throw new InvalidArgumentError(`Say one of ${systems.join(', ')}.`);
  return system;
}

export function limitOf(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError('Say a number from 1 on.');
  return Number(text);
}

/** @throws SettingsError for a property that the pair does not have */
export function checkRow(pair: Pair, row: string | undefined): void {
  const known = mappings[pair].everyRow.map(({ id }) => id);
  if (row !== undefined && !known.includes(row))
    throw new SettingsError(`A ${pair} has no property ${row}; say one of ${known.join(', ')}.`);
}

/** A command about one record, by Customcrm's id, or by Wave's with `--wave`. */
export const onRecord = (program: Command, name: string, description: string): Command =>
  program
    .command(name)
    .description(description)
    .argument('<pair>', pairs.join(', '), pairOf)
    .argument('<id>', 'id in Customcrm, or in Wave with --wave')
    .option('--wave', "the id is Wave's");

export const refFrom = (pair: Pair, id: string, wave?: boolean): RecordRef => ({
  system: wave ? 'wave' : 'customcrm',
  pair,
  id,
});

/** @throws SettingsError for a record that nobody knows: nothing may be noted about it */
export async function mustBeKnown({ engine }: Connections, ref: RecordRef): Promise<void> {
  if (await isKnown(engine, ref, callNow('live'))) return;
  const hint = ref.system === 'customcrm' ? " An id of Wave's needs --wave." : '';
  throw new SettingsError(`Not found: ${refKey(ref)}.${hint}`);
}
