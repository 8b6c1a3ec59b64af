import { DocumentRefusedError } from '../../wave/answer.ts';
import { changes, customerPatch, productPatch, salesTaxes } from '../../wave/documents.ts';
import { pageSizes } from '../../wave/pages.ts';
import {
  customerById,
  customerDelete,
  customersAfter,
  customersByEmail,
  customersPage,
} from '../../wave/probe-documents.ts';
import { type CustomerPatch, type Desk, lineOf, NotAskedError } from './desk.ts';
import type { Found, Question } from './probe.ts';

/** Longer than any grain of a stamp that makes sense, ms. */
const tickMs = 1_100;

const address = {
  addressLine1: '1 Probe Street',
  city: 'Toronto',
  postalCode: 'M5V 1A1',
  provinceCode: 'CA-ON',
  countryCode: 'CA',
} as const;

async function patched(desk: Desk, input: CustomerPatch) {
  const { answer, because } = await desk.write(customerPatch, input);
  if (!answer?.customer) throw new NotAskedError(because);
  return answer.customer;
}

async function addressMoves(desk: Desk): Promise<Found> {
  const before = await desk.customer();
  await desk.sleep(tickMs);
  const after = await patched(desk, { id: before.id, address });
  const moves = after.modifiedAt !== before.modifiedAt;
  return {
    answer: moves ? 'yes' : 'no: such an edit arrives with the daily sweep only',
    asAssumed: moves,
  };
}

async function isInclusive(desk: Desk): Promise<Found> {
  const { id, modifiedAt } = await desk.customer();
  const { data } = await desk.read(customersAfter, { business: desk.business, after: modifiedAt });
  const found = data?.business?.customers?.edges.some(({ node }) => node?.id === id) ?? false;
  const digits = /\.(\d+)/.exec(modifiedAt)?.[1] ?? '';
  const grain = /[1-9]/.test(digits)
    ? `${digits.length} digits of a second`
    : 'whole seconds, or it was a round one';
  return { answer: `${found ? 'inclusive' : 'exclusive'}; stamps show ${grain}`, asAssumed: true };
}

async function sharedStamps(desk: Desk): Promise<Found> {
  const [one, other] = await desk.twins();
  if (!one || !other) throw new NotAskedError('two customers could not be made by one document');
  const share = one.modifiedAt === other.modifiedAt;
  return {
    answer: share ? 'yes: two of one document do' : `not these two: ${one.modifiedAt}, ${other.modifiedAt}`,
  };
}

async function nullClears(desk: Desk): Promise<Found> {
  const { id } = await desk.customer({ phone: '1', mobile: '2', address });
  const {
    phone,
    mobile,
    address: kept,
  } = await patched(desk, { id, phone: null, mobile: '', address: { city: 'Ottawa' } });
  const partial = kept?.addressLine1 ? 'keeps the other cells' : 'empties the other cells';
  return {
    answer: `null ${phone === null ? 'clears' : `gives ${JSON.stringify(phone)}`}; "" gives ${JSON.stringify(mobile)}; a partial address ${partial}`,
    asAssumed: (phone ?? '') === '' && (mobile ?? '') === '',
  };
}

async function emailMatching(desk: Desk): Promise<Found> {
  const local = `probe-${desk.customerId.slice(-6).replace(/\W/g, 'x').toLowerCase()}`;
  const { id } = await desk.customer({ email: `${local}@example.com` });
  const finds = async (email: string) => {
    const { data } = await desk.read(customersByEmail, { business: desk.business, email });
    return data?.business?.customers?.edges.some(({ node }) => node?.id === id) ?? false;
  };
  const exactly = await finds(`${local}@example.com`);
  const kinds = {
    'another case': await finds(`${local}@EXAMPLE.com`),
    'a part': await finds(local),
    'spaces around': await finds(` ${local}@example.com `),
  };
  const also = Object.entries(kinds).flatMap(([kind, found]) => (found ? [kind] : []));
  return {
    answer: `${exactly ? 'found' : 'not found'} as written; also with: ${also.join(', ') || 'nothing else'}`,
  };
}

async function deletion(desk: Desk): Promise<Found> {
  const busy = await desk.customer();
  await desk.draft({ customerId: busy.id, items: [lineOf(desk.productId, 'kept')] });
  const withInvoices = await desk.write(customerDelete, { id: busy.id });
  const free = await desk.customer();
  const gone = await desk.write(customerDelete, { id: free.id });
  if (!gone.answer) throw new NotAskedError(gone.because);
  const { data, errors } = await desk.readWithErrors(customerById, { business: desk.business, id: free.id });
  const [error] = errors;
  const shows = data?.business?.customer != null;
  const asked = shows ? 'still shows it' : error ? (error.extensions?.code ?? error.message) : 'null';
  return {
    answer: `with invoices ${withInvoices.answer ? 'accepted' : `refused (${withInvoices.because})`}; afterwards a query by id answers ${asked}`,
    asAssumed: !shows && (error === undefined || error.extensions?.code === 'NOT_FOUND'),
  };
}

