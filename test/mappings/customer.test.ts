import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { composeCreate } from '../../lib/mappings/creation.ts';
import { customer } from '../../lib/mappings/customer.ts';
import { setPath } from '../../lib/mappings/mapping.ts';
import { customerInput } from '../../lib/wave/inputs.ts';
import { agreedOn, applied, pictured, writesAfterEdit } from '../support/linked-record.ts';
import { customcrmCustomer, snapshotOf, waveCustomer } from '../support/mapping-bodies.ts';
import { mappingFacts, mappingSettings } from '../support/mapping-facts.ts';
import { policiesOf } from '../support/plan-rows.ts';

const linked = pictured(customer, customcrmCustomer, waveCustomer);

/** Both ways, row for row: what is typed in Customcrm, where it lands in Wave, and what is typed there instead. */
// biome-ignore format: reads as the specification's table.
const table: [property: string, inCustomcrm: string, waveProperty: string, inWave: string][] = [
  ['Name',                   'South Quay Tools',      'name',                                  'East Quay Tools'],
  ['Number',                 'A-200',                 'displayId',                             'A-300'],
  ['FirstName',              'Back',                  'firstName',                             'Side'],
  ['LastName',               'Office',                'lastName',                              'Door'],
  ['Email',                  'Sales@South.example',   'email',                                 'Info@East.example'],
  ['Phone',                  '+1 555 0200',           'phone',                                 '+1 555 0300'],
  ['Mobile',                 '+1 555 0201',           'mobile',                                '+1 555 0301'],
  ['TollFree',               '+1 800 555 0202',       'tollFree',                              '+1 800 555 0302'],
  ['Fax',                    '+1 555 0203',           'fax',                                   '+1 555 0303'],
  ['Website',                'https://south.example', 'website',                               'https://east.example'],
  ['Description',            'Pays by card',          'internalNotes',                         'Pays cash'],
  ['StreetAddress1',         '20 Quay Road',          'address.addressLine1',                  '30 Quay Road'],
  ['StreetAddress2',         'Unit 5',                'address.addressLine2',                  'Unit 6'],
  ['City',                   'Toronto',               'address.city',                          'Sydney'],
  ['ZipCode',                'M4B 1B3',               'address.postalCode',                    'B1P 0A1'],
  ['Province',               'CA-ON',                 'address.province.code',                 'CA-QC'],
  ['Country',                'US',                    'address.country.code',                  'FR'],
  ['Currency',               'USD',                   'currency.code',                         'EUR'],
  ['ShippingName',           'South Quay store',      'shippingDetails.name',                  'East Quay store'],
  ['ShippingPhone',          '+1 555 0204',           'shippingDetails.phone',                 '+1 555 0304'],
  ['ShippingInstructions',   'Ring once',             'shippingDetails.instructions',          'Knock'],
  ['ShippingStreetAddress1', '22 Quay Road',          'shippingDetails.address.addressLine1',  '33 Quay Road'],
  ['ShippingStreetAddress2', 'Gate C',                'shippingDetails.address.addressLine2',  'Gate D'],
  ['ShippingCity',           'Ottawa',                'shippingDetails.address.city',          'Truro'],
  ['ShippingZipCode',        'K1A 0B1',               'shippingDetails.address.postalCode',    'B2N 0A1'],
  ['ShippingProvince',       'CA-ON',                 'shippingDetails.address.province.code', 'CA-QC'],
  ['ShippingCountry',        'US',                    'shippingDetails.address.country.code',  'FR'],
];

