import DataLoader from 'dataloader';
import type { Body, Pair, Snapshot } from '../domain/record.ts';
import {
  RemoteMissingError,
  RemoteOutcomeUnknownError,
  RemoteRejectedError,
  RemoteUnavailableError,
} from '../errors.ts';
import { scrub } from '../remote-failure.ts';
import type { Call, Reading, Records } from '../sync/ports.ts';
import { unreadable, type WaveAnswer, type WaveClient, type WaveOptions } from './client.ts';
import * as documents from './documents.ts';
import { waveFeed } from './feed.ts';
import {
  type CustomerCreate,
  customerInput,
  type InvoiceCreate,
  invoiceInput,
  type ProductCreate,
  productInput,
} from './inputs.ts';
import { type ReadKey, readBatch, readMany, reasonOf } from './read.ts';
import { snapshotOf } from './snapshot.ts';

/** The records of one Wave business. */
export function waveRecords(client: WaveClient, options: WaveOptions): Records {
  const loader = readLoader(client, options);
  const feed = waveFeed(client, options);
  return {
    system: 'wave',
    read: (pair, id, call) => loader.load({ pair, id, call }),
    create: (pair, body, _key, call) => create(client, options, pair, body, call),
    update: (pair, current, next, paths, call) => update(client, pair, current, next, paths, call),
    async remove(pair, current, call) {
      if (pair !== 'order') throw new RemoteRejectedError('wave', 'only draft invoices are ever deleted');
      const input = { invoiceId: current.id };
      const answer = await client(documents.invoiceDelete, { input }, 'write', call);
      succeeded(answer, 'invoiceDelete', answer.data?.invoiceDelete, input);
    },
    async changedSince(pair, since, cursor, call) {
      const page = Number(cursor ?? 1);
      const answer = await feed.changes({ [pair]: { after: new Date(since).toISOString(), page } }, call);
      const list = answer.lists[pair];
      const changes = (list?.snapshots ?? []).map((snapshot) => ({ state: 'living' as const, snapshot }));
      return { changes, next: list?.full ? String(page + 1) : undefined };
    },
  };
}

/** Reads that are asked for in one tick share one document, an alias each. Nothing is cached. */
function readLoader(client: WaveClient, options: WaveOptions): DataLoader<ReadKey, Reading> {
  return new DataLoader<ReadKey, Reading>((keys) => readMany(client, options, keys), {
    cache: false,
    maxBatchSize: readBatch,
  });
}

interface Outcome {
  readonly didSucceed: boolean;
  readonly inputErrors:
    | readonly {
        readonly path: readonly string[] | null;
        readonly code: string | null;
        readonly message: string | null;
      }[]
    | null;
}

/** Success is `didSucceed: true` and nothing else. Without a clear answer the write may have happened. */
function succeeded<T extends Outcome>(
  answer: WaveAnswer<unknown>,
  field: string,
  outcome: T | null | undefined,
  sent: unknown,
): T {
  if (outcome?.didSucceed === false) {
    const reasons = (outcome.inputErrors ?? []).map(({ path, code, message }) =>
      [path?.join('.'), code, message].filter(Boolean).join(' '),
    );
    const reason = scrub(reasons.join('; ') || 'no reason given', sent);
    // Seen on valid ids right after their creation; nothing was made, and the same request usually succeeds the next time.
    if (field === 'invoiceCreate' && /node could not be found/i.test(reason))
      throw new RemoteUnavailableError('wave', reason);
    throw new RemoteRejectedError('wave', reason);
  }
  if (outcome?.didSucceed === true && answer.errors.length === 0) return outcome;
  const [first] = answer.errors;
  if (first && /node could not be found/i.test(first.message))
    throw new RemoteUnavailableError('wave', 'Node could not be found');
  if (first?.extensions?.code === 'NOT_FOUND' && outcome == null)
    throw new RemoteMissingError('wave: NOT_FOUND');
  throw unreadable('write', reasonOf(answer.errors, 'the answer does not say whether it succeeded'));
}

