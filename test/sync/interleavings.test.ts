import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Body, type RecordRef, refKey } from '../../lib/domain/record.ts';
import { RemoteRejectedError, RemoteUnavailableError } from '../../lib/errors.ts';
import { reportBroken } from '../../lib/sync/broken-links.ts';
import {
  excludeRecord,
  includeRecord,
  linkRecords,
  recreate,
  unlinkRecords,
} from '../../lib/sync/decisions.ts';
import type { Engine } from '../../lib/sync/engine.ts';
import { blowFuse, mendFuse } from '../../lib/sync/fuses.ts';
import { tidy } from '../../lib/sync/janitor.ts';
import { linkKey } from '../../lib/sync/keys.ts';
import { type Lease, leaseCause, releaseLease, takeLease } from '../../lib/sync/leases.ts';
import { retry } from '../../lib/sync/operate.ts';
import { parkedNow, wake } from '../../lib/sync/parking.ts';
import { pause, resume } from '../../lib/sync/pause.ts';
import type { Item, Reading, Write } from '../../lib/sync/ports.ts';
import { recordStateOf } from '../../lib/sync/record-state.ts';
import { startSweep, sweep } from '../../lib/sync/sweep.ts';
import { linkedOrder, linkedPair, linkOf, ring, withWave } from '../support/sync-steps.ts';
import { type Database, type SyncWorld, startDatabase, startSyncWorld } from '../support/sync-world.ts';

let database: Database;
before(async () => {
  database = await startDatabase();
});
after(() => database.close());

const start = (fuseLimit = 10) => startSyncWorld(database, { startedPairs: () => true, fuseLimit });
const minuteMs = 60_000;

/** The engine with another way to write to its table. */
const withWrite = (engine: Engine, write: Engine['table']['write']): Engine => ({
  ...engine,
  table: { ...engine.table, write },
});

const putsInto = (writes: readonly Write[], partition: string): boolean =>
  writes.some((each) => 'put' in each && each.put.pk.startsWith(partition));

/** Its process ends with the write that makes a link. */
function dyingWithALink({ engine }: SyncWorld): Engine {
  let isDead = false;
  return withWrite(engine, async (writes) => {
    if (isDead) throw new Error('killed');
    const result = await engine.table.write(writes);
    isDead ||= result.done && putsInto(writes, 'links#');
    return result;
  });
}

/** Something happens right before it opens an intent. */
const beforeItsIntent = ({ engine }: SyncWorld, happen: () => Promise<void>): Engine =>
  withWrite(engine, async (writes) => {
    if (putsInto(writes, 'intent#')) await happen();
    return engine.table.write(writes);
  });

/** Customcrm shows this picture, whatever has become of the record. */
const lagging = ({ engine }: SyncWorld, shown: Reading): Engine => ({
  ...engine,
  systems: { ...engine.systems, customcrm: { ...engine.systems.customcrm, read: async () => shown } },
});

const shownNow = (world: SyncWorld, { pair, id }: RecordRef) =>
  world.engine.systems.customcrm.read(pair, id, world.call());

async function deleteIn(world: SyncWorld, ref: RecordRef): Promise<void> {
  const reading = await shownNow(world, ref);
  assert.ok(reading.state === 'living');
  await world.engine.systems.customcrm.remove(ref.pair, reading.snapshot, world.call());
}

/** Janitor, workers and, unless said, polls. */
async function hours(world: SyncWorld, count: number, polls = true): Promise<void> {
  for (let minutes = 0; minutes < count * 60; minutes += 5) {
    world.pass(5 * minuteMs);
    await tidy(world.engine);
    if (polls) await world.poll();
    await world.drain();
  }
}

const stateOf = async (world: SyncWorld, ref: RecordRef) => (await recordStateOf(world.engine, ref))?.state;
const orderOf = (customer: RecordRef, product: RecordRef): Body => ({
  CustomerId: customer.id,
  Currency: 'CAD',
  OrderDate: '2026-10-01',
  Lines: [{ ProductId: product.id, Quantity: '1', UnitPrice: '5', TaxCodes: [] }],
});

