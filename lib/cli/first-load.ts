import { type FileHandle, open } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { type Connections, registrations } from '../app.ts';
import { type Pair, pairs, type RecordRef } from '../domain/record.ts';
import { SettingsError } from '../errors.ts';
import {
  accept,
  type Decided,
  excludeRecord,
  includeRecord,
  linkRecords,
  recreate,
  relink,
  unlinkRecords,
} from '../sync/decisions.ts';
import type { Engine } from '../sync/engine.ts';
import { preview } from '../sync/preview.ts';
import { countActions, type PreviewEntry } from '../sync/preview-entry.ts';
import { aboutOthers, knownStackId, whose } from '../sync/registrations.ts';
import { backgroundADay } from '../sync/request-slots.ts';
import { markStarted, pairStates } from '../sync/started-pairs.ts';
import { startPair, startSweep } from '../sync/sweep.ts';
import { type SweepProgress, sweepProgress } from '../sync/sweep-progress.ts';
import { ago, columns } from './columns.ts';
import { callNow } from './connect.ts';
import { mustBeKnown, onRecord, pairOf, refFrom, type Terminal } from './terminal.ts';

/** Between two looks at a sweep that is watched, ms. */
const lookMs = 2_000;

function pairsFrom(names: readonly string[]): readonly Pair[] {
  const chosen = pairs.filter((pair) => names.length === 0 || names.includes(pair));
  const unknown = names.find((name) => !pairs.some((pair) => pair === name));
  if (unknown !== undefined)
    throw new SettingsError(`There is no pair ${unknown}; say some of ${pairs.join(', ')}.`);
  return chosen;
}

const startQuestion = (closed: readonly Pair[]): string =>
  `Start ${closed.join(', ')}? Look at the preview first.`;
const withoutWebhookOption = '--without-webhook';
const withoutWebhookMeaning = 'although Customcrm sends this stack nothing: changes arrive by the poll';

const notStarted = async (engine: Engine): Promise<readonly Pair[]> =>
  (await pairStates(engine)).filter(({ started }) => !started).map(({ pair }) => pair);

/** How to accept what a preview shows. @param needed those, and what they cannot be started without */
const hint = (waiting: readonly Pair[], needed: readonly Pair[]): string =>
  waiting.length === 0
    ? ''
    : `Nothing of this happens yet: ${waiting.join(', ')} ${waiting.length === 1 ? 'is' : 'are'} not started. Accept with: sweep --apply ${needed.join(' ')}`;

