import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Body, type RecordRef, refKey, type Snapshot } from '../../lib/domain/record.ts';
import { RemoteOutcomeUnknownError, RemoteRejectedError } from '../../lib/errors.ts';
import { linkRecords, recreate } from '../../lib/sync/decisions.ts';
import type { Engine } from '../../lib/sync/engine.ts';
import type { Intent } from '../../lib/sync/intents.ts';
import { tidy } from '../../lib/sync/janitor.ts';
import type { Item, Write } from '../../lib/sync/ports.ts';
import { ownWrite, recordStateOf } from '../../lib/sync/record-state.ts';
import { outstanding, outstandingLimit } from '../../lib/sync/sweep-ring.ts';
import { linkedOrder, linkedPair, ring, withWave } from '../support/sync-steps.ts';
import { type Database, type SyncWorld, startDatabase, startSyncWorld } from '../support/sync-world.ts';

let database: Database;
before(async () => {
  database = await startDatabase();
});
after(() => database.close());

const minuteMs = 60_000;
const shown = async (world: SyncWorld, ref: RecordRef) => await recordStateOf(world.engine, ref);

/** The create of this record is sent and never answered, nothing is found of it for long, and then Wave executes it after all. */
async function executedLate(
  world: SyncWorld,
  record: Snapshot,
  giveUp: (unanswered: Engine) => Promise<unknown>,
) {
  const { wave } = world.engine.systems;
  let sent: (() => Promise<Snapshot>) | undefined;
  const unanswered = withWave(world.engine, {
    create: async (...args) => {
      sent ??= () => wave.create(...args);
      throw new RemoteOutcomeUnknownError('wave', 'no answer');
    },
  });
  await ring(world, record, unanswered);
  assert.ok(sent);
  for (let look = 1; look <= 2; look++) {
    world.pass(3 * minuteMs);
    await giveUp(unanswered);
  }
  return sent();
}

describe('a create whose answer was lost, and whose origin is deleted meanwhile', () => {
  for (const [what, edited, archived] of [
    ['takes its untouched result along', 'never', true],
    ['leaves a result that its user has edited', 'before', false],
    ['leaves a result in which its user fills in something later', 'after', false],
  ] as const) {
    test(what, async (t) => {
      const world = await startSyncWorld(database, { startedPairs: () => true });
      t.after(world.close);
      await linkedPair(world, 'product', { Name: 'Witness', UnitPrice: '1' });
      const product = await world.make('customcrm', 'product', { Name: 'Ladder', UnitPrice: '5' });
      const { customcrm, wave } = world.engine.systems;
      let made: Snapshot | undefined;
      const unanswered = withWave(world.engine, {
        create: async (...args) => {
          made = await wave.create(...args);
          throw new RemoteOutcomeUnknownError('wave', 'no answer');
        },
      });
      await ring(world, product, unanswered);
      assert.ok(made);
      if (edited === 'before') await world.edit(made, { description: 'Three metres' });
      await customcrm.remove('product', product, world.call());
      for (let look = 1; look <= 3; look++) {
        world.pass(3 * minuteMs);
        await ring(world, product);
        if (edited === 'after' && look === 1) await world.edit(made, { description: 'Three metres' });
        await world.drain();
      }
      const reading = await wave.read('product', made.id, world.call());
      assert.ok(reading.state === 'living');
      assert.equal(reading.snapshot.body.isArchived, archived);
      if (edited !== 'never') assert.match((await shown(world, made))?.reason ?? '', /edited here since/);
    });
  }
});

