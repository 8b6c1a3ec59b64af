import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type RecordRef, refKey } from '../../lib/domain/record.ts';
import { RemoteOutcomeUnknownError, RemoteUnavailableError } from '../../lib/errors.ts';
import type { Engine } from '../../lib/sync/engine.ts';
import { blowFuse, fuseCause, mendFuse, passFuse } from '../../lib/sync/fuses.ts';
import { tidy } from '../../lib/sync/janitor.ts';
import { overview } from '../../lib/sync/overview.ts';
import { park, parkedNow, wake, wakeOverdue } from '../../lib/sync/parking.ts';
import { pause, resume } from '../../lib/sync/pause.ts';
import { startSweep } from '../../lib/sync/sweep.ts';
import { linkedOrder, linkedPair, linkOf, ring, withWave } from '../support/sync-steps.ts';
import { type Database, type SyncWorld, startDatabase, startSyncWorld } from '../support/sync-world.ts';

let database: Database;
before(async () => {
  database = await startDatabase();
});
after(() => database.close());

const start = () => startSyncWorld(database, { startedPairs: () => true, fuseLimit: 1 });
const rejected = 'rejected at the fuse';

/** A product that its user took out of use, while the fuse was blown. */
async function stoppedProduct(world: SyncWorld) {
  const { crm, wave } = await linkedPair(world, 'product', { Name: 'Ladder', UnitPrice: '1' });
  await blowFuse(world.engine, 'deletions');
  await world.edit(crm, { Active: false });
  assert.equal((await ring(world, crm)).did, 'parked');
  return { crm, wave };
}

/** The same, after a person told it to stay. */
async function keptProduct(world: SyncWorld) {
  const product = await stoppedProduct(world);
  assert.equal(await mendFuse(world.engine, 'deletions', false), 1);
  return product;
}

describe('what a person rejected at a fuse', () => {
  test('is held and not carried out, however often the record is looked at; its other rows flow', async (t) => {
    const world = await start();
    t.after(world.close);
    const { crm, wave } = await keptProduct(world);
    await world.edit(crm, { Description: 'Three metres' });
    for (let look = 1; look <= 3; look++) await ring(world, crm);
    const { isArchived, description } = await world.read(wave);
    assert.deepEqual([isArchived, description], [false, 'Three metres']);
    const { state, reasons } = await linkOf(world, crm);
    assert.deepEqual([state, reasons], ['held', [`Active: ${rejected}`]]);
  });

  test('stays rejected when the worker dies before it has noted that', async (t) => {
    const world = await start();
    t.after(world.close);
    const { crm, wave } = await keptProduct(world);
    for (let writesBeforeDeath = 0; writesBeforeDeath < 4; writesBeforeDeath++) {
      let writes = 0;
      const dying: Engine = {
        ...world.engine,
        table: {
          ...world.engine.table,
          async write(all) {
            if (writes++ >= writesBeforeDeath) throw new Error('killed');
            return world.engine.table.write(all);
          },
        },
      };
      await ring(world, crm, dying).catch(() => undefined);
      world.pass(10 * 60_000);
    }
    await ring(world, crm);
    assert.equal((await world.read(wave)).isArchived, false);
    assert.equal((await linkOf(world, crm)).state, 'held');
  });

  test('stays rejected when Wave goes away for two days before anybody has heard that', async (t) => {
    const world = await start();
    t.after(world.close);
    const { crm, wave } = await keptProduct(world);
    const unavailable = new RemoteUnavailableError('wave', 'HTTP 503');
    await world.drain(withWave(world.engine, { read: () => Promise.reject(unavailable) }));
    world.pass(48 * 3600_000);
    await tidy(world.engine);
    await world.drain();
    assert.equal((await world.read(wave)).isArchived, false);
    assert.equal((await linkOf(world, crm)).state, 'held');
  });

  test('keeps the invoice of a cancelled order, until the order changes', async (t) => {
    const world = await start();
    t.after(world.close);
    const { crm, wave } = await linkedOrder(world);
    await blowFuse(world.engine, 'deletions');
    await world.edit(crm, { Status: 'cancelled' });
    assert.equal((await ring(world, crm)).did, 'parked');
    await mendFuse(world.engine, 'deletions', false);
    for (let look = 1; look <= 3; look++) await ring(world, crm);
    const { wave: invoices } = world.engine.systems;
    assert.equal((await invoices.read('order', wave.id, world.call())).state, 'living');
    assert.ok((await linkOf(world, crm)).reasons.includes(`deletion: ${rejected}`));
    await world.edit(crm, { Description: 'Gone' });
    await ring(world, crm);
    assert.notEqual((await invoices.read('order', wave.id, world.call())).state, 'living');
  });

  test('concerns everything that waited, and not only the first page of it', async (t) => {
    const world = await start();
    t.after(world.close);
    await blowFuse(world.engine, 'deletions');
    const cause = { name: 'fuse', key: fuseCause('deletions'), due: world.engine.clock.now() } as const;
    for (let index = 0; index < 230; index++) await park(world.engine, product(index), cause);
    assert.equal(await mendFuse(world.engine, 'deletions', false), 230);
    assert.equal(world.takeRung().length, 230);
    const rulings = (await world.items()).filter(({ sk }) => sk === 'ruling#deletions');
    assert.equal(rulings.length, 230);
  });
});

