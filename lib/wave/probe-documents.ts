import { graphql } from './graphql.ts';

// What only the probe of a test business sends. Reference: schema.graphql beside this file.

export const customerDelete = graphql(`
  mutation CustomerDelete($input: CustomerDeleteInput!) {
    customerDelete(input: $input) { didSucceed inputErrors { path code message } }
  }
`);
export const paymentCreate = graphql(`
  mutation PaymentCreate($input: InvoicePaymentCreateManualInput!) {
    invoicePaymentCreateManual(input: $input) { didSucceed inputErrors { path code message } invoicePayment { id } }
  }
`);
export const paymentDelete = graphql(`
  mutation PaymentDelete($input: InvoicePaymentDeleteInput!) {
    invoicePaymentDelete(input: $input) { didSucceed inputErrors { path code message } }
  }
`);
export const bankAccounts = graphql(`
  query BankAccounts($business: ID!) {
    business(id: $business) {
      id
      accounts(page: 1, pageSize: 10, subtypes: [CASH_AND_BANK], isArchived: false) { edges { node { id } } }
    }
  }
`);
export const customerById = graphql(`
  query CustomerById($business: ID!, $id: ID!) { business(id: $business) { id customer(id: $id) { id } } }
`);
export const invoiceById = graphql(`
  query InvoiceById($business: ID!, $id: ID!) {
    business(id: $business) { id invoice(id: $id) { id status modifiedAt exchangeRate items { description } } }
  }
`);
export const customersByEmail = graphql(`
  query CustomersByEmail($business: ID!, $email: String!) {
    business(id: $business) { id customers(email: $email, page: 1, pageSize: 50) { edges { node { id } } } }
  }
`);
export const customersAfter = graphql(`
  query CustomersAfter($business: ID!, $after: DateTime!) {
    business(id: $business) {
      id
      customers(page: 1, pageSize: 50, sort: [MODIFIED_AT_ASC], modifiedAtAfter: $after) { edges { node { id } } }
    }
  }
`);
export const customersPage = graphql(`
  query CustomersPage($business: ID!, $page: Int!, $pageSize: Int!) {
    business(id: $business) {
      id
      customers(page: $page, pageSize: $pageSize, sort: [CREATED_AT_ASC]) {
        pageInfo { currentPage totalPages totalCount } edges { node { id } }
      }
    }
  }
`);