/** A list that Wave refuses is an answer too. */
const refused = (error: unknown) => {
  if (!(error instanceof DocumentRefusedError)) throw error;
  return { data: undefined, errors: [{ message: error.reason }] };
};

async function rowsOfPolls(desk: Desk): Promise<Found> {
  const from = { customersPage: 1, productsPage: 1, invoicesPage: 1 };
  const every = { customers: true, products: true, invoices: true, ...from };
  for (const pageSize of pageSizes) {
    const { data } = await desk
      .readWithErrors(changes, { business: desk.business, pageSize, ...every })
      .catch(refused);
    if (data)
      return { answer: `${pageSize} of each list in one document`, asAssumed: pageSize === pageSizes[0] };
  }
  return { answer: 'not even the fewest that were tried: each poll takes a request for each list' };
}

async function unsorted(desk: Desk): Promise<Found> {
  const { data, errors } = await desk
    .readWithErrors(customersByEmail, { business: desk.business, email: 'nobody@example.com' })
    .catch(refused);
  return { answer: data?.business ? 'yes' : `no (${errors[0]?.message})` };
}

async function currencyChanges(desk: Desk): Promise<Found> {
  const { id } = await desk.customer();
  const { currency } = await desk.draft({ customerId: id, items: [lineOf(desk.productId, 'fixes it?')] });
  const other = currency.code === 'USD' ? 'CAD' : 'USD';
  const { answer, because } = await desk.write(customerPatch, { id, currency: other });
  return { answer: answer ? 'yes' : `no (${because})` };
}

async function pages(desk: Desk): Promise<Found> {
  const page = async (number: number, pageSize: number) => {
    const variables = { business: desk.business, page: number, pageSize };
    const { data, errors } = await desk.readWithErrors(customersPage, variables).catch(refused);
    const found = data?.business?.customers;
    return {
      rows: found?.edges.length,
      total: found?.pageInfo?.totalCount ?? 0,
      why: errors[0]?.message ?? '',
    };
  };
  const hundred = await page(1, 100);
  const thousand = await page(1, 1000);
  const past = await page(1_000_000, 100);
  const large =
    thousand.rows === undefined
      ? `1000 is refused (${thousand.why})`
      : thousand.total > thousand.rows
        ? `1000 is cut to ${thousand.rows}`
        : `1000 is accepted, with ${thousand.total} rows to show`;
  return {
    answer: `100 ${hundred.rows === undefined ? `is refused (${hundred.why})` : `shows ${hundred.rows} of ${hundred.total}`}; ${large}; past the end: ${past.rows === undefined ? past.why : `${past.rows} rows`}`,
    asAssumed: hundred.rows === Math.min(100, hundred.total) && (past.rows ?? 0) === 0,
  };
}

async function productTaxes(desk: Desk): Promise<Found> {
  const { data } = await desk.read(salesTaxes, { business: desk.business, page: 1, pageSize: 10 });
  const tax = data?.business?.salesTaxes?.edges.find(({ node }) => node && !node.isArchived)?.node;
  if (!tax) throw new NotAskedError('the business has no sales tax');
  const set = await desk.write(productPatch, { id: desk.productId, defaultSalesTaxIds: [tax.id] });
  // While the product has a tax that the line could get instead.
  const invoice = await desk.draft({ items: [lineOf(desk.productId, 'without tax')] });
  const cleared = await desk.write(productPatch, { id: desk.productId, defaultSalesTaxIds: [] });
  if (!set.answer?.product || !cleared.answer?.product)
    throw new NotAskedError(set.because || cleared.because);
  const none = cleared.answer.product.defaultSalesTaxes?.length === 0;
  const free = invoice.items?.every(({ taxes }) => taxes?.length === 0) ?? false;
  return {
    answer: `on a product ${none ? 'none' : 'the old ones'}; on a line ${free ? 'none' : "the product's"}`,
    asAssumed: none && free,
  };
}

export const customerQuestions: readonly Question[] = [
  { question: 'Does an edit of the address alone move modifiedAt?', ask: addressMoves },
  { question: 'Is modifiedAtAfter inclusive, and how fine are stamps?', ask: isInclusive },
  { question: 'Can two records share a stamp?', ask: sharedStamps },
  { question: 'What do null, "" and a partial address do in a patch?', ask: nullClears },
  { question: 'How does customers(email:) match?', ask: emailMatching },
  { question: 'Can a customer with invoices be deleted, and what shows afterwards?', ask: deletion },
  { question: 'May the currency of a customer with invoices change?', ask: currencyChanges },
  { question: 'How many rows may a poll ask for?', ask: rowsOfPolls },
  { question: 'May a list be asked for without sort?', ask: unsorted },
  { question: 'How large may a page be, and what is past the last one?', ask: pages },
  { question: 'Does an empty list of taxes mean none?', ask: productTaxes },
];