describe('a worker that looked at a record before it was linked, and taken apart again', () => {
  const twin = { Name: 'Same', Email: 'same@twin.example' };
  const matched = async (world: SyncWorld, there: RecordRef, more: Body = {}) => {
    const here = await world.make('customcrm', 'customer', { ...twin, ...more });
    await ring(world, here);
    assert.equal((await world.counterpart(here))?.id, there.id);
    return here;
  };

  test('keeps a person from taking them apart meanwhile, and makes no second counterpart', async (t) => {
    const world = await start();
    t.after(world.close);
    const there = await world.make('wave', 'customer', { name: 'Same', email: 'same@twin.example' });
    let here: RecordRef | undefined;
    const engine = beforeItsIntent(world, async () => {
      here = await matched(world, there, { ExternalId: 'A-17' });
      assert.equal((await unlinkRecords(world.engine, here, world.call())).done, false);
    });
    await ring(world, there, engine);
    assert.equal((await world.counterpart(there))?.id, here?.id);
  });

  test('does not make what was deleted since once more', async (t) => {
    const world = await start();
    t.after(world.close);
    const there = await world.make('wave', 'customer', { name: 'Same', email: 'same@twin.example' });
    const engine = beforeItsIntent(world, async () => {
      const here = await matched(world, there);
      await deleteIn(world, here);
      await ring(world, here);
      assert.equal(await stateOf(world, there), 'unlinked');
    });
    await ring(world, there, engine);
    assert.equal(await world.counterpart(there), undefined);
  });
});

describe('who dies with the write that makes a link', () => {
  test('leaves its first plan to a worker, when it was the command line', async (t) => {
    const world = await start();
    t.after(world.close);
    const here = await world.make('customcrm', 'customer', { Name: 'One', Phone: '7', ExternalId: 'x' });
    const there = await world.make('wave', 'customer', { name: 'One' });
    for (const ref of [here, there]) await excludeRecord(world.engine, ref, world.call());
    await world.poll();
    await world.drain();
    await assert.rejects(linkRecords(dyingWithALink(world), here, there, world.call()), /killed/);
    await hours(world, 1, false);
    assert.equal((await world.read(there)).phone, '7');
  });

  test('leaves the children to whoever looks at the link next', async (t) => {
    const world = await start();
    t.after(world.close);
    const { product } = await linkedOrder(world);
    const customer = await world.make('customcrm', 'customer', { Name: 'Garage', Currency: 'CAD' });
    await excludeRecord(world.engine, customer, world.call());
    const order = await world.make('customcrm', 'order', orderOf(customer, product.crm));
    await ring(world, order);
    assert.equal((await parkedNow(world.engine, order))?.name, 'parent');
    await world.drain();
    await includeRecord(world.engine, customer);
    // By itself: what a poll rings for on the way is linked by others.
    world.takeRung();
    await assert.rejects(ring(world, customer, dyingWithALink(world)), /killed/);
    assert.ok(await world.counterpart(customer));
    world.pass(10 * minuteMs);
    await ring(world, customer);
    await world.drain();
    assert.ok(await world.counterpart(order));
  });
});

describe('an edit that was heard of and has waited', () => {
  for (const isLagging of [true, false])
    test(`arrives, also when it ${isLagging ? 'does not show yet' : 'shows'} at the next look`, async (t) => {
      const world = await start();
      t.after(world.close);
      const { crm, wave } = await linkedPair(world, 'customer', { Name: 'One', Phone: '1' });
      await world.poll();
      await world.drain();
      const before = await shownNow(world, crm);
      await world.edit(crm, { Phone: '2' });
      await world.poll();
      const until = world.engine.clock.now() + 3 * minuteMs;
      const lease: Lease = { ref: crm, owner: 'another worker', until };
      await takeLease(world.engine.table, lease, world.engine.clock.now());
      await world.drain();
      assert.equal((await parkedNow(world.engine, crm))?.name, 'lease');
      await releaseLease(world.engine.table, lease);
      await wake(world.engine, leaseCause(crm));
      await world.drain(isLagging ? lagging(world, before) : world.engine);
      await hours(world, 1);
      assert.equal((await world.read(wave)).phone, '2');
    });

  test('is not forgotten by a look that its other half had rung for', async (t) => {
    const world = await start();
    t.after(world.close);
    const { crm, wave } = await linkedPair(world, 'customer', { Name: 'One', Phone: '1' });
    await world.poll();
    await world.drain();
    const before = await shownNow(world, crm);
    await world.edit(crm, { Phone: '2' });
    await pause(world.engine, 'customer', 'for a test');
    await world.poll();
    await world.drain();
    await resume(world.engine, 'customer');
    await ring(world, wave, lagging(world, before));
    await hours(world, 1);
    assert.equal((await world.read(wave)).phone, '2');
  });

  test('is waited for, also when something older has waited for more than an hour', async (t) => {
    const world = await start();
    t.after(world.close);
    const { crm, wave } = await linkedPair(world, 'customer', { Name: 'One', Phone: '1' });
    await world.poll();
    await world.drain();
    await pause(world.engine, 'customer', 'for a test');
    await ring(world, crm);
    world.pass(61 * minuteMs);
    const before = await shownNow(world, crm);
    await world.edit(crm, { Phone: '2' });
    await world.poll();
    await world.drain();
    await resume(world.engine, 'customer');
    await world.drain(lagging(world, before));
    await hours(world, 1);
    assert.equal((await world.read(wave)).phone, '2');
  });

  test('keeps its time when what it leads to cannot be sent: a later edit of the other side stays', async (t) => {
    const world = await start();
    t.after(world.close);
    const { crm, wave } = await linkedPair(world, 'customer', { Name: 'One', Phone: '1' });
    const failing = (error: Error) => withWave(world.engine, { update: () => Promise.reject(error) });
    await world.edit(crm, { Phone: '2' });
    await ring(world, crm, failing(new RemoteRejectedError('wave', 'not this number', { paths: ['phone'] })));
    assert.equal((await linkOf(world, crm)).state, 'blocked');
    world.pass(60 * minuteMs);
    await world.edit(crm, { Name: 'typed first' });
    await ring(world, crm, failing(new RemoteUnavailableError('wave', 'HTTP 503')));
    world.pass(60 * minuteMs);
    await world.edit(wave, { name: 'typed last' });
    await ring(world, wave);
    assert.deepEqual(
      [(await world.read(crm)).Name, (await world.read(wave)).name],
      ['typed last', 'typed last'],
    );
  });
});

