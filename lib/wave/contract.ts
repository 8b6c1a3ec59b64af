import { type DocumentNode, Kind, print } from 'graphql';
import type { Body } from '../domain/record.ts';
import * as documents from './documents.ts';
import { fallback, health } from './health.ts';
import { customerInput, invoiceInput, productInput } from './inputs.ts';
import * as probeDocuments from './probe-documents.ts';
import { readDocument } from './read.ts';
import { composed } from './write.ts';

/** A document as it is sent, with variables that Wave can coerce. They name nothing that exists. */
export interface ContractDocument {
  readonly name: string;
  readonly query: string;
  readonly variables: Readonly<Record<string, unknown>>;
}

const global = (text: string): string => Buffer.from(text).toString('base64');
const business = 'Business:00000000-0000-4000-8000-000000000000';
const businessId = global(business);
const idOf = (kind: string): string => global(`${business};${kind}:1`);
const money = '12.50';
const day = '2026-01-31';
const stamp = '2026-01-31T12:00:00.000Z';
const address = {
  addressLine1: '1 Example Street',
  addressLine2: 'Back door',
  city: 'Exampleton',
  postalCode: 'X0X 0X0',
  province: { code: 'CA-ON' },
  country: { code: 'CA' },
};
/** As Wave reads it, with every property that is ever sent: what becomes of it is what the product itself makes. */
const customer: Body = {
  name: 'Example',
  firstName: 'Some',
  lastName: 'One',
  email: 'someone@example.com',
  phone: '1',
  mobile: '2',
  tollFree: '3',
  fax: '4',
  website: 'https://example.com',
  displayId: 'EX-1',
  internalNotes: 'Example',
  currency: { code: 'CAD' },
  address,
  shippingDetails: { name: 'Example', phone: '5', instructions: 'Ring', address },
};
const product: Body = {
  name: 'Example',
  description: 'Example',
  unitPrice: money,
  defaultSalesTaxes: [{ id: idOf('SalesTax') }],
};
const invoice: Body = {
  customer: { id: idOf('Customer') },
  currency: { code: 'CAD' },
  title: 'Example',
  poNumber: 'EX-1',
  invoiceDate: day,
  dueDate: day,
  memo: 'Example',
  footer: 'Example',
  items: [
    {
      product: { id: idOf('Product') },
      description: 'Example',
      quantity: '1',
      unitPrice: money,
      taxes: [{ salesTax: { id: idOf('SalesTax') } }],
    },
  ],
  discounts: [
    { __typename: 'FixedInvoiceDiscount', name: 'Example', amount: money },
    { __typename: 'PercentageInvoiceDiscount', name: 'Example', percentage: '10' },
  ],
};
const inputOf = {
  customer: customerInput(customer, new Set(Object.keys(customer))),
  product: productInput(product, new Set(Object.keys(product))),
  invoice: invoiceInput(invoice, new Set(Object.keys(invoice))),
};
/** What only the probe sends of an invoice. */
const ofProbe = { status: 'DRAFT', invoiceNumber: '1' };
const page = { business: businessId, page: 1, pageSize: 1 };
const everyList = { customers: true, products: true, invoices: true };

const changesAfter = {
  business: businessId,
  pageSize: 1,
  ...everyList,
  customersAfter: stamp,
  customersPage: 1,
  productsAfter: stamp,
  productsPage: 1,
  invoicesAfter: stamp,
  invoicesPage: 1,
};

/** Of each document, by its name in lib/wave. */
const variablesOf: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  changes: changesAfter,
  namedChanges: changesAfter,
  list: { ...page, ...everyList },
  salesTaxes: page,
  health: page,
  fallback: { business: businessId, id: idOf('Product') },
  customerCreate: { input: { businessId, ...inputOf.customer } },
  customerPatch: { input: { id: idOf('Customer'), ...inputOf.customer } },
  productCreate: { input: { businessId, incomeAccountId: idOf('Account'), ...inputOf.product } },
  productPatch: { input: { id: idOf('Product'), ...inputOf.product } },
  productArchive: { input: { id: idOf('Product') } },
  invoiceCreate: { input: { businessId, ...inputOf.invoice, ...ofProbe } },
  invoicePatch: { input: { id: idOf('Invoice'), ...inputOf.invoice, ...ofProbe } },
  invoiceApprove: { input: { invoiceId: idOf('Invoice') } },
  invoiceDelete: { input: { invoiceId: idOf('Invoice') } },
  customerDelete: { input: { id: idOf('Customer') } },
  paymentCreate: {
    input: {
      invoiceId: idOf('Invoice'),
      paymentAccountId: idOf('Account'),
      amount: money,
      paymentDate: day,
      paymentMethod: 'CASH',
      exchangeRate: '1',
    },
  },
  paymentDelete: { input: { id: idOf('InvoicePayment') } },
  bankAccounts: { business: businessId },
  customerById: { business: businessId, id: idOf('Customer') },
  invoiceById: { business: businessId, id: idOf('Invoice') },
  customersByEmail: { business: businessId, email: 'someone@example.com' },
  customersAfter: { business: businessId, after: stamp },
  customersPage: page,
};

const operationIn = (document: DocumentNode) =>
  document.definitions.find((each) => each.kind === Kind.OPERATION_DEFINITION);

/** Every document that this product ever sends: those of lib/wave, and those that are composed of them. */
export function everyDocument(): readonly ContractDocument[] {
  const written = Object.entries({ ...documents, ...probeDocuments, health, fallback }).flatMap(
    ([name, value]) => {
      const document = value as unknown as DocumentNode;
      return operationIn(document) ? [{ name, document }] : [];
    },
  );
  const single = written.map(({ name, document }) => {
    const variables = variablesOf[name];
    if (!variables) throw new Error(`The document ${name} has no variables in lib/wave/contract.ts`);
    return { name, document, variables };
  });
  const mutations = single.filter(
    ({ name, document }) => operationIn(document)?.operation === 'mutation' && name in documents,
  );
  const together = {
    name: 'several writes',
    document: composed(mutations.map(({ document }) => document)),
    variables: Object.fromEntries(mutations.map(({ variables }, index) => [`m${index}`, variables.input])),
  };
  const reads = {
    name: 'several reads',
    document: readDocument(['customer', 'product', 'order']) as unknown as DocumentNode,
    variables: {
      business: businessId,
      id0: idOf('Customer'),
      id1: idOf('Product'),
      id2: idOf('Invoice'),
    },
  };
  return [...single, reads, together].map(({ name, document, variables }) => ({
    name,
    query: print(document),
    variables,
  }));
}
