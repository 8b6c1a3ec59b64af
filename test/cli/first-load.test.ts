import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { PreviewEntry } from '../../lib/sync/preview-entry.ts';
import { type Cli, cliWith } from '../support/cli.ts';
import { startQueues } from '../support/queues.ts';
import { type Database, type SyncWorld, startDatabase, startSyncWorld } from '../support/sync-world.ts';

let database: Database;
before(async () => {
  database = await startDatabase();
});
after(() => database.close());

/** The cells of a line of CSV, as RFC 4180 reads it. */
function cellsOf(line: string): readonly string[] {
  return [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(
    ([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? '',
  );
}

describe('the first load by command', () => {
  let world: SyncWorld;
  let queues: Awaited<ReturnType<typeof startQueues>>;
  let cli: Cli;
  before(async () => {
    world = await startSyncWorld(database);
    queues = await startQueues();
    cli = await cliWith({ ...world.env, ...queues.env });
    await world.make('customcrm', 'customer', { Name: 'Hill Farm', Number: 'A,1', Phone: '1' });
    await world.make('wave', 'customer', { name: 'Hill Farm', displayId: 'A,1', phone: '2' });
    await world.make('customcrm', 'customer', { Name: 'Corner "Best" Bakery' });
    for (const name of ['Twin', 'Twin'])
      await world.make('wave', 'customer', { name, email: 'twin@example.com' });
    await world.make('customcrm', 'customer', { Name: 'Twin', Email: 'twin@example.com' });
    await world.make('customcrm', 'product', { Name: 'Ladder', UnitPrice: '5' });
    await world.make('customcrm', 'product', { Name: 'Taxed', UnitPrice: '5', TaxCodes: ['A,"B"'] });
  });
  after(async () => {
    await cli.close();
    await queues.close();
    await world.close();
  });

  test('previews what would happen as CSV and as JSON lines, entry for entry the same, and writes nothing', async () => {
    const [csv, json] = [join(cli.folder, 'preview.csv'), join(cli.folder, 'preview.jsonl')];
    const [writes, items] = [await world.writes(), await world.items()];
    const { code, out, err } = await cli.run('preview', '--csv', csv, '--out', json);
    assert.equal(code, 0, err);
    assert.deepEqual(await world.writes(), writes);
    assert.deepEqual(await world.items(), items);

    const [head = '', ...lines] = (await readFile(csv, 'utf8')).trimEnd().split('\n');
    assert.equal(head, 'action,pair,system,id,counterpart,rows,reasons,after');
    const entries = (await readFile(json, 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Readonly<Record<string, string & readonly string[]>>);
    assert.deepEqual(
      lines.map(cellsOf),
      entries.map(({ action, pair, system, id, counterpart = '', rows, reasons, after: parents }) => [
        action,
        pair,
        system,
        id,
        counterpart,
        rows?.join(' '),
        reasons?.join('; '),
        parents?.join(' '),
      ]),
    );
    assert.deepEqual(entries.map(({ action, pair, system }) => `${action} ${pair} ${system}`).sort(), [
      'ambiguous customer customcrm',
      'ambiguous customer wave',
      'ambiguous customer wave',
      'blocked product customcrm',
      'create customer customcrm',
      'create product customcrm',
      'create product wave',
      'link customer customcrm',
    ]);
    const link = entries.find(({ action }) => action === 'link');
    assert.deepEqual(link?.reasons, ['Phone: first link differs']);
    assert.match(out, /^link +customer +customcrm .*Phone: first link differs/m);
    assert.match(out, /1 link, 3 create, 3 ambiguous, 1 blocked\n/);
    assert.match(
      out,
      /customer, product, order are not started\. Accept with: sweep --apply customer product order\n/,
    );
  });

  test('prints counts and entries as JSON for programs', async () => {
    const { out } = await cli.run('--json', 'preview', 'product');
    const { counts, entries } = JSON.parse(out);
    assert.equal(counts.create, 2);
    assert.deepEqual(
      entries.map(({ action, system, rows }: PreviewEntry) => [action, system, rows.includes('name')]),
      [
        ['create', 'customcrm', true],
        ['blocked', 'customcrm', false],
        ['create', 'wave', false],
      ],
    );
  });

  test('starts a pair that a sweep is to apply, but only when somebody confirms it', async () => {
    const states = async () =>
      (JSON.parse((await cli.run('--json', 'pairs')).out) as { pair: string; started: boolean }[])
        .filter(({ started }) => started)
        .map(({ pair }) => pair);
    const unseen = await cli.run('--yes', 'sweep', '--apply', 'customer');
    assert.match(unseen.err, /^Not started: this stack is not registered in Customcrm/);
    const apply = ['sweep', '--without-webhook', '--apply'];
    const asked = await cli.run(...apply, 'customer');
    assert.equal(asked.code, 1);
    assert.match(asked.err, /Start customer\? Look at the preview first\. Say --yes to confirm\./);
    assert.deepEqual(await states(), []);
    const none = await cli.run('--yes', ...apply);
    assert.match(none.err, /None of these pairs is started/);
    const parentless = await cli.run('--yes', ...apply, 'order');
    assert.match(parentless.err, /Start the pair customer first/);
    assert.deepEqual(await states(), []);

    const begun = await cli.run('--yes', ...apply, 'customer', 'product');
    assert.equal(begun.code, 0, begun.err);
    assert.match(begun.out, /^customcrm customer, 0 compared/);
    assert.deepEqual(await states(), ['customer', 'product']);
    const { out } = await cli.run('preview', 'customer');
    assert.doesNotMatch(out, /not started/);
    const again = await cli.run('sweep', '--apply', 'customer');
    assert.match(
      again.err,
      /^Sweep now: customer, product\? Say --yes to confirm\./,
      'its start is not asked about again, and the run that is under way begins anew with its pairs',
    );
  });
});