describe('what a person said at a fuse', () => {
  test('stands, though one look in between saw a lagging picture', async (t) => {
    const world = await start(1);
    t.after(world.close);
    const { crm, wave } = await linkedPair(world, 'product', { Name: 'Ladder', UnitPrice: '1' });
    const before = await shownNow(world, crm);
    await blowFuse(world.engine, 'deletions');
    await world.edit(crm, { Active: false });
    await ring(world, crm);
    assert.equal(await mendFuse(world.engine, 'deletions', false), 1);
    await world.drain(lagging(world, before));
    await ring(world, crm);
    assert.equal((await world.read(wave)).isArchived, false);
  });

  for (const released of [true, false])
    test(`is said of that change alone, when he ${released ? 'let it pass' : 'rejected it'}`, async (t) => {
      const world = await start(1);
      t.after(world.close);
      const { crm, wave } = await linkedPair(world, 'customer', { Name: 'One', Phone: '1' });
      await blowFuse(world.engine, 'changed');
      await world.edit(crm, { Name: 'XXXX' });
      await ring(world, crm);
      assert.equal(await mendFuse(world.engine, 'changed', released), 1);
      // Its user is faster than the worker that is woken.
      await world.edit(crm, { Name: 'One' });
      await world.drain();
      if (released) await blowFuse(world.engine, 'changed');
      await world.edit(crm, { Name: 'Two' });
      await ring(world, crm);
      assert.equal((await world.read(wave)).name, released ? 'One' : 'Two');
    });

  const rejectedName = async (world: SyncWorld, engine: Engine) => {
    const { crm, wave } = await linkedPair(world, 'customer', { Name: 'One', Phone: '1' });
    await blowFuse(world.engine, 'changed');
    await world.edit(crm, { Name: 'XXXX' });
    await ring(world, crm);
    return {
      crm,
      async reject() {
        assert.equal(await mendFuse(engine, 'changed', false), 1);
        await world.drain(engine);
        assert.equal((await world.read(wave)).name, 'One');
      },
    };
  };

  test('holds for what older code had parked, which did not note what was asked', async (t) => {
    const world = await start();
    t.after(world.close);
    const { crm, reject } = await rejectedName(world, world.engine);
    const key = { pk: 'parked#fuse#changed', sk: refKey(crm) };
    const { asks: _asks, ...old } = (await world.engine.table.get(key)) as Item;
    await world.engine.table.write([{ put: old as Item }]);
    await reject();
  });

  test('holds after another fingerprint key was put in front', async (t) => {
    const world = await start();
    t.after(world.close);
    const { settings } = world.engine;
    const keys = [{ id: 'new', secret: new Uint8Array(32).fill(9) }, ...settings.keys] as const;
    const { reject } = await rejectedName(world, { ...world.engine, settings: { ...settings, keys } });
    await reject();
  });
});