describe('a create that Wave executes long after it was given up', () => {
  test('is held when its record has another counterpart by then, and a person may say that it is on its own', async (t) => {
    const world = await startSyncWorld(database, { startedPairs: () => true });
    t.after(world.close);
    await linkedPair(world, 'product', { Name: 'Witness', UnitPrice: '1' });
    const product = await world.make('customcrm', 'product', { Name: 'Ladder', UnitPrice: '5' });
    const late = await executedLate(world, product, () => ring(world, product));
    assert.notEqual((await world.counterpart(product))?.id, late.id);
    await ring(world, late);
    assert.equal((await shown(world, late))?.state, 'ambiguous');
    assert.match((await shown(world, late))?.reason ?? '', /late result of the create/);
    assert.equal((await recreate(world.engine, late)).done, true);
    await world.drain();
    assert.ok(await world.counterpart(late));
  });

  test('holds up no other record that holds what many do, however its user edits it', async (t) => {
    const world = await startSyncWorld(database, { startedPairs: () => true });
    t.after(world.close);
    await linkedPair(world, 'product', { Name: 'Witness', UnitPrice: '1' });
    const product = await world.make('customcrm', 'product', { Name: 'Ladder', UnitPrice: '5' });
    await executedLate(world, product, () => ring(world, product));
    const other = await world.make('wave', 'product', { name: 'Rope', unitPrice: '9' });
    await world.inWave('productPatch', { id: other.id, description: 'Ten metres' });
    await ring(world, other);
    assert.equal(await shown(world, other), undefined);
    assert.ok(await world.counterpart(other));
    // What tells records apart does hold one up.
    const alike = await world.make('wave', 'product', { name: 'Stairs', unitPrice: '5' });
    await world.inWave('productPatch', { id: alike.id, description: 'Ten steps' });
    await ring(world, alike);
    assert.match((await shown(world, alike))?.reason ?? '', /late result of the create/);
  });

  for (const [what, isRenamed] of [
    ['is held when nothing leads from it to its record, which has no counterpart yet', true],
    ['is linked with its record, when that has no counterpart yet and its name leads there', false],
  ] as const)
    test(what, async (t) => {
      const world = await startSyncWorld(database, { startedPairs: () => true });
      t.after(world.close);
      await linkedPair(world, 'product', { Name: 'Witness', UnitPrice: '1' });
      const product = await world.make('customcrm', 'product', { Name: 'Ladder', UnitPrice: '5' });
      const { wave } = world.engine.systems;
      let executed: (() => Promise<Snapshot>) | undefined;
      const refusing = withWave(world.engine, {
        create: async (...args) => {
          if (executed) throw new RemoteRejectedError('wave', 'not today');
          executed = () => wave.create(...args);
          throw new RemoteOutcomeUnknownError('wave', 'no answer');
        },
      });
      for (let look = 1; look <= 3; look++) {
        await ring(world, product, refusing);
        world.pass(3 * minuteMs);
      }
      assert.equal((await shown(world, product))?.state, 'blocked');
      const late = await executed?.();
      assert.ok(late);
      if (isRenamed) await world.edit(product, { Name: 'Steps' });
      await ring(world, late);
      assert.equal((await world.counterpart(late))?.id, isRenamed ? undefined : product.id);
      if (isRenamed) assert.match((await shown(world, late))?.reason ?? '', /which has none yet$/);
    });

  test('does not bring back what was deleted meanwhile', async (t) => {
    const world = await startSyncWorld(database, { startedPairs: () => true });
    t.after(world.close);
    await linkedPair(world, 'product', { Name: 'Witness', UnitPrice: '1' });
    const product = await world.make('customcrm', 'product', { Name: 'Ladder', UnitPrice: '5' });
    let isDeleted = false;
    const late = await executedLate(world, product, async (unanswered) => {
      if (!isDeleted) await world.engine.systems.customcrm.remove('product', product, world.call());
      isDeleted = true;
      await ring(world, product, unanswered);
    });
    await ring(world, product);
    await ring(world, late);
    assert.match((await shown(world, late))?.reason ?? '', /is gone$/);
    assert.equal(await world.counterpart(late), undefined);
  });

  test('is known by what was sent, also where nothing has a number or a name to match by', async (t) => {
    const world = await startSyncWorld(database, { startedPairs: () => true });
    t.after(world.close);
    const { mapping } = world.engine.settings;
    const settings = {
      ...world.engine.settings,
      mapping: { ...mapping, poNumberFrom: 'PurchaseOrderNumber' as const },
    };
    const nameless: SyncWorld = { ...world, engine: { ...world.engine, settings } };
    const customer = await linkedPair(nameless, 'customer', { Name: 'Corner Bakery', Currency: 'CAD' });
    const product = await linkedPair(nameless, 'product', { Name: 'Ladder', UnitPrice: '5' });
    const order = await world.make('customcrm', 'order', {
      CustomerId: customer.crm.id,
      Currency: 'CAD',
      OrderDate: '2026-10-01',
      DueDate: '2026-10-31',
      Title: 'Spring',
      Lines: [{ ProductId: product.crm.id, Description: 'l', Quantity: '2', UnitPrice: '5', TaxCodes: [] }],
    });
    const late = await executedLate(nameless, order, () => ring(nameless, order));
    assert.ok(await world.counterpart(order));
    await ring(nameless, late);
    assert.equal((await shown(world, late))?.state, 'ambiguous');
  });
});

