import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  at,
  counterpartInCustomcrm,
  counterpartInWave,
  createWaveCustomer,
  eventually,
  type Json,
  mutate,
  quiet,
  readWave,
  startWorld,
  type World,
} from './world.ts';

// Every row of Customer <-> Customer through the local stack, in each direction: its value in Customcrm, then another one in Wave.
const rows: readonly (readonly [row: string, customcrm: string, path: string, wave: string])[] = [
  ['Name', 'Tamarack Supply', 'name', 'Tamarack Supplies'],
  ['Number', 'C-1001', 'displayId', 'C-1002'],
  ['FirstName', 'Robin', 'firstName', 'Robyn'],
  ['LastName', 'Fir', 'lastName', 'Firr'],
  ['Email', 'desk@tamarack.example', 'email', 'office@tamarack.example'],
  ['Phone', '+1 613 555 0101', 'phone', '+1 613 555 0102'],
  ['Mobile', '+1 613 555 0103', 'mobile', '+1 613 555 0104'],
  ['TollFree', '+1 800 555 0105', 'tollFree', '+1 800 555 0106'],
  ['Fax', '+1 613 555 0107', 'fax', '+1 613 555 0108'],
  ['Website', 'https://tamarack.example', 'website', 'https://www.tamarack.example'],
  ['Description', 'Pays on Fridays', 'internalNotes', 'Pays on Mondays'],
  ['StreetAddress1', '1 Quay', 'address.addressLine1', '2 Quay'],
  ['StreetAddress2', 'Unit 1', 'address.addressLine2', 'Unit 2'],
  ['City', 'Kingston', 'address.city', 'Ottawa'],
  ['ZipCode', 'K7L 1A1', 'address.postalCode', 'K1A 0A1'],
  ['Province', 'CA-QC', 'address.province.code', 'CA-BC'],
  ['Country', 'CA', 'address.country.code', 'US'],
  ['Currency', 'USD', 'currency.code', 'EUR'],
  ['ShippingName', 'Dock 1', 'shippingDetails.name', 'Dock 2'],
  ['ShippingPhone', '+1 613 555 0109', 'shippingDetails.phone', '+1 613 555 0110'],
  ['ShippingInstructions', 'Ring twice', 'shippingDetails.instructions', 'Ring once'],
  ['ShippingStreetAddress1', '3 Pier', 'shippingDetails.address.addressLine1', '4 Pier'],
  ['ShippingStreetAddress2', 'Gate 3', 'shippingDetails.address.addressLine2', 'Gate 4'],
  ['ShippingCity', 'Halifax', 'shippingDetails.address.city', 'Sydney'],
  ['ShippingZipCode', 'B3H 1A1', 'shippingDetails.address.postalCode', 'B1P 1A1'],
  ['ShippingProvince', 'CA-ON', 'shippingDetails.address.province.code', 'CA-NL'],
  ['ShippingCountry', 'CA', 'shippingDetails.address.country.code', 'US'],
];

/** What a Wave user's form sends to change one property: objects that Wave replaces as a whole go out complete. */
function inputFor(record: Json, path: string, value: string): Json {
  const address = (body: unknown, changed: string): Json => ({
    addressLine1: at(body, 'addressLine1') ?? null,
    addressLine2: at(body, 'addressLine2') ?? null,
    city: at(body, 'city') ?? null,
    postalCode: at(body, 'postalCode') ?? null,
    provinceCode: at(body, 'province.code') ?? null,
    countryCode: at(body, 'country.code') ?? null,
    ...(changed !== '' && {
      [changed.replace('province.code', 'provinceCode').replace('country.code', 'countryCode')]: value,
    }),
    ...(changed === 'country.code' && { provinceCode: null }),
  });
  if (path === 'currency.code') return { currency: value };
  if (path.startsWith('address.')) return { address: address(record.address, path.slice('address.'.length)) };
  if (!path.startsWith('shippingDetails.')) return { [path]: value };
  const inner = path.slice('shippingDetails.'.length);
  const details = record.shippingDetails as Json | null;
  return {
    shippingDetails: {
      name: details?.name ?? null,
      phone: details?.phone ?? null,
      instructions: details?.instructions ?? null,
      address: address(details?.address, inner.startsWith('address.') ? inner.slice('address.'.length) : ''),
      ...(!inner.startsWith('address.') && { [inner]: value }),
    },
  };
}