describe('a customer', () => {
  test('is tested here in every row of its table', () => {
    assert.deepEqual(
      table.map(([property, , waveProperty]) => [property, waveProperty]),
      customer.rows(mappingSettings).map((row) => [row.customcrm, row.wave]),
    );
  });

  for (const [property, inCustomcrm, waveProperty, inWave] of table) {
    test(`${property} <-> ${waveProperty}: an edit of one side is written to the other, and nothing else is`, () => {
      assert.deepEqual(writesAfterEdit(linked, 'customcrm', property, inCustomcrm), {
        wave: {
          rows: [property],
          paths: [waveProperty],
          next: setPath(linked.wave, waveProperty, inCustomcrm),
        },
      });
      assert.deepEqual(writesAfterEdit(linked, 'wave', waveProperty, inWave), {
        customcrm: { rows: [property], paths: [property], next: setPath(linked.customcrm, property, inWave) },
      });
    });

    if (property !== 'Name')
      test(`${property} <-> ${waveProperty}: what is emptied on one side is emptied on the other`, () => {
        for (const empty of [null, '', '  ']) {
          const { wave } = writesAfterEdit(linked, 'customcrm', property, empty);
          assert.deepEqual(wave?.next, setPath(linked.wave, waveProperty, null));
          const { customcrm } = writesAfterEdit(linked, 'wave', waveProperty, empty);
          assert.deepEqual(customcrm?.next, setPath(linked.customcrm, property, null));
        }
      });
  }

  test('without a name in Customcrm is blocked, and Wave keeps the name it has', () => {
    const agreed = agreedOn(customer, customcrmCustomer, waveCustomer);
    const { plan } = applied({ ...linked, agreed, customcrm: { ...customcrmCustomer, Name: ' ' } });
    assert.deepEqual(plan.blocked, [{ row: 'Name', reason: 'Name is empty, and Wave needs one' }]);
    assert.deepEqual(plan.writes, {});
  });

  test('is not nameless when it is called Null, or null', () => {
    for (const called of ['Null', 'null']) {
      const { wave } = writesAfterEdit(linked, 'customcrm', 'Name', called);
      assert.equal(wave?.next.name, called);
      const { customcrm } = writesAfterEdit(linked, 'wave', 'lastName', called);
      assert.equal(customcrm?.next.LastName, called);
      const made = composeCreate(customer, 'customcrm', { Name: called, LastName: called }, mappingFacts());
      assert.deepEqual(made, { body: { name: called, lastName: called }, rows: ['Name', 'LastName'] });
    }
  });

  test('without a name in Wave is blocked, and Customcrm keeps the name it has', () => {
    const agreed = agreedOn(customer, customcrmCustomer, waveCustomer);
    const { plan } = applied({ ...linked, agreed, wave: { ...waveCustomer, name: '' } });
    assert.deepEqual(plan.blocked, [
      { row: 'Name', reason: 'Name is empty in Wave, and Customcrm needs one' },
    ]);
  });

  test('has the same e-mail address whatever its case and blanks, and it is written as typed', () => {
    const { wave } = writesAfterEdit(linked, 'customcrm', 'Email', ' Sales@South.example');
    assert.equal(wave?.next.email, ' Sales@South.example');
    assert.deepEqual(writesAfterEdit(linked, 'customcrm', 'Email', 'OFFICE@NORTH-QUAY.EXAMPLE '), {});
  });

  test('has the same codes whatever their case', () => {
    for (const property of [
      'Country',
      'Currency',
      'Province',
      'ShippingCountry',
      'ShippingProvince',
    ] as const) {
      const lower = String(customcrmCustomer[property]).toLowerCase();
      assert.deepEqual(writesAfterEdit(linked, 'customcrm', property, lower), {}, property);
    }
  });

  test('has different names when their case differs', () => {
    assert.ok(writesAfterEdit(linked, 'customcrm', 'Name', 'NORTH QUAY TOOLS').wave);
  });

  test('keeps the rest of an address of which one line changes', () => {
    const { wave } = writesAfterEdit(linked, 'customcrm', 'City', 'Toronto');
    assert.deepEqual(wave?.next.address, { ...waveCustomer.address, city: 'Toronto' });
    assert.deepEqual(wave?.next.shippingDetails, waveCustomer.shippingDetails);
  });

  test('shows an address that Wave does not have as an empty one, and gets one in Wave', () => {
    const without = { ...waveCustomer, address: null, shippingDetails: null, currency: null };
    const { plan } = applied({ ...linked, wave: without });
    assert.deepEqual(plan.writes.wave?.next.address, waveCustomer.address);
    assert.deepEqual(plan.writes.wave?.next.shippingDetails, waveCustomer.shippingDetails);
    assert.deepEqual(plan.writes.wave?.next.currency, waveCustomer.currency);
  });

  test('leaves alone what one system does not show', () => {
    const { Fax: _fax, ...withoutFax } = customcrmCustomer;
    const { plan } = applied({ ...linked, customcrm: withoutFax }, policiesOf({ firstLink: () => 'wave' }));
    assert.deepEqual(plan.verdicts.get('Fax'), { do: 'nothing', because: 'unknown', agree: false });
  });
});

describe('a code of a currency, a country or a province', () => {
  test('is sent in capitals, and without blanks', () => {
    const body = {
      currency: { code: 'cad ' },
      address: { country: { code: ' ca' }, province: { code: ' ca-on' } },
    };
    const { currency, address } = customerInput(body, new Set(['currency', 'address']));
    const sent = [currency, address?.countryCode, address?.provinceCode];
    assert.deepEqual(sent, ['CAD', 'CA', 'CA-ON']);
  });

  for (const [path, changed] of [
    ['currency.code', 'currency'],
    ['address.country.code', 'address'],
  ] as const) {
    test(`that Wave's outdated list lacks is refused with a reason before anything is sent: ${path}`, () => {
      const body = setPath(linked.wave, path, path === 'currency.code' ? 'BYN' : 'XK');
      assert.throws(() => customerInput(body, new Set([changed])), {
        name: 'RemoteRejectedError',
        reason:
          path === 'currency.code'
            ? 'Wave does not know the currency code BYN'
            : 'Wave does not know the country code XK',
      });
    });
  }
});