test('a create that Wave executes late, while its outcome is still looked for, has the result that holds what was sent, and no other', async (t) => {
  const world = await startSyncWorld(database, {
    startedPairs: () => true,
    settleMs: 1,
    fenceMarginMs: 0,
  });
  t.after(world.close);
  await linkedPair(world, 'product', { Name: 'Witness', UnitPrice: '1' });
  const product = await world.make('customcrm', 'product', { Name: 'Ladder', UnitPrice: '5' });
  const { wave } = world.engine.systems;
  let executed: (() => Promise<Snapshot>) | undefined;
  const unanswered = withWave(world.engine, {
    create: async (...args) => {
      executed = () => wave.create(...args);
      throw new RemoteOutcomeUnknownError('wave', 'no answer');
    },
  });
  await ring(world, product, unanswered);
  // Its own name would lead to it.
  await world.edit(product, { Name: 'Steps' });
  // Longer than anybody waits here, also by a clock that is read in whole seconds.
  await sleep(2_500);
  const late = await executed?.();
  assert.ok(late);
  const somebodys = await world.make('wave', 'product', { name: 'Rope', unitPrice: '9' });
  await ring(world, late);
  await ring(world, somebodys);
  assert.equal(await world.counterpart(late), undefined);
  assert.ok(await world.counterpart(somebodys));
  await ring(world, product);
  assert.equal((await world.counterpart(product))?.id, late.id);
});

for (const minutes of [-12, 12])
  test(`the result of a create whose answer was lost is found by Wave's own clock, ${minutes} minutes ahead of ours`, async (t) => {
    const world = await startSyncWorld(database, { startedPairs: () => true });
    t.after(world.close);
    const engine = withClock(world.engine, minutes * minuteMs);
    const customer = await world.make('customcrm', 'customer', { Name: 'Larch', Email: 'l@larch.example' });
    let created = 0;
    const unanswered = withWave(engine, {
      async create(...args) {
        const made = await engine.systems.wave.create(...args);
        created += 1;
        if (created > 1) return made;
        throw new RemoteOutcomeUnknownError('wave', 'no answer');
      },
    });
    for (const waitMs of [3 * minuteMs, minuteMs, minuteMs]) {
      await ring(world, customer, unanswered);
      world.pass(waitMs);
    }
    assert.equal(created, 1);
    const { snapshots } = await engine.feed.listAll('customer', undefined, world.call());
    assert.equal(snapshots.length, 1);
    assert.equal((await world.counterpart(customer))?.id, snapshots[0]?.id);
  });

/** A Wave whose clock is ahead of ours by this much. */
function withClock(engine: Engine, aheadMs: number): Engine {
  const { wave } = engine.systems;
  const shifted = (snapshot: Snapshot): Snapshot => ({
    ...snapshot,
    createdAt: snapshot.createdAt + aheadMs,
    modifiedAt: snapshot.modifiedAt + aheadMs,
  });
  const own = (stamp: string) => new Date(Math.max(0, Date.parse(stamp) - aheadMs)).toISOString();
  const shiftedWave = withWave(engine, {
    async read(...args) {
      const reading = await wave.read(...args);
      return reading.state === 'living' ? { ...reading, snapshot: shifted(reading.snapshot) } : reading;
    },
    create: async (...args) => shifted(await wave.create(...args)),
    async changedSince(pair, since, cursor, call) {
      const page = await wave.changedSince(pair, Math.max(0, since - aheadMs), cursor, call);
      const changes = page.changes.map((change) =>
        change.state === 'living' ? { ...change, snapshot: shifted(change.snapshot) } : change,
      );
      return { ...page, changes, date: page.date + aheadMs };
    },
  });
  return {
    ...shiftedWave,
    feed: {
      ...engine.feed,
      async changes(from, call) {
        const asked = Object.entries(from).map(([pair, position]) => [
          pair,
          { ...position, after: own(position.after) },
        ]);
        const page = await engine.feed.changes(Object.fromEntries(asked), call);
        const lists = Object.entries(page.lists).map(([pair, { full, snapshots }]) => [
          pair,
          { full, snapshots: snapshots.map(shifted) },
        ]);
        return { date: page.date + aheadMs, lists: Object.fromEntries(lists) };
      },
    },
  };
}

