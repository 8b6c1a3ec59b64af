import { invoiceCreate, invoicePatch } from '../../wave/documents.ts';
import { invoiceById } from '../../wave/probe-documents.ts';
import { type Desk, type Invoice, lineOf, NotAskedError } from './desk.ts';
import type { Found, Question } from './probe.ts';

const discountOf = ({ discountTotal }: Invoice): number => Number(discountTotal?.minorUnitValue ?? 0);

const partOff = (invoice: Invoice): number =>
  discountOf(invoice) / Number(invoice.subtotal?.minorUnitValue ?? Number.NaN);

/** Which part of the sum is taken off. */
async function percentageUnit(desk: Desk): Promise<Found> {
  const items = [lineOf(desk.productId, 'discounted', '100')];
  const withPercentage = async (percentage: string) =>
    partOff(await desk.draft({ items, discounts: [{ discountType: 'PERCENTAGE', percentage }] }));
  const ten = await withPercentage('10').catch((error: unknown) => {
    if (error instanceof NotAskedError) return undefined;
    throw error;
  });
  if (ten === 0.1)
    return { answer: 'percent: 10 is a tenth', asAssumed: true, settings: { WAVE_PERCENTAGE: 'percent' } };
  const fraction = await withPercentage('0.10');
  if (fraction !== 0.1)
    return {
      answer: `neither: of the sum, 10 takes ${ten ?? 'nothing'} and 0.10 takes ${fraction}`,
      asAssumed: false,
    };
  return { answer: 'fraction: 0.10 is a tenth', asAssumed: false, settings: { WAVE_PERCENTAGE: 'fraction' } };
}

async function lineOrder(desk: Desk): Promise<Found> {
  const names = ['delta', 'alpha', 'charlie', 'bravo', 'echo'];
  const linesIn = (order: readonly string[]) => order.map((name) => lineOf(desk.productId, name));
  const { id } = await desk.draft({ items: linesIn(names) });
  const shown = async () => {
    const { data } = await desk.read(invoiceById, { business: desk.business, id });
    return (data?.business?.invoice?.items ?? []).map(({ description }) => description ?? '');
  };
  const created = await shown();
  const turned = [...names].reverse();
  const { answer, because } = await desk.write(invoicePatch, { id, items: linesIn(turned) });
  if (!answer) throw new NotAskedError(because);
  const keeps = String(created) === String(names) && String(await shown()) === String(turned);
  return {
    answer: keeps ? 'yes, after a create and after a patch' : 'no',
    asAssumed: !keeps,
    settings: { WAVE_KEEPS_LINE_ORDER: String(keeps) },
  };
}

async function discountsClear(desk: Desk): Promise<Found> {
  const { id } = await desk.draft({
    items: [lineOf(desk.productId, 'discounted')],
    discounts: [{ discountType: 'FIXED', amount: '5' }],
  });
  const { answer, because } = await desk.write(invoicePatch, { id, discounts: [] });
  if (!answer?.invoice) throw new NotAskedError(because);
  const clears = discountOf(answer.invoice) === 0;
  return { answer: clears ? 'yes' : 'no: the discount stays', asAssumed: clears };
}

async function uniqueNumbers(desk: Desk): Promise<Found> {
  const items = [lineOf(desk.productId, 'numbered')];
  const first = await desk.draft({ items });
  const input = { businessId: desk.business, customerId: desk.customerId, items, status: 'DRAFT' as const };
  const second = await desk.draft({ items });
  const free = await desk.write(invoicePatch, { id: second.id, invoiceNumber: `${second.invoiceNumber}9` });
  const patched = await desk.write(invoicePatch, { id: second.id, invoiceNumber: first.invoiceNumber });
  const created = await desk.write(invoiceCreate, { ...input, invoiceNumber: first.invoiceNumber });
  const word = ({ answer, because }: typeof patched | typeof created) =>
    answer ? 'accepted' : `refused (${because})`;
  return {
    answer: `a number that is taken is ${word(created)} by a create and ${word(patched)} by a patch; a free one is ${word(free)} by a patch`,
  };
}

async function numbersAtOnce(desk: Desk): Promise<Found> {
  const made = await Promise.all(
    ['one', 'other'].map((name) => desk.draft({ items: [lineOf(desk.productId, name)] })),
  );
  const numbers = made.map(({ invoiceNumber }) => invoiceNumber);
  const differ = new Set(numbers).size === numbers.length;
  return { answer: differ ? 'yes' : `no: ${numbers.join(', ')}`, asAssumed: differ };
}

async function exchangeRates(desk: Desk): Promise<Found> {
  const items = [lineOf(desk.productId, 'abroad')];
  const { currency } = await desk.draft({ items });
  const foreign = currency.code === 'USD' ? 'CAD' : 'USD';
  const { id } = await desk.draft({ items, currency: foreign });
  const { data } = await desk.read(invoiceById, { business: desk.business, id });
  return { answer: `${data?.business?.invoice?.exchangeRate ?? 'none'} for ${foreign}` };
}

async function negativePrices(desk: Desk): Promise<Found> {
  const items = [lineOf(desk.productId, 'worth', '100'), lineOf(desk.productId, 'credit', '-30')];
  try {
    const { subtotal } = await desk.draft({ items });
    return { answer: `accepted, with a subtotal of ${subtotal.minorUnitValue} minor units` };
  } catch (error) {
    if (error instanceof NotAskedError) return { answer: `refused (${error.message})` };
    throw error;
  }
}

export const invoiceQuestions: readonly Question[] = [
  { question: 'Is a discount of a tenth 10 or 0.10?', ask: percentageUnit },
  { question: 'Does Wave keep the order of items?', ask: lineOrder },
  { question: 'Does an empty list of discounts clear them?', ask: discountsClear },
  { question: 'Must invoice numbers be unique?', ask: uniqueNumbers },
  { question: 'Do invoices that are made at once get different numbers?', ask: numbersAtOnce },
  { question: 'Which exchange rate does an invoice in a foreign currency get?', ask: exchangeRates },
  { question: 'Are negative prices accepted?', ask: negativePrices },
];