test('as many records as the limit can be set to fit the one item that counts them', async (t) => {
  /** The most that lib/config.ts takes for FUSE_LIMIT. */
  const limit = 1_000;
  const world = await startSyncWorld(database, { fuseLimit: limit });
  t.after(world.close);
  const at = world.engine.clock.now();
  const ref = (index: number) =>
    ({ system: 'wave', pair: 'product', id: `${index}`.padEnd(110, '=') }) as const;
  const counted = Array.from({ length: limit - 1 }, (_, index) => [refKey(ref(index)), { at, amount: 1 }]);
  const window = { revision: 1, counted: Object.fromEntries(counted) };
  await world.engine.table.write([{ put: { pk: 'fuse#deletions', sk: 'window', revision: 1, window } }]);
  const pass = async (index: number) =>
    (await passFuse(world.engine, 'deletions', [ref(index), product(index)], { record: 'ask' })).did;
  assert.deepEqual([await pass(limit), await pass(limit + 1)], ['passes', 'waits']);
});

test('fields of one record that go empty one after another count each', async (t) => {
  const world = await startSyncWorld(database, { startedPairs: () => true, fuseLimit: 2 });
  t.after(world.close);
  const { crm, wave } = await linkedPair(world, 'customer', {
    Name: 'One',
    Phone: '1',
    Mobile: '2',
    Fax: '3',
  });
  const did: string[] = [];
  for (const row of ['Phone', 'Mobile', 'Fax']) {
    await world.edit(crm, { [row]: null });
    await ring(world, crm);
    did.push((await ring(world, crm)).did);
  }
  assert.deepEqual(did, ['finished', 'finished', 'parked']);
  assert.equal((await world.read(wave)).fax, '3');
});

test('what a person lets pass is written, though it comes back to the fuse at that moment', async (t) => {
  const world = await start();
  t.after(world.close);
  const { crm, wave } = await stoppedProduct(world);
  await pause(world.engine, 'all', 'for a test');
  await ring(world, crm);
  assert.equal((await parkedNow(world.engine, crm))?.name, 'pause');
  const { table } = world.engine;
  // Between its look at who waits and what it writes, the pause ends.
  const meanwhileResumed: Engine = {
    ...world.engine,
    table: {
      ...table,
      async query(...asked) {
        const page = await table.query(...asked);
        await resume(world.engine, 'all');
        await world.drain();
        return page;
      },
    },
  };
  assert.equal(await mendFuse(meanwhileResumed, 'deletions', true), 1);
  await world.drain();
  assert.equal((await world.read(wave)).isArchived, true);
});

test('what was sent is not rejected any more while its answer is awaited', async (t) => {
  const world = await start();
  t.after(world.close);
  const { crm, wave } = await stoppedProduct(world);
  await mendFuse(world.engine, 'deletions', true);
  const { update } = world.engine.systems.wave;
  const unanswered = withWave(world.engine, {
    async update(...asked) {
      await update(...asked);
      throw new RemoteOutcomeUnknownError('wave', 'no answer');
    },
  });
  await world.drain(unanswered);
  assert.equal((await parkedNow(world.engine, crm))?.name, 'settle');
  assert.equal((await world.read(wave)).isArchived, true);
  assert.equal(await mendFuse(world.engine, 'deletions', false), 0);
});

test('what a person let pass a day ago is not let pass again', async (t) => {
  const world = await start();
  t.after(world.close);
  const { crm, wave } = await stoppedProduct(world);
  await mendFuse(world.engine, 'deletions', true);
  // Its user takes it back before anything was written.
  await world.edit(crm, { Active: true });
  await world.drain();
  world.pass(25 * 3600_000);
  await blowFuse(world.engine, 'deletions');
  await world.edit(crm, { Active: false });
  assert.equal((await ring(world, crm)).did, 'parked');
  assert.equal((await world.read(wave)).isArchived, false);
});

