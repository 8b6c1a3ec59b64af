import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Body } from '../../lib/domain/record.ts';
import { putCell, readCell, setPath } from '../../lib/mappings/mapping.ts';
import { order } from '../../lib/mappings/order.ts';
import { afterEdits } from '../support/linked-order.ts';
import { cents, customcrmOrder, waveInvoice } from '../support/mapping-bodies.ts';
import { mappingFacts, mappingSettings } from '../support/mapping-facts.ts';

describe('the lock of an issued invoice', () => {
  const open = ['Title', 'Description', 'Footer'];
  const dated = [...open, 'DueDate'];
  const money = ['CustomerId', 'Currency', 'OrderDate', 'Lines', 'Discount'];
  // Wave's statuses may grow: one that nobody knows is an issued invoice.
  const issued = ['SAVED', 'UNPAID', 'SENT', 'VIEWED', 'OVERDUE', 'A STATUS OF ITS OWN'];
  const paid = ['PARTIAL', 'PAID', 'OVERPAID'];
  const reason = (row: string, status: string | undefined, editIssuedInvoices = false) =>
    order.locked(row, { status }, { ...mappingSettings, editIssuedInvoices });

  for (const row of [...dated, ...money]) {
    test(`lets ${row} flow to a DRAFT, and to an invoice that is yet to be made`, () => {
      assert.equal(reason(row, 'DRAFT'), undefined);
      assert.equal(reason(row, undefined), undefined);
    });
  }
  for (const status of issued) {
    test(`lets ${dated} flow to a ${status} invoice, and refuses ${money} as issued`, () => {
      for (const row of dated) assert.equal(reason(row, status), undefined, row);
      for (const row of money) assert.equal(reason(row, status), 'issued', row);
    });
    test(`lets every row flow to a ${status} invoice with editIssuedInvoices`, () => {
      for (const row of [...dated, ...money]) assert.equal(reason(row, status, true), undefined, row);
    });
  }
  for (const status of paid) {
    test(`lets ${open} flow to a ${status} invoice, and refuses what moves money as paid, always`, () => {
      for (const editIssuedInvoices of [false, true]) {
        for (const row of open) assert.equal(reason(row, status, editIssuedInvoices), undefined, row);
        for (const row of [...money, 'DueDate'])
          assert.equal(reason(row, status, editIssuedInvoices), 'paid', row);
      }
    });
  }
  test('never stops a DRAFT from being approved', () => {
    for (const status of [...issued, 'DRAFT']) assert.equal(reason('Status', status), undefined);
  });

  test('blocks the edit with its reason, and lets the others through', () => {
    const { plan } = afterEdits(
      { customcrm: { OrderDate: '2026-01-01', Title: 'New' } },
      {},
      { wave: { status: 'SENT' }, customcrm: { Status: 'confirmed', InvoiceStatus: 'SENT' } },
    );
    assert.deepEqual(plan.blocked, [{ row: 'OrderDate', reason: 'issued' }]);
    assert.deepEqual(plan.writes.wave?.rows, ['Title']);
  });

  test('never holds up what flows to Customcrm', () => {
    const { plan } = afterEdits(
      { wave: { invoiceDate: '2026-01-01' } },
      {},
      { wave: { status: 'PAID' }, customcrm: { Status: 'confirmed', InvoiceStatus: 'PAID' } },
    );
    assert.deepEqual(plan.writes.customcrm?.rows, ['OrderDate']);
  });
});

/** The invoice that holds the lines and the discount of this order, as far as it shows them. */
function alike(crm: object): Body {
  let invoice = waveInvoice as unknown as Body;
  for (const row of order.everyRow.filter(({ id }) => ['Lines', 'Discount'].includes(id))) {
    const cell = readCell(row, 'customcrm', crm as Body, mappingFacts());
    const put = cell && putCell(row, 'wave', cell.value, invoice, mappingFacts());
    if (put) invoice = setPath(invoice, row.wave, 'cell' in put ? put.cell : undefined);
  }
  return invoice;
}

