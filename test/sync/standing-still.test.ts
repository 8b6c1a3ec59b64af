import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { localBusinessId } from '../../infra/local/wave/server.ts';
import type { RecordRef } from '../../lib/domain/record.ts';
import { RemoteUnavailableError } from '../../lib/errors.ts';
import { excludeRecord, includeRecord, linkRecords, recreate } from '../../lib/sync/decisions.ts';
import type { Engine, EngineSettings } from '../../lib/sync/engine.ts';
import { blowFuse, mendFuse } from '../../lib/sync/fuses.ts';
import { tidy } from '../../lib/sync/janitor.ts';
import { linkWrite } from '../../lib/sync/links.ts';
import { resolve } from '../../lib/sync/operate.ts';
import { parkedNow } from '../../lib/sync/parking.ts';
import { pause, resume } from '../../lib/sync/pause.ts';
import { pollCustomcrm } from '../../lib/sync/poll-customcrm.ts';
import { pollWave } from '../../lib/sync/poll-wave.ts';
import { preview } from '../../lib/sync/preview.ts';
import { recordStateOf } from '../../lib/sync/record-state.ts';
import { isStarted } from '../../lib/sync/started-pairs.ts';
import { startPair, sweep } from '../../lib/sync/sweep.ts';
import type { WaveClient } from '../../lib/wave/client.ts';
import { waveTaxes } from '../../lib/wave/taxes.ts';
import { mappingSettings } from '../support/mapping-facts.ts';
import {
  aDay,
  anHour,
  deleteIn,
  linkedOrder,
  linkedPair,
  linkOf,
  restoreIn,
  ring,
  snapshotOf,
  withWave,
} from '../support/sync-steps.ts';
import { type Database, type SyncWorld, startDatabase, startSyncWorld } from '../support/sync-world.ts';

let database: Database;
before(async () => {
  database = await startDatabase();
});
after(() => database.close());

const start = (more: Partial<EngineSettings> = {}) =>
  startSyncWorld(database, { startedPairs: () => true, ...more });
const minuteMs = 60_000;

/** What it rings for is lost. */
function deaf({ engine }: SyncWorld): Engine {
  const lost = { ring: async () => undefined };
  return { ...engine, queues: { customcrm: lost, wave: lost } };
}

const unavailable = new RemoteUnavailableError('wave', 'HTTP 503');
const withoutWave = ({ engine }: SyncWorld): Engine =>
  withWave(engine, { read: () => Promise.reject(unavailable) });

