import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { composeCreate } from '../../lib/mappings/creation.ts';
import { setPath } from '../../lib/mappings/mapping.ts';
import { order } from '../../lib/mappings/order.ts';
import { afterEdits, derivedFromWave, linkedOrder } from '../support/linked-order.ts';
import { applied, pictured, writesAfterEdit } from '../support/linked-record.ts';
import { cents, customcrmOrder, waveInvoice } from '../support/mapping-bodies.ts';
import { mappingFacts, mappingSettings } from '../support/mapping-facts.ts';

const [ladder, delivery] = waveInvoice.items ?? [];
const [l1, l2] = customcrmOrder.Lines;

describe('a two-way row of an order', () => {
  /** What an edit in Customcrm writes to Wave, and what an edit in Wave writes to Customcrm. */
  // biome-ignore format: reads as the specification's table.
  const table: [property: string, typed: unknown, waveProperty: string, there: unknown, back: { typed: unknown; there: unknown }][] = [
    ['CustomerId',  'c2',           'customer.id',   'WC-2',         { typed: 'WC-2',         there: 'c2' }],
    ['OrderDate',   '2026-05-05',   'invoiceDate',   '2026-05-05',   { typed: '2026-05-06',   there: '2026-05-06' }],
    ['DueDate',     '2026-07-01',   'dueDate',       '2026-07-01',   { typed: '2026-07-02',   there: '2026-07-02' }],
    ['Currency',    'usd',          'currency.code', 'usd',          { typed: 'EUR',          there: 'EUR' }],
    ['Title',       'Summer order', 'title',         'Summer order', { typed: 'Winter order', there: 'Winter order' }],
    ['Description', 'By letter',    'memo',          'By letter',    { typed: 'By mail',      there: 'By mail' }],
    ['Footer',      'Thanks',       'footer',        'Thanks',       { typed: 'See you',      there: 'See you' }],
    ['Discount',    { Type: 'fixed', Value: '5.00' }, 'discounts', [{ __typename: 'FixedInvoiceDiscount', name: null, amount: '5' }],
                    { typed: [], there: null }],
    ['Lines',       [l2],           'items',         [delivery],
                    { typed: [{ ...ladder, quantity: '3' }, delivery], there: [{ ...l1, Quantity: '3' }, l2] }],
  ];
  const special = ['Status'];

  test('is tested here, every one of them', () => {
    const twoWay = order.rows(mappingSettings).filter((row) => row.direction === 'both');
    assert.deepEqual(
      twoWay.filter(({ id }) => !special.includes(id)).map((row) => [row.customcrm, row.wave]),
      table.map(([property, , waveProperty]) => [property, waveProperty]),
    );
    assert.deepEqual(
      order.everyRow.map(({ id }) => id),
      order.rows(mappingSettings).map(({ id }) => id),
    );
  });

  for (const [property, typed, waveProperty, there, back] of table) {
    test(`${property} <-> ${waveProperty}: an edit of one side is written to the other, and nothing else is`, () => {
      const { wave } = writesAfterEdit(linkedOrder, 'customcrm', property, typed);
      // Without its abbreviation: the input names a tax by its id.
      const bare = JSON.parse(JSON.stringify(there).replaceAll(',"abbreviation":"GST"', ''));
      assert.deepEqual(wave, {
        rows: [property],
        paths: [waveProperty],
        next: setPath(linkedOrder.wave, waveProperty, bare),
      });
      assert.deepEqual(writesAfterEdit(linkedOrder, 'wave', waveProperty, back.typed), {
        customcrm: {
          rows: [property],
          paths: [property],
          next: setPath(linkedOrder.customcrm, property, back.there),
        },
      });
    });
  }

  test('that nobody edited is not written', () => {
    assert.deepEqual(afterEdits({}).plan.writes, {});
  });

  // biome-ignore format: reads as a decision table.
  const needed: [string, object, string][] = [
    ['CustomerId', { CustomerId: '' },  'CustomerId is empty, and Wave needs one'],
    ['OrderDate',  { OrderDate: '' },   'OrderDate is empty, and Wave needs one'],
    ['Currency',   { Currency: ' ' },   'Currency is empty, and Wave needs one'],
  ];
  for (const [row, edit, reason] of needed) {
    test(`that Wave needs is blocked when it is emptied: ${row}`, () => {
      const { plan } = afterEdits({ customcrm: edit });
      assert.deepEqual([plan.blocked, plan.writes], [[{ row, reason }], {}]);
    });
  }

  test('that Customcrm needs is blocked when Wave shows none: CustomerId', () => {
    const { plan } = afterEdits({ wave: { customer: null } });
    const reason = 'CustomerId is empty in Wave, and Customcrm needs one';
    assert.deepEqual([plan.blocked, plan.writes], [[{ row: 'CustomerId', reason }], {}]);
  });

  for (const [property, waveProperty] of [
    ['DueDate', 'dueDate'],
    ['Title', 'title'],
  ] as const) {
    test(`is restored from Wave when it is emptied: ${property}`, () => {
      const { plan, after: now } = afterEdits({ customcrm: { [property]: null } });
      assert.deepEqual(plan.verdicts.get(property), { do: 'write', to: 'customcrm', because: 'reverted' });
      assert.deepEqual(plan.writes.customcrm?.rows, [property]);
      assert.equal(plan.writes.wave, undefined);
      assert.equal(now.customcrm[property], waveInvoice[waveProperty]);
    });

    test(`is not sent when it is empty at the start, and what Wave decides flows back: ${property}`, () => {
      const origin = { ...customcrmOrder, [property]: '' };
      const made = composeCreate(order, 'customcrm', origin, mappingFacts());
      assert.ok('body' in made);
      assert.ok(!(waveProperty in made.body));
      const { plan } = applied(pictured(order, origin, waveInvoice));
      assert.deepEqual(plan.verdicts.get(property), { do: 'write', to: 'customcrm', because: 'filled' });
    });
  }
});