describe('Customer <-> Customer', { concurrency: 6 }, () => {
  let world: World;
  before(async () => {
    world = await startWorld();
  });
  after(() => world.close());

  for (const [row, customcrmValue, path, waveValue] of rows) {
    test(`${row} <-> ${path}: an edit on either side arrives on the other`, async () => {
      const country =
        row === 'Province' ? { Country: 'CA' } : row === 'ShippingProvince' ? { ShippingCountry: 'CA' } : {};
      const { Id } = await world.customcrm('POST', '/customers', { Name: `Row ${row}`, ...country });
      const record = `/customers/${Id}`;
      const waveId = await counterpartInWave(world, record);

      await world.customcrm('PATCH', record, { [row]: customcrmValue });
      const there = await eventually(`${row} arrives in Wave`, async () => {
        const shown = await readWave(world, 'customer', waveId);
        return at(shown, path) === customcrmValue && shown;
      });

      await mutate(world, 'customerPatch', { id: waveId, ...inputFor(there, path, waveValue) });
      await eventually(`${row} arrives in Customcrm`, async () => {
        const shown = await world.customcrm('GET', record);
        return shown[row] === waveValue;
      });
    });
  }

  test('a customer made in Wave appears in Customcrm with everything it holds', async () => {
    const made = await createWaveCustomer(world, {
      name: 'Osprey Rentals',
      email: 'hello@osprey.example',
      displayId: 'W-7',
      currency: 'CAD',
      address: { addressLine1: '9 Nest', city: 'Guelph', provinceCode: 'CA-ON', countryCode: 'CA' },
    });
    const shown = await counterpartInCustomcrm(world, '/customers', String(made.id));
    assert.equal(shown.Name, 'Osprey Rentals');
    assert.equal(shown.Email, 'hello@osprey.example');
    assert.equal(shown.Number, 'W-7');
    assert.equal(shown.Province, 'CA-ON');
  });

  test('an emptied property is emptied on the other side, in both directions', async () => {
    const { Id } = await world.customcrm('POST', '/customers', { Name: 'Emptied', Phone: '1', Fax: '2' });
    const waveId = await counterpartInWave(world, `/customers/${Id}`);
    await world.customcrm('PATCH', `/customers/${Id}`, { Phone: null });
    await eventually('the phone is empty in Wave', async () => {
      const { phone } = await readWave(world, 'customer', waveId);
      return phone === null || phone === '';
    });
    await mutate(world, 'customerPatch', { id: waveId, fax: null });
    await eventually('the fax is empty in Customcrm', async () => {
      const { Fax } = await world.customcrm('GET', `/customers/${Id}`);
      return Fax === null || Fax === '';
    });
  });

  test('edits of two properties at the same time on both sides both live', async () => {
    const { Id } = await world.customcrm('POST', '/customers', { Name: 'Both at once' });
    const record = `/customers/${Id}`;
    const waveId = await counterpartInWave(world, record);
    await Promise.all([
      world.customcrm('PATCH', record, { FirstName: 'Ash' }),
      mutate(world, 'customerPatch', { id: waveId, lastName: 'Birch' }),
    ]);
    await eventually('both edits are on both sides', async () => {
      const [here, there] = [await world.customcrm('GET', record), await readWave(world, 'customer', waveId)];
      return (
        here.FirstName === 'Ash' &&
        here.LastName === 'Birch' &&
        there.firstName === 'Ash' &&
        there.lastName === 'Birch'
      );
    });
  });
});

test('after a customer was made on each side, everything is quiet and nothing is there twice', async (t) => {
  const world = await startWorld();
  t.after(() => world.close());
  const { Id } = await world.customcrm('POST', '/customers', { Name: 'Quiet A', Email: 'a@quiet.example' });
  const made = await createWaveCustomer(world, { name: 'Quiet B', email: 'b@quiet.example' });
  await counterpartInWave(world, `/customers/${Id}`);
  await counterpartInCustomcrm(world, '/customers', String(made.id));
  await quiet(world);
  const here = (await world.control('customcrm')).customers as readonly Json[];
  const there = (await world.control('wave')).customers as readonly Json[];
  assert.deepEqual([here.length, there.length], [2, 2]);
});