describe('the totals rule', () => {
  const line = (Quantity: string, UnitPrice: string) => ({ Quantity, UnitPrice, TaxCodes: [] });
  const half = line('0.5', '0.01');
  // biome-ignore format: reads as a decision table.
  const table: [string, object, object, boolean][] = [
    ['the order of these tests',                         {},                                                               {},                                                              true],
    ['Wave is one cent above',                           {},                                                               { subtotal: cents('21981') },                                    false],
    ['Wave took the percentage for a fraction',          {},                                                               { discountTotal: cents('22') },                                  false],
    ['no discount',                                      { Discount: null },                                               { discountTotal: cents('0') },                                   true],
    ['a CRM that does not show discounts',               { Discount: undefined },                                          { discountTotal: cents('0') },                                   true],
    ['a fixed discount',                                 { Discount: { Type: 'fixed', Value: '5.005' } },                  { discountTotal: cents('501') },                                 true],
    ['a percentage rounds half a cent away from zero',   { Lines: [line('1', '0.10')], Discount: { Type: 'percentage', Value: '5' } }, { subtotal: cents('10'), discountTotal: cents('1') }, true],
    ['each line rounds half a cent away from zero',      { Lines: [half, half], Discount: null },                          { subtotal: cents('2'), discountTotal: cents('0') },             true],
    ['and not their sum',                                { Lines: [half, half], Discount: null },                          { subtotal: cents('1'), discountTotal: cents('0') },             false],
    ['no lines',                                         { Lines: [], Discount: null },                                    { subtotal: cents('0'), discountTotal: cents('0') },             true],
    ['a CRM that does not show lines',                   { Lines: undefined, Discount: null },                             { subtotal: cents('0'), discountTotal: cents('0') },             true],
    ['a currency without decimals',                      { Lines: [line('3', '100')], Discount: null },                    { subtotal: cents('300', 0), discountTotal: cents('0', 0) },     true],
    ['a currency with three decimals',                   { Lines: [line('1', '0.0005')], Discount: null },                 { subtotal: cents('1', 3), discountTotal: cents('0', 3) },       true],
    ['amounts beyond a double',                          { Lines: [line('1', '90071992547409.93')], Discount: null },      { subtotal: cents('9007199254740993'), discountTotal: cents('0') }, true],
  ];
  for (const [situation, crm, wave, expected] of table) {
    test(`${expected ? 'holds' : 'does not hold'}: ${situation}`, () => {
      const left = { ...customcrmOrder, ...crm };
      const right = { ...alike(left), ...wave };
      assert.equal(order.totalsAgree(left, right, mappingFacts()), expected);
    });
  }

  test('says nothing while the two do not hold the same lines, discount and currency, and before Wave shows a sum', () => {
    const wrong = { subtotal: cents('1'), discountTotal: cents('0') };
    const invoice = { ...alike(customcrmOrder), ...wrong };
    assert.equal(order.totalsAgree(customcrmOrder, invoice, mappingFacts()), false);
    for (const different of [
      { items: undefined },
      { items: [] },
      { discounts: [] },
      { currency: { code: 'USD' } },
      { subtotal: undefined },
    ])
      assert.equal(order.totalsAgree(customcrmOrder, { ...invoice, ...different }, mappingFacts()), true);
  });

  test('does not hold either where the sides differ in what moves no money before tax', () => {
    const invoice = { ...alike(customcrmOrder), subtotal: cents('1'), discountTotal: cents('0') };
    const untaxed = customcrmOrder.Lines.map(({ TaxCodes: _codes, ...line }) => line);
    const renamed = customcrmOrder.Lines.map((line) => ({ ...line, Description: 'Otherwise' }));
    for (const Lines of [untaxed, renamed])
      assert.equal(order.totalsAgree({ ...customcrmOrder, Lines }, invoice, mappingFacts()), false);
  });

  test('keeps an invoice with another sum from being approved, and blocks nothing else', () => {
    const confirmed = { customcrm: { Status: 'confirmed' } };
    const wrong = { customcrm: { SubtotalAmount: '0.01' }, wave: { subtotal: cents('1') } };
    const { plan } = afterEdits(confirmed, { approveInvoices: 'on-confirm' }, wrong);
    assert.deepEqual(
      [plan.totalsDiffer, plan.writes, plan.blocked],
      [true, {}, [{ row: 'Status', reason: 'totals' }]],
    );
    const { plan: edited } = afterEdits({ customcrm: { Footer: 'New' } }, {}, wrong);
    assert.deepEqual(edited.writes.wave?.rows, ['Footer']);
  });
});

