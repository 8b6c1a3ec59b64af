import { Big } from 'big.js';
import type { CustomcrmOrder } from '../customcrm/schema.ts';
import type { Body, RecordRef } from '../domain/record.ts';
import type { WaveInvoice } from '../wave/documents.ts';
import {
  blankToNull,
  code,
  date,
  discount,
  lifeCycle,
  money,
  reference,
  sameReduction,
  text,
} from './conversions.ts';
import { lines, productsOf, sameAmounts } from './lines.ts';
import {
  type Facts,
  type MappingSettings,
  type PairMapping,
  type Row,
  type RowSituation,
  readCell,
  rowsFor,
} from './mapping.ts';
import { externalIdKey, key } from './match-keys.ts';

const { both, toWave, toCustomcrm } = rowsFor<CustomcrmOrder, WaveInvoice>();

/** Order <-> Invoice, row for row. */
// biome-ignore format: reads as the specification's table.
const table = [
  //           Customcrm               Wave               conversion
  both       ('CustomerId',           'customer.id',      reference('customer'), { emptyInWave: 'block', required: true }),
  toWave     ('OrderNumber',          'poNumber',         text, { applies: ourNumberMayStand }),
  toCustomcrm('PurchaseOrderNumber',  'poNumber',         text, { waveCellOf: 'OrderNumber', applies: (situation) => !isOurNumber(situation) }),
  both       ('Status',               'status',           lifeCycle, { ratchet: againstApproval, beginsAs: 'draft' }),
  both       ('OrderDate',            'invoiceDate',      date, { emptyInWave: 'block', required: true }),
  both       ('DueDate',              'dueDate',          date, { emptyInWave: 'restore' }),
  both       ('Currency',             'currency.code',    code, { emptyInWave: 'block', required: true }),
  both       ('Title',                'title',            text, { emptyInWave: 'restore' }),
  both       ('Description',          'memo',             text),
  both       ('Footer',               'footer',           text),
  both       ('Discount',             'discounts',        discount),
  both       ('Lines',                'items',            lines),
  toCustomcrm('InvoiceNumber',        'invoiceNumber',    text),
  toCustomcrm('InvoiceStatus',        'status',           text),
  toCustomcrm('InvoiceUrl',           'viewUrl',          text),
  toCustomcrm('SubtotalAmount',       'subtotal',         money),
  toCustomcrm('TaxAmount',            'taxTotal',         money),
  toCustomcrm('TotalAmount',          'total',            money),
  toCustomcrm('AmountPaid',           'amountPaid',       money),
  toCustomcrm('AmountDue',            'amountDue',        money),
];

/** With `poNumberFrom: PurchaseOrderNumber` the buyer's own number is two-way and ours is not sent. */
const withBuyersNumber = table
  .filter((row) => row.id !== 'OrderNumber')
  .map((row): Row => (row.id === 'PurchaseOrderNumber' ? { ...row, direction: 'both', rules: {} } : row));

/** Is Wave's number the one that we put there? */
function isOurNumber({ customcrm, wave, waveCellIsOurs }: RowSituation): boolean {
  const there = blankToNull((wave.poNumber ?? null) as string | null);
  const ours = blankToNull((customcrm.OrderNumber ?? null) as string | null);
  return there !== null && (waveCellIsOurs || there.trim() === ours?.trim());
}

/** A buyer's own number is never overwritten: ours stands on what we made, or fills an empty one on a DRAFT. */
function ourNumberMayStand(situation: RowSituation): boolean {
  const { poNumber, status } = situation.wave;
  const empty = blankToNull((poNumber ?? null) as string | null) === null;
  return isOurNumber(situation) || (empty && (status === undefined || status === 'DRAFT'));
}

const rows = (settings: MappingSettings): readonly Row[] =>
  settings.poNumberFrom === 'PurchaseOrderNumber' ? withBuyersNumber : table;

const flowsWhenIssued = new Set(['Title', 'Description', 'Footer', 'DueDate', 'Status']);
const flowsWhenPaid = new Set(['Title', 'Description', 'Footer']);
const paidStatuses = new Set(['PARTIAL', 'PAID', 'OVERPAID']);

