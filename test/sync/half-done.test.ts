import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { RemoteOutcomeUnknownError, RemoteUnavailableError } from '../../lib/errors.ts';
import { losersOf } from '../../lib/sync/conflict-log.ts';
import { linkRecords, unlinkRecords } from '../../lib/sync/decisions.ts';
import type { Engine } from '../../lib/sync/engine.ts';
import { handleBatch } from '../../lib/sync/handle-batch.ts';
import { type Lease, releaseLease, takeLease } from '../../lib/sync/leases.ts';
import { findLink, linkWrite } from '../../lib/sync/links.ts';
import { pause, resume } from '../../lib/sync/pause.ts';
import { recordStateOf } from '../../lib/sync/record-state.ts';
import { alteredWave } from '../support/altered-wave.ts';
import { blindTo, deleteIn, linkedOrder, linkedPair, linkOf, ring, withWave } from '../support/sync-steps.ts';
import { type Database, type SyncWorld, startDatabase, startSyncWorld } from '../support/sync-world.ts';

let database: Database;
before(async () => {
  database = await startDatabase();
});
after(() => database.close());

const start = () => startSyncWorld(database, { startedPairs: () => true });
const minuteMs = 60_000;

test('a write of which only the first part was taken is known to be ours, and loses to what its user types later', async (t) => {
  const world = await start();
  t.after(world.close);
  const { crm, wave } = await linkedPair(world, 'product', { Name: 'Ladder', UnitPrice: '5' });
  let isBusy = true;
  const engine = withWave(
    world.engine,
    alteredWave(world, (query) => {
      if (isBusy && query.includes('productArchive'))
        throw new RemoteUnavailableError('wave', 'HTTP 429', { retryAfterMs: minuteMs });
      return undefined;
    }),
  );
  await world.edit(crm, { Name: 'Ours', Active: false });
  assert.equal((await ring(world, crm, engine)).did, 'parked');
  assert.equal((await world.read(wave)).name, 'Ours');
  isBusy = false;
  world.pass(minuteMs);
  await world.edit(crm, { Name: 'Typed later' });
  world.pass(minuteMs);
  await world.poll();
  world.pass(minuteMs);
  await world.drain(engine);
  assert.equal((await world.read(crm)).Name, 'Typed later');
  assert.equal((await world.read(wave)).name, 'Typed later');
});

test('a create whose customer Wave does not find waits, and its message does not fail', async (t) => {
  const world = await start();
  t.after(world.close);
  const { customer, product } = await linkedOrder(world);
  const errors = [{ message: 'not found', path: ['invoiceCreate'], extensions: { code: 'NOT_FOUND' } }];
  let creates = 0;
  const engine = withWave(
    world.engine,
    alteredWave(world, (query) => {
      if (!query.includes('invoiceCreate')) return undefined;
      creates += 1;
      return { data: { invoiceCreate: null }, errors, date: Date.now() };
    }),
  );
  const order = await world.make('customcrm', 'order', orderFor(customer.crm.id, product.crm.id));
  const { system, pair, id } = order;
  const doorbell = { system, pair, id, eventId: 'webhook', at: world.engine.clock.now() };
  assert.deepEqual(
    await handleBatch(engine, [{ messageId: 'one', doorbell, receiveCount: 1 }], world.call()),
    [],
  );
  assert.equal(creates, 1);
  assert.equal(world.outcomes.at(-1)?.because, 'not-found');
});

const orderFor = (customer: string, product: string) => ({
  CustomerId: customer,
  Currency: 'CAD',
  OrderDate: '2026-10-01',
  Lines: [{ ProductId: product, Quantity: '3', UnitPrice: '100', TaxCodes: [] }],
});

test('an order that was cancelled, while the answer to the deletion of its draft was lost, begins a new life when it is opened again', async (t) => {
  const world = await start();
  t.after(world.close);
  const { crm } = await linkedOrder(world);
  await world.edit(crm, { Status: 'cancelled' });
  await ring(world, crm, loseAnswerOfRemoval(world));
  for (let look = 1; look <= 4; look++) {
    world.pass(11 * minuteMs);
    await ring(world, crm);
  }
  assert.equal(await world.counterpart(crm), undefined);
  await world.edit(crm, { Status: 'confirmed' });
  world.pass(minuteMs);
  await ring(world, crm);
  await world.drain();
  assert.ok(await world.counterpart(crm));
});