describe('everything changed at once', () => {
  const changed = async (world: SyncWorld) => {
    const { crm, wave } = await linkedPair(world, 'customer', { Name: 'One', Phone: '1' });
    await blowFuse(world.engine, 'changed');
    await world.edit(crm, { Name: 'XXXX' });
    const handled = await ring(world, crm);
    assert.equal(handled.did === 'parked' && handled.cause.key, fuseCause('changed'));
    assert.equal((await world.read(wave)).name, 'One');
    return { crm, wave };
  };

  test('holds back every write, until a person lets it pass', async (t) => {
    const world = await start();
    t.after(world.close);
    const { wave } = await changed(world);
    assert.equal(await mendFuse(world.engine, 'changed', true), 1);
    await world.drain();
    assert.equal((await world.read(wave)).name, 'XXXX');
  });

  test('stays as it is where a person says no, and flows again with the next edit', async (t) => {
    const world = await start();
    t.after(world.close);
    const { crm, wave } = await changed(world);
    assert.equal(await mendFuse(world.engine, 'changed', false), 1);
    await world.drain();
    await ring(world, crm);
    assert.equal((await world.read(wave)).name, 'One');
    assert.deepEqual((await linkOf(world, crm)).reasons, [`Name: ${rejected}`]);
    await world.edit(crm, { Name: 'Two' });
    await ring(world, crm);
    assert.equal((await world.read(wave)).name, 'Two');
  });

  test('passes when a person confirms the sweep that stopped', async (t) => {
    const world = await start();
    t.after(world.close);
    const { wave } = await changed(world);
    await startSweep(world.engine, { pairs: ['customer'], confirmed: true });
    await world.drain();
    assert.equal((await world.read(wave)).name, 'XXXX');
  });
});

const product = (index: number): RecordRef => ({ system: 'customcrm', pair: 'product', id: `p${index}` });

test('whoever removes a cause wakes everything that waits for it', async (t) => {
  const world = await start();
  t.after(world.close);
  const due = world.engine.clock.now() + 24 * 3600_000;
  for (let index = 0; index < 401; index++)
    await park(world.engine, product(index), { name: 'reconnect', key: 'reconnect', due });
  assert.equal(await wake(world.engine, 'reconnect'), 401);
  assert.equal(new Set(world.takeRung().map(({ id }) => id)).size, 401);
  // Those doorbells are lost.
  world.pass(14 * 60_000);
  assert.equal(await wakeOverdue(world.engine), 0);
  world.pass(2 * 60_000);
  assert.equal(await wakeOverdue(world.engine), 200);
});

test('a loop stops at its fuse, which tells a person, and goes on when he lets it pass', async (t) => {
  const world = await start();
  t.after(world.close);
  const { crm, wave } = await linkedPair(world, 'customer', { Name: 'One', Fax: '1' });
  // Another program puts back what we write.
  let handled = await ring(world, crm);
  for (let turn = 0; turn < 12 && handled.did !== 'parked'; turn++) {
    if (turn % 2 === 0) await world.edit(crm, { Fax: '2' });
    else await world.edit(wave, { fax: '1' });
    handled = await ring(world, crm);
  }
  assert.ok(handled.did === 'parked' && handled.cause.name === 'fuse');
  assert.deepEqual((await overview(world.engine)).blownFuses, ['loop']);
  assert.equal(world.outcomes.filter(({ message }) => message === 'fuse blown').length, 1);
  assert.equal((await ring(world, crm)).did, 'parked');
  assert.equal(world.outcomes.filter(({ message }) => message === 'fuse blown').length, 1, 'told once');
  await mendFuse(world.engine, 'loop', true);
  await ring(world, crm);
  assert.equal((await world.read(crm)).Fax, (await world.read(wave)).fax);
});

test('a fuse that many count at once holds nobody back before it blows, and then all', async (t) => {
  const world = await startSyncWorld(database, { startedPairs: () => true, fuseLimit: 12 });
  t.after(world.close);
  const passages = (prefix: string, many: number) =>
    Promise.all(
      Array.from({ length: many }, async (_, index) => {
        const halves = (['customcrm', 'wave'] as const).map(
          (system): RecordRef => ({ system, pair: 'customer', id: `${prefix}${index}` }),
        );
        const [crm, wave] = halves as [RecordRef, RecordRef];
        return (await passFuse(world.engine, 'emptied', [crm, wave], { Phone: 'print' })).did;
      }),
    );
  assert.deepEqual(new Set(await passages('a', 12)), new Set(['passes']));
  assert.deepEqual(new Set(await passages('b', 12)), new Set(['waits']));
});
