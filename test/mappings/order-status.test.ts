import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { composeCreate } from '../../lib/mappings/creation.ts';
import { order } from '../../lib/mappings/order.ts';
import { afterEdits } from '../support/linked-order.ts';
import { applied } from '../support/linked-record.ts';
import { customcrmOrder, waveInvoice } from '../support/mapping-bodies.ts';
import { mappingFacts } from '../support/mapping-facts.ts';

describe('the status of an order', () => {
  const issued = ['SAVED', 'UNPAID', 'SENT', 'VIEWED', 'OVERDUE', 'PARTIAL', 'PAID', 'OVERPAID'] as const;
  for (const status of issued) {
    test(`becomes confirmed when Wave leaves DRAFT for ${status}, and InvoiceStatus says ${status}`, () => {
      const { plan } = afterEdits({ wave: { status } });
      assert.deepEqual(plan.writes.customcrm?.rows, ['Status', 'InvoiceStatus']);
      assert.equal(plan.writes.customcrm?.next.Status, 'confirmed');
      assert.equal(plan.writes.customcrm?.next.InvoiceStatus, status);
    });
  }

  for (const status of ['confirmed', 'fulfilled', 'a step of its own']) {
    test(`stays ${status} when Wave leaves DRAFT`, () => {
      const { plan } = afterEdits({ wave: { status: 'SENT' } }, {}, { customcrm: { Status: status } });
      assert.deepEqual(plan.writes.customcrm?.rows, ['InvoiceStatus']);
    });
  }

  test('is confirmed again when it is set back to draft while the invoice is issued', () => {
    const { plan } = afterEdits(
      { customcrm: { Status: 'draft' } },
      {},
      { customcrm: { Status: 'confirmed' }, wave: { status: 'SENT' } },
    );
    assert.deepEqual(plan.verdicts.get('Status'), { do: 'write', to: 'customcrm', because: 'reverted' });
    assert.equal(plan.writes.customcrm?.next.Status, 'confirmed');
  });

  // biome-ignore format: reads as a decision table.
  const approvals: [string, 'never' | 'on-confirm', object, string | undefined][] = [
    ['confirming with approveInvoices: never',                        'never',      { Status: 'confirmed' },                   undefined],
    ['confirming with approveInvoices: on-confirm',                   'on-confirm', { Status: 'confirmed' },                   'SAVED'],
    ['fulfilling at once',                                            'on-confirm', { Status: 'fulfilled' },                   'SAVED'],
    ['confirming while another row waits to be written',              'on-confirm', { Status: 'confirmed', Footer: 'New' },    'DRAFT'],
    ['confirming while another row is refused',                       'on-confirm', { Status: 'confirmed', OrderDate: '' },    undefined],
  ];
  for (const [situation, approveInvoices, edit, expected] of approvals) {
    test(`${expected === 'SAVED' ? 'approves' : 'does not approve'} the invoice: ${situation}`, () => {
      const { plan } = afterEdits({ customcrm: edit }, { approveInvoices });
      assert.equal(plan.writes.wave?.rows.includes('Status') ?? false, expected === 'SAVED');
      assert.equal(plan.writes.wave?.next.status, expected);
    });
  }

  test('approves after the other rows were written', () => {
    const { after: written } = afterEdits(
      { customcrm: { Status: 'confirmed', Footer: 'New' } },
      { approveInvoices: 'on-confirm' },
    );
    assert.equal(applied(written).plan.writes.wave?.next.status, 'SAVED');
  });

  test('approves nothing that was confirmed before approving was switched on', () => {
    const { after: left } = afterEdits({ customcrm: { Status: 'confirmed' } });
    const { plan } = applied({ ...left, facts: mappingFacts({ approveInvoices: 'on-confirm' }) });
    assert.equal(plan.writes.wave, undefined);
  });

  test('is blocked as cancelled, and nothing is written to the invoice', () => {
    const { plan } = afterEdits({ customcrm: { Status: 'cancelled' } });
    assert.equal(plan.blocked[0]?.row, 'Status');
    assert.deepEqual(plan.writes, {});
  });

  test('counts as a deletion when it is cancelled', () => {
    assert.equal(order.givenUp({ Status: 'cancelled' }), true);
    for (const Status of ['draft', 'confirmed', 'fulfilled', undefined])
      assert.equal(order.givenUp({ Status }), false);
  });

  // biome-ignore format: reads as a decision table.
  const starts: [string, string][] = [['DRAFT', 'draft'], ['SAVED', 'confirmed'], ['SENT', 'confirmed'], ['PAID', 'confirmed']];
  for (const [status, expected] of starts) {
    test(`starts as ${expected} when the order is made from an invoice that is ${status}`, () => {
      const made = composeCreate(order, 'wave', { ...waveInvoice, status }, mappingFacts());
      assert.ok('body' in made);
      assert.equal(made.body.Status, expected);
    });
  }

  test('is not sent when an invoice is made: every one starts as a DRAFT', () => {
    const made = composeCreate(
      order,
      'customcrm',
      { ...customcrmOrder, Status: 'confirmed' },
      mappingFacts(),
    );
    assert.ok('body' in made);
    assert.ok(!('status' in made.body));
  });
});
