import { invoiceApprove, invoiceDelete, invoicePatch } from '../../wave/documents.ts';
import { bankAccounts, invoiceById, paymentCreate, paymentDelete } from '../../wave/probe-documents.ts';
import { type Desk, type Invoice, lineOf, NotAskedError } from './desk.ts';
import type { Found, Question } from './probe.ts';

/** Longer than any grain of a stamp that makes sense, ms. */
const tickMs = 1_100;

async function approve(desk: Desk, invoiceId: string): Promise<void> {
  const { answer, because } = await desk.write(invoiceApprove, { invoiceId });
  if (!answer) throw new NotAskedError(`an invoice could not be approved: ${because}`);
}

async function approved(desk: Desk): Promise<Invoice> {
  const invoice = await desk.draft({ items: [lineOf(desk.productId, 'approved')] });
  await approve(desk, invoice.id);
  return invoice;
}

async function takeBack(desk: Desk, paymentId: string): Promise<void> {
  const { answer, because } = await desk.write(paymentDelete, { id: paymentId });
  if (!answer) throw new NotAskedError(`a payment could not be deleted: ${because}`);
}

async function pay(desk: Desk, invoiceId: string, amount: string): Promise<string> {
  const { data } = await desk.read(bankAccounts, { business: desk.business });
  const account = data?.business?.accounts?.edges.find(({ node }) => node)?.node;
  if (!account) throw new NotAskedError('the business has no account of cash and bank');
  const { answer, because } = await desk.write(paymentCreate, {
    invoiceId,
    paymentAccountId: account.id,
    amount,
    paymentDate: new Date().toISOString().slice(0, 10),
    paymentMethod: 'CASH',
    exchangeRate: '1',
  });
  if (!answer?.invoicePayment) throw new NotAskedError(`a payment could not be made: ${because}`);
  return answer.invoicePayment.id;
}

async function stampOf(desk: Desk, id: string): Promise<string> {
  const { data } = await desk.read(invoiceById, { business: desk.business, id });
  const stamp = data?.business?.invoice?.modifiedAt;
  if (!stamp) throw new NotAskedError('the invoice could not be read');
  return stamp;
}

async function whatMoves(desk: Desk): Promise<Found> {
  const { id } = await desk.draft({ items: [lineOf(desk.productId, 'moved')] });
  const moves = async (act: () => Promise<unknown>) => {
    const before = await stampOf(desk, id);
    await desk.sleep(tickMs);
    await act();
    return (await stampOf(desk, id)) !== before;
  };
  const kinds: [string, boolean][] = [];
  kinds.push(['approval', await moves(() => approve(desk, id))]);
  let payment = '';
  kinds.push(['a payment', await moves(async () => (payment = await pay(desk, id, '40')))]);
  kinds.push(['its deletion', await moves(() => takeBack(desk, payment))]);
  const still = kinds.flatMap(([kind, moved]) => (moved ? [] : [kind]));
  return {
    answer:
      still.length === 0
        ? 'approval, a payment and its deletion do'
        : `not by: ${still.join(', ')}; these arrive by webhook, or with the daily sweep`,
    asAssumed: still.length === 0,
  };
}

/** Every field that a patch may be refused for, alone; what was accepted stays on the invoice. */
async function patchLimits(desk: Desk, { id, currency }: Invoice): Promise<string> {
  const other = await desk.customer();
  const patches = {
    memo: { memo: 'probed' },
    poNumber: { poNumber: 'PROBE' },
    invoiceNumber: { invoiceNumber: `PROBE-${id.slice(-6)}` },
    dueDate: { dueDate: '2031-01-31' },
    items: { items: [lineOf(desk.productId, 'changed', '100')] },
    customerId: { customerId: other.id },
    currency: { currency: currency.code === 'USD' ? ('CAD' as const) : ('USD' as const) },
    'status DRAFT': { status: 'DRAFT' as const },
  };
  const refused: string[] = [];
  for (const [name, patch] of Object.entries(patches)) {
    const { answer } = await desk.write(invoicePatch, { id, ...patch });
    const isIgnored = answer?.invoice && name === 'status DRAFT' && answer.invoice.status !== 'DRAFT';
    if (!answer) refused.push(name);
    else if (isIgnored) refused.push(`${name} (accepted without effect)`);
  }
  return refused.length === 0 ? 'refuses nothing' : `refuses ${refused.join(', ')}`;
}

async function limitsByStatus(desk: Desk): Promise<Found> {
  const saved = await patchLimits(desk, await approved(desk));
  const partly = await approved(desk);
  await pay(desk, partly.id, '40');
  const partial = await patchLimits(desk, partly);
  const wholly = await approved(desk);
  await pay(desk, wholly.id, '100');
  const paid = await patchLimits(desk, wholly);
  return { answer: `approved: ${saved}; paid in part: ${partial}; paid: ${paid}` };
}

async function deletable(desk: Desk): Promise<Found> {
  const { id: draft } = await desk.draft({ items: [lineOf(desk.productId, 'deleted')] });
  const issued = await approved(desk);
  const settled = await approved(desk);
  await pay(desk, settled.id, '100');
  const words = async (invoiceId: string) => {
    const { answer, because } = await desk.write(invoiceDelete, { invoiceId });
    return answer ? 'yes' : `no (${because})`;
  };
  return {
    answer: `a draft: ${await words(draft)}; approved: ${await words(issued.id)}; paid: ${await words(settled.id)}`,
  };
}

export const statusQuestions: readonly Question[] = [
  { question: 'What moves the modifiedAt of an invoice?', ask: whatMoves },
  { question: 'Which invoices can be deleted?', ask: deletable },
  { question: 'Which fields does a patch refuse after approval and payment?', ask: limitsByStatus },
];
