/** The one business of the stand-in. */
const businessUuid = '3f0c2d6e-5b1a-4c8e-9d27-6a40b1f0c9e2';

const encode = (text: string): string => Buffer.from(text).toString('base64');

export type WaveKind = 'Customer' | 'Product' | 'Invoice' | 'Account' | 'SalesTax' | 'InvoicePayment';

export const localBusinessId = encode(`Business:${businessUuid}`);
/** A global id as Wave makes them: base64 of the business and the inner number. */
export const globalId = (kind: WaveKind, inner: string): string =>
  encode(`Business:${businessUuid};${kind}:${inner}`);
export const localIncomeAccountId = globalId('Account', '610000000000000001');
export const localBankAccountId = globalId('Account', '610000000000000002');
export const localFallbackProductId = globalId('Product', '620000000000000001');
export const localHstId = globalId('SalesTax', '630000000000000001');
export const localGstId = globalId('SalesTax', '630000000000000002');
export const bareBusinessId = businessUuid;

/** The inner number of a global id, as webhooks carry it; undefined for an id of another kind. */
export function innerOf(kind: WaveKind, id: string): string | undefined {
  const [, inner] = Buffer.from(id, 'base64').toString('utf8').split(`;${kind}:`);
  return inner;
}
