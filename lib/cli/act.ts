import { type Command, InvalidArgumentError } from 'commander';
import { type Pair, pairs, parseRef, type System, systems } from '../domain/record.ts';
import { pauseFor, SettingsError } from '../errors.ts';
import { fuseNames, mendFuse } from '../sync/fuses.ts';
import { forget, resolve, restoreLoser, retry } from '../sync/operate.ts';
import { everyLimit, recordsIn } from '../sync/overview.ts';
import { isScope, pause, resume } from '../sync/pause.ts';
import { startSweep } from '../sync/sweep.ts';
import { callNow } from './connect.ts';
import * as print from './print.ts';
import { checkRow, mustBeKnown, onRecord, refFrom, systemOf, type Terminal } from './terminal.ts';

/** The commands that change something, each after a question. */
export function addActions(program: Command, terminal: Terminal): void {
  addRecordActions(program, terminal);
  addSteering(program, terminal);
}

const isAsked = ({ because }: { readonly because?: string }): boolean =>
  because === 'held' || because === 'conflict';

function addRecordActions(program: Command, { connected, say, confirmed }: Terminal): void {
  onRecord(program, 'resolve', 'says which side stays, for a conflict or a difference that is held')
    .requiredOption('--keep <system>', systems.join(' or '), systemOf)
    .option('--row <name>', 'only this property')
    .action(async (pair: Pair, id: string, given: { wave?: boolean; keep: System; row?: string }) => {
      checkRow(pair, given.row);
      const connections = await connected();
      const ref = refFrom(pair, id, given.wave);
      await mustBeKnown(connections, ref);
      if (!(await confirmed(`Keep ${given.keep}'s value of ${given.row ?? 'everything that differs'}?`)))
        return;
      const handled = await resolve(connections.engine, ref, given.keep, given.row, callNow('live'));
      // What it waits for ends with an ordinary look at it, which knows nothing of this.
      const isOpen = handled.did === 'parked' || (handled.message === 'nothing to do' && isAsked(handled));
      if (isOpen) process.exitCode = 1;
      say(handled, print.handled(handled));
    });

  onRecord(program, 'retry', 'tries again what was refused or failed').action(
    async (pair: Pair, id: string, { wave }: { wave?: boolean }) => {
      const connections = await connected();
      const ref = refFrom(pair, id, wave);
      await mustBeKnown(connections, ref);
      if (!(await confirmed(`Try ${pair} ${id} again?`))) return;
      await retry(connections.engine, ref);
      say({ rung: true }, 'Queued. Watch it with: show');
    },
  );

  program
    .command('redrive')
    .description('tries everything again that failed for good, what ended in a dead-letter queue included')
    .action(async () => {
      const { engine } = await connected();
      const failed = await recordsIn(engine, 'failed', everyLimit);
      if (failed.length === 0) return say({ rung: 0 }, 'Nothing has failed.');
      if (!(await confirmed(`Try ${failed.length} failed records again?`))) return;
      for (const { ref } of failed) await retry(engine, ref);
      say({ rung: failed.length }, `${failed.length} were queued. Watch them with: failed`);
    });

  onRecord(program, 'restore', 'puts a value that lost a conflict back; `conflicts` and `show` list them')
    .requiredOption('--row <name>', 'the property')
    .requiredOption('--at <time>', 'when it lost, as `show` prints it', timeOf)
    .action(async (pair: Pair, id: string, given: { wave?: boolean; row: string; at: number }) => {
      checkRow(pair, given.row);
      const connections = await connected();
      const ref = refFrom(pair, id, given.wave);
      await mustBeKnown(connections, ref);
      if (!(await confirmed(`Put the lost value of ${given.row} back?`))) return;
      const done = await restoreLoser(connections.engine, ref, given.at, given.row, callNow('live'));
      say(
        { done },
        done === 'restored' ? 'Put back; it now arrives on the other side.' : 'No such value was found.',
      );
      if (done !== 'restored') process.exitCode = 1;
    });

  onRecord(
    program,
    'forget',
    'removes lost values and history of a record from the table; the link stays',
  ).action(async (pair: Pair, id: string, { wave }: { wave?: boolean }) => {
    const connections = await connected();
    const ref = refFrom(pair, id, wave);
    await mustBeKnown(connections, ref);
    if (!(await confirmed('Remove its lost values and its history for good?'))) return;
    const removed = await forget(connections.engine, ref);
    if (removed === undefined)
      throw new SettingsError('Not all was removed: a worker kept writing to this record. Say it again.');
    say({ removed }, `${removed} lost values and the history were removed.`);
  });
}

function addSteering(program: Command, { connected, say, confirmed }: Terminal): void {
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
      const { engine } = await connected();
      const what = given.release ? 'Let everything pass' : 'Leave everything as it is';
      if (!(await confirmed(`${what} at the fuse ${name}?`))) return;
      const freed = await mendFuse(engine, name, given.release === true);
      say({ freed }, `${freed} records were freed.`);
    });

  const scopeHelp = 'all, a pair, or one record as system#pair#id';
  program
    .command('pause')
    .description('lets everything, a pair or one record wait; nothing is lost meanwhile')
    .argument('<scope>', scopeHelp, scopeOf)
    .option('--reason <text>', 'shown by status', 'by the operator')
    .action(async (scope: string, { reason }: { reason: string }) => {
      const connections = await connected();
      const { engine } = connections;
      if (scope.includes('#')) await mustBeKnown(connections, parseRef(scope)).catch(orSilent);
      if (!(await confirmed(`Let ${scope} wait from now on?`))) return;
      await pause(engine, scope, reason);
      say(
        { paused: scope },
        `Paused within a minute: ${scope}. What is being written now is finished; other edits wait. Go on with: resume ${scope}`,
      );
    });
  program
    .command('resume')
    .description('goes on after a pause')
    .argument('<scope>', scopeHelp, scopeOf)
    .action(async (scope: string) => {
      const { engine } = await connected();
      if (!(await confirmed(`Let ${scope} go on?`))) return;
      const woken = await resume(engine, scope);
      if (woken === undefined) throw new SettingsError(`${scope} was not paused. status says what is.`);
      const pair = pairs.find((each) => each === scope);
      // A sweep that came to it meanwhile has left it out.
      const isSwept =
        pair !== undefined && (await startSweep(engine, { pairs: [pair] }).then(yes, unstarted));
      say(
        { resumed: scope, woken },
        `Resumed: ${scope}. ${woken} waiting records go on${isSwept ? ', and a sweep begins' : ''}.`,
      );
    });
}

const yes = () => true;
/** There is nothing to sweep in a pair that is not started. */
function unstarted(error: unknown): boolean {
  if (error instanceof RangeError) return false;
  throw error;
}

/** A record of a system that does not answer can be paused all the same. */
function orSilent(error: unknown): void {
  if (!pauseFor(error)) throw error;
}

function scopeOf(text: string): string {
  if (!isScope(text)) throw new InvalidArgumentError('Say all, a pair, or one record as system#pair#id.');
  return text;
}

function timeOf(text: string): number {
  const time = Date.parse(text);
  if (Number.isNaN(time)) throw new InvalidArgumentError('Say a time as `show` prints it.');
  return time;
}
