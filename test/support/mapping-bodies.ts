import type { CustomcrmCustomer, CustomcrmOrder, CustomcrmProduct } from '../../lib/customcrm/schema.ts';
import type { Pair, Snapshot, System } from '../../lib/domain/record.ts';
import type { WaveCustomer, WaveInvoice, WaveProduct } from '../../lib/wave/documents.ts';

const meta = { Id: '1', Version: 1, CreatedAt: '2026-05-04T10:00:00Z', UpdatedAt: '2026-05-04T10:00:00Z' };
const waveMeta = { id: 'W-1', createdAt: '2026-05-04T10:00:00.000Z', modifiedAt: '2026-05-04T10:00:00.000Z' };

export const customcrmCustomer: CustomcrmCustomer = {
  ...meta,
  ExternalId: null,
  Name: 'North Quay Tools',
  Number: 'A-100',
  FirstName: 'Front',
  LastName: 'Desk',
  Email: 'Office@north-quay.example',
  Phone: '+1 555 0100',
  Mobile: '+1 555 0101',
  TollFree: '+1 800 555 0102',
  Fax: '+1 555 0103',
  Website: 'https://north-quay.example',
  Description: 'Pays by transfer',
  StreetAddress1: '1 Quay Road',
  StreetAddress2: 'Unit 4',
  City: 'Halifax',
  ZipCode: 'B3H 0A1',
  Province: 'CA-NS',
  Country: 'CA',
  Currency: 'CAD',
  ShippingName: 'North Quay store',
  ShippingPhone: '+1 555 0104',
  ShippingInstructions: 'Ring twice',
  ShippingStreetAddress1: '2 Quay Road',
  ShippingStreetAddress2: 'Gate B',
  ShippingCity: 'Dartmouth',
  ShippingZipCode: 'B2Y 0B2',
  ShippingProvince: 'CA-NS',
  ShippingCountry: 'CA',
};

export const waveCustomer: WaveCustomer = {
  ...waveMeta,
  name: 'North Quay Tools',
  displayId: 'A-100',
  firstName: 'Front',
  lastName: 'Desk',
  email: 'office@north-quay.example',
  phone: '+1 555 0100',
  mobile: '+1 555 0101',
  tollFree: '+1 800 555 0102',
  fax: '+1 555 0103',
  website: 'https://north-quay.example',
  internalNotes: 'Pays by transfer',
  currency: { code: 'CAD' },
  address: {
    addressLine1: '1 Quay Road',
    addressLine2: 'Unit 4',
    city: 'Halifax',
    postalCode: 'B3H 0A1',
    province: { code: 'CA-NS' },
    country: { code: 'CA' },
  },
  shippingDetails: {
    name: 'North Quay store',
    phone: '+1 555 0104',
    instructions: 'Ring twice',
    address: {
      addressLine1: '2 Quay Road',
      addressLine2: 'Gate B',
      city: 'Dartmouth',
      postalCode: 'B2Y 0B2',
      province: { code: 'CA-NS' },
      country: { code: 'CA' },
    },
  },
};

export const customcrmProduct: CustomcrmProduct = {
  ...meta,
  ExternalId: null,
  Name: 'Ladder',
  Description: 'Three steps',
  UnitPrice: '49.90',
  Active: true,
  TaxCodes: ['GST', 'PST'],
};

export const waveProduct: WaveProduct = {
  ...waveMeta,
  name: 'Ladder',
  description: 'Three steps',
  unitPrice: '49.9',
  isSold: true,
  isBought: false,
  isArchived: false,
  defaultSalesTaxes: [
    { id: 'T-gst', abbreviation: 'GST' },
    { id: 'T-pst', abbreviation: 'PST' },
  ],
};

/** 2 ladders at 49.90 and 1.5 hours at 80.00, less 10 %: 219.80, less 21.98, plus 5 % tax on the ladders. */
export const customcrmOrder: CustomcrmOrder = {
  ...meta,
  ExternalId: null,
  OrderNumber: 'SO-7',
  Status: 'draft',
  CustomerId: 'c1',
  Currency: 'CAD',
  OrderDate: '2026-05-04',
  DueDate: '2026-06-03',
  PurchaseOrderNumber: null,
  Title: 'Spring order',
  Description: 'As agreed by phone',
  Footer: 'Thank you',
  Discount: { Type: 'percentage', Value: '10', Name: 'Spring' },
  Lines: [
    {
      Id: 'l1',
      ProductId: 'p1',
      Description: 'Ladder',
      Quantity: '2',
      UnitPrice: '49.90',
      TaxCodes: ['GST'],
    },
    { Id: 'l2', ProductId: null, Description: 'Delivery', Quantity: '1.5', UnitPrice: '80.00', TaxCodes: [] },
  ],
  InvoiceNumber: null,
  InvoiceStatus: null,
  InvoiceUrl: null,
  SubtotalAmount: null,
  TaxAmount: null,
  TotalAmount: null,
  AmountPaid: null,
  AmountDue: null,
};

/** Wave's money, such as `cents('21980')`. */
export const cents = (minorUnitValue: string, exponent = 2) => ({ minorUnitValue, currency: { exponent } });

export const waveInvoice: WaveInvoice = {
  ...waveMeta,
  status: 'DRAFT',
  title: 'Spring order',
  invoiceNumber: '1042',
  poNumber: 'SO-7',
  invoiceDate: '2026-05-04',
  dueDate: '2026-06-03',
  memo: 'As agreed by phone',
  footer: 'Thank you',
  viewUrl: 'https://wave.example/invoices/1042',
  customer: { id: 'WC-1' },
  currency: { code: 'CAD' },
  discounts: [{ __typename: 'PercentageInvoiceDiscount', name: 'Spring', percentage: '10' }],
  items: [
    {
      product: { id: 'WP-1' },
      description: 'Ladder',
      quantity: '2',
      unitPrice: '49.9',
      taxes: [{ salesTax: { id: 'T-gst', abbreviation: 'GST' } }],
    },
    { product: { id: 'WP-fallback' }, description: 'Delivery', quantity: '1.5', unitPrice: '80', taxes: [] },
  ],
  subtotal: cents('21980'),
  discountTotal: cents('2198'),
  taxTotal: cents('449'),
  total: cents('20231'),
  amountPaid: cents('0'),
  amountDue: cents('20231'),
};

/** A record as one read showed it. */
export const snapshotOf = (system: System, pair: Pair, id: string, body: object): Snapshot => ({
  system,
  pair,
  id,
  body: body as Snapshot['body'],
  createdAt: 0,
  modifiedAt: 0,
});