/** What leads from two systems that never met to two that agree: preview, start, sweep, and what only a person can decide. */
export function addFirstLoadCommands(program: Command, terminal: Terminal): void {
  const { connected, say, confirmed } = terminal;

  program
    .command('pairs')
    .description('which pairs are started')
    .action(async () => {
      const states = await pairStates((await connected()).engine);
      say(
        states,
        columns(
          ['pair', 'started', 'told of before the start'],
          states.map(({ pair, started, changedEarly }) => [
            pair,
            started ? 'yes' : 'no',
            String(changedEarly),
          ]),
        ),
      );
    });

  program
    .command('preview')
    .description('what a start or a sweep would do, record by record; writes nothing')
    .argument('[pairs...]', pairs.join(', '))
    .option('--csv <file>', 'write the entries as CSV')
    .option('--out <file>', 'write the entries as JSON lines')
    .action(async (names: string[], given: { csv?: string; out?: string }) => {
      if (given.csv !== undefined && given.csv === given.out)
        throw new SettingsError('Give --csv and --out a file each.');
      // A file that cannot be written is said now, and not after a long look.
      const csv = given.csv === undefined ? undefined : await open(given.csv, 'a');
      const out = given.out === undefined ? undefined : await open(given.out, 'a');
      const { engine } = await connected();
      const entries: PreviewEntry[] = [];
      for await (const entry of preview(engine, () => callNow(), { pairs: pairsFrom(names) })) {
        entries.push(entry);
        if (entries.length % 100 === 0 && process.stderr.isTTY)
          process.stderr.write(`\r${entries.length} records`);
      }
      await write(csv, [csvHead, ...entries.map(csvLine)]);
      await write(
        out,
        entries.map((entry) => JSON.stringify(entry)),
      );
      const counts = countActions(entries);
      const closed = await notStarted(engine);
      const waiting = closed.filter((pair) => pairsFrom(names).includes(pair));
      say(
        { counts, entries },
        [previewText(entries, counts), hint(waiting, waiting.includes('order') ? closed : waiting)]
          .filter(Boolean)
          .join('\n\n'),
      );
    });

  program
    .command('start')
    .description('starts a pair: its records get counterparts from now on, those that exist first')
    .argument('<pair>', pairs.join(', '), pairOf)
    .option(withoutWebhookOption, withoutWebhookMeaning)
    .action(async (pair: Pair, { withoutWebhook }: { withoutWebhook?: boolean }) => {
      const connections = await connected();
      await mustBeAlone(connections, withoutWebhook === true);
      if (!(await confirmed(startQuestion([pair])))) return;
      await startPair(connections.engine, pair);
      say({ started: pair }, `${pair} is started. Watch it with: sweep --watch`);
    });

  program
    .command('sweep')
    .description('compares both systems and all links; --apply begins a run, else shows the last one')
    .argument('[pairs...]', pairs.join(', '))
    .option('--apply', 'begin a run; a pair that is named, and not started, is started')
    .option('--confirmed', 'go on although a guard stopped the last run')
    .option('--watch', 'stay until it is finished')
    .option(withoutWebhookOption, withoutWebhookMeaning)
    .action(async (names: string[], given: SweepOptions) => {
      const connections = await connected();
      const { engine, config } = connections;
      const look = () => sweepProgress(engine, leftADay(config));
      const chosen = pairsFrom(names);
      if (given.apply || given.confirmed) {
        const closed =
          names.length > 0 ? (await notStarted(engine)).filter((pair) => chosen.includes(pair)) : [];
        if (closed.length > 0) await mustBeAlone(connections, given.withoutWebhook === true);
        const what = given.confirmed ? 'Sweep, whatever the guards say' : 'Sweep now';
        const underWay = await sweepProgress(engine);
        const together = underWay?.finishedAt === undefined ? (underWay?.pairs ?? []) : [];
        const question = [
          `${what}: ${pairs.filter((pair) => chosen.includes(pair) || together.includes(pair)).join(', ')}?`,
          ...(closed.length > 0 ? [startQuestion(closed)] : []),
        ];
        if (!(await confirmed(question.join(' ')))) return;
        await markStarted(engine, ...closed);
        await startSweep(engine, { pairs: chosen, confirmed: given.confirmed === true });
      }
      let progress = await look();
      while (given.watch && progress && progress.finishedAt === undefined) {
        if (process.stderr.isTTY) process.stderr.write(`\r${progressText(progress)}`);
        await sleep(lookMs);
        progress = await look();
      }
      // Who waits for the end of a run must not go on as if it had come to one.
      if (given.watch && progress?.stopped !== undefined) process.exitCode = 1;
      say(progress ?? null, progress ? progressText(progress) : 'No sweep has run yet.');
    });

  addDecisions(program, terminal);
}

/** Requests of a day that polls leave to background work. */
const leftADay = ({
  WAVE_MAX_REQUESTS_PER_DAY: most,
  WAVE_POLL_INTERVAL_SECONDS: seconds,
}: Connections['config']): number => Math.max(1, backgroundADay(most) - 86_400 / seconds);

interface SweepOptions {
  readonly apply?: boolean;
  readonly confirmed?: boolean;
  readonly watch?: boolean;
  readonly withoutWebhook?: boolean;
}

/** Other stacks see this one by its registration only. @throws SettingsError */
async function mustBeAlone(
  { config, engine, customcrm }: Connections,
  withoutWebhook: boolean,
): Promise<void> {
  const stack = { id: await knownStackId(engine), waveBusinessId: config.WAVE_BUSINESS_ID };
  const { own, others } = whose(await registrations(customcrm, callNow()), stack);
  if (others.length > 0) throw new SettingsError(`Not started: ${aboutOthers(others)} first.`);
  if (own.length === 0 && !withoutWebhook)
    throw new SettingsError(
      'Not started: this stack is not registered in Customcrm, so that another one would not see it. Run `webhooks register` first, or say --without-webhook.',
    );
}

