import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { editedSinceAgreement, settle } from '../../lib/mappings/agreement.ts';
import { lines } from '../../lib/mappings/lines.ts';
import { canonical, type Value } from '../../lib/mappings/mapping.ts';
import { order } from '../../lib/mappings/order.ts';
import { product } from '../../lib/mappings/product.ts';
import { planRecord } from '../../lib/mappings/record-plan.ts';
import { asFormerly } from '../../lib/mappings/taxes.ts';
import { agreedOn, pictured, prints } from '../support/linked-record.ts';
import { customcrmOrder, customcrmProduct, waveInvoice, waveProduct } from '../support/mapping-bodies.ts';
import { mappingFacts } from '../support/mapping-facts.ts';
import { policiesOf } from '../support/plan-rows.ts';

const facts = mappingFacts();

describe('a link that was last written while this stood in the other system’s terms knows it again', () => {
  const waveOnly = policiesOf({ observed: { wave: 1 } });
  const toCustomcrm = { do: 'write', to: 'customcrm', because: 'changed' };

  test('the taxes of a product: their edit in Wave is no conflict', () => {
    const now = agreedOn(product, customcrmProduct, waveProduct);
    const TaxCodes = prints.of('TaxCodes', canonical(['T-gst', 'T-pst']));
    const agreed = { ...now, customcrm: { ...now.customcrm, TaxCodes } };
    const wave = { ...waveProduct, defaultSalesTaxes: [{ id: 'T-gst', abbreviation: 'GST' }] };
    const { verdicts } = planRecord(pictured(product, customcrmProduct, wave, { agreed }), waveOnly);
    assert.deepEqual(verdicts.get('TaxCodes'), toCustomcrm);
  });

  test('the taxes of lines', () => {
    const now = agreedOn(order, customcrmOrder, waveInvoice);
    const value = lines.fromCustomcrm(customcrmOrder.Lines, facts) as unknown as { taxes: string[] }[];
    const noted = value.map((line) => ({ ...line, taxes: asFormerly(line.taxes, facts) }));
    const print = prints.of('Lines', lines.form?.(noted as unknown as Value, facts) ?? '');
    const agreed = { ...now, customcrm: { ...now.customcrm, Lines: print } };
    const items = waveInvoice.items?.map((item) => ({ ...item, quantity: '5' }));
    const edited = pictured(order, customcrmOrder, { ...waveInvoice, items }, { agreed });
    assert.deepEqual(planRecord(edited, waveOnly).verdicts.get('Lines'), toCustomcrm);
  });

  test('the taxes of a product, when their counterpart is deleted, and notes them as they stand now', () => {
    const now = agreedOn(product, customcrmProduct, waveProduct);
    const TaxCodes = prints.of('TaxCodes', canonical(['T-gst', 'T-pst']));
    const known = pictured(product, customcrmProduct, waveProduct, {
      agreed: { ...now, customcrm: { ...now.customcrm, TaxCodes } },
    });
    assert.equal(editedSinceAgreement('customcrm', customcrmProduct, known, false), false);
    const { agreed } = settle(known, planRecord(known, policiesOf()), {});
    assert.equal(agreed.customcrm.TaxCodes, now.customcrm.TaxCodes);
  });

  test('a percentage: its edit in Customcrm is no conflict', () => {
    const now = agreedOn(order, customcrmOrder, waveInvoice);
    const Discount = prints.of('Discount', canonical({ type: 'percentage', value: '10', name: 'Spring' }));
    const agreed = { ...now, wave: { ...now.wave, Discount } };
    const edited = { ...customcrmOrder, Discount: { ...customcrmOrder.Discount, Value: '20' } };
    const { verdicts } = planRecord(pictured(order, edited, waveInvoice, { agreed }), policiesOf());
    assert.deepEqual(verdicts.get('Discount'), { do: 'write', to: 'wave', because: 'changed' });
  });

  test('a tax that Wave lacks, and lines that do not say theirs', () => {
    assert.deepEqual(asFormerly(['code:GST', 'code:XX', 'T-pst'], facts), ['T-gst', 'T-pst', 'code:XX']);
    const [line] = lines.fromCustomcrm([{ Quantity: '1', UnitPrice: '1' }], facts) as unknown as object[];
    assert.deepEqual(lines.formerly?.([line] as never, facts), [line]);
  });
});
