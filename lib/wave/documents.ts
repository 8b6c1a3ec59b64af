import type { FragmentOf } from 'gql.tada';
import { graphql } from './graphql.ts';

// Reference: https://developer.waveapps.com/hc/en-us/articles/360019968212 (API reference), schema.graphql beside this file.

export const customerFields = graphql(`
  fragment CustomerFields on Customer {
    id name firstName lastName email phone mobile tollFree fax website displayId internalNotes
    currency { code }
    address { addressLine1 addressLine2 city postalCode province { code } country { code } }
    shippingDetails {
      name phone instructions
      address { addressLine1 addressLine2 city postalCode province { code } country { code } }
    }
    createdAt modifiedAt
  }
`);

export const productFields = graphql(`
  fragment ProductFields on Product {
    id name description unitPrice isSold isBought isArchived
    defaultSalesTaxes { id abbreviation }
    createdAt modifiedAt
  }
`);

export const invoiceFields = graphql(`
  fragment InvoiceFields on Invoice {
    id status title invoiceNumber poNumber invoiceDate dueDate memo footer viewUrl
    customer { id }
    currency { code }
    discounts {
      __typename name
      ... on FixedInvoiceDiscount { amount }
      ... on PercentageInvoiceDiscount { percentage }
    }
    items { product { id } description quantity unitPrice taxes { salesTax { id abbreviation } } }
    subtotal { minorUnitValue currency { exponent } }
    discountTotal { minorUnitValue currency { exponent } }
    taxTotal { minorUnitValue currency { exponent } }
    total { minorUnitValue currency { exponent } }
    amountPaid { minorUnitValue currency { exponent } }
    amountDue { minorUnitValue currency { exponent } }
    createdAt modifiedAt
  }
`);

/** A customer, product and invoice as every read shows them. */
export type WaveCustomer = FragmentOf<typeof customerFields>;
export type WaveProduct = FragmentOf<typeof productFields>;
export type WaveInvoice = FragmentOf<typeof invoiceFields>;
export type WaveRecord = WaveCustomer | WaveProduct | WaveInvoice;

const page = graphql(`fragment PageFields on OffsetPageInfo { currentPage totalPages totalCount }`);

/** One document for all three lists; a list that is not asked for is skipped. */
export const changes = graphql(
  `
  query Changes(
    $business: ID!, $pageSize: Int!,
    $customers: Boolean!, $customersAfter: DateTime, $customersPage: Int!,
    $products: Boolean!, $productsAfter: DateTime, $productsPage: Int!,
    $invoices: Boolean!, $invoicesAfter: DateTime, $invoicesPage: Int!
  ) {
    business(id: $business) {
      id
      customers(page: $customersPage, pageSize: $pageSize, sort: [MODIFIED_AT_ASC], modifiedAtAfter: $customersAfter) @include(if: $customers) {
        pageInfo { ...PageFields } edges { node { ...CustomerFields } }
      }
      products(page: $productsPage, pageSize: $pageSize, sort: [MODIFIED_AT_ASC], modifiedAtAfter: $productsAfter, isArchived: null) @include(if: $products) {
        pageInfo { ...PageFields } edges { node { ...ProductFields } }
      }
      invoices(page: $invoicesPage, pageSize: $pageSize, sort: [MODIFIED_AT_ASC], modifiedAtAfter: $invoicesAfter) @include(if: $invoices) {
        pageInfo { ...PageFields } edges { node { ...InvoiceFields } }
      }
    }
  }
`,
  [page, customerFields, productFields, invoiceFields],
);

/** As {@link changes}, and beside it what names the rows, in the same answer: for a row of which Wave does not show a part. */
export const namedChanges = graphql(
  `
  query NamedChanges(
    $business: ID!, $pageSize: Int!,
    $customers: Boolean!, $customersAfter: DateTime, $customersPage: Int!,
    $products: Boolean!, $productsAfter: DateTime, $productsPage: Int!,
    $invoices: Boolean!, $invoicesAfter: DateTime, $invoicesPage: Int!
  ) {
    business(id: $business) {
      id
      customers(page: $customersPage, pageSize: $pageSize, sort: [MODIFIED_AT_ASC], modifiedAtAfter: $customersAfter) @include(if: $customers) {
        edges { node { ...CustomerFields } }
      }
      products(page: $productsPage, pageSize: $pageSize, sort: [MODIFIED_AT_ASC], modifiedAtAfter: $productsAfter, isArchived: null) @include(if: $products) {
        edges { node { ...ProductFields } }
      }
      invoices(page: $invoicesPage, pageSize: $pageSize, sort: [MODIFIED_AT_ASC], modifiedAtAfter: $invoicesAfter) @include(if: $invoices) {
        edges { node { ...InvoiceFields } }
      }
      namedCustomers: customers(page: $customersPage, pageSize: $pageSize, sort: [MODIFIED_AT_ASC], modifiedAtAfter: $customersAfter) @include(if: $customers) {
        edges { node { id modifiedAt } }
      }
      namedProducts: products(page: $productsPage, pageSize: $pageSize, sort: [MODIFIED_AT_ASC], modifiedAtAfter: $productsAfter, isArchived: null) @include(if: $products) {
        edges { node { id modifiedAt } }
      }
      namedInvoices: invoices(page: $invoicesPage, pageSize: $pageSize, sort: [MODIFIED_AT_ASC], modifiedAtAfter: $invoicesAfter) @include(if: $invoices) {
        edges { node { id modifiedAt } }
      }
    }
  }
`,
  [customerFields, productFields, invoiceFields],
);