function addDecisions(program: Command, { connected, say, confirmed }: Terminal): void {
  const answer = (decided: Decided) => {
    say(decided, decided.done ? 'Done.' : `Not done: ${decided.because}.`);
    if (!decided.done) process.exitCode = 1;
  };
  const both = (name: string, description: string, decide: typeof linkRecords) =>
    program
      .command(name)
      .description(description)
      .argument('<pair>', pairs.join(', '), pairOf)
      .argument('<customcrm-id>')
      .argument('<wave-id>')
      .action(async (pair: Pair, customcrmId: string, waveId: string) => {
        if (!(await confirmed(`${name} ${customcrmId} and ${waveId}?`))) return;
        const { engine } = await connected();
        answer(
          await decide(engine, refFrom(pair, customcrmId), refFrom(pair, waveId, true), callNow('live')),
        );
      });
  both('link', 'links two records that belong together', linkRecords);
  both('relink', 'gives a linked record another counterpart', relink);
  const one = (
    name: string,
    description: string,
    decide: (
      engine: Parameters<typeof unlinkRecords>[0],
      ref: RecordRef,
      call: ReturnType<typeof callNow>,
    ) => Promise<Decided>,
  ) =>
    onRecord(program, name, description).action(
      async (pair: Pair, id: string, { wave }: { wave?: boolean }) => {
        const connections = await connected();
        const ref = refFrom(pair, id, wave);
        await mustBeKnown(connections, ref);
        if (!(await confirmed(`${name} ${pair} ${id}?`))) return;
        answer(await decide(connections.engine, ref, callNow('live')));
      },
    );
  one('unlink', 'ends a link; both records stay, and neither gets a new counterpart', unlinkRecords);
  one('exclude', 'leaves a record out from now on', excludeRecord);
  one('include', 'takes an excluded record in again', (engine, ref) => includeRecord(engine, ref));
  one('recreate', 'makes a new counterpart for the survivor of a deletion', (engine, ref) =>
    recreate(engine, ref),
  );
  one('accept', 'leaves the survivor of a deletion as it is, and without a counterpart', accept);
}

const csvHead = 'action,pair,system,id,counterpart,rows,reasons,after';
const csvCell = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
const csvLine = ({
  action,
  pair,
  system,
  id,
  counterpart = '',
  rows,
  reasons,
  after,
}: PreviewEntry): string =>
  [action, pair, system, id, counterpart, rows.join(' '), reasons.join('; '), after.join(' ')]
    .map(csvCell)
    .join(',');

async function write(file: FileHandle | undefined, lines: readonly string[]): Promise<void> {
  if (!file) return;
  // What an earlier preview said stays until there is something better.
  if ((await file.stat()).size > 0) await file.truncate(0);
  await file.writeFile(lines.map((line) => `${line}\n`).join(''));
  await file.close();
}

/** Most of what needs no look is left out of the table; the files hold everything. */
function previewText(entries: readonly PreviewEntry[], counts: ReturnType<typeof countActions>): string {
  const shown = entries.filter(({ action }) => action !== 'nothing').slice(0, 200);
  const table = columns(
    ['action', 'pair', 'system', 'id', 'why, and what'],
    shown.map(({ action, pair, system, id, rows, reasons, after }) => [
      action,
      pair,
      system,
      id,
      [...reasons, rows.join(' '), after.length > 0 ? `after its ${after.join(', ')}` : '']
        .filter(Boolean)
        .join('; '),
    ]),
  );
  const totals = Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([action, count]) => `${count} ${action}`);
  return `${table}\n\n${totals.join(', ') || 'nothing'}`;
}

function progressText(progress: SweepProgress): string {
  const { phase, pair, compared, total, done, perMinute, leftMs, repairs, underOlderKeys, stopped, paused } =
    progress;
  const parts = [
    pair ? `${phase} ${pair}` : phase,
    `${compared} compared`,
    `${done} of ${total} settled`,
    perMinute === undefined || phase === 'finished' ? '' : `${Math.round(perMinute)} a minute`,
    leftMs === undefined ? '' : `${ago(leftMs)} left`,
    repairs > 0 ? `${repairs} missed changes found` : '',
    underOlderKeys > 0 || phase === 'finished'
      ? `${underOlderKeys} links stood under an older fingerprint key`
      : '',
    paused ? 'paused: it goes on after resume all' : '',
    stopped ? `stopped: ${stopped}` : '',
  ];
  return parts.filter(Boolean).join(', ');
}
