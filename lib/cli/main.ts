#!/usr/bin/env node
import { createInterface } from 'node:readline/promises';
import { Command, InvalidArgumentError } from 'commander';
import type { Connections } from '../app.ts';
import { type Pair, pairs, type RecordRef, type System, systems } from '../domain/record.ts';
import { SettingsError, SyncError } from '../errors.ts';
import { fuseNames, mendFuse } from '../sync/fuses.ts';
import { forget, resolve, restoreLoser, retry } from '../sync/operate.ts';
import { overview, recordsIn, type ShownState, shownStates, waitingRecords } from '../sync/overview.ts';
import { pause, resume } from '../sync/pause.ts';
import { showRecord } from '../sync/show-record.ts';
import { check } from './check.ts';
import { ago, columns } from './columns.ts';
import { callNow, connect, type Place } from './connect.ts';
import { addFirstLoadCommands } from './first-load.ts';
import * as print from './print.ts';
import { addWaveCommands } from './wave.ts';
import { addWebhookCommands } from './webhooks.ts';

interface GlobalOptions extends Place {
  readonly json?: boolean;
  readonly yes?: boolean;
}

const program = new Command('sync')
  .description('Looks into, and steers, the synchronisation of Customcrm and Wave.')
  .option('--stage <name>', 'a deployed stage; without it, the local stack')
  .option('--state <dir>', 'state directory of the local stack', '.local')
  .option('--json', 'print JSON')
  .option('--yes', 'do not ask before writing')
  .showHelpAfterError();

const options = (): GlobalOptions => program.opts<GlobalOptions>();
const connected = (): Promise<Connections> => connect(options());

/** What a command found, for people or for programs. */
function say(data: unknown, text: string): void {
  process.stdout.write(`${options().json ? JSON.stringify(data, null, 2) : text}\n`);
}

async function confirmed(question: string): Promise<boolean> {
  if (options().yes) return true;
  if (!process.stdin.isTTY) throw new SettingsError(`${question} Say --yes to confirm.`);
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await terminal.question(`${question} [y/N] `).finally(() => terminal.close());
  return /^y(es)?$/i.test(answer.trim());
}

function pairOf(text: string): Pair {
  const pair = pairs.find((name) => name === text);
  if (!pair) throw new InvalidArgumentError(`Say one of ${pairs.join(', ')}.`);
  return pair;
}
function systemOf(text: string): System {
  const system = systems.find((name) => name === text);
  if (!system) throw new InvalidArgumentError(`Say one of ${systems.join(', ')}.`);
  return system;
}

/** Customcrm's id, or Wave's with `--wave`. */
const refFrom = (pair: Pair, id: string, wave?: boolean): RecordRef => ({
  system: wave ? 'wave' : 'customcrm',
  pair,
  id,
});
const onRecord = (name: string, description: string) =>
  program
    .command(name)
    .description(description)
    .argument('<pair>', pairs.join(', '), pairOf)
    .argument('<id>', 'id in Customcrm, or in Wave with --wave')
    .option('--wave', "the id is Wave's");

program
  .command('check')
  .description('settings, tokens, business, accounts, clocks: each fine, or what to do')
  .action(async () => {
    const findings = await check(await connected(), callNow());
    say(findings, print.findings(findings));
    if (findings.some(({ ok }) => !ok)) process.exitCode = 1;
  });

program
  .command('status')
  .description('how everything stands: links, states, what waits, polls, fuses')
  .action(async () => {
    const found = await overview((await connected()).engine);
    say(found, print.overview(found));
  });

onRecord('show', 'link, state, history and the values of both sides, read live').action(
  async (pair: Pair, id: string, { wave }: { wave?: boolean }) => {
    const detail = await showRecord((await connected()).engine, refFrom(pair, id, wave), callNow());
    say(detail, print.detail(detail));
  },
);

const lists: Readonly<Record<string, readonly ShownState[]>> = {
  conflicts: ['conflict', 'held'],
  blocked: ['blocked'],
  failed: ['failed'],
  ambiguous: ['ambiguous'],
  unlinked: ['unlinked', 'deletion-suspected'],
  excluded: ['excluded'],
};
for (const [name, states] of Object.entries(lists)) {
  program
    .command(name)
    .description(`records that are ${states.join(' or ')}, with the reason`)
    .option('--limit <n>', 'at most this many of each', (text) => Math.max(1, Number(text) || 1), 100)
    .action(async ({ limit }: { limit: number }) => {
      const { engine } = await connected();
      const found = await Promise.all(states.map((state) => recordsIn(engine, state, limit)));
      say(found.flat(), print.records(found.flat()));
    });
}

program
  .command('waiting')
  .description('records that wait, for what and since when')
  .option('--limit <n>', 'at most this many', (text) => Math.max(1, Number(text) || 1), 100)
  .action(async ({ limit }: { limit: number }) => {
    const found = await waitingRecords((await connected()).engine, limit);
    const now = Date.now();
    say(
      found,
      columns(
        ['pair', 'system', 'id', 'waits for', 'since'],
        found.map(({ ref, cause, since }) => [ref.pair, ref.system, ref.id, cause, ago(now - since)]),
      ),
    );
  });