describe('an order, and what it names', () => {
  test('hears that its customer lives again, also when the worker dies with the link of that', async (t) => {
    const world = await start();
    t.after(world.close);
    const { crm, wave } = await linkedOrder(world);
    const other = await linkedPair(world, 'customer', { Name: 'Garage', Email: 'g@garage.example' });
    await deleteIn(world, other.crm);
    await ring(world, other.crm);
    await world.edit(wave, { customer: { id: other.wave.id } });
    await ring(world, wave);
    assert.deepEqual((await linkOf(world, crm)).reasons, ['CustomerId: parent deleted']);
    await restoreIn(world, other.crm);
    world.pass(minuteMs);
    await assert.rejects(ring(world, other.crm, dyingWithALink(world)), /killed/);
    assert.ok(await world.counterpart(other.crm));
    world.pass(10 * minuteMs);
    await ring(world, other.crm);
    await world.drain();
    assert.equal((await world.read(crm)).CustomerId, other.crm.id);
  });

  test('leaves no customer half linked when its worker dies with the link of that', async (t) => {
    const world = await start();
    t.after(world.close);
    const email = 'g@garage.example';
    const customer = await world.make('customcrm', 'customer', { Name: 'Garage', Email: email, Phone: '1' });
    const there = await world.make('wave', 'customer', { name: 'Garage', email });
    await pollWave(world.engine, world.call());
    world.takeRung();
    const order = await world.make('customcrm', 'order', {
      CustomerId: customer.id,
      Currency: 'CAD',
      OrderDate: '2026-10-01',
      Lines: [],
    });
    await assert.rejects(ring(world, order, dyingWithALink(world)), /killed/);
    assert.equal((await world.counterpart(customer))?.id, there.id);
    world.pass(10 * minuteMs);
    world.takeRung();
    await ring(world, order);
    // Also where no poll shows the customer again, as it was not changed for long.
    const again = world.takeRung().filter(({ eventId }) => eventId.startsWith('again:'));
    assert.deepEqual(
      again.map(({ id }) => id),
      [customer.id],
    );
  });

  /** Wave's user has given its invoice a customer and a product that a person has excluded. */
  async function heldBack(world: SyncWorld) {
    const { crm, wave } = await linkedOrder(world);
    const customer = await world.make('wave', 'customer', { name: 'Garage', currency: { code: 'CAD' } });
    const product = await world.make('wave', 'product', { name: 'Rope', unitPrice: '5', isSold: true });
    for (const parent of [customer, product]) await excludeRecord(world.engine, parent, world.call());
    await world.edit(wave, {
      customer: { id: customer.id },
      items: [{ product: { id: product.id }, quantity: '1', price: '5', taxes: [] }],
    });
    await ring(world, wave);
    await world.drain();
    const { reasons } = await linkOf(world, crm);
    assert.deepEqual(reasons.map((reason) => reason.split(':')[0]).sort(), ['CustomerId', 'Lines']);
    return { crm, wave, customer, product };
  }

  async function namesItsProduct(world: SyncWorld, crm: RecordRef, product: RecordRef): Promise<void> {
    const lines = (await world.read(crm)).Lines as readonly { readonly ProductId: string }[];
    const counterpart = await world.counterpart(product);
    assert.ok(counterpart);
    assert.deepEqual(
      lines.map(({ ProductId }) => ProductId),
      [counterpart.id],
    );
  }

  test('is woken by each of two parents that it waits for', async (t) => {
    const world = await start();
    t.after(world.close);
    const { crm, customer, product } = await heldBack(world);
    await includeRecord(world.engine, product);
    await world.drain();
    await namesItsProduct(world, crm, product);
    await includeRecord(world.engine, customer);
    await world.drain();
    assert.equal((await world.read(crm)).CustomerId, (await world.counterpart(customer))?.id);
    const waiting = (await world.items()).filter(({ pk, sk }) => pk.startsWith('parked#') || sk === 'parked');
    assert.deepEqual(waiting, []);
  });

  test('is woken by its product again when that message is lost, also while it waits for its customer', async (t) => {
    const world = await start();
    t.after(world.close);
    const { crm, product } = await heldBack(world);
    await includeRecord(world.engine, product);
    await world.drain(deaf(world));
    await anHour(world);
    await namesItsProduct(world, crm, product);
  });

  test('is no conflict any more once the two customers that its sides name are linked', async (t) => {
    const world = await start({ conflict: () => 'hold' });
    t.after(world.close);
    const { crm, wave } = await linkedOrder(world);
    const here = await world.make('customcrm', 'customer', { Name: 'Here', Currency: 'CAD' });
    const there = await world.make('wave', 'customer', { name: 'There', currency: { code: 'CAD' } });
    for (const each of [here, there]) await excludeRecord(world.engine, each, world.call());
    await world.edit(crm, { CustomerId: here.id });
    await world.edit(wave, { customer: { id: there.id } });
    await ring(world, crm);
    await world.drain();
    assert.equal((await linkOf(world, crm)).state, 'conflict');
    assert.equal((await linkRecords(world.engine, here, there, world.call())).done, true);
    await world.drain();
    assert.equal((await linkOf(world, crm)).state, 'in-sync');
  });

  test('is in sync at once when its invoice gets another customer that is linked', async (t) => {
    const world = await start();
    t.after(world.close);
    const { crm, wave } = await linkedOrder(world);
    const other = await linkedPair(world, 'customer', { Name: 'Garage', Email: 'g@garage.example' });
    await world.edit(wave, { customer: { id: other.wave.id } });
    await ring(world, wave);
    const { state, reasons } = await linkOf(world, crm);
    assert.deepEqual([state, reasons], ['in-sync', []]);
  });

  /** Its process ends with the write that makes a link. */
  function dyingWithALink({ engine }: SyncWorld): Engine {
    const { table } = engine;
    let isDead = false;
    return {
      ...engine,
      table: {
        ...table,
        async write(writes) {
          if (isDead) throw new Error('killed');
          const result = await table.write(writes);
          isDead ||= result.done && writes.some((each) => 'put' in each && each.put.pk.startsWith('links#'));
          return result;
        },
      },
    };
  }
});