/** One page of one list in the order of creation. Without `isArchived: null` archived products would be missing. */
export const list = graphql(
  `
  query List($business: ID!, $page: Int!, $pageSize: Int!, $customers: Boolean!, $products: Boolean!, $invoices: Boolean!) {
    business(id: $business) {
      id
      customers(page: $page, pageSize: $pageSize, sort: [CREATED_AT_ASC]) @include(if: $customers) {
        pageInfo { ...PageFields } edges { node { ...CustomerFields } }
      }
      products(page: $page, pageSize: $pageSize, sort: [CREATED_AT_ASC], isArchived: null) @include(if: $products) {
        pageInfo { ...PageFields } edges { node { ...ProductFields } }
      }
      invoices(page: $page, pageSize: $pageSize, sort: [CREATED_AT_ASC]) @include(if: $invoices) {
        pageInfo { ...PageFields } edges { node { ...InvoiceFields } }
      }
    }
  }
`,
  [page, customerFields, productFields, invoiceFields],
);

export const salesTaxes = graphql(`
  query SalesTaxes($business: ID!, $page: Int!, $pageSize: Int!) {
    business(id: $business) {
      id
      salesTaxes(page: $page, pageSize: $pageSize, isArchived: null) {
        pageInfo { currentPage totalPages } edges { node { id abbreviation isArchived } }
      }
    }
  }
`);

export const customerCreate = graphql(
  `mutation CustomerCreate($input: CustomerCreateInput!) {
    customerCreate(input: $input) { didSucceed inputErrors { path code message } customer { ...CustomerFields } }
  }`,
  [customerFields],
);
export const customerPatch = graphql(
  `mutation CustomerPatch($input: CustomerPatchInput!) {
    customerPatch(input: $input) { didSucceed inputErrors { path code message } customer { ...CustomerFields } }
  }`,
  [customerFields],
);
export const productCreate = graphql(
  `mutation ProductCreate($input: ProductCreateInput!) {
    productCreate(input: $input) { didSucceed inputErrors { path code message } product { ...ProductFields } }
  }`,
  [productFields],
);
export const productPatch = graphql(
  `mutation ProductPatch($input: ProductPatchInput!) {
    productPatch(input: $input) { didSucceed inputErrors { path code message } product { ...ProductFields } }
  }`,
  [productFields],
);
export const productArchive = graphql(
  `mutation ProductArchive($input: ProductArchiveInput!) {
    productArchive(input: $input) { didSucceed inputErrors { path code message } product { ...ProductFields } }
  }`,
  [productFields],
);
export const invoiceCreate = graphql(
  `mutation InvoiceCreate($input: InvoiceCreateInput!) {
    invoiceCreate(input: $input) { didSucceed inputErrors { path code message } invoice { ...InvoiceFields } }
  }`,
  [invoiceFields],
);
export const invoicePatch = graphql(
  `mutation InvoicePatch($input: InvoicePatchInput!) {
    invoicePatch(input: $input) { didSucceed inputErrors { path code message } invoice { ...InvoiceFields } }
  }`,
  [invoiceFields],
);
export const invoiceApprove = graphql(
  `mutation InvoiceApprove($input: InvoiceApproveInput!) {
    invoiceApprove(input: $input) { didSucceed inputErrors { path code message } invoice { ...InvoiceFields } }
  }`,
  [invoiceFields],
);
export const invoiceDelete = graphql(`
  mutation InvoiceDelete($input: InvoiceDeleteInput!) {
    invoiceDelete(input: $input) { didSucceed inputErrors { path code message } }
  }
`);
