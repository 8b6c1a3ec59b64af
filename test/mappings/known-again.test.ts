import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { nothingAgreed } from '../../lib/domain/link.ts';
import type { Body } from '../../lib/domain/record.ts';
import {
  agreedAfterCreate,
  agreedAtLink,
  composeCreate,
  knownOf,
  printsSent,
  rowsHeld,
} from '../../lib/mappings/creation.ts';
import { customer } from '../../lib/mappings/customer.ts';
import type { PairMapping } from '../../lib/mappings/mapping.ts';
import { order } from '../../lib/mappings/order.ts';
import { product } from '../../lib/mappings/product.ts';
import { planRecord } from '../../lib/mappings/record-plan.ts';
import { editedCustomer, linkedCustomer } from '../support/linked-customer.ts';
import { pictured, prints } from '../support/linked-record.ts';
import { customcrmOrder, customcrmProduct, waveInvoice, waveProduct } from '../support/mapping-bodies.ts';
import { mappingFacts } from '../support/mapping-facts.ts';
import { policiesOf } from '../support/plan-rows.ts';

const facts = mappingFacts();
const north: Body = { Name: 'North', City: 'Halifax' };

function sentFor(mapping: PairMapping, from: 'customcrm' | 'wave', origin: Body) {
  const made = composeCreate(mapping, from, origin, facts);
  assert.ok('body' in made);
  const to = from === 'wave' ? 'customcrm' : 'wave';
  return { made, sent: printsSent(mapping, to, made, facts, prints) };
}

describe('the result of a create that was never answered', () => {
  const { made, sent } = sentFor(customer, 'customcrm', north);
  const held = (body: Body) => rowsHeld(customer, 'wave', body, sent, facts, prints);

  test('is known again by the keyed hashes of what was sent, and they hold no value', () => {
    assert.deepEqual(Object.keys(sent), ['Name', 'City']);
    assert.equal(JSON.stringify(sent).includes('North'), false);
    assert.deepEqual(held(made.body), ['Name', 'City']);
    assert.deepEqual(held({ ...made.body, name: 'South' }), ['City']);
    assert.deepEqual(held({ name: 'West', address: { city: 'Banff' } }), []);
  });

  test('is not doubted for a row that its system does not show', () => {
    assert.deepEqual(held({ name: 'North' }), ['Name', 'City']);
  });

  test('is known by its lines with and without the taxes that Wave filled in', () => {
    const { TaxCodes: _codes, ...line } = customcrmOrder.Lines[0] ?? {};
    const origin = { ...customcrmOrder, Lines: [line] } as unknown as Body;
    const invoice = sentFor(order, 'customcrm', origin);
    const one = { ...waveInvoice, items: (waveInvoice.items ?? []).slice(0, 1) } as unknown as Body;
    assert.ok(rowsHeld(order, 'wave', one, invoice.sent, facts, prints).includes('Lines'));
    const other = { ...waveInvoice, items: (waveInvoice.items ?? []).slice(1) } as unknown as Body;
    assert.equal(rowsHeld(order, 'wave', other, invoice.sent, facts, prints).includes('Lines'), false);
  });

  test('is known by all its lines when only some of them left their taxes to Wave', () => {
    const [first, ...others] = customcrmOrder.Lines;
    const { TaxCodes: _codes, ...bare } = first ?? {};
    const { sent: some } = sentFor(order, 'customcrm', { ...customcrmOrder, Lines: [bare, ...others] });
    assert.ok(rowsHeld(order, 'wave', waveInvoice, some, facts, prints).includes('Lines'));
  });

  test('is not known by lines that have other taxes than were sent', () => {
    const { sent: all } = sentFor(order, 'customcrm', customcrmOrder);
    const items = (waveInvoice.items ?? []).map((item) => ({ ...item, taxes: [] }));
    assert.ok(rowsHeld(order, 'wave', waveInvoice, all, facts, prints).includes('Lines'));
    assert.ok(!rowsHeld(order, 'wave', { ...waveInvoice, items }, all, facts, prints).includes('Lines'));
  });

  test('is known by its price, its taxes and what else a product says', () => {
    const sold = sentFor(product, 'customcrm', customcrmProduct);
    const rows = ['Name', 'Description', 'UnitPrice', 'TaxCodes'];
    assert.deepEqual(rowsHeld(product, 'wave', waveProduct, sold.sent, facts, prints), rows);
    const dearer = { ...waveProduct, unitPrice: '50' };
    assert.deepEqual(
      rowsHeld(product, 'wave', dearer, sold.sent, facts, prints),
      rows.filter((row) => row !== 'UnitPrice'),
    );
  });
});