describe('an order that is in conflict about its customer, and waits for the one of Wave', () => {
  async function disputed(world: SyncWorld) {
    const { crm, wave } = await linkedOrder(world);
    const here = await linkedPair(world, 'customer', { Name: 'Garage', Email: 'g@garage.example' });
    const there = await world.make('wave', 'customer', { name: 'There', currency: { code: 'CAD' } });
    await excludeRecord(world.engine, there, world.call());
    await world.edit(crm, { CustomerId: here.crm.id });
    await world.edit(wave, { customer: { id: there.id } });
    return { crm, wave };
  }

  async function previewed({ engine, call }: SyncWorld, { id }: RecordRef) {
    for await (const entry of preview(engine, call)) if (entry.id === id) return entry;
    return undefined;
  }

  test('is told at once, and once', async (t) => {
    const world = await start({ conflict: () => 'hold' });
    t.after(world.close);
    const { crm } = await disputed(world);
    const told: number[] = [];
    for (let look = 1; look <= 3; look++) {
      await ring(world, crm);
      told.push(world.outcomes.filter(({ message }) => message === 'change held').length);
    }
    assert.deepEqual(told, [1, 1, 1]);
    assert.equal((await linkOf(world, crm)).state, 'conflict');
  });

  test('is no obstacle to a decision about another row, which is said to be done', async (t) => {
    const world = await start({ conflict: () => 'hold' });
    t.after(world.close);
    const { crm, wave } = await disputed(world);
    await world.edit(crm, { Title: 'Here' });
    await world.edit(wave, { title: 'There' });
    await ring(world, crm);
    const { did } = await resolve(world.engine, crm, 'customcrm', 'Title', world.call());
    assert.deepEqual([did, (await world.read(wave)).title], ['finished', 'Here']);
  });

  test('is shown so by a preview, with what is written all the same', async (t) => {
    const world = await start({ conflict: () => 'hold' });
    t.after(world.close);
    const { crm } = await disputed(world);
    assert.equal((await previewed(world, crm))?.action, 'hold');
    await world.edit(crm, { Title: 'Another' });
    assert.deepEqual((await previewed(world, crm))?.rows, ['Title->wave']);
  });
});

describe('what a person rejects at a fuse', () => {
  const edits = { deletions: { Active: false }, changed: { Name: 'XXXX' } };
  for (const fuse of ['deletions', 'changed'] as const)
    for (const cause of ['pause', 'unavailable'] as const)
      test(`is not sent, though it waits for ${cause === 'pause' ? 'the end of a pause' : 'Wave'} as well: ${fuse}`, async (t) => {
        const world = await start();
        t.after(world.close);
        const { crm, wave } = await linkedPair(world, 'product', { Name: 'Ladder', UnitPrice: '1' });
        await blowFuse(world.engine, fuse);
        await world.edit(crm, edits[fuse]);
        await ring(world, crm);
        if (cause === 'pause') await pause(world.engine, 'all', 'for a test');
        world.pass(16 * minuteMs);
        await tidy(world.engine);
        await world.drain(withoutWave(world));
        assert.equal((await parkedNow(world.engine, crm))?.name, cause);
        await mendFuse(world.engine, fuse, false);
        if (cause === 'pause') await resume(world.engine, 'all');
        await anHour(world);
        const { name, isArchived } = await world.read(wave);
        assert.deepEqual([name, isArchived], ['Ladder', false]);
        assert.equal((await linkOf(world, crm)).state, 'held');
      });
});

describe('an order that is confirmed and renamed at once is approved', () => {
  async function confirmed(world: SyncWorld) {
    const { crm, wave } = await linkedOrder(world);
    await world.poll();
    await world.drain();
    await world.edit(crm, { Status: 'confirmed', Title: 'Another' });
    return { crm, wave };
  }
  const mapping = { ...mappingSettings, approveInvoices: 'on-confirm' } as const;

  /** The invoice is read again between its two writes. */
  function failingBetween({ engine }: SyncWorld, invoice: RecordRef, error: Error): Engine {
    const { read } = engine.systems.wave;
    let reads = 0;
    return withWave(engine, {
      async read(pair, id, call) {
        if (id === invoice.id && ++reads === 2) throw error;
        return read(pair, id, call);
      },
    });
  }

  test('though Wave does not answer between the two writes', async (t) => {
    const world = await start({ mapping });
    t.after(world.close);
    const { crm, wave } = await confirmed(world);
    const { version = '', modifiedAt } = await snapshotOf(world, crm);
    const webhook = { version, updatedAt: new Date(modifiedAt).toISOString() };
    await ring(world, crm, failingBetween(world, wave, unavailable), webhook);
    await anHour(world);
    assert.notEqual((await world.read(wave)).status, 'DRAFT');
  });

  test('though the worker dies between the two writes, and all messages are lost', async (t) => {
    const world = await start({ mapping });
    t.after(world.close);
    const { crm, wave } = await confirmed(world);
    await pollCustomcrm(deaf(world), world.call());
    await assert.rejects(ring(world, crm, failingBetween(world, wave, new Error('killed'))), /killed/);
    world.pass(minuteMs);
    await pollWave(deaf(world), world.call());
    await aDay(world);
    assert.notEqual((await world.read(wave)).status, 'DRAFT');
  });
});

