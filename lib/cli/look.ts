import type { Command } from 'commander';
import { waveAccess } from '../app.ts';
import type { Pair } from '../domain/record.ts';
import { SettingsError } from '../errors.ts';
import { type ListedLoser, recentLosers } from '../sync/conflict-log.ts';
import {
  everyLimit,
  overview,
  recordsIn,
  type ShownState,
  shownStates,
  waitingRecords,
} from '../sync/overview.ts';
import { showRecord } from '../sync/show-record.ts';
import { connectionState } from '../wave/refusals.ts';
import { check, type Finding } from './check.ts';
import { ago, columns } from './columns.ts';
import { callNow } from './connect.ts';
import * as print from './print.ts';
import { limitOf, mustBeKnown, onRecord, refFrom, type Terminal } from './terminal.ts';

const lists: Readonly<Record<string, readonly ShownState[]>> = {
  blocked: ['blocked'],
  failed: ['failed'],
  ambiguous: ['ambiguous'],
  unlinked: ['unlinked', 'deletion-suspected'],
  excluded: ['excluded'],
};

/** The commands that only look. */
export function addLooks(program: Command, terminal: Terminal): void {
  const { connected, say } = terminal;
  program
    .command('check')
    .description('settings, tokens, business, accounts, clocks, queues: each fine, or what to do')
    .action(async () => {
      const findings = await findingsOf(terminal);
      say(findings, print.findings(findings));
      if (findings.some(({ ok }) => !ok)) process.exitCode = 1;
    });

  program
    .command('status')
    .description('how everything stands: links, states, what waits, polls, fuses, the connection to Wave')
    .action(async () => {
      const { config, engine } = await connected();
      const waveConnection = await connectionState(engine.table, waveAccess(config));
      const found = await overview(engine);
      say({ ...found, waveConnection: waveConnection ?? null }, print.overview(found, waveConnection));
    });

  onRecord(program, 'show', 'link, state, history and the values of both sides, read live').action(
    async (pair: Pair, id: string, { wave }: { wave?: boolean }) => {
      const connections = await connected();
      const ref = refFrom(pair, id, wave);
      await mustBeKnown(connections, ref);
      const detail = await showRecord(connections.engine, ref, callNow('live'));
      say(detail, print.detail(detail));
    },
  );

  for (const [name, states] of Object.entries(lists)) {
    program
      .command(name)
      .description(`records that are ${states.join(' or ')}, with the reason`)
      .option('--limit <n>', 'at most this many of each', limitOf, 100)
      .action(async ({ limit }: { limit: number }) => {
        const { engine } = await connected();
        // One more than is shown tells whether there are more.
        const found = await Promise.all(states.map((state) => recordsIn(engine, state, limit + 1)));
        const shown = found.flatMap((each) => each.slice(0, limit));
        say(shown, print.records(shown) + moreThan(limit, ...found));
      });
  }

  program
    .command('conflicts')
    .description('records that are conflict or held, with the reason, and values that lost a conflict lately')
    .option('--limit <n>', 'at most this many of each', limitOf, 100)
    .action(async ({ limit }: { limit: number }) => {
      const { engine } = await connected();
      // One more than is shown tells whether there are more.
      const open = await Promise.all(
        (['conflict', 'held'] as const).map((state) => recordsIn(engine, state, limit + 1)),
      );
      const lost = (await recentLosers(engine.table, Date.now(), limit + 1)).map(asShown);
      const shown = { open: open.flatMap((each) => each.slice(0, limit)), lost: lost.slice(0, limit) };
      say([...shown.open, ...shown.lost], print.conflicts(shown) + moreThan(limit, ...open, lost));
    });

  program
    .command('waiting')
    .description('records that wait, for what and since when')
    .option('--limit <n>', 'at most this many', limitOf, 100)
    .action(async ({ limit }: { limit: number }) => {
      const all = await waitingRecords((await connected()).engine, limit + 1);
      const found = all.slice(0, limit);
      const now = Date.now();
      const rows = found.map(({ ref, cause, since }) => [
        ref.pair,
        ref.system,
        ref.id,
        cause,
        ago(now - since),
      ]);
      const text =
        rows.length === 0 ? 'None.' : columns(['pair', 'system', 'id', 'waits for', 'since'], rows);
      say(found, text + moreThan(limit, all));
    });

  program
    .command('export')
    .description(`everything that shows a state, as JSON; at the most ${everyLimit} of each`)
    .action(async () => {
      const { engine } = await connected();
      const entries = shownStates.map(
        async (state) => [state, await recordsIn(engine, state, everyLimit)] as const,
      );
      const found = Object.fromEntries(await Promise.all(entries));
      say(found, JSON.stringify(found, null, 2));
    });
}

/** What is said below lists of which more than the limit was asked for. */
const moreThan = (limit: number, ...lists: readonly (readonly unknown[])[]): string =>
  lists.some((each) => each.length > limit) ? '\n\nThere are more: say --limit.' : '';

const asShown = ({ ref, row, system, at }: ListedLoser): print.LostValue => ({
  ref,
  reasons: [`${row}: ${system} lost`],
  since: at,
  restore: `restore ${ref.pair} ${ref.id} --row ${row} --at ${new Date(at).toISOString()}`,
});

/** A fault in the settings keeps everything else from being looked at. */
async function findingsOf({ connected, stage }: Terminal): Promise<readonly Finding[]> {
  const connections = await connected().catch((error: unknown) => {
    if (error instanceof SettingsError) return error;
    throw error;
  });
  if (connections instanceof SettingsError)
    return [{ what: 'settings', ok: false, say: connections.message }];
  return check(connections, stage(), callNow('live'));
}
