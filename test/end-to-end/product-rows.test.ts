import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  at,
  counterpartInCustomcrm,
  counterpartInWave,
  createWaveProduct,
  eventually,
  type Json,
  listWave,
  mutate,
  readWave,
  startWorld,
  type World,
} from './world.ts';

// Every row of Product <-> Product through the local stack, in each direction it has.
describe('Product <-> Product', { concurrency: 6 }, () => {
  let world: World;
  before(async () => {
    world = await startWorld();
  });
  after(() => world.close());

  async function linkedProduct(name: string, more: Json = {}) {
    const { Id } = await world.customcrm('POST', '/products', { Name: name, UnitPrice: '10', ...more });
    const record = `/products/${Id}`;
    return { record, waveId: await counterpartInWave(world, record) };
  }
  const arrivesInWave = (waveId: string, path: string, value: unknown) =>
    eventually(`${path} arrives in Wave`, async () => {
      return JSON.stringify(at(await readWave(world, 'product', waveId), path)) === JSON.stringify(value);
    });
  const arrivesInCustomcrm = (record: string, row: string, value: unknown) =>
    eventually(`${row} arrives in Customcrm`, async () => {
      return JSON.stringify((await world.customcrm('GET', record))[row]) === JSON.stringify(value);
    });

  test('Name <-> name: an edit on either side arrives on the other', async () => {
    const { record, waveId } = await linkedProduct('Oak plank');
    await world.customcrm('PATCH', record, { Name: 'Oak board' });
    await arrivesInWave(waveId, 'name', 'Oak board');
    await mutate(world, 'productPatch', { id: waveId, name: 'Oak beam' });
    await arrivesInCustomcrm(record, 'Name', 'Oak beam');
  });

  test('Description <-> description: an edit on either side arrives on the other', async () => {
    const { record, waveId } = await linkedProduct('Elm plank');
    await world.customcrm('PATCH', record, { Description: 'Planed' });
    await arrivesInWave(waveId, 'description', 'Planed');
    await mutate(world, 'productPatch', { id: waveId, description: 'Planed twice' });
    await arrivesInCustomcrm(record, 'Description', 'Planed twice');
  });

  test('UnitPrice <-> unitPrice: five decimals arrive, a sixth is rounded by Wave and not written back', async () => {
    const { record, waveId } = await linkedProduct('Ash plank');
    await world.customcrm('PATCH', record, { UnitPrice: '12.34567' });
    await eventually('the price arrives in Wave', async () => {
      return Number((await readWave(world, 'product', waveId)).unitPrice) === 12.34567;
    });
    await mutate(world, 'productPatch', { id: waveId, unitPrice: '13.5' });
    await eventually('the price arrives in Customcrm', async () => {
      return Number((await world.customcrm('GET', record)).UnitPrice) === 13.5;
    });
    await world.customcrm('PATCH', record, { UnitPrice: '1.234565' });
    await eventually('the rounded price arrives in Wave', async () => {
      return Number((await readWave(world, 'product', waveId)).unitPrice) === 1.23457;
    });
    assert.equal((await world.customcrm('GET', record)).UnitPrice, '1.234565');
  });

  test('Active <-> isArchived: archiving on either side arrives on the other', async () => {
    const first = await linkedProduct('Fir plank');
    await world.customcrm('PATCH', first.record, { Active: false });
    await arrivesInWave(first.waveId, 'isArchived', true);
    const second = await linkedProduct('Yew plank');
    await mutate(world, 'productArchive', { id: second.waveId });
    await arrivesInCustomcrm(second.record, 'Active', false);
  });

  test('TaxCodes <-> defaultSalesTaxes: codes and none at all travel both ways', async () => {
    const { record, waveId } = await linkedProduct('Pine plank', { TaxCodes: ['HST'] });
    const shown = await readWave(world, 'product', waveId);
    assert.equal(at(shown, 'defaultSalesTaxes.0.abbreviation'), 'HST');
    const hst = String(at(shown, 'defaultSalesTaxes.0.id'));
    await world.customcrm('PATCH', record, { TaxCodes: [] });
    await arrivesInWave(waveId, 'defaultSalesTaxes', []);
    await mutate(world, 'productPatch', { id: waveId, defaultSalesTaxIds: [hst] });
    await arrivesInCustomcrm(record, 'TaxCodes', ['HST']);
  });

  test('a product made in Wave appears in Customcrm', async () => {
    const made = await createWaveProduct(world, {
      name: 'Cedar plank',
      unitPrice: '7.25',
      description: 'Red',
    });
    const shown = await counterpartInCustomcrm(world, '/products', String(made.id));
    assert.equal(shown.Name, 'Cedar plank');
    assert.equal(Number(shown.UnitPrice), 7.25);
    assert.equal(shown.Description, 'Red');
    assert.equal(shown.Active, true);
  });

  test('the fallback product is never imported', async () => {
    await linkedProduct('Last plank');
    const wave = await listWave(world, 'product');
    const { data } = await world.customcrm('GET', '/products?limit=200');
    const other = wave.find(({ name }) => name === 'Other');
    assert.ok(other);
    assert.ok(!(data as readonly Json[]).some(({ Name }) => Name === 'Other'));
  });
});
