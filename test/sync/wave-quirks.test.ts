import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { RecordRef } from '../../lib/domain/record.ts';
import { findLink } from '../../lib/sync/links.ts';
import { wakeOverdue } from '../../lib/sync/parking.ts';
import { recordStateOf } from '../../lib/sync/record-state.ts';
import { type Database, type SyncWorld, startDatabase, startSyncWorld } from '../support/sync-world.ts';

// What is peculiar about Wave, from the stand-in through the adapter and the engine to what a person is shown.

let database: Database;
before(async () => {
  database = await startDatabase();
});
after(() => database.close());

const started = { startedPairs: () => true };

/** Both sides are asked what changed, and all of it is worked through. */
async function settle(world: SyncWorld): Promise<void> {
  await world.poll();
  await world.drain();
}

/** What a person is shown of a linked record. */
async function shownOf({ engine }: SyncWorld, ref: RecordRef) {
  const link = await findLink(engine.table, ref);
  assert.ok(link, 'it is linked');
  return { state: link.state, reasons: link.reasons };
}

async function linkedCustomer(world: SyncWorld) {
  const { system, pair, id } = await world.make('customcrm', 'customer', {
    Name: 'Hill Farm',
    City: 'Delta',
  });
  await settle(world);
  return { system, pair, id };
}

/** An order, and its invoice that was approved in Wave. */
async function issuedOrder(world: SyncWorld) {
  const product = await world.make('customcrm', 'product', { Name: 'Ladder', UnitPrice: '49.9' });
  const customer = await world.make('customcrm', 'customer', { Name: 'Corner Bakery', Currency: 'CAD' });
  const { system, pair, id } = await world.make('customcrm', 'order', {
    CustomerId: customer.id,
    Currency: 'CAD',
    OrderDate: '2026-05-04',
    Lines: [{ ProductId: product.id, Description: 'Ladder', Quantity: '1', UnitPrice: '49.9', TaxCodes: [] }],
  });
  const order: RecordRef = { system, pair, id };
  await settle(world);
  await settle(world);
  const invoice = await world.counterpart(order);
  assert.ok(invoice);
  await world.inWave('invoiceApprove', { invoiceId: invoice.id });
  return { order, invoice };
}

/** An order that Wave does not take, as it does not find what the invoice names. */
async function refusedOrder(world: SyncWorld): Promise<RecordRef> {
  const product = await world.make('customcrm', 'product', { Name: 'Ladder', UnitPrice: '49.9' });
  const customer = await world.make('customcrm', 'customer', { Name: 'Corner Bakery', Currency: 'CAD' });
  await settle(world);
  await world.faults({ nodeNotFound: 1 });
  const { system, pair, id } = await world.make('customcrm', 'order', {
    CustomerId: customer.id,
    Currency: 'CAD',
    OrderDate: '2026-05-04',
    Lines: [{ ProductId: product.id, Description: 'Ladder', Quantity: '1', UnitPrice: '49.9', TaxCodes: [] }],
  });
  await settle(world);
  return { system, pair, id };
}

describe('a node that Wave does not find', () => {
  test('is mostly found a little later, and one invoice is made', async (t) => {
    const world = await startSyncWorld(database, started);
    t.after(world.close);
    const order = await refusedOrder(world);
    assert.equal(await world.counterpart(order), undefined);
    await world.faults({});
    const { wave } = await world.writes();
    world.pass(60_000);
    await wakeOverdue(world.engine);
    await world.drain();
    assert.ok(await world.counterpart(order));
    assert.equal((await world.writes()).wave, wave + 1);
  });

  test('is looked for during an hour; then the order shows that it is refused, and asks no more', async (t) => {
    const world = await startSyncWorld(database, started);
    t.after(world.close);
    const order = await refusedOrder(world);
    let looks = 0;
    while ((await recordStateOf(world.engine, order))?.state !== 'blocked' && looks < 20) {
      looks += 1;
      world.pass(10 * 60_000);
      await wakeOverdue(world.engine);
      await world.drain();
    }
    const shown = await recordStateOf(world.engine, order);
    assert.equal(shown?.state, 'blocked');
    assert.match(String(shown?.reason), /Node could not be found/);
    assert.ok(looks > 5 && looks < 10, `${looks} looks`);
    const refusals = await world.refusals();
    world.pass(24 * 3600_000);
    await wakeOverdue(world.engine);
    await world.drain();
    assert.equal(await world.refusals(), refusals);
    await world.faults({});
    await world.edit(order, { OrderDate: '2026-05-05' });
    await settle(world);
    assert.ok(await world.counterpart(order));
  });
});

