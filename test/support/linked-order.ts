import type { MappingSettings } from '../../lib/mappings/mapping.ts';
import { order } from '../../lib/mappings/order.ts';
import { agreedOn, applied, pictured } from './linked-record.ts';
import { customcrmOrder, waveInvoice } from './mapping-bodies.ts';
import { mappingFacts } from './mapping-facts.ts';

/** What Customcrm shows of the invoice. */
export const derivedFromWave = {
  InvoiceNumber: '1042',
  InvoiceStatus: 'DRAFT',
  InvoiceUrl: 'https://wave.example/invoices/1042',
  SubtotalAmount: '219.80',
  TaxAmount: '4.49',
  TotalAmount: '202.31',
  AmountPaid: '0.00',
  AmountDue: '202.31',
};

/** An order and its invoice, in sync, nothing agreed yet. */
export const linkedOrder = pictured(order, { ...customcrmOrder, ...derivedFromWave }, waveInvoice);

interface Edits {
  readonly customcrm?: object;
  readonly wave?: object;
}

/** The plan after edits of either side of an order that was agreed with the bodies of `before`. */
export function afterEdits(edits: Edits, settings: Partial<MappingSettings> = {}, before: Edits = {}) {
  const facts = mappingFacts(settings);
  const customcrm = { ...linkedOrder.customcrm, ...before.customcrm };
  const wave = { ...linkedOrder.wave, ...before.wave };
  return applied({
    ...linkedOrder,
    facts,
    agreed: agreedOn(order, customcrm, wave, facts),
    customcrm: { ...customcrm, ...edits.customcrm },
    wave: { ...wave, ...edits.wave },
  });
}
