import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { nothingAgreed } from '../../lib/domain/link.ts';
import type { Body, System } from '../../lib/domain/record.ts';
import { arrived, editedSinceAgreement, settle, showsSent } from '../../lib/mappings/agreement.ts';
import { customer } from '../../lib/mappings/customer.ts';
import { order } from '../../lib/mappings/order.ts';
import { product } from '../../lib/mappings/product.ts';
import { type Pictured, planRecord } from '../../lib/mappings/record-plan.ts';
import { editedCustomer, linkedCustomer } from '../support/linked-customer.ts';
import { agreedOn, pictured, prints } from '../support/linked-record.ts';
import {
  customcrmCustomer,
  customcrmOrder,
  customcrmProduct,
  waveCustomer,
  waveInvoice,
  waveProduct,
} from '../support/mapping-bodies.ts';
import { mappingFacts } from '../support/mapping-facts.ts';
import { policiesOf } from '../support/plan-rows.ts';

const agreed = agreedOn(customer, customcrmCustomer, waveCustomer);
const waveLater = policiesOf({ observed: { customcrm: 0, wave: 60_000 } });

describe('planning a record', () => {
  test('says what to send, where, and under which print it will be recognised', () => {
    const { writes, blocked, held, waitsFor, lost } = planRecord(
      editedCustomer({ City: 'Toronto', Fax: '1' }, { phone: '2' }),
      policiesOf(),
    );
    const { asks: _asked, ...wave } = writes.wave ?? {};
    assert.deepEqual(wave, {
      next: { ...waveCustomer, phone: '2', fax: '1', address: { ...waveCustomer.address, city: 'Toronto' } },
      paths: ['fax', 'address.city'],
      rows: ['Fax', 'City'],
      prints: { Fax: prints.of('Fax', '1'), City: prints.of('City', 'Toronto') },
    });
    const { asks: _asks, ...customcrm } = writes.customcrm ?? {};
    assert.deepEqual(customcrm, {
      next: { ...customcrmCustomer, City: 'Toronto', Fax: '1', Phone: '2' },
      paths: ['Phone'],
      rows: ['Phone'],
      prints: { Phone: prints.of('Phone', '2') },
    });
    assert.deepEqual([blocked, held, waitsFor, lost], [[], [], [], []]);
  });

  describe('after a refusal', () => {
    const edited = { City: 'Toronto', Fax: '1' };
    const { writes, picture } = planRecord(editedCustomer(edited), policiesOf());
    const print = writes.wave?.asks.City ?? '';
    const refusedAs = (shows: 'blocked' | 'held', more: object = {}, wave: object = {}) =>
      planRecord(
        editedCustomer({ ...edited, ...more }, wave, {
          refusals: { City: { print, ...(shows === 'blocked' && { picture }), reason: 'because', shows } },
        }),
        policiesOf(),
      );

    test('does not write that row again, says why, and writes the others', () => {
      const blocked = refusedAs('blocked');
      assert.deepEqual(blocked.writes.wave?.rows, ['Fax']);
      assert.deepEqual([blocked.blocked, blocked.held], [[{ row: 'City', reason: 'because' }], []]);
      const held = refusedAs('held');
      assert.deepEqual([held.blocked, held.held], [[], [{ row: 'City', reason: 'because' }]]);
      assert.deepEqual(Object.keys(held.refusals), ['City']);
    });

    test('writes it again once either side holds something else there', () => {
      const laval = { address: { ...waveCustomer.address, city: 'Laval' } };
      for (const again of (['blocked', 'held'] as const).flatMap((shows) => [
        refusedAs(shows, { City: 'Montreal' }),
        refusedAs(shows, {}, laval),
      ])) {
        assert.ok(again.writes.wave?.rows.includes('City'));
        assert.deepEqual([again.blocked, again.held, again.refusals], [[], [], {}]);
      }
    });

    test('writes it again once anything else of the record changes, after that, but not what a person has refused', () => {
      for (const more of [{ Fax: '2' }, { Phone: '7' }]) {
        const { writes: first, postponed, blocked } = refusedAs('blocked', more);
        assert.ok(!first.wave?.rows.includes('City'));
        assert.deepEqual([postponed, blocked], [['City'], [{ row: 'City', reason: 'because' }]]);
        const held = refusedAs('held', more);
        assert.deepEqual([held.writes.wave?.rows.includes('City'), held.postponed], [false, []]);
      }
      const equal = { Fax: waveCustomer.fax, Phone: '7' };
      assert.deepEqual(refusedAs('blocked', equal, { phone: '7' }).writes.wave?.rows, ['City']);
    });

    test('writes it with what is replaced together with it, which may be what mends it', () => {
      const { writes, postponed } = refusedAs('blocked', { StreetAddress1: '9 New Road' });
      assert.deepEqual(postponed, []);
      assert.deepEqual(writes.wave?.rows.includes('City'), true);
    });

    test('writes what was refused of two objects one after the other', () => {
      const { asks } = writes.wave ?? {};
      const refused = (row: string) => ({
        print: asks?.[row] ?? '',
        picture: '',
        reason: 'because',
        shows: 'blocked' as const,
      });
      const refusals = { City: refused('City'), Fax: refused('Fax') };
      const first = planRecord(editedCustomer(edited, {}, { refusals }), policiesOf());
      assert.deepEqual([first.writes.wave?.rows.length, first.postponed.length], [1, 1]);
    });

    test('of the whole record holds it for as long as both sides are the same', () => {
      const refusals = { deletion: { print: picture, reason: 'because', shows: 'held' } } as const;
      const same = planRecord(editedCustomer(edited, {}, { refusals }), policiesOf());
      assert.deepEqual(same.held, [{ row: 'deletion', reason: 'because' }]);
      assert.deepEqual(same.refusals, refusals);
      const other = planRecord(editedCustomer({ Fax: '2' }, {}, { refusals }), policiesOf());
      assert.deepEqual([other.held, other.refusals], [[], {}]);
    });
  });

  test('keeps the value that a conflict replaces, whichever side loses', () => {
    const both = editedCustomer(
      { City: 'Toronto' },
      { address: { ...waveCustomer.address, city: 'Sydney' } },
    );
    const toWave = planRecord(both, policiesOf());
    assert.deepEqual(toWave.lost, [{ row: 'City', system: 'wave', value: 'Sydney' }]);
    const toCustomcrm = planRecord(both, waveLater);
    assert.deepEqual(toCustomcrm.lost, [{ row: 'City', system: 'customcrm', value: 'Toronto' }]);
    assert.deepEqual(toCustomcrm.writes.wave, undefined);
  });

  test('keeps what a one-way row replaces where both sides had been left different', () => {
    const start = agreedOn(order, customcrmOrder, waveInvoice);
    const moved = { ...waveInvoice, viewUrl: 'https://wave.example/2' };
    const kept = (InvoiceUrl: string) =>
      planRecord(
        pictured(order, { ...customcrmOrder, InvoiceUrl }, moved, {
          agreed: {
            ...start,
            customcrm: { ...start.customcrm, InvoiceUrl: prints.of('InvoiceUrl', InvoiceUrl) },
          },
        }),
        policiesOf(),
      ).lost.filter(({ row }) => row === 'InvoiceUrl');
    assert.deepEqual(kept('mine'), [{ row: 'InvoiceUrl', system: 'customcrm', value: 'mine' }]);
    assert.deepEqual(kept(waveInvoice.viewUrl ?? ''), []);
  });

  test('keeps an emptied side that a conflict fills again', () => {
    const { lost } = planRecord(editedCustomer({ Fax: '1' }, { fax: '' }), policiesOf());
    assert.deepEqual(lost, [{ row: 'Fax', system: 'wave', value: null }]);
  });

  test('keeps the value that a first link replaces, and loses nothing where it fills an empty side', () => {
    const { Fax: _there, ...wave } = agreed.wave;
    const { Fax: _here, ...own } = agreed.customcrm;
    const parts = { agreed: { ...agreed, wave, customcrm: own } };
    const lostBy = (firstLink: 'customcrm' | 'wave', there: string) =>
      planRecord(
        editedCustomer({ Fax: '1' }, { fax: there }, parts),
        policiesOf({ firstLink: () => firstLink }),
      ).lost;
    assert.deepEqual(lostBy('customcrm', '2'), [{ row: 'Fax', system: 'wave', value: '2' }]);
    assert.deepEqual(lostBy('wave', '2'), [{ row: 'Fax', system: 'customcrm', value: '1' }]);
    assert.deepEqual(lostBy('wave', ''), []);
  });

  test('keeps what was typed over a value that flows one way, and loses nothing where it was emptied', () => {
    const linked = { ...customcrmOrder, InvoiceUrl: waveInvoice.viewUrl };
    const start = agreedOn(order, linked, waveInvoice);
    const lostAfter = (InvoiceUrl: string) =>
      planRecord(pictured(order, { ...linked, InvoiceUrl }, waveInvoice, { agreed: start }), policiesOf())
        .lost;
    assert.deepEqual(lostAfter('mine'), [{ row: 'InvoiceUrl', system: 'customcrm', value: 'mine' }]);
    assert.deepEqual(lostAfter(' '), []);
  });

  test('holds a conflict that a person must decide', () => {
    const both = editedCustomer({ Fax: '1' }, { fax: '2' });
    const { held, writes, lost } = planRecord(both, policiesOf({ conflict: () => 'hold' }));
    assert.deepEqual([held, writes, lost], [[{ row: 'Fax', reason: 'both changed' }], {}, []]);
  });

  test('loses nothing to a write that is refused', () => {
    const facts = mappingFacts();
    const start = agreedOn(order, customcrmOrder, { ...waveInvoice, status: 'SENT' }, facts);
    const picture = pictured(
      order,
      { ...customcrmOrder, OrderDate: '2026-01-01' },
      { ...waveInvoice, status: 'SENT', invoiceDate: '2026-01-02' },
      { agreed: start },
    );
    const { lost, blocked } = planRecord(picture, policiesOf());
    assert.deepEqual(
      lost.filter(({ row }) => row === 'OrderDate'),
      [],
    );
    assert.deepEqual(blocked, [{ row: 'OrderDate', reason: 'issued' }]);
  });

  test('waits for a parent that is not linked, and writes the other rows', () => {
    const start = agreedOn(order, customcrmOrder, waveInvoice);
    const { waitsFor, writes } = planRecord(
      pictured(order, { ...customcrmOrder, CustomerId: 'c9', Footer: 'New' }, waveInvoice, { agreed: start }),
      policiesOf(),
    );
    assert.deepEqual(waitsFor, [
      { row: 'CustomerId', ref: { system: 'customcrm', pair: 'customer', id: 'c9' } },
    ]);
    assert.deepEqual(writes.wave?.rows, ['Footer']);
  });

  test('waits for what both sides name in a row that is held: once that is linked, they may be equal', () => {
    const start = agreedOn(order, customcrmOrder, waveInvoice);
    const invoice = { ...waveInvoice, customer: { id: 'WC-9' }, memo: 'Theirs' };
    const { held, waitsFor } = planRecord(
      pictured(order, { ...customcrmOrder, CustomerId: 'c9', Description: 'Ours' }, invoice, {
        agreed: start,
      }),
      policiesOf({ conflict: () => 'hold' }),
    );
    assert.deepEqual(
      held.map(({ row }) => row),
      ['CustomerId', 'Description'],
    );
    assert.deepEqual(waitsFor, [
      { row: 'CustomerId', ref: { system: 'wave', pair: 'customer', id: 'WC-9' } },
      { row: 'CustomerId', ref: { system: 'customcrm', pair: 'customer', id: 'c9' } },
    ]);
  });

  test('counts the rows that go empty on either side, and none that was empty or gets a value', () => {
    const { empties } = planRecord(editedCustomer({ City: '', Fax: 'x' }, { phone: null }), policiesOf());
    assert.deepEqual(empties, ['Phone', 'City']);
    const start = agreedOn(customer, { ...customcrmCustomer, Fax: '' }, { ...waveCustomer, fax: null });
    const filled = editedCustomer({ Fax: 'x' }, { fax: null }, { agreed: start });
    assert.deepEqual(planRecord(filled, policiesOf()).empties, []);
  });

  test('counts an order that loses its lines and its discount', () => {
    const start = agreedOn(order, customcrmOrder, waveInvoice);
    const bare = { ...customcrmOrder, Lines: [], Discount: null };
    const { empties } = planRecord(pictured(order, bare, waveInvoice, { agreed: start }), policiesOf());
    assert.deepEqual(empties, ['Discount', 'Lines']);
  });

  test('counts what goes out of use in Wave, not what is made inactive in Customcrm', () => {
    const start = agreedOn(product, customcrmProduct, waveProduct);
    const plan = (crm: object, wave: object) =>
      planRecord(
        pictured(product, { ...customcrmProduct, ...crm }, { ...waveProduct, ...wave }, { agreed: start }),
        policiesOf(),
      );
    assert.deepEqual(plan({ Active: false }, {}).archives, ['Active']);
    assert.deepEqual(plan({}, { isArchived: true }).archives, []);
  });

  test('shows the same picture for the same sides, whatever was agreed, and another one for any difference', () => {
    const picture = (of: Pictured) => planRecord(of, policiesOf()).picture;
    assert.equal(picture(linkedCustomer), picture({ ...linkedCustomer, agreed: nothingAgreed }));
    const others = [
      editedCustomer({ Fax: '1' }),
      editedCustomer({}, { fax: '1' }),
      editedCustomer({ Fax: undefined }),
      editedCustomer({ Fax: '' }),
      editedCustomer({}, { fax: undefined }),
    ];
    const all = [linkedCustomer, ...others].map(picture);
    assert.equal(new Set(all).size, all.length);
  });

  test('takes what a write-ahead announced for ours, and anything else for a user’s', () => {
    const ahead = { customcrm: {}, wave: { Fax: prints.of('Fax', '1') } };
    const unanswered = editedCustomer({ Fax: '2' }, { fax: '1' }, { ahead });
    assert.deepEqual(planRecord(arrived(unanswered), waveLater).verdicts.get('Fax'), {
      do: 'write',
      to: 'wave',
      because: 'changed',
    });
    const notOurs = editedCustomer({ Fax: '2' }, { fax: '3' }, { ahead });
    assert.deepEqual(planRecord(arrived(notOurs), waveLater).verdicts.get('Fax'), {
      do: 'write',
      to: 'customcrm',
      because: 'conflict',
    });
    const undoneSince = editedCustomer({}, { fax: '1' }, { ahead });
    assert.deepEqual(planRecord(arrived(undoneSince), waveLater).verdicts.get('Fax'), {
      do: 'write',
      to: 'wave',
      because: 'changed',
    });
    const { Fax: _fax, ...others } = linkedCustomer.agreed.wave;
    const { Fax: _own, ...bare } = linkedCustomer.agreed.customcrm;
    const filledAndEmptied = editedCustomer(
      { Fax: '' },
      { fax: '1' },
      {
        ahead,
        agreed: { ...linkedCustomer.agreed, customcrm: bare, wave: others },
      },
    );
    assert.deepEqual(planRecord(arrived(filledAndEmptied), waveLater).verdicts.get('Fax'), {
      do: 'write',
      to: 'wave',
      because: 'changed',
    });
    const wrongSide = editedCustomer({ Fax: '1' }, {}, { ahead });
    assert.deepEqual(planRecord(arrived(wrongSide), policiesOf()).verdicts.get('Fax'), {
      do: 'write',
      to: 'wave',
      because: 'changed',
    });
  });

  test('concludes nothing from a property that one system does not show', () => {
    const ahead = { customcrm: {}, wave: { Fax: prints.of('Fax', '1') } };
    const { Fax: _fax, ...without } = customcrmCustomer;
    const picture = pictured(customer, without, { ...waveCustomer, fax: '1' }, { agreed, ahead });
    assert.equal(arrived(picture).agreed.wave.Fax, agreed.wave.Fax);
    assert.deepEqual(arrived({ ...picture, ahead: undefined }).agreed, agreed);
  });

  test('knows what arrived of an unanswered write also when the next one was refused', () => {
    const ahead = { customcrm: {}, wave: { Fax: prints.of('Fax', '1') } };
    for (const Fax of ['2', '']) {
      const first = arrived(editedCustomer({ Fax }, { fax: '1' }, { ahead }));
      const { agreed: now } = settle(first, planRecord(first, waveLater), {});
      const { verdicts, lost } = planRecord({ ...first, agreed: now }, waveLater);
      assert.deepEqual(verdicts.get('Fax'), { do: 'write', to: 'wave', because: 'changed' });
      assert.deepEqual(lost, []);
    }
    const undone = arrived(editedCustomer({}, { fax: '1' }, { ahead }));
    const { agreed: now } = settle(undone, planRecord(undone, waveLater), {});
    assert.deepEqual(planRecord({ ...undone, agreed: now }, waveLater).verdicts.get('Fax'), {
      do: 'write',
      to: 'wave',
      because: 'changed',
    });
  });

  test('knows that what was sent has arrived where just that had been agreed before: what its sender empties then is emptied', () => {
    const { Fax: _fax, ...others } = agreed.customcrm;
    const sent = { Fax: prints.of('Fax', '+1 555 0103') };
    const picture = editedCustomer({ Fax: '' }, {}, { agreed: { ...agreed, customcrm: others } });
    const ahead = { customcrm: {}, wave: sent };
    const { verdicts } = planRecord(arrived({ ...picture, ahead }), policiesOf());
    assert.deepEqual(verdicts.get('Fax'), { do: 'write', to: 'wave', because: 'changed' });
  });

  test('treats a row that was agreed under an unknown key as never agreed', () => {
    const wave = { ...agreed.wave, Fax: 'k9.1.abcdefghijklmnop' };
    const customcrm = { ...agreed.customcrm, Fax: 'k9.1.abcdefghijklmnop' };
    const { held } = planRecord(
      editedCustomer({ Fax: '1' }, {}, { agreed: { ...agreed, wave, customcrm } }),
      policiesOf(),
    );
    assert.deepEqual(held, [{ row: 'Fax', reason: 'first link differs' }]);
  });
});