describe('what a person decides', () => {
  test('can be said again when the queue did not take it: recreate', async (t) => {
    const world = await start();
    t.after(world.close);
    const { crm, wave: left } = await linkedPair(world, 'customer', { Name: 'Corner Bakery' });
    await deleteIn(world, crm);
    await ring(world, crm);
    const silent = { ring: () => Promise.reject(new Error('the queue did not answer')) };
    const engine = { ...world.engine, queues: { customcrm: silent, wave: silent } };
    await assert.rejects(recreate(engine, left), /did not answer/);
    assert.equal((await recreate(world.engine, left)).done, true);
    await world.drain();
    assert.ok(await world.counterpart(left));
  });

  test('stays in sight when its doorbell is lost: include', async (t) => {
    const world = await start();
    t.after(world.close);
    const record = await world.make('wave', 'customer', { name: 'Hill Farm' });
    await world.poll();
    await excludeRecord(world.engine, record, world.call());
    await world.drain();
    const loses = { ring: async () => undefined };
    const engine = { ...world.engine, queues: { customcrm: loses, wave: loses } };
    assert.equal((await includeRecord(engine, record)).done, true);
    assert.equal(world.queued(), 0);
    assert.equal(await stateOf(world, record), 'excluded');
    await startSweep(world.engine, { pairs: ['customer'] });
    await sweep(world.engine, world.call());
    await world.drain();
    assert.ok(await world.counterpart(record));
  });

  test('does not include what the tables leave out', async (t) => {
    const world = await start();
    t.after(world.close);
    const { customer, product } = await linkedOrder(world);
    const order = { ...orderOf(customer.crm, product.crm), Status: 'cancelled' };
    const cancelled = await world.make('customcrm', 'order', order);
    await ring(world, cancelled);
    assert.equal((await includeRecord(world.engine, cancelled)).done, false);
    assert.equal(await stateOf(world, cancelled), 'excluded');
  });

  test('holds for a record that is found to match: pause', async (t) => {
    const world = await start();
    t.after(world.close);
    const there = await world.make('wave', 'customer', { name: 'Same', email: 'same@twin.example' });
    await pause(world.engine, `wave#customer#${there.id}`, 'for a test');
    const here = await world.make('customcrm', 'customer', {
      Name: 'Same',
      Email: 'same@twin.example',
      Phone: '7',
    });
    await ring(world, here);
    assert.ok(!(await world.read(there)).phone);
    await resume(world.engine, `wave#customer#${there.id}`);
    await world.drain();
    assert.equal((await world.read(there)).phone, '7');
  });

  test('reaches all that have failed, though the link of one is broken: redrive', async (t) => {
    const world = await start();
    t.after(world.close);
    const { crm, wave } = await linkedPair(world, 'customer', { Name: 'One' });
    await world.engine.table.write([{ delete: linkKey(crm) }]);
    await reportBroken(world.engine, wave);
    world.takeRung();
    await retry(world.engine, wave);
    assert.equal(world.takeRung().length, 1);
  });
});

test('looking at a link at rest writes nothing, in whatever order the table keeps a map', async (t) => {
  const world = await start();
  t.after(world.close);
  const { crm, wave } = await linkedPair(world, 'customer', { Name: 'One', Phone: '1' });
  for (const ref of [crm, wave]) await ring(world, ref);
  const { revision } = await linkOf(world, crm);
  for (let look = 1; look <= 10; look++) await ring(world, wave);
  assert.equal((await linkOf(world, crm)).revision, revision);
});

test('what lives again is not forgotten because a lagging replica has not seen that yet', async (t) => {
  const world = await start();
  t.after(world.close);
  const { crm, wave } = await linkedPair(world, 'customer', { Name: 'One', Phone: '1' });
  await world.poll();
  await world.drain();
  await deleteIn(world, crm);
  await world.poll();
  await hours(world, 1);
  assert.equal(await world.counterpart(wave), undefined);
  const { status } = await fetch(`${world.env.CUSTOMCRM_API_URL}/customers/${crm.id}/restore`, {
    method: 'POST',
    headers: { authorization: 'Bearer local', 'idempotency-key': 'once' },
  });
  assert.equal(status, 200);
  await world.poll();
  await world.drain(lagging(world, { state: 'not-found' }));
  await hours(world, 2);
  assert.equal((await world.counterpart(wave))?.id, crm.id);
});