export const order: PairMapping = {
  pair: 'order',
  everyRow: table,
  rows,
  matchKeys: (record, { poNumberFrom }) => {
    const number = key(
      'number',
      record.system === 'customcrm' ? record.body.OrderNumber : record.body.poNumber,
    );
    return [externalIdKey(record), poNumberFrom === 'OrderNumber' ? number : undefined].filter(
      (found) => found !== undefined,
    );
  },
  preferred: () => true,
  contradicts: (customcrm, wave, by, facts) => by !== 'externalId' && !sameInvoice(customcrm, wave, facts),
  parents: (system, body, { waveFallbackProductId }) => [
    ...customerOf(system, body),
    ...productsOf(system, system === 'customcrm' ? body.Lines : body.items, waveFallbackProductId),
  ],
  excluded: (record, { createInvoicesFrom }) => {
    if (record.system === 'wave') return undefined;
    if (record.body.Status === 'cancelled') return 'the order is cancelled';
    return createInvoicesFrom === 'confirmed' && record.body.Status === 'draft'
      ? 'the order is not confirmed yet'
      : undefined;
  },
  locked: (row, wave, { editIssuedInvoices }) => {
    if (wave.status === 'DRAFT' || wave.status === undefined) return undefined;
    if (paidStatuses.has(String(wave.status))) return flowsWhenPaid.has(row) ? undefined : 'paid';
    return editIssuedInvoices || flowsWhenIssued.has(row) ? undefined : 'issued';
  },
  afterDeletion(deletedIn, survivor) {
    if (deletedIn === 'customcrm') return { do: isUnpaidDraft(survivor) ? 'remove' : 'keep' };
    return survivor.Status === 'cancelled'
      ? { do: 'keep' }
      : { do: 'write', path: 'Status', cell: 'cancelled' };
  },
  givenUp: (customcrm) => customcrm.Status === 'cancelled',
  totalsAgree: (customcrm, wave, facts) => {
    const { subtotal, discountTotal } = wave as unknown as Partial<WaveInvoice>;
    if (!subtotal || !discountTotal || !showMoney(customcrm, wave, facts)) return true;
    // Whatever else their lines differ in, texts or taxes, does not touch the sum before tax.
    if (!asksForTheSame(customcrm, wave, facts)) return true;
    const theirs = new Big(subtotal.minorUnitValue).minus(discountTotal.minorUnitValue);
    return theirs.eq(minorUnitsBeforeTax(customcrm as unknown as CustomcrmOrder, subtotal.currency.exponent));
  },
};

/** The contract's statuses of an order that is agreed. Of one that a CRM has besides nobody knows: approving cannot be undone. */
const confirmed = new Set(['confirmed', 'fulfilled']);

/** Why an order does not approve its invoice. */
function againstApproval(customcrm: Body, wave: Body, facts: Facts): string | undefined {
  if (!confirmed.has(String(customcrm.Status)))
    return 'its order has a status that is not known to approve it';
  return asksForTheSame(customcrm, wave, facts)
    ? undefined
    : 'its invoice has another currency, discount or lines';
}

/** Both sides ask for the same money, as far as they show it: whatever they call the lines and the discount. */
function asksForTheSame(customcrm: Body, wave: Body, facts: Facts): boolean {
  const cells = (id: string) => {
    const row = table.find((each) => each.id === id) as Row;
    return [readCell(row, 'customcrm', customcrm, facts), readCell(row, 'wave', wave, facts)] as const;
  };
  const [here, there] = cells('Currency');
  if (here && there && here.form !== there.form) return false;
  const [lines, items] = cells('Lines');
  if (lines && items && !sameAmounts(lines.value, items.value, facts)) return false;
  const [some = { value: null }, other = { value: null }] = cells('Discount');
  return sameReduction(some.value, other.value, facts);
}

/** Both sides show their currency, lines and discount. */
const showMoney = (customcrm: Body, wave: Body, facts: Facts): boolean =>
  table
    .filter(({ id }) => ['Currency', 'Lines', 'Discount'].includes(id))
    .every((row) => readCell(row, 'customcrm', customcrm, facts) && readCell(row, 'wave', wave, facts));

const isUnpaidDraft = (wave: Body): boolean =>
  wave.status === 'DRAFT' && new Big((wave as unknown as WaveInvoice).amountPaid.minorUnitValue).eq(0);

function customerOf(system: RecordRef['system'], body: Body): readonly RecordRef[] {
  const id =
    system === 'customcrm' ? body.CustomerId : (body as unknown as Partial<WaveInvoice>).customer?.id;
  return typeof id === 'string' && id !== '' ? [{ system, pair: 'customer', id }] : [];
}

/** The same customer through its link, the same currency and the same total. */
function sameInvoice(customcrm: Body, wave: Body, facts: Facts): boolean {
  const order = customcrm as unknown as CustomcrmOrder;
  const invoice = wave as unknown as WaveInvoice;
  return (
    facts.waveIdOf('customer', order.CustomerId) === invoice.customer.id &&
    order.Currency.trim().toUpperCase() === invoice.currency.code &&
    sameTotal(order, invoice)
  );
}

/** Customcrm's own total where it has one, else the sum before tax: tax is Wave's to compute. */
function sameTotal(customcrm: CustomcrmOrder, wave: WaveInvoice): boolean {
  const { exponent } = wave.total.currency;
  if (customcrm.TotalAmount != null) {
    return new Big(customcrm.TotalAmount).times(new Big(10).pow(exponent)).eq(wave.total.minorUnitValue);
  }
  return new Big(wave.subtotal.minorUnitValue)
    .minus(wave.discountTotal.minorUnitValue)
    .eq(minorUnitsBeforeTax(customcrm, exponent));
}

/** Lines less discount, each line rounded to the minor unit, ties away from zero. */
function minorUnitsBeforeTax(customcrm: CustomcrmOrder, exponent: number): Big {
  const minor = new Big(10).pow(exponent);
  const rounded = (amount: Big) => amount.times(minor).round(0, Big.roundHalfUp);
  const sum = (customcrm.Lines ?? []).reduce(
    (total, line) => total.plus(rounded(new Big(line.Quantity).times(line.UnitPrice))),
    new Big(0),
  );
  const off = customcrm.Discount;
  if (!off) return sum;
  return sum.minus(
    off.Type === 'fixed'
      ? rounded(new Big(off.Value))
      : sum.times(off.Value).div(100).round(0, Big.roundHalfUp),
  );
}