/** Never executed, and never answered; `creates` counts how often it was sent. */
function unanswered(engine: Engine) {
  const counted = { creates: 0 };
  const lost = withWave(engine, {
    create: async () => {
      counted.creates += 1;
      throw new RemoteOutcomeUnknownError('wave', 'no answer');
    },
  });
  return { counted, lost };
}
const orderFor = (customer: RecordRef, product: RecordRef, more: Body = {}) => ({
  CustomerId: customer.id,
  Currency: 'CAD',
  OrderDate: '2026-10-01',
  Lines: [{ ProductId: product.id, Quantity: '3', UnitPrice: '100', TaxCodes: [] }],
  ...more,
});

describe('a create whose outcome is not known', () => {
  test('is recognised by how a list showed its result, though its user edits all of it before anybody can read it', async (t) => {
    const world = await startSyncWorld(database, { startedPairs: () => true });
    t.after(world.close);
    await linkedPair(world, 'product', { Name: 'Witness', UnitPrice: '1' });
    const product = await world.make('customcrm', 'product', { Name: 'Ladder', UnitPrice: '5' });
    const { wave } = world.engine.systems;
    let made: Snapshot | undefined;
    const lost = withWave(world.engine, {
      create: async (...args) => {
        made = await wave.create(...args);
        throw new RemoteOutcomeUnknownError('wave', 'no answer');
      },
    });
    await ring(world, product, lost);
    assert.ok(made);
    await world.poll();
    const edited = { ...made.body, name: 'Rope', unitPrice: '9', description: 'Ten metres' };
    await wave.update('product', made, edited, ['name', 'unitPrice', 'description'], world.call());
    world.pass(3 * minuteMs);
    await ring(world, product);
    assert.equal((await world.counterpart(product))?.id, made.id);
  });

  for (const [what, createInvoicesFrom, before, after] of [
    ['is cancelled meanwhile', 'draft', 'draft', 'cancelled'],
    ['is not confirmed any more', 'confirmed', 'confirmed', 'draft'],
  ] as const)
    test(`is not made again for an order that ${what}`, async (t) => {
      const world = await startSyncWorld(database, { startedPairs: () => true });
      t.after(world.close);
      const { settings } = world.engine;
      const { customer, product } = await linkedOrder(world);
      const mapping = { ...settings.mapping, createInvoicesFrom };
      const { lost, counted } = unanswered({ ...world.engine, settings: { ...settings, mapping } });
      const order = await world.make(
        'customcrm',
        'order',
        orderFor(customer.crm, product.crm, { Status: before }),
      );
      await ring(world, order, lost);
      await world.edit(order, { Status: after });
      for (let look = 1; look <= 3; look++) {
        world.pass(3 * minuteMs);
        await ring(world, order, lost);
      }
      assert.equal(counted.creates, 1);
      assert.equal((await shown(world, order))?.state, 'excluded');
    });

  test('is not taken for a record that shares its number or e-mail, and that another key denies', async (t) => {
    const world = await startSyncWorld(database, { startedPairs: () => true });
    t.after(world.close);
    const { customer, product } = await linkedOrder(world);
    const other = await linkedPair(world, 'customer', { Name: 'Another one', Currency: 'CAD' });
    const { lost } = unanswered(world.engine);
    const order = await world.make('customcrm', 'order', orderFor(customer.crm, product.crm));
    const person = await world.make('customcrm', 'customer', {
      Name: 'A',
      Email: 'a@x.example',
      Number: '1',
    });
    for (const record of [order, person]) await ring(world, record, lost);
    await world.make('wave', 'order', {
      customer: { id: other.wave.id },
      poNumber: String(order.body.OrderNumber),
      currency: { code: 'CAD' },
      invoiceDate: '2026-09-01',
      items: [
        { product: { id: product.wave.id }, description: null, quantity: '7', unitPrice: '1', taxes: [] },
      ],
    });
    await world.make('wave', 'customer', { name: 'B', email: 'a@x.example', displayId: '9' });
    for (let look = 1; look <= 3; look++) {
      world.pass(3 * minuteMs);
      for (const record of [order, person]) await ring(world, record, lost);
    }
    for (const record of [order, person]) {
      assert.equal(await world.counterpart(record), undefined);
      assert.match((await shown(world, record))?.reason ?? '', /another key differs/);
    }
  });

  test('and was found with all that was sent holds up no later record that shares a city with it', async (t) => {
    const world = await startSyncWorld(database, { startedPairs: () => true });
    t.after(world.close);
    await linkedPair(world, 'customer', { Name: 'Witness' });
    const { wave } = world.engine.systems;
    const lost = withWave(world.engine, {
      create: async (...args) => {
        await wave.create(...args);
        throw new RemoteOutcomeUnknownError('wave', 'no answer');
      },
    });
    const customer = await world.make('customcrm', 'customer', {
      Name: 'A',
      Email: 'a@x.example',
      City: 'Hull',
    });
    await ring(world, customer, lost);
    world.pass(3 * minuteMs);
    await ring(world, customer);
    assert.ok(await world.counterpart(customer));
    const next = await world.make('wave', 'customer', { name: 'B', address: { city: 'Hull' } });
    await world.inWave('customerPatch', { id: next.id, phone: '5' });
    await ring(world, next);
    assert.ok(await world.counterpart(next));
  });

  test('and is ambiguous is not forgotten when a person links its record with another: the result stays alone', async (t) => {
    const world = await startSyncWorld(database, { startedPairs: () => true });
    t.after(world.close);
    await linkedPair(world, 'customer', { Name: 'Witness' });
    const Email = 'a@x.example';
    const customer = await world.make('customcrm', 'customer', { Name: 'Hill Farm', Email, Phone: '1' });
    const { wave } = world.engine.systems;
    const made: RecordRef[] = [];
    const lost = withWave(world.engine, {
      async create(...asked) {
        const { system, pair, id } = await wave.create(...asked);
        made.push({ system, pair, id });
        throw new RemoteOutcomeUnknownError('wave', 'no answer');
      },
    });
    await ring(world, customer, lost);
    const [result] = made;
    assert.ok(result);
    const twin = await world.make('wave', 'customer', { name: 'Hill Farm Ltd', email: Email });
    world.pass(3 * minuteMs);
    await ring(world, customer);
    assert.equal((await shown(world, customer))?.state, 'ambiguous');
    const { system, pair, id } = twin;
    const here = { system: 'customcrm', pair: 'customer', id: customer.id } as const;
    assert.equal((await linkRecords(world.engine, here, { system, pair, id }, world.call())).done, true);
    for (let look = 1; look <= 3; look++) {
      await world.drain();
      world.pass(61 * minuteMs);
      await tidy(world.engine);
    }
    await ring(world, result);
    assert.equal(await world.counterpart(result), undefined);
    assert.match(String((await shown(world, result))?.reason), /may be the late result/);
  });

  for (const [whom, isOrigin, isSuspect] of [
    ['its record', true, false],
    ['what may be its result', false, true],
    ['both', true, true],
  ] as const)
    test(`and is ambiguous ends when a person says that ${whom} is on its own`, async (t) => {
      const world = await startSyncWorld(database, { startedPairs: () => true });
      t.after(world.close);
      await linkedPair(world, 'product', { Name: 'Witness', UnitPrice: '1' });
      const product = await world.make('customcrm', 'product', { Name: 'Ladder', UnitPrice: '5' });
      await ring(world, product, unanswered(world.engine).lost);
      const other = await world.make('wave', 'product', { name: 'Stairs', unitPrice: '5' });
      await world.inWave('productPatch', { id: other.id, description: 'Ten steps' });
      world.pass(3 * minuteMs);
      for (const record of [product, other]) await ring(world, record);
      assert.equal((await shown(world, product))?.state, 'ambiguous');
      if (isOrigin) assert.equal((await recreate(world.engine, product)).done, true);
      if (isSuspect) assert.equal((await recreate(world.engine, other)).done, true);
      for (let look = 1; look <= 4; look++) {
        await world.drain();
        world.pass(3 * minuteMs);
        await tidy(world.engine);
      }
      await world.drain();
      const [own, others] = [await world.counterpart(product), await world.counterpart(other)];
      assert.ok(own && others);
      assert.notEqual(own.id, other.id);
    });

  test('whose origin is deleted archives no product that somebody made by himself, and described', async (t) => {
    const world = await startSyncWorld(database, { startedPairs: () => true });
    t.after(world.close);
    await linkedPair(world, 'product', { Name: 'Witness', UnitPrice: '1' });
    const product = await world.make('customcrm', 'product', { Name: 'Ladder', UnitPrice: '5' });
    await ring(world, product, unanswered(world.engine).lost);
    const own = await world.make('wave', 'product', { name: 'Ladder', unitPrice: '5', description: 'Mine' });
    await world.engine.systems.customcrm.remove('product', product, world.call());
    for (let look = 1; look <= 4; look++) {
      world.pass(3 * minuteMs);
      await ring(world, product);
      await world.drain();
    }
    assert.equal((await world.read(own)).isArchived, false);
  });
});

