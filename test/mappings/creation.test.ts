import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { agreedAfterCreate, agreedOfResult, composeCreate } from '../../lib/mappings/creation.ts';
import { customer } from '../../lib/mappings/customer.ts';
import type { PairMapping, RowRules } from '../../lib/mappings/mapping.ts';
import { order } from '../../lib/mappings/order.ts';
import { product } from '../../lib/mappings/product.ts';
import { type Pictured, planRecord } from '../../lib/mappings/record-plan.ts';
import { editedCustomer, linkedCustomer } from '../support/linked-customer.ts';
import { applied, pictured, prints } from '../support/linked-record.ts';
import { customcrmOrder, customcrmProduct, waveInvoice, waveProduct } from '../support/mapping-bodies.ts';
import { mappingFacts } from '../support/mapping-facts.ts';
import { policiesOf } from '../support/plan-rows.ts';

describe('composing a counterpart', () => {
  test('sends every row that has a value, and nothing for the others', () => {
    const made = composeCreate(
      customer,
      'customcrm',
      { Name: 'North', City: 'Halifax', Fax: ' ', Phone: null },
      mappingFacts(),
    );
    assert.deepEqual(made, { body: { name: 'North', address: { city: 'Halifax' } }, rows: ['Name', 'City'] });
    const back = composeCreate(customer, 'wave', { name: 'North', fax: '', address: null }, mappingFacts());
    assert.deepEqual(back, { body: { Name: 'North' }, rows: ['Name'] });
  });

  test('is refused without what the other system needs', () => {
    assert.deepEqual(composeCreate(customer, 'customcrm', { Name: ' ' }, mappingFacts()), {
      blocked: 'Name is empty, and wave needs one',
    });
    assert.deepEqual(composeCreate(customer, 'wave', { name: '' }, mappingFacts()), {
      blocked: 'Name is empty, and customcrm needs one',
    });
  });

  test('asks each system only for what that one needs', () => {
    const [name] = customer.everyRow;
    const needing = (rules: RowRules): PairMapping => ({
      ...customer,
      rows: () => (name ? [{ ...name, rules }] : []),
    });
    const empty = { body: {}, rows: [] };
    const inWave = needing({ emptyInWave: 'block' });
    assert.ok('blocked' in composeCreate(inWave, 'customcrm', { Name: '' }, mappingFacts()));
    assert.deepEqual(composeCreate(inWave, 'wave', { name: '' }, mappingFacts()), empty);
    const inCustomcrm = needing({ required: true });
    assert.ok('blocked' in composeCreate(inCustomcrm, 'wave', { name: '' }, mappingFacts()));
    assert.deepEqual(composeCreate(inCustomcrm, 'customcrm', { Name: '' }, mappingFacts()), empty);
  });

  test('gives an invoice all that an order says, and an order all that an invoice says', () => {
    const invoice = composeCreate(order, 'customcrm', customcrmOrder, mappingFacts());
    assert.ok('body' in invoice);
    assert.deepEqual(invoice.rows, [
      'CustomerId',
      'OrderNumber',
      'OrderDate',
      'DueDate',
      'Currency',
      'Title',
      'Description',
      'Footer',
      'Discount',
      'Lines',
    ]);
    assert.deepEqual(invoice.body.customer, { id: 'WC-1' });
    const made = composeCreate(order, 'wave', { ...waveInvoice, poNumber: null }, mappingFacts());
    assert.ok('body' in made);
    assert.deepEqual(made.body, {
      CustomerId: 'c1',
      Status: 'draft',
      OrderDate: '2026-05-04',
      DueDate: '2026-06-03',
      Currency: 'CAD',
      Title: 'Spring order',
      Description: 'As agreed by phone',
      Footer: 'Thank you',
      Discount: { Type: 'percentage', Value: '10', Name: 'Spring' },
      Lines: [
        { ProductId: 'p1', Description: 'Ladder', Quantity: '2', UnitPrice: '49.9', TaxCodes: ['GST'] },
        { ProductId: null, Description: 'Delivery', Quantity: '1.5', UnitPrice: '80', TaxCodes: [] },
      ],
      InvoiceNumber: '1042',
      InvoiceStatus: 'DRAFT',
      InvoiceUrl: 'https://wave.example/invoices/1042',
      SubtotalAmount: '219.80',
      TaxAmount: '4.49',
      TotalAmount: '202.31',
      AmountPaid: '0.00',
      AmountDue: '202.31',
    });
  });
});