test('a sales tax arrives with the product for which it was made a moment ago', async (t) => {
  const world = await start();
  t.after(world.close);
  const { crm, wave } = await linkedPair(world, 'product', { Name: 'Ladder', UnitPrice: '1' });
  await world.drain();
  const { tax, engine, make } = await newTax(world);
  make();
  await world.edit(wave, { defaultSalesTaxes: [{ id: tax.id }] });
  await ring(world, wave, engine);
  await anHour(world, engine);
  assert.equal((await linkOf(world, crm)).state, 'in-sync');
  assert.deepEqual((await world.read(crm)).TaxCodes, [tax.abbreviation]);
});

test('a product is linked, though it names a sales tax that no list shows', async (t) => {
  const world = await start();
  t.after(world.close);
  const { tax, engine } = await newTax(world);
  const here = await world.make('customcrm', 'product', { Name: 'Rope', UnitPrice: '5' });
  const there = await world.make('wave', 'product', {
    name: 'Rope',
    unitPrice: '5',
    isSold: true,
    defaultSalesTaxes: [{ id: tax.id }],
  });
  await ring(world, there, engine);
  await anHour(world, engine);
  assert.equal((await world.counterpart(there))?.id, here.id);
});

test('all products that name a sales tax which no list shows are blocked once the list was read again', async (t) => {
  const world = await start();
  t.after(world.close);
  const products = [
    await linkedPair(world, 'product', { Name: 'Ladder', UnitPrice: '1' }),
    await linkedPair(world, 'product', { Name: 'Rope', UnitPrice: '5' }),
  ];
  const { tax, engine } = await newTax(world);
  for (const { wave } of products) {
    await world.edit(wave, { defaultSalesTaxes: [{ id: tax.id }] });
    assert.equal((await ring(world, wave, engine)).did, 'parked');
  }
  world.pass(minuteMs);
  for (const { wave } of products) {
    await ring(world, wave, engine);
    assert.equal((await linkOf(world, wave)).state, 'blocked');
  }
});

/** A tax that the list of Wave lacks until it is made, and an engine that has just read that list. */
async function newTax({ engine, call }: SyncWorld) {
  const [tax, ...others] = await engine.taxes.taxes(call());
  assert.ok(tax);
  let listed = others;
  const client = async () => {
    const edges = listed.map(({ archived, ...each }) => ({ node: { ...each, isArchived: archived } }));
    const salesTaxes = { pageInfo: { currentPage: 1, totalPages: 1 }, edges };
    return { data: { business: { salesTaxes } }, errors: [], date: engine.clock.now() };
  };
  const options = { businessId: localBusinessId, incomeAccountId: undefined };
  const taxes = waveTaxes(client as unknown as WaveClient, options, engine.clock.now);
  await taxes.taxes(call());
  const make = () => {
    listed = [tax, ...others];
  };
  return { tax, engine: { ...engine, taxes }, make };
}

/** Two customers with one address, each with its counterpart: one was deleted in Customcrm, and what it left in Wave waits. */
async function halfOfTwins(world: SyncWorld) {
  const [first, second] = [
    await linkedPair(world, 'customer', { Name: 'Garage', Email: 'g@garage.example' }),
    await linkedPair(world, 'customer', { Name: 'Garage, too', Email: 'g@garage.example' }),
  ];
  await deleteIn(world, first.crm);
  await ring(world, first.crm);
  await world.drain();
  assert.equal((await recordStateOf(world.engine, first.wave))?.state, 'unlinked');
  await world.inWave('customerDelete', { id: second.wave.id });
  return { here: second.crm, there: first.wave };
}

test('what two links left, and belongs together, is linked at once', async (t) => {
  const world = await start();
  t.after(world.close);
  const { here, there } = await halfOfTwins(world);
  await ring(world, here);
  await anHour(world);
  assert.equal((await world.counterpart(here))?.id, there.id);
});

