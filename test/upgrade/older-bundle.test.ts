import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { LocalFunction } from '../../infra/local/containers.ts';
import { packaged } from '../../infra/local/package.ts';
import { counterpartInWave, eventually, listWave, mutate, readWave } from '../end-to-end/world.ts';
import { type RecordedWorld, startRecordedWorld } from '../support/recorded-world.ts';

/** The code that may still run beside this one while a deployment goes on. Before this commit a poll kept its place in a list in another form. */
const olderCommit = '16ee78b0f55a42116743ef3a1ff70c24954789a6';
const root = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);
const hasHistory = await run('git', ['cat-file', '-e', `${olderCommit}^{commit}`], { cwd: root }).then(
  () => true,
  () => false,
);

/** Bundles what the repository held then, with the packages of now. Answers the folder of the bundles. */
async function olderBundles(folder: string): Promise<string> {
  const archive = join(folder, 'older.tar');
  await run(
    'git',
    ['archive', '--output', archive, olderCommit, 'functions', 'lib', 'infra', 'package.json'],
    {
      cwd: root,
    },
  );
  await run('tar', ['-xf', archive, '-C', folder]);
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  await run(process.execPath, [join(folder, 'infra', 'build.ts')], { cwd: folder });
  return join(folder, '.build', 'functions');
}

// Older and newer functions on one table, as they are during every deployment, and after a rollback.
describe('functions of an older version beside those of this one', () => {
  let folder: string;
  let bundles: string;
  let world: RecordedWorld;
  const older = new Map<string, LocalFunction>();
  before(async () => {
    if (!hasHistory) return;
    folder = await mkdtemp(join(tmpdir(), 'older-'));
    bundles = await olderBundles(folder);
    await packaged(() => undefined);
    world = await startRecordedWorld();
  });
  after(async () => {
    for (const each of older.values()) await each.close();
    await world?.close();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  /** Says so where the history is not there, as in a checkout without depth: nothing is proven then. */
  const needsHistory = (t: TestContext): boolean => {
    if (!hasHistory) t.skip(`commit ${olderCommit} is not in this checkout`);
    return hasHistory;
  };
  async function invoke(name: string, event: object = {}): Promise<unknown> {
    const container = older.get(name) ?? (await world.container(name, bundles));
    older.set(name, container);
    return container.invoke(event);
  }
  let delivery = 0;
  /** What the older worker makes of one message. */
  function deliver(body: object): Promise<unknown> {
    delivery += 1;
    const record = {
      messageId: 'one',
      body: JSON.stringify({ ...body, eventId: `older:${delivery}`, at: Date.now() }),
      attributes: { ApproximateReceiveCount: '1' },
    };
    return invoke('apply-to-wave', { Records: [record] });
  }
  const ring = async (id: string): Promise<void> =>
    assert.deepEqual(
      await deliver({ system: 'customcrm', pair: 'customer', id, invented: 'by newer code' }),
      { batchItemFailures: [] },
    );
  const loseWebhooks = (webhookDropped: 0 | 1) => world.disturb({ webhookDropped });

  test('start, and end well, on a table that this version has written', async (t) => {
    if (!needsHistory(t)) return;
    const { Id } = await world.customcrm('POST', '/customers', { Name: 'Larch' });
    await counterpartInWave(world, `/customers/${Id}`);
    await world.leaveWaiting('poll#wave');
    const unsigned = { headers: {}, body: '{}', isBase64Encoded: false };
    for (const file of (await readdir(bundles)).filter((name) => name.endsWith('.cjs'))) {
      const name = file.replace('.cjs', '');
      await invoke(name, name.endsWith('webhook') ? unsigned : { Records: [] });
    }
  });

  test('leave a message that they cannot read in its queue, for code that can', async (t) => {
    if (!needsHistory(t)) return;
    const failed = await deliver({ system: 'customcrm', pair: 'supplier', id: '1' });
    assert.deepEqual(failed, { batchItemFailures: [{ itemIdentifier: 'one' }] });
  });

  test('carry an edit of a record that this version has linked, and this version goes on', async (t) => {
    if (!needsHistory(t)) return;
    const { Id } = await world.customcrm('POST', '/customers', { Name: 'Rowan', Fax: '1' });
    const waveId = await counterpartInWave(world, `/customers/${Id}`);
    const fax = async () => (await readWave(world, 'customer', waveId)).fax;
    await loseWebhooks(1);
    await world.customcrm('PATCH', `/customers/${Id}`, { Fax: '2' });
    await eventually('older code carries it', async () => {
      await ring(String(Id));
      return (await fax()) === '2';
    });
    await loseWebhooks(0);
    await world.customcrm('PATCH', `/customers/${Id}`, { Fax: '3' });
    await eventually('newer code carries the next', async () => (await fax()) === '3');
    await mutate(world, 'customerPatch', { id: waveId, fax: '4' });
    await invoke('wave-poll');
    await eventually(
      'and the way back',
      async () => (await world.customcrm('GET', `/customers/${Id}`)).Fax === '4',
    );
  });

  test('make a counterpart, and this version makes no other', async (t) => {
    if (!needsHistory(t)) return;
    await loseWebhooks(1);
    const { Id } = await world.customcrm('POST', '/customers', { Name: 'Alder', Fax: '1' });
    await eventually('older code makes it', async () => {
      await invoke('wave-poll');
      await ring(String(Id));
      return String((await world.customcrm('GET', `/customers/${Id}`)).ExternalId ?? '').startsWith('wave:');
    });
    const waveId = await counterpartInWave(world, `/customers/${Id}`);
    await loseWebhooks(0);
    await world.customcrm('PATCH', `/customers/${Id}`, { Fax: '2' });
    await eventually(
      'newer code goes on with it',
      async () => (await readWave(world, 'customer', waveId)).fax === '2',
    );
    const names = (await listWave(world, 'customer')).map(({ name }) => name);
    assert.equal(names.filter((name) => name === 'Alder').length, 1);
  });
});