function made(pair: Pair, record: unknown): Snapshot {
  const snapshot = snapshotOf(pair, record);
  if (!snapshot)
    throw new RemoteOutcomeUnknownError('wave', 'it succeeded, but the answer does not hold the record');
  return snapshot;
}

async function create(
  client: WaveClient,
  { businessId, incomeAccountId }: WaveOptions,
  pair: Pair,
  body: Body,
  call: Call,
): Promise<Snapshot> {
  const present = new Set(Object.keys(body));
  if (pair === 'customer') {
    const input = { businessId, ...customerInput(body, present) } as CustomerCreate;
    const answer = await client(documents.customerCreate, { input }, 'write', call);
    return made(pair, succeeded(answer, 'customerCreate', answer.data?.customerCreate, input).customer);
  }
  if (pair === 'product') {
    if (!incomeAccountId)
      throw new RemoteRejectedError(
        'wave',
        'the setting WAVE_INCOME_ACCOUNT_ID is needed to create products',
      );
    const input = { businessId, incomeAccountId, ...productInput(body, present) } as ProductCreate;
    const answer = await client(documents.productCreate, { input }, 'write', call);
    return made(pair, succeeded(answer, 'productCreate', answer.data?.productCreate, input).product);
  }
  const input = { businessId, status: 'DRAFT', ...invoiceInput(body, present) } as InvoiceCreate;
  const answer = await client(documents.invoiceCreate, { input }, 'write', call);
  return made(pair, succeeded(answer, 'invoiceCreate', answer.data?.invoiceCreate, input).invoice);
}

async function update(
  client: WaveClient,
  pair: Pair,
  current: Snapshot,
  next: Body,
  paths: readonly string[],
  call: Call,
): Promise<Snapshot> {
  const changed = new Set(paths.map((path) => path.split('.')[0] ?? path));
  const { id } = current;
  if (pair === 'customer') {
    const input = { id, ...customerInput(next, changed) };
    const answer = await client(documents.customerPatch, { input }, 'write', call);
    return made(pair, succeeded(answer, 'customerPatch', answer.data?.customerPatch, input).customer);
  }
  return pair === 'product'
    ? updateProduct(client, id, next, changed, call)
    : updateInvoice(client, id, next, changed, call);
}

/** Archiving is a mutation of its own, and comes last: an archived product may refuse the others. */
async function updateProduct(
  client: WaveClient,
  id: string,
  next: Body,
  changed: ReadonlySet<string>,
  call: Call,
): Promise<Snapshot> {
  const archives = changed.has('isArchived') && next.isArchived === true;
  let snapshot: Snapshot | undefined;
  if (!archives || changed.size > 1) {
    const input = { id, ...productInput(next, changed) };
    const answer = await client(documents.productPatch, { input }, 'write', call);
    snapshot = made('product', succeeded(answer, 'productPatch', answer.data?.productPatch, input).product);
  }
  if (!archives && snapshot) return snapshot;
  const answer = await client(documents.productArchive, { input: { id } }, 'write', call);
  return made('product', succeeded(answer, 'productArchive', answer.data?.productArchive, { id }).product);
}

/** Leaving DRAFT is an approval. It only happens alone, when every other row rests. */
async function updateInvoice(
  client: WaveClient,
  id: string,
  next: Body,
  changed: ReadonlySet<string>,
  call: Call,
): Promise<Snapshot> {
  if (changed.has('status')) {
    const input = { invoiceId: id };
    const answer = await client(documents.invoiceApprove, { input }, 'write', call);
    return made('order', succeeded(answer, 'invoiceApprove', answer.data?.invoiceApprove, input).invoice);
  }
  const input = { id, ...invoiceInput(next, changed) };
  const answer = await client(documents.invoicePatch, { input }, 'write', call);
  return made('order', succeeded(answer, 'invoicePatch', answer.data?.invoicePatch, input).invoice);
}
