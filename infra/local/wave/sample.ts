import { type Business, stampNow } from './business.ts';
import { customerCreate } from './customers.ts';
import { localFallbackProductId, localGstId, localHstId, localIncomeAccountId } from './ids.ts';
import { invoiceApprove, invoiceCreate, paymentCreate } from './invoices.ts';
import { productCreate } from './products.ts';

/** The product that is always there, and, for a business that has nothing else yet, something to look at. */
export function sample(business: Business, withRecords: boolean): void {
  const { store } = business;
  if (store.find('product', localFallbackProductId)) return;
  const now = stampNow(business);
  store.put('product', {
    id: localFallbackProductId,
    name: 'Other',
    description: null,
    unitPrice: '0',
    taxIds: [],
    incomeAccountId: localIncomeAccountId,
    expenseAccountId: null,
    isArchived: false,
    createdAt: now,
    modifiedAt: now,
  });
  if (!withRecords) return;
  const gallery = customerCreate(business, {
    name: 'Northern Lights Gallery',
    email: 'front@northernlights.example',
    currency: 'CAD',
    address: {
      addressLine1: '12 Aurora Way',
      city: 'Yellowknife',
      provinceCode: 'CA-NT',
      countryCode: 'CA',
      postalCode: 'X1A 1A1',
    },
  });
  customerCreate(business, { name: 'Harbour Books', displayId: 'W-2', currency: 'CAD' });
  const framing = productCreate(business, {
    name: 'Framing, large',
    unitPrice: '145',
    incomeAccountId: localIncomeAccountId,
    defaultSalesTaxIds: [localGstId],
  });
  productCreate(business, {
    name: 'Book binding',
    unitPrice: '38.5',
    incomeAccountId: localIncomeAccountId,
    defaultSalesTaxIds: [localHstId],
  });
  const invoice = invoiceCreate(business, {
    customerId: gallery.id,
    currency: 'CAD',
    memo: 'Spring exhibition',
    items: [{ productId: framing.id, quantity: '3' }],
  });
  invoiceApprove(business, { invoiceId: invoice.id });
  paymentCreate(business, { invoiceId: invoice.id, amount: '100', paymentDate: now.slice(0, 10) });
}