test('an order that was cancelled is opened again before it is known that its draft is gone, and gets another', async (t) => {
  const world = await start();
  t.after(world.close);
  const { crm, wave } = await linkedOrder(world);
  const { Status } = await world.read(crm);
  await world.edit(crm, { Status: 'cancelled' });
  await ring(world, crm, loseAnswerOfRemoval(world));
  await world.edit(crm, { Status });
  for (let look = 1; look <= 4; look++) {
    world.pass(11 * minuteMs);
    await ring(world, crm);
  }
  await world.drain();
  assert.equal((await world.read(crm)).Status, Status);
  const another = await world.counterpart(crm);
  assert.ok(another && another.id !== wave.id);
});

test('an order is opened again that was cancelled when its draft could not be deleted, and keeps it', async (t) => {
  const world = await start();
  t.after(world.close);
  const { crm, wave } = await linkedOrder(world);
  const { Status } = await world.read(crm);
  await world.edit(crm, { Status: 'cancelled' });
  const unanswered = async () => {
    throw new RemoteOutcomeUnknownError('wave', 'no answer');
  };
  await ring(world, crm, withWave(world.engine, { remove: unanswered }));
  await world.edit(crm, { Status, Title: 'Autumn order' });
  world.pass(11 * minuteMs);
  await ring(world, crm);
  assert.equal((await world.counterpart(crm))?.id, wave.id);
  assert.equal((await world.read(wave)).title, 'Autumn order');
  assert.equal((await linkOf(world, crm)).ahead, undefined);
});

/** The engine while nobody hears that an invoice was removed. */
function loseAnswerOfRemoval({ engine }: SyncWorld): Engine {
  const { remove } = engine.systems.wave;
  return withWave(engine, {
    remove: async (...args) => {
      await remove(...args);
      throw new RemoteOutcomeUnknownError('wave', 'no answer');
    },
  });
}

describe('an order that is deleted, with its draft', () => {
  for (const system of ['customcrm', 'wave'] as const)
    test(`does not come back when ${system} shows it as it was before`, async (t) => {
      const world = await start();
      t.after(world.close);
      const { crm, wave } = await linkedOrder(world);
      await world.poll();
      await world.drain();
      const ref = system === 'wave' ? ({ system, pair: 'order', id: wave.id } as const) : crm;
      const { [system]: records } = world.engine.systems;
      const before = await records.read('order', ref.id, world.call());
      await deleteIn(world, crm);
      await ring(world, crm);
      const writes = await world.writes();
      let lags = 1;
      const lagging: SyncWorld['engine'] = {
        ...world.engine,
        systems: {
          ...world.engine.systems,
          [system]: {
            ...records,
            read: async (...args: Parameters<typeof records.read>) =>
              args[1] === ref.id && lags-- > 0 ? before : records.read(...args),
          },
        },
      };
      await ring(world, ref, lagging);
      for (let look = 1; look <= 4; look++) {
        world.pass(11 * minuteMs);
        await world.poll();
        await world.drain();
      }
      assert.deepEqual(await world.writes(), writes);
    });
});

test('what is parked while a worker ends is not forgotten by it: it had read before', async (t) => {
  const world = await start();
  t.after(world.close);
  const { crm, wave } = await linkedPair(world, 'customer', { Name: 'One', Phone: '1' });
  await world.poll();
  await world.drain();
  await world.edit(crm, { City: 'Halifax' });
  const { table } = world.engine;
  let isOver = false;
  const slow = {
    ...world.engine,
    table: {
      ...table,
      async write(writes: Parameters<typeof table.write>[0]) {
        const done = await table.write(writes);
        const [only] = writes;
        if (isOver || !only || !('delete' in only) || only.delete.sk !== 'lease') return done;
        isOver = true;
        await world.edit(wave, { phone: '2' });
        await world.poll();
        await pause(world.engine, 'all', 'maintenance');
        await world.drain();
        return done;
      },
    },
  };
  await ring(world, crm, slow);
  assert.ok(isOver);
  assert.equal(await resume(world.engine, 'all'), 1);
  await world.drain();
  assert.equal((await world.read(crm)).Phone, '2');
});

test('an order that is opened again while its draft is deleted is not forgotten: it had begun to wait', async (t) => {
  const world = await start();
  t.after(world.close);
  const { crm } = await linkedOrder(world);
  await world.poll();
  await world.drain();
  await world.edit(crm, { Status: 'cancelled' });
  const { wave } = world.engine.systems;
  let waited = '';
  const slow = withWave(world.engine, {
    async remove(...asked) {
      await wave.remove(...asked);
      await world.edit(crm, { Status: 'confirmed' });
      const handled = await ring(world, crm);
      waited = handled.did === 'parked' ? handled.cause.name : '';
      await world.poll();
      await world.drain();
    },
  });
  await ring(world, crm, slow);
  assert.equal(waited, 'lease');
  await world.drain();
  assert.ok(await world.counterpart(crm));
});