describe('very many creates', () => {
  const others = (memory: Item, from: number): readonly Write[] =>
    Array.from({ length: 100 }, (_, index) => {
      const id = `a${String(from + index).padStart(5, '0')}`;
      const origin: RecordRef = { system: 'customcrm', pair: 'product', id };
      const intent = { ...(memory.intent as Intent), origin, keys: [], sent: { Name: 'k1.1.x' } };
      return { put: { ...memory, sk: refKey(origin), intent } };
    });

  test('hide none of which the result came late', async (t) => {
    const world = await startSyncWorld(database, { startedPairs: () => true });
    t.after(world.close);
    await linkedPair(world, 'product', { Name: 'Witness', UnitPrice: '1' });
    const product = await world.make('customcrm', 'product', { Name: 'Ladder', UnitPrice: '5' });
    const late = await executedLate(world, product, () => ring(world, product));
    const [memory] = await world.engine.table.query('closed#wave#product', { limit: 1 });
    assert.ok(memory);
    for (let from = 0; from < 1000; from += 100) await world.engine.table.write(others(memory, from));
    await ring(world, late);
    assert.equal(await world.counterpart(late), undefined);
    assert.equal((await shown(world, late))?.state, 'ambiguous');
  });

  const intent: Intent = {
    origin: { system: 'customcrm', pair: 'customer', id: 'x' },
    opId: 'op',
    bodyHash: 'hash',
    startedAt: 0,
    sentAt: 0,
    attempts: 1,
    keys: [],
    sent: {},
  };
  /** A table that holds so many open creates of customers into Wave. */
  const crowded = ({ engine }: SyncWorld, count: number): Engine => ({
    ...engine,
    table: {
      ...engine.table,
      async query(pk, query) {
        if (pk !== 'intent#wave#customer') return engine.table.query(pk, query);
        const first = query.after === undefined ? 0 : Number(query.after) + 1;
        const length = Math.max(0, Math.min(query.limit, count - first));
        return Array.from({ length }, (_, index) => ({
          pk,
          sk: String(first + index).padStart(6, '0'),
          intent,
        }));
      },
    },
  });

  test('under way are all considered', async (t) => {
    const world = await startSyncWorld(database, { startedPairs: () => true });
    t.after(world.close);
    const own = await world.make('wave', 'customer', { name: 'Somebody' });
    await ring(world, own, crowded(world, 2_500));
    assert.ok(await world.counterpart(own));
  });

  test('under way, more than one look considers, let who comes next wait', async (t) => {
    const world = await startSyncWorld(database, { startedPairs: () => true });
    t.after(world.close);
    const own = await world.make('wave', 'customer', { name: 'Somebody' });
    const handled = await ring(world, own, crowded(world, 20_000));
    assert.equal(handled.did === 'parked' && handled.cause.name, 'unavailable');
  });

  test('without an answer keep a sweep from ringing for more', async (t) => {
    const world = await startSyncWorld(database, { startedPairs: () => true });
    t.after(world.close);
    assert.equal(await outstanding(world.engine), 0);
    const open = Array.from(
      { length: outstandingLimit },
      (_, index): Write => ({
        put: {
          pk: 'intent#wave#customer',
          sk: `customcrm#customer#${index}`,
          state: 'intent',
          due: 1,
          intent,
        },
      }),
    );
    await world.engine.table.write(open);
    assert.equal(await outstanding(world.engine), outstandingLimit);
  });
});

