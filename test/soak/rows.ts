import { Big } from 'big.js';
import { localGstId, localHstId } from '../../infra/local/wave/ids.ts';
import type { Pair, System } from '../../lib/domain/record.ts';
import { at } from '../end-to-end/world.ts';

// A second statement of what the product must keep equal, written without the mappings of lib/.

export type Fields = Readonly<Record<string, unknown>>;

type Kind =
  | 'text'
  | 'email'
  | 'code'
  | 'price'
  | 'date'
  | 'taxes'
  | 'discount'
  | 'lines'
  | 'customer'
  | 'active'
  | 'number'
  | 'status';

/** One property on both sides, as the control pages of the stand-ins show their records. */
export interface Row {
  readonly id: string;
  readonly kind: Kind;
  /** Dotted path in Wave's record. */
  readonly wave: string;
  /** The property of Wave's inputs that carries it; several rows may share one, and are then replaced together. */
  readonly input: string;
}

const row = (id: string, kind: Kind, wave: string, input = wave): Row => ({ id, kind, wave, input });
const texts = (names: Readonly<Record<string, string>>): readonly Row[] =>
  Object.entries(names).map(([id, field]) =>
    row(id, id === 'Email' ? 'email' : 'text', `fields.${field}`, field),
  );
const address = (prefix: string, path: string, input: string): readonly Row[] => [
  row(`${prefix}StreetAddress1`, 'text', `${path}.addressLine1`, input),
  row(`${prefix}StreetAddress2`, 'text', `${path}.addressLine2`, input),
  row(`${prefix}City`, 'text', `${path}.city`, input),
  row(`${prefix}ZipCode`, 'text', `${path}.postalCode`, input),
  row(`${prefix}Province`, 'code', `${path}.provinceCode`, input),
  row(`${prefix}Country`, 'code', `${path}.countryCode`, input),
];

export const rowsOf: Readonly<Record<Pair, readonly Row[]>> = {
  customer: [
    row('Name', 'text', 'name'),
    ...texts({
      Number: 'displayId',
      FirstName: 'firstName',
      LastName: 'lastName',
      Email: 'email',
      Phone: 'phone',
      Mobile: 'mobile',
      TollFree: 'tollFree',
      Fax: 'fax',
      Website: 'website',
      Description: 'internalNotes',
    }),
    ...address('', 'address', 'address'),
    row('Currency', 'code', 'currency'),
    row('ShippingName', 'text', 'shipping.name', 'shippingDetails'),
    row('ShippingPhone', 'text', 'shipping.phone', 'shippingDetails'),
    row('ShippingInstructions', 'text', 'shipping.instructions', 'shippingDetails'),
    ...address('Shipping', 'shipping.address', 'shippingDetails'),
  ],
  product: [
    row('Name', 'text', 'name'),
    row('Description', 'text', 'description'),
    row('UnitPrice', 'price', 'unitPrice'),
    row('TaxCodes', 'taxes', 'taxIds', 'defaultSalesTaxIds'),
    row('Active', 'active', 'isArchived'),
  ],
  order: [
    row('CustomerId', 'customer', 'customerId'),
    row('OrderNumber', 'number', 'texts.poNumber', 'poNumber'),
    row('OrderDate', 'date', 'invoiceDate'),
    row('DueDate', 'date', 'dueDate'),
    row('Currency', 'code', 'currency'),
    row('Title', 'text', 'title'),
    row('Description', 'text', 'texts.memo', 'memo'),
    row('Footer', 'text', 'texts.footer', 'footer'),
    row('Discount', 'discount', 'discounts'),
    row('Lines', 'lines', 'items'),
    row('Status', 'status', 'approved'),
  ],
};

/** The name that a record has on both sides, for references. */
export type NameOf = (system: System, pair: Pair, id: string) => string;

export const cellOf = ({ id, wave }: Row, system: System, record: Fields): unknown =>
  (system === 'customcrm' ? record[id] : at(record, wave)) ?? null;

