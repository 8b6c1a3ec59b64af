import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fingerprints } from '../../lib/domain/fingerprint.ts';
import { nothingAgreed } from '../../lib/domain/link.ts';
import { seenBefore, settle } from '../../lib/mappings/agreement.ts';
import { customer } from '../../lib/mappings/customer.ts';
import { order } from '../../lib/mappings/order.ts';
import { planRecord } from '../../lib/mappings/record-plan.ts';
import { editedCustomer } from '../support/linked-customer.ts';
import { agreedOn, applied, pictured, prints } from '../support/linked-record.ts';
import { customcrmCustomer, customcrmOrder, waveCustomer, waveInvoice } from '../support/mapping-bodies.ts';
import { policiesOf } from '../support/plan-rows.ts';

const agreed = agreedOn(customer, customcrmCustomer, waveCustomer);

describe('a write about which nothing was agreed before, and whose answer is lost', () => {
  const firstLink = policiesOf({ firstLink: () => 'wave' });
  const first = editedCustomer({ Fax: 'old' }, { fax: 'sent' }, { agreed: nothingAgreed });
  const planned = planRecord(first, firstLink);
  const seen = seenBefore(first, planned);
  const later = (crm: object, wave: object = { fax: 'sent' }) =>
    planRecord({ ...seen, ...editedCustomer(crm, wave, { agreed: seen.agreed }) }, firstLink);

  test('replaces what was seen there, and nothing else counts as seen', () => {
    assert.deepEqual(planned.writes.customcrm?.rows, ['Fax']);
    assert.deepEqual(seen.agreed.customcrm, { Fax: prints.of('Fax', 'old') });
    assert.deepEqual(seen.agreed.wave, {});
  });

  test('is written again where its user changed nothing', () => {
    assert.deepEqual(later({ Fax: 'old' }).verdicts.get('Fax'), {
      do: 'write',
      to: 'customcrm',
      because: 'changed',
    });
  });

  test('is not written over what its user made of it, not even over nothing, without that being kept or shown', () => {
    for (const Fax of ['new', '']) {
      const { verdicts, lost } = later({ Fax });
      assert.deepEqual(verdicts.get('Fax'), { do: 'write', to: 'wave', because: 'conflict' });
      assert.deepEqual(lost, [{ row: 'Fax', system: 'wave', value: 'sent' }]);
    }
  });

  test('leaves what was agreed before as it was', () => {
    const known = editedCustomer({ Fax: 'old' }, { fax: 'sent' });
    assert.deepEqual(seenBefore(known, planRecord(known, policiesOf())).agreed, known.agreed);
  });
});