describe('the late result of a create that a restored table does not know of', () => {
  /** A product that Wave got twice: by the create that was answered, and by an earlier one that the table has forgotten. */
  async function twice(world: SyncWorld, restoredAt: number | undefined) {
    await linkedPair(world, 'product', { Name: 'Witness', UnitPrice: '1' });
    const product = await world.make('customcrm', 'product', { Name: 'Ladder', UnitPrice: '5' });
    if (restoredAt !== undefined)
      await world.engine.table.write([{ put: { pk: 'identity', sk: 'stack', restoredAt } }]);
    let again: (() => Promise<Snapshot>) | undefined;
    const { wave } = world.engine.systems;
    const noting = withWave(world.engine, {
      create: (...args) => {
        again = () => wave.create(...args);
        return wave.create(...args);
      },
    });
    await ring(world, product, noting);
    assert.ok(again && (await world.counterpart(product)));
    world.pass(minuteMs);
    const late = await again();
    await world.poll();
    await ring(world, late);
    return late;
  }

  test('is held when its origin is older than the restore', async (t) => {
    const world = await startSyncWorld(database, { startedPairs: () => true });
    t.after(world.close);
    const late = await twice(world, world.engine.clock.now() + minuteMs);
    assert.equal((await shown(world, late))?.state, 'ambiguous');
    for (let days = 1; days <= 3; days++) {
      world.pass(20 * 24 * 60 * minuteMs);
      await world.poll();
      await ring(world, late, world.engine, { background: true });
      assert.equal(await world.counterpart(late), undefined, `after ${20 * days} days`);
    }
  });

  test('becomes nobody else’s counterpart while it is held, nor when a person says that it is on its own', async (t) => {
    const world = await startSyncWorld(database, { startedPairs: () => true });
    t.after(world.close);
    const late = await twice(world, world.engine.clock.now() + minuteMs);
    const namesake = await world.make('customcrm', 'product', { Name: 'Ladder', UnitPrice: '7' });
    await ring(world, namesake);
    assert.equal((await shown(world, namesake))?.state, 'ambiguous');
    assert.equal(await world.counterpart(late), undefined);
    await world.engine.table.write([ownWrite(late)]);
    await ring(world, namesake);
    assert.notEqual((await world.counterpart(namesake))?.id ?? late.id, late.id);
    await ring(world, late);
    assert.notEqual((await world.counterpart(late))?.id ?? namesake.id, namesake.id);
  });

  test('is what it looks like otherwise: a record of somebody else', async (t) => {
    const world = await startSyncWorld(database, { startedPairs: () => true });
    t.after(world.close);
    const late = await twice(world, undefined);
    assert.ok(await world.counterpart(late));
  });
});

test('what has expired counts for nothing, until the table has deleted it', async (t) => {
  const world = await startSyncWorld(database, { startedPairs: () => true });
  t.after(world.close);
  const names = Array.from({ length: 10_050 }, (_, index) => `customcrm#product#old-${index}`);
  const puts = names.map((sk) => ({ put: { pk: 'closed#wave#product', sk, intent: {}, expiresAt: 1 } }));
  for (let from = 0; from < puts.length; from += 100)
    await world.engine.table.write(puts.slice(from, from + 100));
  const made = await world.make('wave', 'product', { name: 'Ladder', unitPrice: '5' });
  await world.poll();
  await ring(world, made);
  assert.ok(await world.counterpart(made));
});