/** What a row holds, written alike for both sides. */
export function formOf(row: Row, system: System, record: Fields, nameOf: NameOf): string {
  const cell = cellOf(row, system, record);
  switch (row.kind) {
    case 'text':
    case 'date':
    case 'number':
      return textForm(cell);
    case 'email':
      return textForm(cell).toLowerCase();
    case 'code':
      return textForm(cell).toUpperCase();
    case 'price':
      return numberForm(cell, 5);
    case 'taxes':
      return taxForm(cell as readonly string[] | null);
    case 'discount':
      return system === 'customcrm'
        ? crmDiscount(cell as Fields | null)
        : waveDiscount(cell as readonly Fields[]);
    case 'lines':
      return linesForm(system, (cell ?? []) as readonly Fields[], nameOf);
    case 'customer':
      return nameOf(system, 'customer', String(cell));
    case 'active':
      return (system === 'customcrm') === (cell === true) ? 'active' : 'archived';
    case 'status':
      return (system === 'customcrm' ? cell !== 'draft' : cell === true) ? 'issued' : 'draft';
  }
}

/** Equal, or as far along as the rules of the row let them be. */
export function agree(row: Row, customcrm: string, wave: string): boolean {
  if (row.kind === 'status') return !(customcrm === 'draft' && wave === 'issued');
  if (row.kind === 'number') return wave === '' || wave === customcrm;
  return customcrm === wave;
}

export const textForm = (cell: unknown): string =>
  String(cell ?? '')
    .normalize('NFC')
    .replaceAll('\r\n', '\n')
    .trim();

const numberForm = (cell: unknown, places: number): string =>
  cell === null || cell === undefined || cell === ''
    ? ''
    : new Big(String(cell)).round(places, Big.roundHalfUp).toFixed();

const codeOfTax: Readonly<Record<string, string>> = { [localGstId]: 'GST', [localHstId]: 'HST' };
export const taxIdOf: Readonly<Record<string, string>> = { GST: localGstId, HST: localHstId };

const taxForm = (codes: readonly string[] | null | undefined): string =>
  [...new Set((codes ?? []).map((code) => codeOfTax[code] ?? code))].sort().join('+');

const crmDiscount = (cell: Fields | null): string =>
  cell === null ? '' : `${cell.Type}|${numberForm(cell.Value, 8)}|${textForm(cell.Name)}`;

const waveDiscount = ([only]: readonly Fields[]): string =>
  only ? `${String(only.type).toLowerCase()}|${numberForm(only.value, 8)}|${textForm(only.name)}` : '';

/** Wave is not known to keep the order of items: the order makes no difference. */
function linesForm(system: System, lines: readonly Fields[], nameOf: NameOf): string {
  const forms = lines.map((line) => {
    const [product, description, quantity, price, taxes] =
      system === 'customcrm'
        ? [line.ProductId, line.Description, line.Quantity, line.UnitPrice, line.TaxCodes]
        : [line.productId, line.description, line.quantity, line.unitPrice, line.taxIds];
    const name = product === null || product === undefined ? '' : nameOf(system, 'product', String(product));
    return [
      name,
      textForm(description),
      numberForm(quantity, 8),
      numberForm(price, 8),
      taxForm(taxes as readonly string[]),
    ].join('|');
  });
  return forms.sort().join('\n');
}

/** `record` with another value at the row's place. */
export function withCell(row: Row, system: System, record: Fields, cell: unknown): Fields {
  return system === 'customcrm' ? { ...record, [row.id]: cell } : put(record, row.wave.split('.'), cell);
}

function put(record: Fields, [name = '', ...rest]: readonly string[], cell: unknown): Fields {
  if (rest.length === 0) return { ...record, [name]: cell };
  return { ...record, [name]: put((record[name] ?? {}) as Fields, rest, cell) };
}
