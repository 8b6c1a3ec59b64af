import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import {
  localBusinessId,
  localFallbackProductId,
  localIncomeAccountId,
} from '../../infra/local/wave/server.ts';
import type { Body } from '../../lib/domain/record.ts';
import { RemoteOutcomeUnknownError, RemoteRejectedError, RemoteUnavailableError } from '../../lib/errors.ts';
import { decimalOf } from '../../lib/mappings/conversions.ts';
import { callIn, connected, customerBody, startCountedWave } from './connected.ts';

const line = (more: Body = {}): Body => ({
  product: { id: localFallbackProductId },
  description: 'A line',
  quantity: '1',
  unitPrice: '10',
  taxes: [],
  ...more,
});
const rejected = (words: RegExp) => (failure: unknown) => {
  assert.ok(failure instanceof RemoteRejectedError, String(failure));
  assert.match(failure.message, words);
  return true;
};

describe('what is peculiar about Wave', () => {
  let wave: Awaited<ReturnType<typeof startCountedWave>>;
  let records: ReturnType<typeof connected>['records'];
  let customerId: string;
  before(async () => {
    wave = await startCountedWave();
    ({ records } = connected(wave.url));
    const made = await records.create('customer', customerBody('Quirk'), '', callIn());
    customerId = made.id;
  });
  beforeEach(async () => {
    await wave.faults({});
    await wave.behave({ issuedAreFinal: false, newStatus: '', additions: false });
  });
  after(() => wave.close());
  const invoice = (more: Body = {}) =>
    records.create(
      'order',
      {
        customer: { id: customerId },
        currency: { code: 'CAD' },
        invoiceDate: '2026-03-01',
        items: [line()],
        ...more,
      } as Body,
      '',
      callIn(),
    );

  test('an invoice right after its customer may not be found: nothing is made, and it can be tried again', async () => {
    await wave.faults({ nodeNotFound: 1 });
    const writes = await wave.writes();
    await assert.rejects(invoice(), RemoteUnavailableError);
    assert.equal(await wave.writes(), writes);
    await wave.faults({});
    assert.ok((await invoice()).id);
  });

  test('a currency that its enum lacks is refused by name, before anything is sent', async () => {
    const requests = await wave.requests();
    await assert.rejects(invoice({ currency: { code: 'XYZ' } }), rejected(/currency code XYZ/));
    assert.equal(await wave.requests(), requests);
  });

  test('a country that its enum lacks is refused by name, before anything is sent', async () => {
    const requests = await wave.requests();
    const address = { city: 'Anywhere', province: null, country: { code: 'ZZ' } };
    const body = { ...customerBody('Nowhere'), address };
    await assert.rejects(records.create('customer', body, '', callIn()), rejected(/country code ZZ/));
    const shippingDetails = { name: null, phone: null, instructions: null, address };
    const snapshot = await records.create('customer', customerBody('Away'), '', callIn());
    const update = records.update(
      'customer',
      snapshot,
      { ...snapshot.body, shippingDetails },
      ['shippingDetails.address.country.code'],
      callIn(),
    );
    await assert.rejects(update, rejected(/country code ZZ/));
    assert.equal((await wave.requests()) - requests, 1);
  });

  test('what was typed in the place of a country or currency is never quoted', async () => {
    const address = { city: 'Anywhere', province: null, country: { code: 'Ann, 12 Elm St' } };
    const made = records.create('customer', { ...customerBody('Nowhere'), address }, '', callIn());
    await assert.rejects(made, rejected(/does not know this country code$/));
    const billed = invoice({ currency: { code: 'ann@example.com' } });
    await assert.rejects(billed, rejected(/does not know this currency code$/));
  });

  test('a province that is not in its country is refused with the path of the cell', async () => {
    const address = { city: 'Toronto', province: { code: 'CA-TX' }, country: { code: 'CA' } };
    const made = records.create('customer', { ...customerBody('Nowhere'), address }, '', callIn());
    await assert.rejects(made, rejected(/address\.provinceCode/));
  });

  test('a second discount, and a tax that is not there, are refused with their path', async () => {
    const discount = { __typename: 'FixedInvoiceDiscount', name: null, amount: '1' };
    await assert.rejects(invoice({ discounts: [discount, discount] }), rejected(/discounts/));
    const taxes = [{ salesTax: { id: Buffer.from(`${localBusinessId};SalesTax:1`).toString('base64') } }];
    await assert.rejects(invoice({ items: [line({ taxes })] }), rejected(/tax/i));
  });

  test('prices of products keep five decimals, those of lines eight, and totals are read past the separators', async () => {
    const product = await connected(wave.url, { incomeAccountId: localIncomeAccountId }).records.create(
      'product',
      { name: 'Fine', description: null, unitPrice: '0.123456789' },
      '',
      callIn(),
    );
    assert.equal(product.body.unitPrice, '0.12346');
    const { body } = await invoice({ items: [line({ quantity: '100000', unitPrice: '12.123456789' })] });
    const [item] = body.items as readonly Body[];
    assert.equal(item?.unitPrice, '12.12345679');
    assert.equal(decimalOf(body.total as never), '1212345.68');
  });

  test('inner numbers of 19 digits stay what they are', async () => {
    const { id } = await invoice();
    assert.match(Buffer.from(id, 'base64').toString('utf8'), /;Invoice:\d{19}$/);
    const found = await records.read('order', id, callIn());
    assert.equal(found.state === 'living' && found.snapshot.id, id);
  });

  test('what was left out is filled in, and comes back with the answer', async () => {
    const { body } = await invoice();
    assert.equal(body.dueDate, '2026-03-31');
    assert.equal(body.title, 'Invoice');
    assert.match(String(body.invoiceNumber), /^\d+$/);
    assert.equal(body.status, 'DRAFT');
  });

  test('an invoice that takes no patch any more says so in its own words, less what we sent', async () => {
    const made = await invoice();
    const issued = await records.update(
      'order',
      made,
      { ...made.body, status: 'SAVED' },
      ['status'],
      callIn(),
    );
    await wave.behave({ issuedAreFinal: true });
    const patch = records.update(
      'order',
      issued,
      { ...issued.body, memo: 'Call Ann, 555-0199' },
      ['memo'],
      callIn(),
    );
    await assert.rejects(patch, (failure) => {
      assert.ok(failure instanceof RemoteRejectedError);
      assert.match(failure.reason, /^memo INVALID The invoice \S+ is final and does not take ….$/);
      return true;
    });
  });

  test('a status that its enum does not know yet is read as it is, by id and in lists', async () => {
    const made = await invoice();
    await wave.behave({ newStatus: 'DISPUTED' });
    const issued = await records.update(
      'order',
      made,
      { ...made.body, status: 'SAVED' },
      ['status'],
      callIn(),
    );
    assert.equal(issued.body.status, 'DISPUTED');
    const found = await records.read('order', made.id, callIn());
    assert.equal(found.state === 'living' && found.snapshot.body.status, 'DISPUTED');
    const { changes } = await records.changedSince('order', 0, undefined, callIn());
    assert.ok(
      changes.some((change) => change.state === 'living' && change.snapshot.body.status === 'DISPUTED'),
    );
  });

  test('a success that shows no record may have happened: nobody knows what it is now', async () => {
    await wave.faults({ nullPayload: 1 });
    const writes = await wave.writes();
    await assert.rejects(invoice(), RemoteOutcomeUnknownError);
    assert.equal((await wave.writes()) - writes, 1);
  });

  test('a page of the edge with HTTP 200 is no answer: a read can be repeated, a write may have happened', async () => {
    const { id } = await records.create('customer', customerBody('Edge'), '', callIn());
    await wave.faults({ edgePage: 1 });
    await assert.rejects(records.read('customer', id, callIn()), RemoteUnavailableError);
    const writes = await wave.writes();
    await assert.rejects(invoice(), RemoteOutcomeUnknownError);
    assert.equal((await wave.writes()) - writes, 1);
  });

  test('keys that nobody has written of disturb nothing', async () => {
    await wave.behave({ additions: true });
    const { id } = await invoice();
    assert.equal((await records.read('order', id, callIn())).state, 'living');
    const { changes } = await records.changedSince('order', 0, undefined, callIn());
    assert.ok(changes.length > 0);
  });
});