describe('a user’s edit since agreement', () => {
  const rest = { mapping: customer, agreed, ahead: undefined, facts: mappingFacts(), prints };
  type Known = Parameters<typeof editedSinceAgreement>[2];
  const isEdited = (system: System, body: Body, known: Known, wasTouched = false) =>
    editedSinceAgreement(system, body, known, wasTouched);

  // biome-ignore format: reads as a decision table.
  const table: [string, object, boolean][] = [
    ['nothing changed',                  {},                     false],
    ['another spelling',                 { fax: ' +1 555 0103' }, false],
    ['a changed row',                    { fax: '1' },           true],
    ['an emptied row',                   { fax: null },          true],
    ['a row that is not shown any more', { fax: undefined },     false],
  ];
  for (const [situation, edit, expected] of table)
    test(`is ${expected ? '' : 'not '}seen: ${situation}`, () =>
      assert.equal(isEdited('wave', { ...waveCustomer, ...edit }, rest), expected));

  test('is seen in Customcrm too', () => {
    assert.equal(isEdited('customcrm', customcrmCustomer, rest), false);
    assert.equal(isEdited('customcrm', { ...customcrmCustomer, Fax: '1' }, rest), true);
  });

  test('is not what we wrote ourselves, nor a row about which nothing was agreed', () => {
    const ahead = { customcrm: {}, wave: { Fax: prints.of('Fax', '1') } };
    assert.equal(isEdited('wave', { ...waveCustomer, fax: '1' }, { ...rest, ahead }), false);
    assert.equal(isEdited('wave', { ...waveCustomer, fax: '2' }, { ...rest, ahead }), true);
    assert.equal(isEdited('wave', waveCustomer, { ...rest, agreed: nothingAgreed }), false);
  });

  test('is not what the other system filled in where our lines left it open', () => {
    const lines = [{ Description: 'Ladder', Quantity: '1', UnitPrice: '1' }];
    const own = { ...customcrmOrder, Lines: lines };
    const empty = { ...waveInvoice, items: [] };
    const before = agreedOn(order, customcrmOrder, empty);
    const sent = planRecord(pictured(order, own, empty, { agreed: before }), policiesOf()).writes.wave;
    assert.ok(sent?.prints.Lines);
    const [item] = sent.next.items as readonly object[];
    const filled = { ...waveInvoice.items?.[0], ...item, taxes: waveInvoice.items?.[0]?.taxes };
    const ahead = { customcrm: {}, wave: { Lines: sent.prints.Lines } };
    const orders = { ...rest, mapping: order, agreed: before, ahead };
    assert.equal(isEdited('wave', { ...empty, items: [filled] } as Body, orders), false);
  });

  test('is what was on its way to the other side, though it was taken back since; not what was only put back there', () => {
    const sending = (Fax: string | undefined) => ({
      ...rest,
      ahead: { customcrm: { Fax: Fax ?? '' }, wave: {} },
    });
    assert.equal(isEdited('wave', waveCustomer, sending(prints.of('Fax', '1'))), true);
    assert.equal(isEdited('wave', waveCustomer, sending(agreed.customcrm.Fax)), false);
  });

  test('may be in a row about which nothing was agreed, when the record has moved since: what is empty there is none', () => {
    const { Fax: _fax, ...others } = agreed.wave;
    const unknown = { ...rest, agreed: { ...agreed, wave: others } };
    assert.equal(isEdited('wave', waveCustomer, unknown), false);
    assert.equal(isEdited('wave', waveCustomer, unknown, true), true);
    assert.equal(isEdited('wave', { ...waveCustomer, fax: null }, unknown, true), false);
    assert.equal(isEdited('wave', waveCustomer, rest, true), false);
  });

  test('is told from what we sent by whether that shows', () => {
    const sent = { ...rest, ahead: { customcrm: {}, wave: { Fax: prints.of('Fax', '1') } } };
    const shows = (fax: string | undefined, known: Known) =>
      showsSent('wave', { ...waveCustomer, fax } as Body, known);
    assert.deepEqual([shows('1', sent), shows('2', sent), shows(undefined, sent)], [true, false, false]);
    assert.equal(shows('1', rest), false);
  });

  test('is not seen in a row that the side only receives', () => {
    const start = agreedOn(order, { ...customcrmOrder, InvoiceNumber: '1042' }, waveInvoice);
    const orders = { ...rest, mapping: order, agreed: start };
    assert.equal(isEdited('customcrm', { ...customcrmOrder, InvoiceNumber: '7' }, orders), false);
    assert.equal(isEdited('wave', { ...waveInvoice, invoiceNumber: '7' }, orders), true);
    assert.equal(
      isEdited('customcrm', { ...customcrmOrder, InvoiceNumber: '1042', OrderNumber: 'SO-8' }, orders),
      true,
    );
  });

  test('is seen in a cell that two rows share, whichever of them was agreed', () => {
    const own = { ...waveInvoice, poNumber: customcrmOrder.OrderNumber };
    const orders = { ...rest, mapping: order, agreed: agreedOn(order, customcrmOrder, own) };
    const edited = { ...own, poNumber: 'PO of the buyer' };
    assert.equal(isEdited('wave', own, orders), false);
    assert.equal(isEdited('wave', edited, orders), true);
    const ahead = { customcrm: {}, wave: { OrderNumber: prints.of('OrderNumber', edited.poNumber) } };
    assert.equal(isEdited('wave', edited, { ...orders, ahead }), false, 'we wrote it');
    const emptied = { ...own, poNumber: null };
    const PurchaseOrderNumber = agreedOn(order, customcrmOrder, emptied).wave.PurchaseOrderNumber ?? '';
    const other = {
      ...orders,
      agreed: { ...orders.agreed, wave: { ...orders.agreed.wave, PurchaseOrderNumber } },
    };
    assert.equal(isEdited('wave', own, other, true), false, 'what stands there is the number of the order');
    assert.equal(isEdited('wave', emptied, other), false, 'not since then');
    assert.equal(isEdited('wave', emptied, other, true), true, 'somebody emptied it');
  });
});
