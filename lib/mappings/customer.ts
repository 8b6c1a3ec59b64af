import type { CustomcrmCustomer } from '../customcrm/schema.ts';
import type { Body } from '../domain/record.ts';
import type { WaveCustomer } from '../wave/documents.ts';
import { code, email, text } from './conversions.ts';
import { type PairMapping, rowsFor } from './mapping.ts';
import { externalIdKey, key, keyForm, type MatchKeyOrNone } from './match-keys.ts';

const { both } = rowsFor<CustomcrmCustomer, WaveCustomer>();

/** Customer <-> Customer, row for row. */
// biome-ignore format: reads as the specification's table.
const rows = [
  //    Customcrm                 Wave                                      conversion
  both('Name',                   'name',                                    text, { emptyInWave: 'block', required: true }),
  both('Number',                 'displayId',                               text),
  both('FirstName',              'firstName',                               text),
  both('LastName',               'lastName',                                text),
  both('Email',                  'email',                                   email),
  both('Phone',                  'phone',                                   text),
  both('Mobile',                 'mobile',                                  text),
  both('TollFree',               'tollFree',                                text),
  both('Fax',                    'fax',                                     text),
  both('Website',                'website',                                 text),
  both('Description',            'internalNotes',                           text),
  both('StreetAddress1',         'address.addressLine1',                    text),
  both('StreetAddress2',         'address.addressLine2',                    text),
  both('City',                   'address.city',                            text),
  both('ZipCode',                'address.postalCode',                      text),
  both('Province',               'address.province.code',                   code),
  both('Country',                'address.country.code',                    code),
  both('Currency',               'currency.code',                           code),
  both('ShippingName',           'shippingDetails.name',                    text),
  both('ShippingPhone',          'shippingDetails.phone',                   text),
  both('ShippingInstructions',   'shippingDetails.instructions',            text),
  both('ShippingStreetAddress1', 'shippingDetails.address.addressLine1',    text),
  both('ShippingStreetAddress2', 'shippingDetails.address.addressLine2',    text),
  both('ShippingCity',           'shippingDetails.address.city',            text),
  both('ShippingZipCode',        'shippingDetails.address.postalCode',      text),
  both('ShippingProvince',       'shippingDetails.address.province.code',   code),
  both('ShippingCountry',        'shippingDetails.address.country.code',    code),
];

export const customer: PairMapping = {
  pair: 'customer',
  everyRow: rows,
  rows: () => rows,
  matchKeys(record) {
    const crm = record.system === 'customcrm';
    const emailKey = key('email', crm ? record.body.Email : record.body.email);
    const numberKey = key('number', crm ? record.body.Number : record.body.displayId);
    const nameKey: MatchKeyOrNone =
      emailKey || numberKey ? undefined : key('name', crm ? record.body.Name : record.body.name);
    return [externalIdKey(record), emailKey, numberKey, nameKey].filter((found) => found !== undefined);
  },
  preferred: () => true,
  contradicts: (customcrm, wave, by) =>
    by !== 'externalId' && (differ(customcrm.Email, wave.email) || differ(customcrm.Number, wave.displayId)),
  parents: () => [],
  excluded: () => undefined,
  locked: () => undefined,
  // Wave has no archive for customers, and a delete may take their invoices along.
  afterDeletion: () => ({ do: 'keep' }),
  givenUp: () => false,
  totalsAgree: () => true,
};

/** Both say something, and not the same. */
function differ(a: Body[string], b: Body[string]): boolean {
  const left = keyForm(a);
  const right = keyForm(b);
  return left !== '' && right !== '' && left !== right;
}