describe('what is known of the rows that were sent', () => {
  const { sent } = sentFor(customer, 'customcrm', north);
  const known = (origin: Body, held: readonly string[], wasWhole: boolean) =>
    knownOf(customer, 'customcrm', origin, { sent, held, wasWhole }, facts, prints);

  test('is that both sides hold them', () => {
    assert.deepEqual(known(north, ['Name', 'City'], false), {
      rows: ['Name', 'City'],
      edited: { customcrm: [], wave: [] },
    });
  });

  test('is that the user of the origin changed or emptied one since', () => {
    assert.deepEqual(known({ Name: 'South', City: 'Halifax' }, ['Name', 'City'], false), {
      rows: ['City'],
      edited: { customcrm: ['Name'], wave: [] },
    });
    assert.deepEqual(known({ Name: 'North', City: '' }, ['Name', 'City'], false).edited, {
      customcrm: ['City'],
      wave: [],
    });
  });

  test('is that the user of the result changed one, only if the result was once seen whole', () => {
    assert.deepEqual(known(north, ['Name'], true), {
      rows: ['Name'],
      edited: { customcrm: [], wave: ['City'] },
    });
    assert.deepEqual(known(north, ['Name'], false), { rows: ['Name'], edited: { customcrm: [], wave: [] } });
  });

  test('is told the same way round when the origin is in Wave', () => {
    const back = sentFor(customer, 'wave', { name: 'North', address: { city: 'Halifax' } });
    const result = { sent: back.sent, held: ['Name'], wasWhole: true };
    const now = { name: 'South', address: { city: 'Halifax' } };
    assert.deepEqual(knownOf(customer, 'wave', now, result, facts, prints), {
      rows: [],
      edited: { wave: ['Name'], customcrm: ['City'] },
    });
  });

  test('is that the user of the origin changed one that now names what is not linked', () => {
    const invoice = sentFor(order, 'customcrm', customcrmOrder);
    const result = { sent: invoice.sent, held: invoice.made.rows, wasWhole: true };
    const lost = { ...facts, waveIdOf: () => undefined };
    const { rows, edited } = knownOf(order, 'customcrm', customcrmOrder, result, lost, prints);
    assert.ok(!rows.includes('CustomerId'));
    assert.ok(edited?.customcrm.includes('CustomerId'));
  });
});

describe('what is agreed when the result is linked', () => {
  const rowsWritten = (agreed: ReturnType<typeof agreedAfterCreate>) => {
    const picture = editedCustomer({ Fax: '1' }, { fax: '2' });
    const { writes } = planRecord({ ...picture, agreed: { ...picture.agreed, ...agreed } }, policiesOf());
    return { customcrm: writes.customcrm?.rows ?? [], wave: writes.wave?.rows ?? [] };
  };
  const linked = (edited: { readonly customcrm: readonly string[]; readonly wave: readonly string[] }) => {
    const picture = editedCustomer({ Fax: '1' }, { fax: '2' });
    const agreed = agreedAfterCreate(picture, 'customcrm', { rows: [], edited });
    const { customcrm, wave } = agreed;
    return rowsWritten({
      customcrm: { ...picture.agreed.customcrm, Fax: String(customcrm.Fax) },
      wave: { ...picture.agreed.wave, Fax: String(wave.Fax) },
      reverted: {},
    });
  };

  test('lets what either user changed since flow to the other side', () => {
    assert.deepEqual(linked({ customcrm: ['Fax'], wave: [] }), { customcrm: [], wave: ['Fax'] });
    assert.deepEqual(linked({ customcrm: [], wave: ['Fax'] }), { customcrm: ['Fax'], wave: [] });
  });
});

describe('what is agreed when two records are linked that were found', () => {
  test('is what they share; a first link decides about the others and what a side does not show', () => {
    const found = editedCustomer({ Fax: '1', Phone: undefined }, { fax: '2' }, { agreed: nothingAgreed });
    const { agreed } = agreedAtLink(found);
    assert.deepEqual(
      [agreed.customcrm.Fax, agreed.wave.Fax, agreed.customcrm.Phone],
      [undefined, undefined, undefined],
    );
    assert.equal(agreed.customcrm.Name, prints.of('Name', String(linkedCustomer.customcrm.Name)));
    assert.equal(agreed.wave.Name, agreed.customcrm.Name);
    assert.deepEqual(agreed.reverted, {});
  });

  test('lets flow what was changed on one side since it was sent, but takes no value away', () => {
    const found = editedCustomer(
      { Fax: '1', Phone: '' },
      { fax: '2', phone: '3' },
      { agreed: nothingAgreed },
    );
    const { agreed, lost } = agreedAtLink(found, { customcrm: ['Fax', 'Phone'], wave: [] });
    const { writes } = planRecord({ ...found, agreed }, policiesOf());
    assert.deepEqual(writes.wave?.rows, ['Fax']);
    assert.deepEqual(writes.customcrm?.rows, ['Phone']);
    assert.deepEqual(lost, [{ row: 'Fax', system: 'wave', value: '2' }]);
  });

  test('keeps nothing of two edits, of which a conflict keeps the loser, and archives nothing for an edit of what is perhaps not ours', () => {
    const found = editedCustomer({ Fax: '1' }, { fax: '2' }, { agreed: nothingAgreed });
    assert.deepEqual(agreedAtLink(found, { customcrm: ['Fax'], wave: ['Fax'] }).lost, []);
    const archived = pictured(product, { ...customcrmProduct, Active: false }, waveProduct);
    const { agreed, lost } = agreedAtLink(archived, { customcrm: ['Active'], wave: [] });
    assert.equal(planRecord({ ...archived, agreed }, policiesOf()).verdicts.get('Active')?.do, 'hold');
    assert.deepEqual(lost, []);
  });
});
