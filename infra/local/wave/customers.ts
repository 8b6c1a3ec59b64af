import { type Business, InputFault, living, newId, stampNow, touch } from './business.ts';
import type { AddressRecord, CustomerRecord } from './records.ts';

type Input = Readonly<Record<string, unknown>>;
const textFields = [
  'firstName',
  'lastName',
  'displayId',
  'email',
  'mobile',
  'phone',
  'fax',
  'tollFree',
  'website',
  'internalNotes',
] as const;

const text = (value: unknown): string | null =>
  value === null || value === undefined ? null : String(value);

/** ISO 3166-2 codes begin with their country; Canada and the United States are checked by name. */
const provinces: Readonly<Record<string, string>> = {
  CA: 'AB BC MB NB NL NS NT NU ON PE QC SK YT',
  US: 'AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY DC',
};

function address(input: unknown, path: string): AddressRecord | null {
  if (input === null || input === undefined) return null;
  const given = input as Input;
  const provinceCode = text(given.provinceCode) || null;
  const countryCode = text(given.countryCode) || null;
  if (provinceCode) {
    const [country = '', region = ''] = provinceCode.split('-');
    const known = provinces[country];
    if (!region || (known && !known.split(' ').includes(region)))
      throw new InputFault(`${path}.provinceCode`, 'Province does not exist.');
    if (countryCode && countryCode !== country)
      throw new InputFault(`${path}.provinceCode`, 'Province is not in the country.');
  }
  return {
    addressLine1: text(given.addressLine1),
    addressLine2: text(given.addressLine2),
    city: text(given.city),
    postalCode: text(given.postalCode),
    provinceCode,
    countryCode,
  };
}

/** What a create or patch input changes: absent fields stay, objects are replaced as a whole. */
function changes(
  input: Input,
  before: CustomerRecord | undefined,
): Omit<CustomerRecord, 'id' | 'createdAt' | 'modifiedAt'> {
  const name = input.name === undefined ? (before?.name ?? '') : String(input.name ?? '').trim();
  if (name === '') throw new InputFault('name', 'This field is required.');
  const fields = Object.fromEntries(
    textFields.map((field) => [
      field,
      input[field] === undefined ? (before?.fields[field] ?? null) : text(input[field]),
    ]),
  );
  const shipping = input.shippingDetails as Input | null | undefined;
  return {
    name,
    fields,
    currency: input.currency === undefined ? (before?.currency ?? null) : text(input.currency),
    address: input.address === undefined ? (before?.address ?? null) : address(input.address, 'address'),
    shipping:
      shipping === undefined
        ? (before?.shipping ?? null)
        : shipping && {
            name: text(shipping.name),
            phone: text(shipping.phone),
            instructions: text(shipping.instructions),
            address: address(shipping.address, 'shippingDetails.address'),
          },
  };
}

export function customerCreate(business: Business, input: Input): CustomerRecord {
  const now = stampNow(business);
  const record = {
    ...changes(input, undefined),
    id: newId(business, 'customer'),
    createdAt: now,
    modifiedAt: now,
  };
  business.store.put('customer', record);
  return record;
}

export function customerPatch(business: Business, input: Input): CustomerRecord {
  const before = living(business, 'customer', String(input.id), 'id');
  return touch(business, 'customer', { ...before, ...changes(input, before) });
}

export function customerDelete(business: Business, input: Input): void {
  const before = living(business, 'customer', String(input.id), 'id');
  const has = business.store
    .all('invoice')
    .some((invoice) => invoice.customerId === before.id && !invoice.deleted);
  if (has) throw new InputFault('id', 'The customer has invoices.');
  touch(business, 'customer', { ...before, deleted: true });
}