test('a link that ends while its halves are read is not broken', async (t) => {
  const world = await start();
  t.after(world.close);
  const { wave } = await linkedPair(world, 'customer', { Name: 'One' });
  const { table } = world.engine;
  let isOver = false;
  const slow: typeof table = {
    ...table,
    async get(key) {
      const item = await table.get(key);
      if (isOver || key.sk !== 'link') return item;
      isOver = true;
      assert.equal((await unlinkRecords(world.engine, wave, world.call())).done, true);
      return item;
    },
  };
  assert.equal(await findLink(slow, wave), undefined);
});

describe('a record that another worker has', () => {
  /** Somebody has the lease, until the pause with this number, and what is done in each pause. */
  async function held(world: SyncWorld, until: number) {
    const { crm } = await linkedPair(world, 'customer', { Name: 'Held', Phone: '1' });
    const lease: Lease = { ref: crm, owner: 'somebody', until: world.engine.clock.now() + 60_000 };
    assert.ok((await takeLease(world.engine.table, lease, world.engine.clock.now())).taken);
    const pauses: number[] = [];
    const engine: Engine = {
      ...world.engine,
      clock: {
        now: world.engine.clock.now,
        async sleep(ms) {
          pauses.push(ms);
          if (pauses.length === until) await releaseLease(world.engine.table, lease);
        },
      },
    };
    const { agreedVersion: version, agreedUpdatedAt = 0 } = await linkOf(world, crm);
    assert.ok(version);
    const echo = { version, updatedAt: new Date(agreedUpdatedAt).toISOString() };
    return { crm, engine, pauses, echo };
  }

  test('is tried for again shortly, and waits when it is still held', async (t) => {
    const world = await start();
    t.after(world.close);
    const { crm, engine, pauses } = await held(world, 2);
    assert.equal((await ring(world, crm, engine)).did, 'finished');
    assert.equal(pauses.length, 2);
    const longer = await held(world, Number.POSITIVE_INFINITY);
    const handled = await ring(world, longer.crm, longer.engine);
    assert.equal(handled.did === 'parked' && handled.cause.name, 'lease');
    assert.equal(longer.pauses.length, 2);
  });

  test('is not looked at for the echo of what was written under that lease', async (t) => {
    const world = await start();
    t.after(world.close);
    const { crm, engine, echo } = await held(world, 1);
    const link = await linkOf(world, crm);
    const { agreedVersion: _version, agreedUpdatedAt: _updatedAt, ...unnoted } = link;
    await world.engine.table.write([linkWrite(link, unnoted)]);
    const noted = await linkOf(world, crm);
    const sleep = async (ms: number) => {
      await engine.clock.sleep(ms);
      await world.engine.table.write([linkWrite(noted, link)]);
    };
    const handled = await ring(world, crm, { ...engine, clock: { ...engine.clock, sleep } }, echo);
    assert.equal(handled.did === 'finished' && handled.because, 'echo');
  });
});

test('what arrived without an answer is known once it shows, also while the other side does not: what its user does then is kept', async (t) => {
  const world = await start();
  t.after(world.close);
  const { crm, wave } = await linkedPair(world, 'customer', { Name: 'One' });
  await world.edit(wave, { phone: '7' });
  await ring(world, wave, silentCustomcrm(world));
  assert.equal((await world.read(crm)).Phone, '7');
  world.pass(11 * minuteMs);
  await ring(world, crm, blindTo(world.engine, wave));
  assert.equal((await linkOf(world, crm)).state, 'deletion-suspected');
  await world.edit(crm, { Phone: '' });
  world.pass(minuteMs);
  await ring(world, crm);
  const { table, settings, clock } = world.engine;
  const lost = await losersOf(table, settings.keys, crm, clock.now());
  const { Phone } = await world.read(crm);
  assert.ok(!Phone || lost.some(({ row, system }) => row === 'Phone' && system === 'customcrm'));
});