describe('a refusal', () => {
  test('of a country that Wave does not know is shown by name, and goes away with the next edit', async (t) => {
    const world = await startSyncWorld(database, started);
    t.after(world.close);
    const linked = await linkedCustomer(world);
    await world.edit(linked, { Country: 'ZZ' });
    const { system, pair, id } = await world.make('customcrm', 'customer', { Name: 'New', Country: 'ZZ' });
    const writes = (await world.writes()).wave;
    await settle(world);
    assert.equal((await world.writes()).wave, writes);
    const reason = 'Wave does not know the country code ZZ';
    const { state, reasons } = await shownOf(world, linked);
    assert.equal(state, 'blocked');
    assert.match(reasons.join(), new RegExp(reason));
    const unlinked = await recordStateOf(world.engine, { system, pair, id });
    assert.equal(unlinked?.state, 'blocked');
    assert.match(String(unlinked?.reason), new RegExp(reason));

    await world.edit(linked, { Country: 'CA' });
    await world.edit({ system, pair, id }, { Country: 'CA' });
    await settle(world);
    assert.deepEqual(await shownOf(world, linked), { state: 'in-sync', reasons: [] });
    assert.ok(await world.counterpart({ system, pair, id }));
  });

  test("by an invoice's status is blocked in Wave's words without ours, and tried again only when a side changes", async (t) => {
    const world = await startSyncWorld(database, started);
    t.after(world.close);
    const { order, invoice } = await issuedOrder(world);
    await settle(world);
    await world.behave({ issuedAreFinal: true });
    await world.edit(order, { Footer: 'Ask for Ann Smith, 555-0199' });
    await settle(world);
    const { state, reasons } = await shownOf(world, order);
    assert.equal(state, 'blocked');
    assert.match(reasons.join(), /footer INVALID The invoice \S+ is final and does not take …/);
    assert.doesNotMatch(reasons.join(), /Ann|Smith|555|0199/);
    assert.equal(await world.refusals(), 1);

    // Nobody tries it again by himself, whoever rings.
    for (let look = 1; look <= 3; look++) {
      await world.engine.queues.customcrm.ring([{ ...order, eventId: `look ${look}`, at: Date.now() }]);
      await world.drain();
      world.pass(20 * 60_000);
    }
    assert.equal(await world.refusals(), 1);

    await world.edit(order, { Footer: 'Another' });
    await settle(world);
    assert.equal(await world.refusals(), 2);
    await world.behave({ issuedAreFinal: false });
    await settle(world);
    assert.equal((await world.read(invoice)).footer, null);
    await world.inWave('invoicePatch', { id: invoice.id, memo: 'Somebody else was here' });
    await settle(world);
    assert.equal((await world.read(invoice)).footer, 'Another');
    assert.equal((await shownOf(world, order)).state, 'in-sync');
  });
});

describe('an invoice status that nobody knows', () => {
  test('is shown as it is, locks like an issued invoice, and stops nothing else', async (t) => {
    const world = await startSyncWorld(database, started);
    t.after(world.close);
    await world.behave({ newStatus: 'DISPUTED' });
    const { order, invoice } = await issuedOrder(world);
    await settle(world);
    const before = await world.read(order);
    assert.deepEqual([before.Status, before.InvoiceStatus], ['confirmed', 'DISPUTED']);
    assert.deepEqual(await shownOf(world, order), { state: 'in-sync', reasons: [] });

    await world.edit(order, { Footer: 'Thank you', OrderDate: '2026-05-05' });
    await settle(world);
    const there = await world.read(invoice);
    assert.deepEqual([there.footer, there.invoiceDate], ['Thank you', '2026-05-04']);
    assert.deepEqual(await shownOf(world, order), { state: 'blocked', reasons: ['OrderDate: issued'] });

    await world.inWave('invoicePatch', { id: invoice.id, memo: 'Typed in Wave' });
    await settle(world);
    assert.equal((await world.read(order)).Description, 'Typed in Wave');
  });
});

describe('an answer that says too little, or too much', () => {
  for (const fault of ['nullPayload', 'edgePage'] as const)
    test(`about a create (${fault}) makes no second record: it is looked for, and linked`, async (t) => {
      const world = await startSyncWorld(database, started);
      t.after(world.close);
      const { system, pair, id } = await world.make('customcrm', 'customer', { Name: 'Hill Farm' });
      await world.poll();
      await world.faults({ [fault]: 1 });
      const writes = (await world.writes()).wave;
      await world.drain();
      await world.faults({});
      assert.equal(await world.counterpart({ system, pair, id }), undefined);
      // Beyond the settle time.
      world.pass(3 * 60_000);
      await world.poll();
      await world.engine.queues.customcrm.ring([{ system, pair, id, eventId: 'look', at: 0 }]);
      await world.drain();
      assert.ok(await world.counterpart({ system, pair, id }));
      assert.equal((await world.writes()).wave - writes, 1);
    });

  test('holds keys that nobody has written of: records are made, edited and linked as ever', async (t) => {
    const world = await startSyncWorld(database, started);
    t.after(world.close);
    await world.behave({ additions: true });
    const { order, invoice } = await issuedOrder(world);
    await settle(world);
    await world.edit(order, { Footer: 'From Customcrm' });
    await world.inWave('invoicePatch', { id: invoice.id, memo: 'From Wave' });
    await settle(world);
    assert.equal((await world.read(invoice)).footer, 'From Customcrm');
    assert.equal((await world.read(order)).Description, 'From Wave');
    assert.deepEqual(await shownOf(world, order), { state: 'in-sync', reasons: [] });
  });
});
