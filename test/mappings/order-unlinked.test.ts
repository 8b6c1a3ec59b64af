import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { composeCreate } from '../../lib/mappings/creation.ts';
import type { MappingSettings } from '../../lib/mappings/mapping.ts';
import { order } from '../../lib/mappings/order.ts';
import { cents, customcrmOrder, snapshotOf, waveInvoice } from '../support/mapping-bodies.ts';
import { mappingFacts, mappingSettings } from '../support/mapping-facts.ts';

const [l1] = customcrmOrder.Lines;

describe('an order without a link', () => {
  const crm = (body: object) => snapshotOf('customcrm', 'order', '7', body);
  const invoice = (body: object) => snapshotOf('wave', 'order', 'W-7', body);

  test('is recognised by its marker, then by its number', () => {
    assert.deepEqual(
      order.matchKeys(crm({ ExternalId: 'wave:W-7', OrderNumber: ' SO-7' }), mappingSettings),
      [
        { name: 'externalId', form: 'wave:W-7' },
        { name: 'number', form: 'so-7' },
      ],
    );
    assert.deepEqual(order.matchKeys(invoice({ poNumber: 'so-7 ' }), mappingSettings), [
      { name: 'externalId', form: 'wave:W-7' },
      { name: 'number', form: 'so-7' },
    ]);
    assert.deepEqual(order.matchKeys(invoice({ poNumber: null }), mappingSettings), [
      { name: 'externalId', form: 'wave:W-7' },
    ]);
  });

  const total = { TotalAmount: '202.31' };
  // biome-ignore format: reads as a decision table.
  const denials: [string, object, object, string, boolean][] = [
    ['same customer, currency and total',                total,                          {},                               'number',     false],
    ['same in another spelling of the currency',         { ...total, Currency: ' cad' }, {},                               'number',     false],
    ['another customer',                                 { ...total, CustomerId: 'c2' }, {},                               'number',     true],
    ['a customer that is not linked',                    { ...total, CustomerId: 'c9' }, {},                               'number',     true],
    ['another currency',                                 total,                          { currency: { code: 'USD' } },    'number',     true],
    ['another total',                                    { TotalAmount: '202.32' },      {},                               'number',     true],
    ['no total of its own, equal before tax',            {},                             {},                               'number',     false],
    ['no total of its own, another sum before tax',      {},                             { subtotal: cents('1') },         'number',     true],
    ['no total of its own, discount counted',            { Discount: null },             {},                               'number',     true],
    ['neither a total nor lines are shown',              { Lines: undefined },           { subtotal: cents('0'), discountTotal: cents('0') }, 'number', false],
    ['the marker says so, whatever else',                { CustomerId: 'c2' },           { currency: { code: 'USD' } },    'externalId', false],
  ];
  for (const [situation, left, right, by, expected] of denials) {
    test(`${expected ? 'is denied' : 'is not denied'}: ${situation}`, () =>
      assert.equal(
        order.contradicts({ ...customcrmOrder, ...left }, { ...waveInvoice, ...right }, by, mappingFacts()),
        expected,
      ));
  }

  test('needs its customer first, then its products in the order of their ids, each once', () => {
    const lines = ['p2', null, 'p1', '', 'p2', undefined].map((ProductId) => ({ ...l1, ProductId }));
    assert.deepEqual(order.parents('customcrm', { ...customcrmOrder, Lines: lines }, mappingSettings), [
      { system: 'customcrm', pair: 'customer', id: 'c1' },
      { system: 'customcrm', pair: 'product', id: 'p1' },
      { system: 'customcrm', pair: 'product', id: 'p2' },
    ]);
    assert.deepEqual(order.parents('wave', waveInvoice, mappingSettings), [
      { system: 'wave', pair: 'customer', id: 'WC-1' },
      { system: 'wave', pair: 'product', id: 'WP-1' },
    ]);
    assert.deepEqual(order.parents('wave', { customer: null, items: null }, mappingSettings), []);
    assert.deepEqual(order.parents('wave', {}, mappingSettings), []);
    assert.deepEqual(order.parents('customcrm', { CustomerId: '' }, mappingSettings), []);
  });

  // biome-ignore format: reads as a decision table.
  const excluded: ['customcrm' | 'wave', string, 'draft' | 'confirmed', string | undefined][] = [
    ['customcrm', 'draft',     'draft',     undefined],
    ['customcrm', 'confirmed', 'draft',     undefined],
    ['customcrm', 'cancelled', 'draft',     'the order is cancelled'],
    ['customcrm', 'draft',     'confirmed', 'the order is not confirmed yet'],
    ['customcrm', 'confirmed', 'confirmed', undefined],
    ['customcrm', 'fulfilled', 'confirmed', undefined],
    ['customcrm', 'cancelled', 'confirmed', 'the order is cancelled'],
    ['wave',      'draft',     'confirmed', undefined],
    ['wave',      'cancelled', 'confirmed', undefined],
  ];
  for (const [system, Status, createInvoicesFrom, expected] of excluded) {
    test(`${expected ?? 'gets a counterpart'}: ${system}, ${Status}, createInvoicesFrom: ${createInvoicesFrom}`, () =>
      assert.equal(
        order.excluded(snapshotOf(system, 'order', '7', { Status }), {
          ...mappingSettings,
          createInvoicesFrom,
        }),
        expected,
      ));
  }

  test('comes in no other order than the others', () => assert.equal(order.preferred(crm({})), true));

  // biome-ignore format: reads as a decision table.
  const creations: [string, object, Partial<MappingSettings>, object][] = [
    ['whose customer is not linked',                      { CustomerId: 'c9' },                                 {},                                   { waitFor: { system: 'customcrm', pair: 'customer', id: 'c9' } }],
    ['one of whose products is not linked',               { Lines: [{ ...l1, ProductId: 'p9' }] },              {},                                   { waitFor: { system: 'customcrm', pair: 'product', id: 'p9' } }],
    ['a line has no product, and there is no fallback',   {},                                                   { waveFallbackProductId: undefined }, { blocked: 'a line without product needs the setting WAVE_FALLBACK_PRODUCT_ID' }],
    ['with a tax that Wave lacks',                        { Lines: [{ ...l1, TaxCodes: ['XX'] }] },             {},                                   { blocked: 'Wave has no sales tax with the abbreviation XX' }],
    ['with a text in the place of a tax code',            { Lines: [{ ...l1, TaxCodes: ['for Ann'] }] },        {},                                   { blocked: 'Wave has no sales tax with this abbreviation' }],
    ['without a date',                                    { OrderDate: '' },                                    {},                                   { blocked: 'OrderDate is empty, and wave needs one' }],
  ];
  for (const [situation, edit, settings, expected] of creations) {
    test(`is not created in Wave: ${situation}`, () =>
      assert.deepEqual(
        composeCreate(order, 'customcrm', { ...customcrmOrder, ...edit }, mappingFacts(settings)),
        expected,
      ));
  }
});

describe('an order whose counterpart is deleted', () => {
  // biome-ignore format: reads as a decision table.
  const table: [string, 'customcrm' | 'wave', object, object][] = [
    ['an unpaid DRAFT goes',                     'customcrm', { ...waveInvoice },                                 { do: 'remove' }],
    ['a DRAFT with a payment stays',             'customcrm', { ...waveInvoice, amountPaid: cents('1') },         { do: 'keep' }],
    ['an issued invoice stays',                  'customcrm', { ...waveInvoice, status: 'SENT' },                 { do: 'keep' }],
    ['the order is cancelled',                   'wave',      { ...customcrmOrder },                              { do: 'write', path: 'Status', cell: 'cancelled' }],
    ['a cancelled order stays as it is',         'wave',      { ...customcrmOrder, Status: 'cancelled' },         { do: 'keep' }],
  ];
  for (const [situation, deletedIn, survivor, expected] of table) {
    test(situation, () => assert.deepEqual(order.afterDeletion(deletedIn, { ...survivor }), expected));
  }
});