test('what waits for a parent whose link has ended with its deletion is told so at once', async (t) => {
  const world = await start();
  t.after(world.close);
  const { customer, product } = await linkedOrder(world);
  const invoice = await world.make('wave', 'order', {
    customer: { id: customer.wave.id },
    currency: { code: 'CAD' },
    invoiceDate: '2026-10-01',
    items: [{ product: { id: product.wave.id }, quantity: '1', price: '5', taxes: [] }],
  });
  const blind = blindTo(world.engine, customer.wave);
  for (let look = 1; look <= 2; look++) {
    await ring(world, customer.wave, blind);
    world.pass(11 * minuteMs);
  }
  assert.equal(await world.counterpart(customer.wave), undefined);
  const handled = await ring(world, invoice, blind);
  assert.equal(handled.did === 'parked' && handled.cause.shows, 'parent deleted');
});

test('what its user types into a survivor, while its archiving was not answered, is an edit, and beats the deletion', async (t) => {
  const world = await start();
  t.after(world.close);
  const here = await world.make('customcrm', 'product', { Name: 'Ladder', UnitPrice: '1' });
  const there = await world.make('wave', 'product', { name: 'Ladder', unitPrice: '1' });
  await linkRecords(world.engine, here, there, world.call());
  await world.drain();
  await deleteIn(world, here);
  const silent = withWave(world.engine, {
    update: () => Promise.reject(new RemoteOutcomeUnknownError('wave', 'HTTP 500')),
  });
  const handled = await ring(world, here, silent);
  assert.equal(handled.did === 'parked' && handled.cause.name, 'settle');
  await world.edit(there, { unitPrice: '3' });
  world.pass(11 * minuteMs);
  await ring(world, here);
  const { isArchived, unitPrice } = await world.read(there);
  assert.deepEqual([isArchived, Number(unitPrice)], [false, 3]);
  assert.equal(await world.counterpart(there), undefined);
});

/** Customcrm carries updates out, and its answers are lost. */
function silentCustomcrm({ engine }: SyncWorld): Engine {
  const { customcrm } = engine.systems;
  return {
    ...engine,
    systems: {
      ...engine.systems,
      customcrm: {
        ...customcrm,
        async update(...write) {
          await customcrm.update(...write);
          throw new RemoteOutcomeUnknownError('customcrm', 'no answer');
        },
      },
    },
  };
}

test('what a user types into a survivor beats the deletion, though it is what a write of ours that never arrived had sent', async (t) => {
  const world = await start();
  t.after(world.close);
  const { crm, wave } = await linkedOrder(world);
  await world.edit(wave, { memo: 'Same' });
  const { customcrm } = world.engine.systems;
  const update = () => Promise.reject(new RemoteOutcomeUnknownError('customcrm', 'HTTP 500'));
  const deafCustomcrm = { ...customcrm, update };
  await ring(world, wave, {
    ...world.engine,
    systems: { ...world.engine.systems, customcrm: deafCustomcrm },
  });
  await world.inWave('invoiceDelete', { invoiceId: wave.id });
  for (let look = 1; look <= 3; look++) {
    world.pass(11 * minuteMs);
    await ring(world, wave);
    if (look === 1) await world.edit(crm, { Description: 'Same' });
  }
  assert.equal(await world.counterpart(crm), undefined);
  assert.equal((await world.read(crm)).Status, 'draft');
});

test('what a user takes back in a survivor beats the deletion, though the answer to what was on its way is lost', async (t) => {
  const world = await start();
  t.after(world.close);
  const { crm, wave } = await linkedPair(world, 'product', { Name: 'Ladder', UnitPrice: '5' });
  await world.edit(wave, { name: 'Stairs' });
  await ring(world, wave, silentCustomcrm(world));
  assert.equal((await world.read(crm)).Name, 'Stairs');
  await deleteIn(world, crm);
  await world.edit(wave, { name: 'Ladder' });
  world.pass(11 * minuteMs);
  await ring(world, wave);
  assert.equal(await world.counterpart(wave), undefined);
  assert.equal((await world.read(wave)).isArchived, false);
});

test('the draft of an order that was cancelled goes, though the answer to an edit that arrived before was lost', async (t) => {
  const world = await start();
  t.after(world.close);
  const { crm, wave } = await linkedOrder(world);
  await world.edit(wave, { memo: 'Typed in Wave' });
  await ring(world, wave, silentCustomcrm(world));
  assert.equal((await world.read(crm)).Description, 'Typed in Wave');
  await world.edit(crm, { Status: 'cancelled' });
  world.pass(11 * minuteMs);
  await ring(world, crm);
  assert.equal(await world.counterpart(crm), undefined);
  assert.equal((await recordStateOf(world.engine, crm))?.reason, 'cancelled: its invoice was deleted');
});
