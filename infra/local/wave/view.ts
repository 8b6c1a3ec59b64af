import { Big } from 'big.js';
import { GraphQLError } from 'graphql';
import type { Behaviours } from './behaviours.ts';
import { localBankAccountId, localBusinessId, localIncomeAccountId } from './ids.ts';
import { lineSubtotal, lineTax, statusOf, totalsOf } from './invoices.ts';
import { connection, type ListArguments } from './lists.ts';
import { currency, money, rounded } from './money.ts';
import type {
  AddressRecord,
  CustomerRecord,
  InvoiceRecord,
  ItemRecord,
  Kind,
  PaymentRecord,
  ProductRecord,
  Records,
} from './records.ts';
import type { Store } from './store.ts';
import { salesTaxes } from './taxes.ts';

interface AccountView {
  readonly id: string;
  readonly subtype: { readonly name: string; readonly value: string; readonly type: unknown };
  readonly [field: string]: unknown;
}

export const notFound = (what: string): GraphQLError =>
  new GraphQLError(`${what} could not be found.`, { extensions: { code: 'NOT_FOUND' } });

const created = '2026-01-01T00:00:00.000Z';

/** The business as a query sees it, at one moment: records are turned into the schema's objects as they are asked for. */
export function businessView(store: Store, behaviours: Behaviours, time = Number.POSITIVE_INFINITY) {
  const all = <K extends Kind>(kind: K) => store.all(kind, time).filter((record) => !record.deleted);
  function find<K extends Kind>(kind: K, id: string, what: string): Records[K] {
    const record = store.find(kind, id, time);
    if (!record || record.deleted) throw notFound(what);
    return record;
  }

  const province = (code: string | null) => code && { code, name: code, slug: code.toLowerCase() };
  const country = (code: string | null) =>
    code && { code, name: code, nameWithArticle: code, currency: currency('CAD'), provinces: [] };
  const address = (record: AddressRecord | null) =>
    record && { ...record, province: province(record.provinceCode), country: country(record.countryCode) };

  const tax = (id: string) => {
    const found = salesTaxes.find((each) => each.id === id);
    if (!found) throw notFound('Sales tax');
    return {
      ...found,
      business,
      description: null,
      taxNumber: null,
      showTaxNumberOnInvoices: false,
      rates: [{ effective: '2020-01-01', rate: found.rate }],
      isCompound: false,
      isRecoverable: true,
      isArchived: false,
      createdAt: created,
      modifiedAt: created,
    };
  };

  const account = (id: string, name: string, subtype: string, type: string): AccountView => ({
    business,
    id,
    name,
    currency: currency('CAD'),
    type: { name: type, normalBalanceType: 'CREDIT', value: type },
    subtype: {
      name: subtype,
      value: subtype,
      type: { name: type, normalBalanceType: 'CREDIT', value: type },
    },
    normalBalanceType: 'CREDIT',
    isArchived: false,
    sequence: 1,
  });
  const accounts = () => [
    account(localIncomeAccountId, 'Sales', 'INCOME', 'INCOME'),
    account(localBankAccountId, 'Cash on hand', 'CASH_AND_BANK', 'ASSET'),
  ];
  const accountById = (id: string | null) =>
    id ? (accounts().find((each) => each.id === id) ?? null) : null;

  const customer = (record: CustomerRecord): object => ({
    ...record,
    ...record.fields,
    business,
    address: address(record.address),
    currency: record.currency && currency(record.currency),
    shippingDetails: record.shipping && { ...record.shipping, address: address(record.shipping.address) },
    isArchived: false,
    outstandingAmount: () => money(outstanding(record.id), 'CAD'),
    overdueAmount: () => money(new Big(0), 'CAD'),
  });
  const outstanding = (customerId: string): Big =>
    all('invoice')
      .filter((invoice) => invoice.customerId === customerId && invoice.approved)
      .reduce((sum, invoice) => sum.plus(totalsOf(invoice, store, behaviours).due), new Big(0));

  const product = (record: ProductRecord): object => ({
    ...record,
    business,
    incomeAccount: accountById(record.incomeAccountId),
    expenseAccount: accountById(record.expenseAccountId),
    defaultSalesTaxes: () => record.taxIds.map(tax),
    isSold: record.incomeAccountId !== null,
    isBought: record.expenseAccountId !== null,
  });

  const item = (record: ItemRecord, code: string): object => ({
    ...record,
    account: accounts()[0],
    product: () => product(find('product', record.productId, 'Product')),
    price: record.unitPrice,
    subtotal: money(lineSubtotal(record, code), code),
    total: money(
      record.taxIds.reduce((sum, id) => sum.plus(lineTax(record, id, code)), lineSubtotal(record, code)),
      code,
    ),
    taxes: () =>
      record.taxIds.map((id) => ({
        salesTax: tax(id),
        amount: money(lineTax(record, id, code), code),
        rate: tax(id).rate,
      })),
  });

  const invoice = (record: InvoiceRecord, single: boolean): object => {
    const totals = totalsOf(record, store, behaviours);
    const inCurrency = (amount: Big) => money(amount, record.currency);
    const lines = behaviours.keepsLineOrder ? record.items : [...record.items].reverse();
    return {
      ...record,
      ...record.texts,
      business,
      customer: () => customer(find('customer', record.customerId, 'Customer')),
      payments: () =>
        single
          ? all('payment')
              .filter((each) => each.invoiceId === record.id)
              .map(payment)
          : [],
      pdfUrl: `https://my.waveapps.example/invoices/${record.invoiceNumber}.pdf`,
      viewUrl: `https://my.waveapps.example/invoices/${encodeURIComponent(record.id)}`,
      status: (record.approved && behaviours.newStatus) || statusOf(record, totals),
      currency: currency(record.currency),
      exchangeRate: '1',
      subtotal: inCurrency(totals.subtotal),
      discountTotal: inCurrency(totals.discount),
      taxTotal: inCurrency(totals.tax),
      total: inCurrency(totals.total),
      amountPaid: inCurrency(totals.paid),
      amountDue: inCurrency(totals.due),
      discounts: record.discounts.map(({ type, name, value }) => ({
        __typename: type === 'FIXED' ? 'FixedInvoiceDiscount' : 'PercentageInvoiceDiscount',
        name,
        createdAt: record.createdAt,
        modifiedAt: record.modifiedAt,
        ...(type === 'FIXED' ? { amount: rounded(value, 2) } : { percentage: value }),
      })),
      items: lines.map((line) => item(line, record.currency)),
      disableCreditCardPayments: false,
      disableBankPayments: false,
      disableAmexPayments: false,
      itemTitle: 'Items',
      unitTitle: 'Quantity',
      priceTitle: 'Price',
      amountTitle: 'Amount',
      hideName: false,
      hideDescription: false,
      hideUnit: false,
      hidePrice: false,
      hideAmount: false,
      lastSentAt: record.sentAt,
      lastViewedAt: record.viewedAt,
      invoiceReminders: [],
      requireTermsOfServiceAgreement: false,
      attachments: [],
      anonymousId: record.id,
      source: null,
      // What lists filter and sort by.
      sortKeys: { total: totals.total, due: totals.due, paid: totals.paid },
    };
  };
  const payment = (record: PaymentRecord): object => ({
    ...record,
    business,
    account: accounts()[1],
    exchangeRate: '1',
    paymentMethod: 'CASH',
    invoice: () => invoice(find('invoice', record.invoiceId, 'Invoice'), true),
  });

  const business = {
    id: localBusinessId,
    name: 'Maple & Co',
    isPersonal: false,
    currency: currency('CAD'),
    timezone: 'America/Toronto',
    isArchived: false,
    createdAt: created,
    modifiedAt: created,
    emailSendEnabled: true,
    invoiceEstimateSettings: { generalSettings: { accentColor: '#000000' } },
    isClassicAccounting: false,
    isClassicInvoicing: false,
    customer: ({ id }: { id: string }) => customer(find('customer', id, 'Customer')),
    product: ({ id }: { id: string }) => product(find('product', id, 'Product')),
    invoice: ({ id }: { id: string }) => invoice(find('invoice', id, 'Invoice'), true),
    invoicePayment: ({ id }: { id: string }) => payment(find('payment', id, 'Payment')),
    salesTax: ({ id }: { id: string }) => tax(id),
    account: ({ id }: { id: string }) => accountById(id),
    customers: (args: ListArguments) => connection('customer', all('customer'), args, behaviours, customer),
    products: (args: ListArguments) => connection('product', all('product'), args, behaviours, product),
    invoices: (args: ListArguments) =>
      connection(
        'invoice',
        all('invoice'),
        args,
        behaviours,
        (record) => invoice(record, false),
        (record) => statusOf(record, totalsOf(record, store, behaviours)),
      ),
    salesTaxes: ({ page, pageSize }: { page: number; pageSize: number }) =>
      paged(
        salesTaxes.map(({ id }) => tax(id)),
        page,
        pageSize,
      ),
    accounts: ({
      page,
      pageSize,
      subtypes,
    }: {
      page: number;
      pageSize: number;
      subtypes?: readonly string[];
    }) =>
      paged(
        accounts().filter((each) => !subtypes || subtypes.includes(each.subtype.value)),
        page,
        pageSize,
      ),
  };
  return { business, customer, product, invoice: (record: InvoiceRecord) => invoice(record, true), payment };
}

function paged<T>(nodes: readonly T[], page: number, pageSize: number) {
  const start = (page - 1) * pageSize;
  return {
    pageInfo: { currentPage: page, totalPages: Math.ceil(nodes.length / pageSize), totalCount: nodes.length },
    edges: nodes.slice(start, start + pageSize).map((node) => ({ node })),
  };
}