describe('a row of an order that flows from Wave only', () => {
  // biome-ignore format: reads as the specification's table.
  const table: [property: string, edit: object, expected: string][] = [
    ['PurchaseOrderNumber', { poNumber: 'PO-9' },                                'PO-9'],
    ['InvoiceNumber',       { invoiceNumber: '1043' },                           '1043'],
    ['InvoiceUrl',          { viewUrl: 'https://wave.example/invoices/new' },    'https://wave.example/invoices/new'],
    ['SubtotalAmount',      { subtotal: cents('150000') },                       '1500.00'],
    ['TaxAmount',           { taxTotal: cents('5') },                            '0.05'],
    ['TotalAmount',         { total: cents('1500', 0) },                         '1500'],
    ['AmountPaid',          { amountPaid: cents('1', 3) },                       '0.001'],
    ['AmountDue',           { amountDue: cents('-250') },                        '-2.50'],
  ];

  test('is tested here, every one of them', () => {
    const fromWave = order.rows(mappingSettings).filter((row) => row.direction === 'toCustomcrm');
    assert.deepEqual(
      fromWave.map(({ id }) => id).filter((id) => id !== 'InvoiceStatus'),
      table.map(([property]) => property),
    );
  });

  for (const [property, edit, expected] of table) {
    test(`${property} takes what Wave shows`, () => {
      const { plan } = afterEdits({ wave: edit });
      assert.deepEqual(plan.writes.customcrm?.rows, [property]);
      assert.equal(plan.writes.customcrm?.next[property], expected);
      assert.equal(plan.writes.wave, undefined);
    });
  }

  for (const property of Object.keys(derivedFromWave)) {
    test(`${property} is put back once when it is edited in Customcrm, and then left alone`, () => {
      const edit = { customcrm: { [property]: '77' } };
      const { plan, after: restored } = afterEdits(edit);
      assert.deepEqual(plan.verdicts.get(property), { do: 'write', to: 'customcrm', because: 'reverted' });
      assert.equal(plan.writes.wave, undefined);
      assert.equal(restored.customcrm[property], derivedFromWave[property as keyof typeof derivedFromWave]);
      const again = applied({ ...restored, customcrm: { ...restored.customcrm, [property]: '78' } });
      assert.deepEqual(again.plan.writes, {});
      assert.deepEqual(again.plan.verdicts.get(property), {
        do: 'nothing',
        because: 'recorded difference',
        agree: true,
      });
    });
  }

  test('is put back again after the sender said something else in between', () => {
    const first = afterEdits({ customcrm: { InvoiceUrl: 'mine' } }).after;
    const moved = applied({ ...first, wave: { ...first.wave, viewUrl: 'https://wave.example/2' } }).after;
    const back = applied({ ...moved, wave: { ...moved.wave, viewUrl: waveInvoice.viewUrl } }).after;
    const { plan } = applied({ ...back, customcrm: { ...back.customcrm, InvoiceUrl: 'mine again' } });
    assert.deepEqual(plan.verdicts.get('InvoiceUrl'), { do: 'write', to: 'customcrm', because: 'reverted' });
  });
});