describe('an order that is confirmed does not approve an invoice that asks for other money', () => {
  const Lines = customcrmOrder.Lines.map((line) => ({ ...line, Quantity: '9' }));
  // biome-ignore format: reads as a decision table.
  const cases: [string, object, object][] = [
    ['whose lines had been left different',    {},                       { Lines }],
    ['while Customcrm shows no discount row',  { Discount: undefined },  {}],
  ];
  for (const [situation, edits, before] of cases)
    test(situation, () => {
      const edited = { customcrm: { Status: 'confirmed', ...edits } };
      const { plan } = afterEdits(edited, { approveInvoices: 'on-confirm' }, { customcrm: before });
      assert.equal(plan.writes.wave, undefined);
      assert.ok(
        plan.blocked.some(({ row, reason }) => row === 'Status' && reason.includes('another currency')),
      );
    });
});

test('an order whose status is none of the contract approves nothing, until it has one that does', () => {
  const approvals = (Status: string) => {
    const { plan } = afterEdits({ customcrm: { Status } }, { approveInvoices: 'on-confirm' });
    return [plan.writes.wave?.rows ?? [], plan.blocked.map(({ reason }) => reason)];
  };
  const unknown = 'its order has a status that is not known to approve it';
  assert.deepEqual(approvals('quote'), [[], [unknown]]);
  assert.deepEqual(approvals('fulfilled'), [['Status'], []]);
});

describe('an order that is confirmed approves an invoice that asks for the same money', () => {
  const none = { minorUnitValue: '0', currency: { exponent: 2 } };
  const items = waveInvoice.items?.map((item) => ({ ...item, description: item.description?.toUpperCase() }));
  const discounts = [{ __typename: 'PercentageInvoiceDiscount', name: 'SPRING', percentage: '10' }];
  const Lines = customcrmOrder.Lines.map(({ TaxCodes: _codes, ...line }) => line);
  // biome-ignore format: reads as a decision table.
  const cases: [string, object, object][] = [
    ['whose lines Wave spells otherwise',               {},                                     { items }],
    ['whose discount Wave calls otherwise',             {},                                     { discounts }],
    ['though Customcrm does not say its taxes',         { Lines },                              {}],
    ['though Customcrm shows no discount, where there is none', { Discount: undefined },        { discounts: [], discountTotal: none }],
    ['though Customcrm shows neither currency nor lines', { Currency: undefined, Lines: undefined }, {}],
  ];
  for (const [situation, customcrm, wave] of cases)
    test(situation, () => {
      const confirmed = { customcrm: { Status: 'confirmed' } };
      const { plan } = afterEdits(confirmed, { approveInvoices: 'on-confirm' }, { customcrm, wave });
      assert.deepEqual(plan.blocked, []);
      assert.equal(plan.writes.wave?.next.status, 'SAVED');
    });

  test('but not one in another currency', () => {
    const other = { customcrm: { Currency: 'USD' } };
    const { plan } = afterEdits(
      { customcrm: { Status: 'confirmed' } },
      { approveInvoices: 'on-confirm' },
      other,
    );
    assert.deepEqual([plan.writes.wave, plan.blocked.length], [undefined, 1]);
  });
});