describe('a sweep finds, though every message was lost', () => {
  test('a record of which a person said that it shall get another counterpart', async (t) => {
    const world = await start();
    t.after(world.close);
    const { crm, wave } = await linkedPair(world, 'customer', { Name: 'Garage' });
    await deleteIn(world, crm);
    await ring(world, crm);
    await world.poll();
    await world.drain();
    assert.equal((await recordStateOf(world.engine, wave))?.state, 'unlinked');
    assert.equal((await recreate(deaf(world), wave)).done, true);
    await aDay(world);
    assert.ok(await world.counterpart(wave));
  });

  test('what two links left, and belongs together', async (t) => {
    const world = await start();
    t.after(world.close);
    const { here, there } = await halfOfTwins(world);
    await anHour(world, deaf(world));
    await ring(world, here, deaf(world));
    world.pass(15 * minuteMs);
    await ring(world, here, deaf(world));
    assert.equal((await recordStateOf(world.engine, here))?.state, 'unlinked');
    await sweep(deaf(world), world.call());
    await aDay(world);
    assert.equal((await world.counterpart(here))?.id, there.id);
  });

  test('a cancelled order that was opened again', async (t) => {
    const world = await start();
    t.after(world.close);
    const { crm } = await linkedOrder(world);
    await world.edit(crm, { Status: 'cancelled' });
    await ring(world, crm);
    assert.equal(await world.counterpart(crm), undefined);
    await world.edit(crm, { Status: 'confirmed' });
    await pollCustomcrm(deaf(world), world.call());
    await aDay(world);
    assert.ok(await world.counterpart(crm));
  });

  test('an edit of a record that was linked by hand, though its pair is not started', async (t) => {
    const world = await startSyncWorld(database);
    t.after(world.close);
    const here = await world.make('customcrm', 'customer', { Name: 'Same', Currency: 'CAD' });
    const there = await world.make('wave', 'customer', { name: 'Same', currency: { code: 'CAD' } });
    assert.equal((await linkRecords(world.engine, here, there, world.call())).done, true);
    await world.drain();
    await world.edit(here, { Name: 'Edited' });
    await pollCustomcrm(deaf(world), world.call());
    await aDay(world);
    assert.equal((await world.read(there)).name, 'Edited');
  });
});

test('the sweep that follows a start is not in vain for a container that has just looked', async (t) => {
  const world = await startSyncWorld(database);
  t.after(world.close);
  const here = await world.make('customcrm', 'customer', { Name: 'Corner Bakery' });
  const container = world.container();
  assert.equal(await isStarted(container, 'customer'), false);
  await startPair(world.engine, 'customer');
  await sweep(world.engine, world.call());
  await world.drain(container);
  assert.ok(await world.counterpart(here));
});

describe('a record that was ambiguous asks nothing any more once it is deleted', () => {
  async function alikes(world: SyncWorld) {
    const email = 'same@twin.example';
    const there = await world.make('wave', 'customer', { name: 'Same', email });
    await world.make('wave', 'customer', { name: 'Same too', email });
    const here = await world.make('customcrm', 'customer', { Name: 'Same', Email: email });
    for (const ref of [here, there]) {
      await ring(world, ref);
      assert.equal((await recordStateOf(world.engine, ref))?.state, 'ambiguous');
    }
    await world.drain();
    return { here, there };
  }

  test('in Customcrm, though the webhook is lost', async (t) => {
    const world = await start();
    t.after(world.close);
    const { here } = await alikes(world);
    await deleteIn(world, here);
    await world.poll();
    await anHour(world);
    assert.equal(await recordStateOf(world.engine, here), undefined);
  });

  test('in Wave', async (t) => {
    const world = await start();
    t.after(world.close);
    const { there } = await alikes(world);
    await world.inWave('customerDelete', { id: there.id });
    await aDay(world);
    assert.equal(await recordStateOf(world.engine, there), undefined);
  });
});

test('a link whose record has an ExternalId of its user’s own rests after its first look, and one that was noted without it', async (t) => {
  const world = await start();
  t.after(world.close);
  const email = 'g@garage.example';
  await world.make('wave', 'customer', { name: 'Garage', email, phone: '5' });
  const here = await world.make('customcrm', 'customer', {
    Name: 'Garage',
    Email: email,
    ExternalId: 'theirs-7',
  });
  await ring(world, here);
  const link = await linkOf(world, here);
  assert.deepEqual([(await world.read(here)).Phone, link.marked], ['5', true]);
  const { agreedVersion: _version, ...unseen } = link;
  await world.engine.table.write([linkWrite(link, { ...unseen, marked: false })]);
  await ring(world, here);
  assert.equal((await linkOf(world, here)).marked, true);
});