describe('settling what was answered', () => {
  const change = editedCustomer({ City: ' Toronto', Fax: '1' }, { phone: '2' });
  const plan = planRecord(change, policiesOf());
  const next = { customcrm: plan.writes.customcrm?.next ?? {}, wave: plan.writes.wave?.next ?? {} };

  test('agrees the rows that we wrote as they were answered, and the others as they were read', () => {
    const answer = { ...next.wave, fax: '001', address: { ...waveCustomer.address, city: 'Toronto' } };
    const { agreed: now, differences, somebodyWasThere } = settle(change, plan, { wave: answer });
    assert.equal(now.wave.Fax, prints.of('Fax', '001'));
    assert.equal(now.customcrm.Fax, prints.of('Fax', '1'));
    assert.equal(now.wave.City, prints.of('City', 'Toronto'));
    assert.deepEqual(differences, ['Fax']);
    assert.equal(somebodyWasThere, false);
    // Customcrm was not answered: what was to be written there is as it was.
    assert.equal(now.customcrm.Phone, agreed.customcrm.Phone);
    assert.equal(now.wave.Phone, agreed.wave.Phone);
  });

  test('leaves nothing to do when both answered as they were sent', () => {
    const { agreed: now, differences, somebodyWasThere } = settle(change, plan, next);
    assert.deepEqual([differences, somebodyWasThere], [[], false]);
    const after = planRecord({ ...change, ...next, agreed: now }, policiesOf());
    assert.deepEqual(
      [after.writes, [...after.verdicts.values()].every((verdict) => verdict.do === 'nothing')],
      [{}, true],
    );
  });

  test('does not take a difference that the system makes for a user’s change', () => {
    const answer = { ...next.wave, fax: '001' };
    const { agreed: now } = settle(change, plan, { ...next, wave: answer });
    const after = planRecord({ ...change, ...next, wave: answer, agreed: now }, policiesOf());
    assert.deepEqual(after.writes, {});
    assert.deepEqual(after.verdicts.get('Fax'), {
      do: 'nothing',
      because: 'recorded difference',
      agree: false,
    });
  });

  test('notices somebody at a row that we did not write, and does not take it for agreed', () => {
    const answer = { ...next.wave, website: 'https://new.example' };
    const { agreed: now, somebodyWasThere } = settle(change, plan, { ...next, wave: answer });
    assert.equal(somebodyWasThere, true);
    const after = planRecord({ ...change, ...next, wave: answer, agreed: now }, policiesOf());
    assert.deepEqual(after.writes.customcrm?.rows, ['Website']);
  });

  test('notices nobody where a row only has another spelling', () => {
    const { somebodyWasThere } = settle(change, plan, {
      ...next,
      wave: { ...next.wave, website: ' https://north-quay.example ' },
    });
    assert.equal(somebodyWasThere, false);
  });

  test('forgets what was agreed for a row that the answer does not show', () => {
    const { fax: _fax, ...silent } = next.wave;
    const { agreed: now } = settle(change, plan, { ...next, wave: silent });
    assert.equal(now.wave.Fax, undefined);
    assert.equal(now.customcrm.Fax, prints.of('Fax', '1'));
  });

  test('agrees what both sides hold already, without any answer', () => {
    const first = editedCustomer({}, {}, { agreed: nothingAgreed });
    const { agreed: now, differences } = settle(first, planRecord(first, policiesOf()), {});
    assert.equal(now.customcrm.Name, prints.of('Name', 'North Quay Tools'));
    assert.equal(now.wave.Name, prints.of('Name', 'North Quay Tools'));
    assert.deepEqual(differences, []);
    assert.deepEqual(first.agreed, nothingAgreed);
  });

  test('agrees nothing about a row that is held', () => {
    const first = editedCustomer({ Fax: '1' }, {}, { agreed: nothingAgreed });
    const { agreed: now } = settle(first, planRecord(first, policiesOf()), {});
    assert.deepEqual([now.customcrm.Fax, now.wave.Fax], [undefined, undefined]);
  });

  test('agrees nothing about what is as different as it was', () => {
    const start = { ...agreed, wave: { ...agreed.wave, Fax: prints.of('Fax', '9') } };
    const differing = editedCustomer({}, { fax: '9' }, { agreed: start });
    assert.deepEqual(
      settle(differing, planRecord(differing, policiesOf()), {}).agreed.wave.Fax,
      start.wave.Fax,
    );
  });

  test('notes under the key that writes now what still holds under an older one', () => {
    const newer = fingerprints(
      [
        { id: 'k2', secret: new Uint8Array(32).fill(8) },
        { id: 'k1', secret: new Uint8Array(32).fill(7) },
      ],
      'link-1',
    );
    const open = { ...editedCustomer({ Fax: '1' }, { phone: '2' }), prints: newer };
    const { agreed: now } = settle(open, planRecord(open, policiesOf()), {});
    assert.equal(now.wave.Fax, newer.of('Fax', '+1 555 0103'));
    assert.equal(now.customcrm.Phone, newer.of('Phone', '+1 555 0100'));
    // What has changed since is still compared with what was agreed.
    assert.deepEqual([now.customcrm.Fax, now.wave.Phone], [agreed.customcrm.Fax, agreed.wave.Phone]);
    const reverted = { InvoiceUrl: prints.of('InvoiceUrl', waveInvoice.viewUrl) };
    const start = { ...agreedOn(order, customcrmOrder, waveInvoice), reverted };
    const left = { ...pictured(order, customcrmOrder, waveInvoice, { agreed: start }), prints: newer };
    const { agreed: then } = settle(left, planRecord(left, policiesOf()), {});
    assert.deepEqual(then.reverted, { InvoiceUrl: newer.of('InvoiceUrl', waveInvoice.viewUrl) });
  });

  test('remembers what the sender said when a one-way row was put back, and forgets it when the sender moves', () => {
    const start = agreedOn(order, { ...customcrmOrder, InvoiceUrl: waveInvoice.viewUrl }, waveInvoice);
    const { settled, after } = applied(
      pictured(order, { ...customcrmOrder, InvoiceUrl: 'mine' }, waveInvoice, { agreed: start }),
    );
    assert.deepEqual(settled.agreed.reverted, { InvoiceUrl: prints.of('InvoiceUrl', waveInvoice.viewUrl) });
    const moved = applied({ ...after, wave: { ...after.wave, viewUrl: 'https://wave.example/2' } });
    assert.deepEqual(moved.settled.agreed.reverted, {});
  });

  test('lets flow back what Wave filled in', () => {
    const { TaxCodes: _codes, ...line } = customcrmOrder.Lines[0] ?? {};
    const crm = { ...customcrmOrder, Lines: [{ ...line, Quantity: '5' }] };
    const start = agreedOn(order, customcrmOrder, waveInvoice);
    const picture = pictured(order, crm, waveInvoice, { agreed: start });
    const planned = planRecord(picture, policiesOf());
    const filled = { ...planned.writes.wave?.next, items: [{ ...waveInvoice.items?.[0], quantity: '5' }] };
    const { agreed: now } = settle(picture, planned, { wave: filled });
    assert.equal(now.wave.Lines, undefined);
    const { writes } = planRecord({ ...picture, wave: filled, agreed: now }, policiesOf());
    assert.deepEqual(writes.customcrm?.rows, ['Lines']);
  });
});
