import type { VariablesOf } from 'gql.tada';
import type { Body } from '../domain/record.ts';
import { RemoteRejectedError } from '../errors.ts';
import type {
  customerCreate,
  customerPatch,
  invoiceCreate,
  invoicePatch,
  productCreate,
  productPatch,
} from './documents.ts';
import { countryCodes, currencyCodes } from './enums.ts';

// Wave reads one shape and writes another: these turn a body (as read) into the input that makes Wave hold it.

type CustomerInput = Omit<VariablesOf<typeof customerPatch>['input'], 'id'>;
type ProductInput = Omit<VariablesOf<typeof productPatch>['input'], 'id'>;
type InvoiceInput = Omit<VariablesOf<typeof invoicePatch>['input'], 'id'>;
export type CustomerCreate = VariablesOf<typeof customerCreate>['input'];
export type ProductCreate = VariablesOf<typeof productCreate>['input'];
export type InvoiceCreate = VariablesOf<typeof invoiceCreate>['input'];

type Cell = Body[string];
const text = (cell: Cell): string | null => (typeof cell === 'string' ? cell : null);
const inner = (cell: Cell): Body => (cell ?? {}) as Body;
const list = (cell: Cell): readonly Body[] => (Array.isArray(cell) ? (cell as Body[]) : []);

/** The properties of `body` that are among `changed`, as an input. Objects that Wave replaces as a whole are complete. */
export function customerInput(body: Body, changed: ReadonlySet<string>): CustomerInput {
  const plain = [
    'name',
    'firstName',
    'lastName',
    'email',
    'phone',
    'mobile',
    'tollFree',
    'fax',
    'website',
    'displayId',
    'internalNotes',
  ] as const;
  return {
    ...Object.fromEntries(plain.filter((name) => changed.has(name)).map((name) => [name, text(body[name])])),
    ...(changed.has('currency') && { currency: currency(body.currency) }),
    ...(changed.has('address') && { address: address(body.address, 'address') }),
    ...(changed.has('shippingDetails') && { shippingDetails: shipping(inner(body.shippingDetails)) }),
  };
}

export function productInput(body: Body, changed: ReadonlySet<string>): ProductInput {
  return {
    ...(changed.has('name') && { name: text(body.name) }),
    ...(changed.has('description') && { description: text(body.description) }),
    ...(changed.has('unitPrice') && { unitPrice: text(body.unitPrice) }),
    ...(changed.has('defaultSalesTaxes') && {
      defaultSalesTaxIds: list(body.defaultSalesTaxes).map((tax) => String(tax.id)),
    }),
  };
}

export function invoiceInput(body: Body, changed: ReadonlySet<string>): InvoiceInput {
  const plain = ['title', 'poNumber', 'invoiceDate', 'dueDate', 'memo', 'footer'] as const;
  return {
    ...Object.fromEntries(plain.filter((name) => changed.has(name)).map((name) => [name, text(body[name])])),
    ...(changed.has('customer') && { customerId: text(inner(body.customer).id) }),
    ...(changed.has('currency') && { currency: currency(body.currency) }),
    ...(changed.has('items') && { items: list(body.items).map(item) }),
    ...(changed.has('discounts') && { discounts: list(body.discounts).map(discount) }),
  };
}

const item = (line: Body) => ({
  productId: String(inner(line.product).id),
  description: text(line.description),
  quantity: text(line.quantity),
  unitPrice: text(line.unitPrice),
  ...(line.taxes !== undefined && {
    taxes: list(line.taxes).map((tax) => ({ salesTaxId: String(inner(tax.salesTax).id) })),
  }),
});

const discount = (body: Body) =>
  body.__typename === 'FixedInvoiceDiscount'
    ? { discountType: 'FIXED' as const, amount: text(body.amount), name: text(body.name) }
    : { discountType: 'PERCENTAGE' as const, percentage: text(body.percentage), name: text(body.name) };

/** @param path where it stands, for what is refused of it */
const address = (cell: Cell, path: string) => {
  const body = inner(cell);
  return {
    addressLine1: text(body.addressLine1),
    addressLine2: text(body.addressLine2),
    city: text(body.city),
    postalCode: text(body.postalCode),
    provinceCode: text(inner(body.province).code)?.trim().toUpperCase() ?? null,
    countryCode: oneOf(countryCodes, 'country', text(inner(body.country).code), `${path}.country.code`),
  };
};

const shipping = (body: Body) => ({
  name: text(body.name),
  phone: text(body.phone),
  instructions: text(body.instructions),
  address: address(body.address, 'shippingDetails.address'),
});

const currency = (cell: Cell) => oneOf(currencyCodes, 'currency', text(inner(cell).code), 'currency.code');

/** What is quoted: anything else that was typed in the place of a code may be about a person. */
const codeLike = /^[A-Z]{2,3}$/;

/** Wave's enums are partly outdated: a code that it lacks is refused here, with a reason, before anything is sent. */
function oneOf(known: ReadonlySet<string>, name: string, cell: string | null, path: string): never | null {
  const code = cell?.trim().toUpperCase() ?? null;
  if (code === null || code === '') return null;
  if (!known.has(code)) {
    const named = codeLike.test(code) ? `the ${name} code ${code}` : `this ${name} code`;
    throw new RemoteRejectedError('wave', `Wave does not know ${named}`, { paths: [path] });
  }
  return code as never;
}

/** What an input calls otherwise than Wave's answers do. */
const readNames: Readonly<Record<string, string>> = {
  provinceCode: 'province.code',
  countryCode: 'country.code',
  currency: 'currency.code',
  customerId: 'customer.id',
  productId: 'product.id',
  defaultSalesTaxIds: 'defaultSalesTaxes',
};

/** Where in a record, as it is read, stands what this path of an input names: `input.address.provinceCode` is `address.province.code`. */
export const pathOfInput = (path: readonly (string | number)[]): string =>
  path
    .map(String)
    .filter((name, index) => !/^\d+$/.test(name) && !(index === 0 && name === 'input'))
    .map((name) => readNames[name] ?? name)
    .join('.');