onRecord('resolve', 'says which side stays, for a conflict or a difference that is held')
  .requiredOption('--keep <system>', systems.join(' or '), systemOf)
  .option('--row <name>', 'only this property')
  .action(async (pair: Pair, id: string, given: { wave?: boolean; keep: System; row?: string }) => {
    if (!(await confirmed(`Keep ${given.keep}'s value of ${given.row ?? 'everything that differs'}?`)))
      return;
    const { engine } = await connected();
    const handled = await resolve(
      engine,
      refFrom(pair, id, given.wave),
      given.keep,
      given.row,
      callNow('live'),
    );
    say(handled, print.handled(handled));
  });

onRecord('retry', 'tries again what was refused or failed').action(
  async (pair: Pair, id: string, { wave }: { wave?: boolean }) => {
    await retry((await connected()).engine, refFrom(pair, id, wave));
    say({ rung: true }, 'Queued. Watch it with: show');
  },
);

program
  .command('redrive')
  .description('tries everything again that failed for good, what ended in a dead-letter queue included')
  .action(async () => {
    const { engine } = await connected();
    const failed = await recordsIn(engine, 'failed');
    if (failed.length === 0) return say({ rung: 0 }, 'Nothing has failed.');
    if (!(await confirmed(`Try ${failed.length} failed records again?`))) return;
    for (const { ref } of failed) await retry(engine, ref);
    say({ rung: failed.length }, `${failed.length} were queued. Watch them with: failed`);
  });

onRecord('restore', 'puts a value that lost a conflict back; `show` lists them')
  .requiredOption('--row <name>', 'the property')
  .requiredOption('--at <time>', 'when it lost, as `show` prints it', Date.parse)
  .action(async (pair: Pair, id: string, given: { wave?: boolean; row: string; at: number }) => {
    if (!(await confirmed(`Put the lost value of ${given.row} back?`))) return;
    const { engine } = await connected();
    const done = await restoreLoser(
      engine,
      refFrom(pair, id, given.wave),
      given.at,
      given.row,
      callNow('live'),
    );
    say(
      { done },
      done === 'restored' ? 'Put back; it now arrives on the other side.' : 'No such value was found.',
    );
    if (done !== 'restored') process.exitCode = 1;
  });

program
  .command('fuse')
  .description(
    'frees what waits at a blown fuse: --release lets it pass, --reject leaves everything as it is',
  )
  .argument('<name>', fuseNames.join(', '), (text) => {
    const name = fuseNames.find((known) => known === text);
    if (!name) throw new InvalidArgumentError(`Say one of ${fuseNames.join(', ')}.`);
    return name;
  })
  .option('--release', 'let it pass')
  .option('--reject', 'leave everything as it is')
  .action(async (name: (typeof fuseNames)[number], given: { release?: boolean; reject?: boolean }) => {
    if (given.release === given.reject) throw new SettingsError('Say either --release or --reject.');
    if (
      !(await confirmed(
        `${given.release ? 'Let everything pass' : 'Leave everything as it is'} at the fuse ${name}?`,
      ))
    )
      return;
    const freed = await mendFuse((await connected()).engine, name, given.release === true);
    say({ freed }, `${freed} records were freed.`);
  });

const scopeHelp = 'all, a pair, or one record as system#pair#id';
program
  .command('pause')
  .description('lets everything, a pair or one record wait; nothing is lost meanwhile')
  .argument('<scope>', scopeHelp)
  .option('--reason <text>', 'shown by status', 'by the operator')
  .action(async (scope: string, { reason }: { reason: string }) => {
    await pause((await connected()).engine, scope, reason);
    say({ paused: scope }, `Paused within three seconds: ${scope}. Edits wait; go on with: resume ${scope}`);
  });
program
  .command('resume')
  .description('goes on after a pause')
  .argument('<scope>', scopeHelp)
  .action(async (scope: string) => {
    const woken = await resume((await connected()).engine, scope);
    say({ resumed: scope, woken }, `Resumed: ${scope}. ${woken} waiting records go on.`);
  });

onRecord('forget', 'removes lost values and history of a record from the table; the link stays').action(
  async (pair: Pair, id: string, { wave }: { wave?: boolean }) => {
    if (!(await confirmed('Remove its lost values and its history for good?'))) return;
    const removed = await forget((await connected()).engine, refFrom(pair, id, wave));
    say({ removed }, `${removed} lost values and the history were removed.`);
  },
);

program
  .command('export')
  .description('everything that shows a state, as JSON')
  .action(async () => {
    const { engine } = await connected();
    const entries = shownStates.map(async (state) => [state, await recordsIn(engine, state)] as const);
    process.stdout.write(`${JSON.stringify(Object.fromEntries(await Promise.all(entries)), null, 2)}\n`);
  });

addFirstLoadCommands(program, { connected, say, confirmed });
addWebhookCommands(program, { connected, say, confirmed });
addWaveCommands(program, { connected, say, confirmed });

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof SettingsError || error instanceof SyncError || error instanceof RangeError))
    throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
