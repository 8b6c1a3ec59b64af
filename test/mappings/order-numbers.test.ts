import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { composeCreate } from '../../lib/mappings/creation.ts';
import { order } from '../../lib/mappings/order.ts';
import { afterEdits, linkedOrder } from '../support/linked-order.ts';
import { applied, pictured } from '../support/linked-record.ts';
import { customcrmOrder, snapshotOf, waveInvoice } from '../support/mapping-bodies.ts';
import { mappingFacts, mappingSettings } from '../support/mapping-facts.ts';

describe('the numbers of an order', () => {
  const none = { poNumber: null };
  // biome-ignore format: reads as a decision table.
  const ours: [string, object, object, object, string | undefined, string | undefined][] = [
    // situation                                                   at agreement           edit in Customcrm                 edit in Wave          poNumber sent  PurchaseOrderNumber
    ['our number changes where Wave holds our old one',            {},                    { OrderNumber: 'SO-8' },          {},                   'SO-8',        undefined],
    ['our number changes where Wave holds a buyer’s',              { poNumber: 'PO-1' },  { OrderNumber: 'SO-8' },          {},                   undefined,     undefined],
    ['a buyer’s number replaces ours in Wave',                     {},                    {},                               { poNumber: 'PO-9' }, undefined,     'PO-9'],
    ['a buyer’s number that equals ours but for blanks is ours',   {},                    {},                               { poNumber: ' SO-7 ' }, undefined,   undefined],
    ['ours is cleared on a DRAFT: put back',                       {},                    {},                               none,                 'SO-7',        undefined],
    ['ours is cleared on an issued invoice: left',                 { status: 'SENT' },    {},                               none,                 undefined,     undefined],
    ['a buyer’s number is cleared on an issued invoice',           { poNumber: 'PO-1', status: 'SENT' }, {},                none,                 undefined,     'null'],
    ['a buyer’s number gives way to ours in Wave: taken away',     { poNumber: 'PO-1' },  {},                               { poNumber: 'SO-7' }, undefined,     'null'],
    ['Wave does not show the number',                              { poNumber: 'PO-1' },  {},                               { poNumber: undefined }, undefined,  undefined],
  ];
  for (const [situation, wave, crm, edit, sent, received] of ours) {
    test(`${situation}`, () => {
      const before = 'poNumber' in wave ? { PurchaseOrderNumber: wave.poNumber } : {};
      const { plan } = afterEdits({ customcrm: crm, wave: edit }, {}, { wave, customcrm: before });
      assert.equal(
        plan.writes.wave?.rows.includes('OrderNumber') ? plan.writes.wave.next.poNumber : undefined,
        sent,
      );
      assert.deepEqual(plan.blocked, []);
      const got = plan.writes.customcrm?.rows.includes('PurchaseOrderNumber');
      assert.equal(got ? String(plan.writes.customcrm?.next.PurchaseOrderNumber) : undefined, received);
    });
  }

  test('fill an empty poNumber of a DRAFT at the first link, and never one of an issued invoice', () => {
    const first = (status: string) =>
      applied(pictured(order, linkedOrder.customcrm, { ...waveInvoice, ...none, status })).plan;
    assert.equal(first('DRAFT').writes.wave?.next.poNumber, 'SO-7');
    assert.equal(first('SENT').writes.wave?.rows.includes('OrderNumber') ?? false, false);
    assert.deepEqual(first('SENT').blocked, []);
  });

  for (const [inCustomcrm, inWave] of [
    ['SO-7', 'SO-7'],
    ['SO-7', ' SO-7 '],
    [' SO-7 ', 'SO-7'],
  ]) {
    test(`are ours at the first link, and never a buyer’s: '${inCustomcrm}' and '${inWave}'`, () => {
      const { plan } = applied(
        pictured(
          order,
          { ...linkedOrder.customcrm, OrderNumber: inCustomcrm },
          { ...waveInvoice, poNumber: inWave },
        ),
      );
      assert.deepEqual(plan.verdicts.get('PurchaseOrderNumber'), {
        do: 'nothing',
        because: 'not applicable',
        agree: false,
      });
    });
  }

  test('of a buyer leave no difference when they were taken away', () => {
    const before = { customcrm: { PurchaseOrderNumber: 'PO-1' }, wave: { poNumber: 'PO-1' } };
    const { settled, after } = afterEdits({ wave: { poNumber: 'SO-7' } }, {}, before);
    assert.deepEqual(settled.differences, []);
    const typed = {
      ...after,
      customcrm: { ...after.customcrm, PurchaseOrderNumber: 'PO-2', OrderNumber: 'SO-8' },
    };
    const { after: sent } = applied(typed);
    assert.deepEqual([applied(sent).plan.writes, sent.customcrm.PurchaseOrderNumber], [{}, 'PO-2']);
  });

  test('do not come back as a buyer’s after a change of ours was sent', () => {
    const { after } = afterEdits({ customcrm: { OrderNumber: 'SO-8' } });
    assert.equal(after.wave.poNumber, 'SO-8');
    assert.deepEqual(applied(after).plan.writes, {});
  });

  test('never overwrite a buyer’s own number at the first link: it flows to PurchaseOrderNumber', () => {
    const { plan } = applied(pictured(order, linkedOrder.customcrm, { ...waveInvoice, poNumber: 'PO-1' }));
    assert.equal(plan.writes.wave?.rows.includes('OrderNumber') ?? false, false);
    assert.equal(plan.writes.customcrm?.next.PurchaseOrderNumber, 'PO-1');
  });

  test('are not erased by an empty poNumber at the first link', () => {
    const { plan } = applied(
      pictured(order, { ...linkedOrder.customcrm, PurchaseOrderNumber: 'PO-1' }, { ...waveInvoice, ...none }),
    );
    assert.equal(plan.writes.customcrm?.rows.includes('PurchaseOrderNumber') ?? false, false);
  });

  test('stand on the invoices that we create, and a buyer’s comes along to the orders that we create', () => {
    const invoice = composeCreate(
      order,
      'customcrm',
      { ...customcrmOrder, PurchaseOrderNumber: 'PO-1' },
      mappingFacts(),
    );
    assert.ok('body' in invoice);
    assert.equal(invoice.body.poNumber, 'SO-7');
    const made = composeCreate(order, 'wave', { ...waveInvoice, poNumber: 'PO-1' }, mappingFacts());
    assert.ok('body' in made);
    assert.equal(made.body.PurchaseOrderNumber, 'PO-1');
    assert.ok(!('OrderNumber' in made.body));
  });

  describe('with poNumberFrom: PurchaseOrderNumber', () => {
    const settings = { poNumberFrom: 'PurchaseOrderNumber' } as const;
    const start = { customcrm: { PurchaseOrderNumber: 'PO-1' }, wave: { poNumber: 'PO-1' } };

    test('the buyer’s number flows both ways', () => {
      const there = afterEdits({ customcrm: { PurchaseOrderNumber: 'PO-2' } }, settings, start).plan;
      assert.equal(there.writes.wave?.next.poNumber, 'PO-2');
      const back = afterEdits({ wave: { poNumber: 'PO-3' } }, settings, start).plan;
      assert.equal(back.writes.customcrm?.next.PurchaseOrderNumber, 'PO-3');
    });

    test('our number is not sent, and neither matches nor marks', () => {
      assert.deepEqual(afterEdits({ customcrm: { OrderNumber: 'SO-8' } }, settings, start).plan.writes, {});
      const made = composeCreate(order, 'customcrm', customcrmOrder, mappingFacts(settings));
      assert.ok('body' in made);
      assert.ok(!('poNumber' in made.body));
      const keys = order.matchKeys(snapshotOf('customcrm', 'order', '7', customcrmOrder), {
        ...mappingSettings,
        ...settings,
      });
      assert.deepEqual(keys, []);
    });
  });
});