describe('what is agreed after a create', () => {
  const agreedFor = (picture: Pictured, from: 'customcrm' | 'wave', rows: readonly string[]) =>
    agreedAfterCreate(picture, from, { rows });

  test('is what was sent as it was answered', () => {
    const now = agreedFor(editedCustomer({ Fax: '1' }, { fax: '001' }), 'customcrm', ['Fax']);
    assert.deepEqual([now.customcrm.Fax, now.wave.Fax], [prints.of('Fax', '1'), prints.of('Fax', '001')]);
    assert.deepEqual(now.reverted, {});
  });

  test('is nothing for a row that was not sent though it has a value', () => {
    const now = agreedFor(linkedCustomer, 'customcrm', []);
    assert.deepEqual([now.customcrm, now.wave], [{}, {}]);
  });

  test('is that both are empty, or lets flow back what the new system filled in', () => {
    const empty = agreedFor(editedCustomer({ Fax: '' }, { fax: null }), 'customcrm', []);
    assert.deepEqual([empty.customcrm.Fax, empty.wave.Fax], [prints.of('Fax', ''), prints.of('Fax', '')]);
    const filled = editedCustomer({ Fax: '' }, { fax: '9' });
    const now = agreedFor(filled, 'customcrm', []);
    assert.deepEqual([now.customcrm.Fax, now.wave.Fax], [prints.of('Fax', ''), undefined]);
    assert.deepEqual(
      planRecord({ ...filled, agreed: now }, policiesOf()).writes.customcrm?.rows.includes('Fax'),
      true,
    );
  });

  test('is nothing for a row that a side does not show', () => {
    const now = agreedFor(editedCustomer({ Fax: undefined }, { phone: undefined }), 'customcrm', [
      'Fax',
      'Phone',
    ]);
    assert.deepEqual(
      [now.customcrm.Fax, now.wave.Fax, now.customcrm.Phone, now.wave.Phone],
      [undefined, undefined, undefined, undefined],
    );
  });

  test('lets flow back the taxes that Wave gave to a line that did not say', () => {
    const { TaxCodes: _codes, ...line } = customcrmOrder.Lines[0] ?? {};
    const now = agreedFor(pictured(order, { ...customcrmOrder, Lines: [line] }, waveInvoice), 'customcrm', [
      'Lines',
    ]);
    assert.ok(now.customcrm.Lines);
    assert.equal(now.wave.Lines, undefined);
  });

  test('takes what no create can carry for a change since then', () => {
    const picture = pictured(product, { ...customcrmProduct, Active: false }, waveProduct);
    const now = agreedFor(picture, 'customcrm', ['Name']);
    assert.deepEqual(planRecord({ ...picture, agreed: now }, policiesOf()).verdicts.get('Active'), {
      do: 'write',
      to: 'wave',
      because: 'changed',
    });
    const archivedSince = pictured(product, customcrmProduct, { ...waveProduct, isArchived: true });
    const then = agreedFor(archivedSince, 'customcrm', ['Name']);
    assert.deepEqual(planRecord({ ...archivedSince, agreed: then }, policiesOf()).verdicts.get('Active'), {
      do: 'write',
      to: 'customcrm',
      because: 'changed',
    });
    const confirmed = pictured(order, { ...customcrmOrder, Status: 'confirmed' }, waveInvoice, {
      facts: mappingFacts({ approveInvoices: 'on-confirm' }),
    });
    const rows = [
      'CustomerId',
      'OrderNumber',
      'OrderDate',
      'DueDate',
      'Currency',
      'Title',
      'Description',
      'Footer',
      'Discount',
      'Lines',
    ];
    const agreedNow = agreedFor(confirmed, 'customcrm', rows);
    const derived = applied({ ...confirmed, agreed: agreedNow }).after;
    assert.equal(applied(derived).plan.writes.wave?.next.status ?? derived.wave.status, 'SAVED');
  });

  test('is the life that Wave had, when the origin is Wave', () => {
    const archived = pictured(
      product,
      { ...customcrmProduct, Active: false },
      { ...waveProduct, isArchived: true },
    );
    const now = agreedFor(archived, 'wave', ['Active']);
    assert.deepEqual(
      [now.customcrm.Active, now.wave.Active],
      [prints.of('Active', 'false'), prints.of('Active', 'false')],
    );
  });

  test('is what either side showed of a life that Customcrm did not take', () => {
    const awake = pictured(product, customcrmProduct, { ...waveProduct, isArchived: true });
    const now = agreedFor(awake, 'wave', ['Active']);
    assert.deepEqual(
      [now.customcrm.Active, now.wave.Active],
      [prints.of('Active', 'true'), prints.of('Active', 'false')],
    );
  });
});

describe('what is agreed for a result whose origin is gone', () => {
  const sent = { Name: 'a print', City: 'a print' };
  const agreedFor = (more: object, { held = ['Name', 'City'], modifiedAt = 0 } = {}) =>
    agreedOfResult(
      { mapping: customer, facts: mappingFacts(), prints },
      {
        system: 'wave',
        pair: 'customer',
        id: 'W1',
        body: { name: 'North', ...more },
        createdAt: 0,
        modifiedAt,
      },
      { sent, held },
    );
  const name = { Name: prints.of('Name', 'North') };

  test('is what it holds as it was sent, and nothing of what is empty', () => {
    assert.deepEqual(agreedFor({ fax: '' }), name);
    const address = { city: 'Laval' };
    assert.deepEqual(agreedFor({ address }), { ...name, City: prints.of('City', 'Laval') });
  });

  test('is something else for what its user changed, or typed besides', () => {
    const changed = agreedFor({ address: { city: 'Laval' } }, { held: ['Name'], modifiedAt: 5 });
    assert.notEqual(changed.City, prints.of('City', 'Laval'));
    assert.notEqual(agreedFor({ fax: '1' }).Fax, prints.of('Fax', '1'));
    assert.notEqual(agreedFor({ currency: { code: 'CAD' } }, { modifiedAt: 5 }).Currency, undefined);
  });

  test('is nothing for what a system fills in by itself, while nobody has touched it', () => {
    assert.deepEqual(agreedFor({ currency: { code: 'CAD' } }), name);
  });
});
