import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { localGstId, localHstId } from '../../infra/local/wave/ids.ts';
import type { Body, RecordRef } from '../../lib/domain/record.ts';
import type { Engine } from '../../lib/sync/engine.ts';
import type { Tax } from '../../lib/sync/ports.ts';
import { linkedOrder, linkOf, ring } from '../support/sync-steps.ts';
import { type Database, type SyncWorld, startDatabase, startSyncWorld } from '../support/sync-world.ts';

// Wave names the tax of a line by its id, and Customcrm by its abbreviation.

let database: Database;
before(async () => {
  database = await startDatabase();
});
after(() => database.close());

const start = () => startSyncWorld(database, { startedPairs: () => true });

const hst: Tax = { id: localHstId, abbreviation: 'HST', archived: false };
const another: Tax = { ...hst, id: localGstId };

/** The engine while these are the taxes of Wave. */
const withTaxes = ({ engine }: SyncWorld, ...taxes: readonly Tax[]): Engine => ({
  ...engine,
  taxes: { taxes: async () => taxes },
});
const withoutOld = (world: SyncWorld): Engine => withTaxes(world, { ...hst, archived: true }, another);

const taxedWith = (id: string) => [{ salesTax: { id } }];
const itemsOf = async (world: SyncWorld, invoice: RecordRef) =>
  (await world.read(invoice)).items as readonly {
    description: string;
    taxes: ReturnType<typeof taxedWith>;
  }[];
const taxesOf = async (world: SyncWorld, invoice: RecordRef): Promise<Body> =>
  Object.fromEntries(
    (await itemsOf(world, invoice)).map(({ description, taxes }) => [
      description,
      taxes.map(({ salesTax }) => salesTax.id),
    ]),
  );

/** Customcrm's user changes each line of the order. */
async function editLines(world: SyncWorld, order: RecordRef, changed: (line: Body) => Body): Promise<void> {
  const { Lines } = await world.read(order);
  await world.edit(order, { Lines: (Lines as readonly Body[]).map(changed) });
}

/** An order whose line has a tax, and its draft invoice. */
async function taxedOrder(world: SyncWorld, engine = withTaxes(world, hst)) {
  const { crm, wave } = await linkedOrder(world);
  await editLines(world, crm, (line) => ({ ...line, TaxCodes: ['HST'] }));
  await ring(world, crm, engine);
  await ring(world, crm, engine);
  assert.deepEqual(await taxesOf(world, wave), { Ladder: [localHstId] });
  assert.equal((await linkOf(world, crm)).state, 'in-sync');
  return { crm, wave };
}

/** The same, with an invoice that is issued. */
async function issuedOrder(world: SyncWorld) {
  const { crm, wave } = await taxedOrder(world);
  await world.inWave('invoiceApprove', { invoiceId: wave.id });
  for (const ref of [wave, crm]) await ring(world, ref, withTaxes(world, hst));
  assert.equal((await linkOf(world, crm)).state, 'in-sync');
  return { crm, wave };
}

describe('a tax that is archived in Wave, and made anew with its abbreviation', () => {
  test('stays on the draft that has it', async (t) => {
    const world = await start();
    t.after(world.close);
    const { crm, wave } = await taxedOrder(world);
    await world.edit(crm, { Footer: 'Thanks' });
    await ring(world, crm, withoutOld(world));
    assert.equal((await world.read(wave)).footer, 'Thanks');
    assert.deepEqual(await taxesOf(world, wave), { Ladder: [localHstId] });
  });

  test('is nothing to show with an order whose invoice is issued', async (t) => {
    const world = await start();
    t.after(world.close);
    const { crm } = await issuedOrder(world);
    await ring(world, crm, withoutOld(world));
    assert.deepEqual((await linkOf(world, crm)).reasons, []);
  });

  test('is not written to and fro by two containers, of which one has the list of before', async (t) => {
    const world = await start();
    t.after(world.close);
    const stale = withTaxes(world, hst, another);
    const { crm, wave } = await taxedOrder(world, stale);
    const writes = await world.writes();
    for (let look = 1; look <= 3; look++) {
      await ring(world, crm, withoutOld(world));
      world.pass(20_000);
      await ring(world, wave, stale);
      world.pass(20_000);
    }
    assert.deepEqual(await world.writes(), writes);
  });
});

test('a tax that gets another abbreviation in Wave shows with the issued order that names it, and nothing is written', async (t) => {
  const world = await start();
  t.after(world.close);
  const { crm } = await issuedOrder(world);
  const writes = await world.writes();
  await ring(world, crm, withTaxes(world, { ...hst, abbreviation: 'HST13' }));
  const { state, reasons } = await linkOf(world, crm);
  assert.deepEqual([state, reasons], ['recorded-difference', ['Lines: recorded difference']]);
  assert.deepEqual(await world.writes(), writes);
});

test('a line keeps its tax when it gets another description, though a second tax has the same abbreviation', async (t) => {
  const world = await start();
  t.after(world.close);
  const engine = withTaxes(world, hst, another);
  const { crm, wave } = await linkedOrder(world);
  const items = await itemsOf(world, wave);
  await world.edit(wave, { items: items.map((item) => ({ ...item, taxes: taxedWith(localGstId) })) });
  await ring(world, wave, engine);
  await ring(world, crm, engine);
  await editLines(world, crm, (line) => ({ ...line, Description: 'A new word' }));
  await ring(world, crm, engine);
  assert.deepEqual(await taxesOf(world, wave), { 'A new word': [localGstId] });
});

describe('of two lines for one product, while Customcrm says no tax codes', () => {
  /** Wave's user gives the invoice a line with a tax and one without. */
  async function twoLines(world: SyncWorld) {
    const { crm, wave, product } = await linkedOrder(world);
    const item = (description: string, unitPrice: string, taxes: Body[string]) => ({
      product: { id: product.wave.id },
      description,
      quantity: '1',
      unitPrice,
      taxes,
    });
    await world.edit(wave, {
      items: [item('Taxed', '100', taxedWith(localHstId)), item('Free', '50', [])],
    });
    await ring(world, wave);
    return { crm, wave, product };
  }

  test('the one without a tax stays so when the other one is deleted', async (t) => {
    const world = await start();
    t.after(world.close);
    const { crm, wave, product } = await twoLines(world);
    const free = { ProductId: product.crm.id, Description: 'Free', Quantity: '1', UnitPrice: '50' };
    await world.edit(crm, { Lines: [free] });
    await ring(world, crm);
    assert.deepEqual(await taxesOf(world, wave), { Free: [] });
  });

  test('each keeps its taxes when one gets another quantity, though Wave shows them in another order', async (t) => {
    const world = await start();
    t.after(world.close);
    const { crm, wave } = await twoLines(world);
    await world.behave({ keepsLineOrder: false });
    await editLines(world, crm, ({ TaxCodes: _codes, ...line }) => ({
      ...line,
      ...(line.Description === 'Free' && { Quantity: '2' }),
    }));
    await ring(world, crm);
    assert.deepEqual(await taxesOf(world, wave), { Taxed: [localHstId], Free: [] });
  });
});