describe('a customer without a link', () => {
  const crm = (body: object) =>
    customer.matchKeys(snapshotOf('customcrm', 'customer', '7', body), mappingSettings);
  const wave = (body: object) =>
    customer.matchKeys(snapshotOf('wave', 'customer', 'W-7', body), mappingSettings);
  const text = (keys: ReturnType<typeof crm>) => keys.map(({ name, form }) => `${name}=${form}`);

  // biome-ignore format: reads as a decision table.
  const keys: [string, readonly string[], readonly string[]][] = [
    ['all keys, in order of trust', text(crm({ ExternalId: 'wave:W-7', Email: ' A@B.example', Number: 'N-1 ', Name: 'North' })), ['externalId=wave:W-7', 'email=a@b.example', 'number=n-1']],
    ['the same in Wave',            text(wave({ email: 'a@b.example ', displayId: 'n-1', name: 'North' })),                      ['externalId=wave:W-7', 'email=a@b.example', 'number=n-1']],
    ['a foreign ExternalId',        text(crm({ ExternalId: 'erp:12', Number: 'N-1', Name: 'North' })),                           ['number=n-1']],
    ['the name, when there is neither e-mail nor number', text(crm({ Email: '', Number: ' ', Name: ' North ' })),                ['name=north']],
    ['the name in Wave',            text(wave({ email: null, displayId: null, name: 'NORTH' })),                                 ['externalId=wave:W-7', 'name=north']],
    ['no name beside an e-mail',    text(crm({ Email: 'a@b.example', Name: 'North' })),                                          ['email=a@b.example']],
    ['no name beside a number',     text(wave({ displayId: 'N-1', name: 'North' })),                                             ['externalId=wave:W-7', 'number=n-1']],
    ['nothing at all',              text(crm({})),                                                                               []],
  ];
  for (const [situation, found, expected] of keys) {
    test(`is recognised by: ${situation}`, () => assert.deepEqual(found, expected));
  }

  // biome-ignore format: reads as a decision table.
  const denials: [string, object, object, string, boolean][] = [
    ['equal e-mail, different numbers',        { Email: 'a@b.example', Number: '1' }, { email: 'a@b.example', displayId: '2' },  'email',      true],
    ['equal number, different e-mails',        { Email: 'a@b.example', Number: '1' }, { email: 'c@d.example', displayId: '1' },  'number',     true],
    ['equal e-mail, one without number',       { Email: 'a@b.example', Number: '' },  { email: 'A@B.example', displayId: '2' },  'email',      false],
    ['equal number, one without e-mail',       { Email: null, Number: '1' },          { email: 'c@d.example', displayId: '1 ' }, 'number',     false],
    ['equal e-mail, Wave without number',      { Email: 'a@b.example', Number: '1' }, { email: 'a@b.example', displayId: ' ' },  'email',      false],
    ['equal number, Wave without e-mail',      { Email: 'a@b.example', Number: '1' }, { email: null, displayId: '1' },           'number',     false],
    ['equal name, one has a number',           { Name: 'N' },                         { name: 'N', displayId: '2' },             'name',       false],
    ['the marker says so, whatever else',      { Email: 'a@b.example', Number: '1' }, { email: 'c@d.example', displayId: '2' },  'externalId', false],
  ];
  for (const [situation, left, right, by, expected] of denials) {
    test(`${expected ? 'is denied' : 'is not denied'}: ${situation}`, () =>
      assert.equal(customer.contradicts({ ...left }, { ...right }, by, mappingFacts()), expected));
  }

  test('needs no parent, is never excluded or locked, and none comes before another', () => {
    assert.deepEqual(customer.parents('wave', {}, mappingSettings), []);
    assert.equal(customer.excluded(snapshotOf('wave', 'customer', 'W-7', {}), mappingSettings), undefined);
    assert.equal(customer.locked('Name', {}, mappingSettings), undefined);
    assert.equal(customer.preferred(snapshotOf('wave', 'customer', 'W-7', {})), true);
    assert.equal(customer.totalsAgree({}, {}, mappingFacts()), true);
    assert.equal(customer.givenUp({}), false);
  });

  test('keeps its counterpart when it is deleted, in either direction', () => {
    assert.deepEqual(customer.afterDeletion('customcrm', waveCustomer), { do: 'keep' });
    assert.deepEqual(customer.afterDeletion('wave', customcrmCustomer), { do: 'keep' });
  });
});
