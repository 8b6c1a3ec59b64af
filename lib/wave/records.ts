import type { Body, Pair, Snapshot } from '../domain/record.ts';
import {
  PassingRefusalError,
  RemoteMissingError,
  RemoteOutcomeUnknownError,
  RemoteRejectedError,
} from '../errors.ts';
import { reasonFrom } from '../scrub.ts';
import { boundOf, nextPosition } from '../sync/list-position.ts';
import type { Call, ListPosition, Records } from '../sync/ports.ts';
import { notExecuted, unreadable, type WaveError } from './answer.ts';
import type { WaveClient } from './client.ts';
import * as documents from './documents.ts';
import { waveFeed } from './feed.ts';
import {
  type CustomerCreate,
  customerInput,
  type InvoiceCreate,
  invoiceInput,
  type ProductCreate,
  pathOfInput,
  productInput,
} from './inputs.ts';
import type { WaveOptions } from './options.ts';
import { reads, reasonOf } from './read.ts';
import { snapshotOf } from './snapshot.ts';
import { type Mutate, mutations, type Written } from './write.ts';

/** The records of one Wave business. */
export function waveRecords(client: WaveClient, options: WaveOptions): Records {
  const read = reads(client, options);
  const mutate = mutations(client, options);
  const feed = waveFeed(client, options);
  return {
    system: 'wave',
    read: (pair, id, call) => read({ pair, id }, call),
    create: (pair, body, _key, call) => create(mutate, options, pair, body, call),
    update: (pair, current, next, paths, call) => update(mutate, pair, current, next, paths, call),
    refuse(pair, next, paths) {
      if (paths === undefined && pair === 'product') incomeAccountOf(options);
      inputOf[pair](next, paths ? changedBy(paths) : new Set(Object.keys(next)));
    },
    async remove(pair, current, call) {
      if (pair !== 'order') throw new RemoteRejectedError('wave', 'only draft invoices are ever deleted');
      const input = { invoiceId: current.id };
      succeeded(await mutate(documents.invoiceDelete, input, current.id, call), 'invoiceDelete', input);
    },
    async changedSince(pair, since, cursor, call) {
      const start = { after: new Date(since).toISOString() };
      const from = cursor === undefined ? start : (JSON.parse(cursor) as ListPosition);
      const answer = await feed.changes({ [pair]: boundOf(from) }, call);
      const { snapshots = [], unread = [] } = answer.lists[pair] ?? {};
      const next = nextPosition(from, answer.lists[pair]);
      return {
        changes: [...snapshots.map((snapshot) => ({ state: 'living' as const, snapshot })), ...unread],
        next: next && JSON.stringify(next),
        date: answer.date,
      };
    },
  };
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

const nodeNotFound = /node could not be found/i;

/** Success is `didSucceed: true` and nothing else. Without a clear answer the write may have happened. */
function succeeded<T extends Outcome>({ outcome, errors }: Written<T>, field: string, sent: unknown): T {
  if (outcome?.didSucceed === false) {
    const errors = outcome.inputErrors ?? [];
    const objections = errors.map(({ path, code, message }) => ({
      place: path?.join('.'),
      code,
      words: message,
    }));
    const reason = reasonFrom(objections, sent) || 'no reason given';
    // Seen on valid ids right after their creation; nothing was made, and the same request usually succeeds the next time.
    const isPassing = errors.some(({ message }) => nodeNotFound.test(message ?? ''));
    if (field === 'invoiceCreate' && isPassing) throw new PassingRefusalError('wave', reason);
    const paths = errors.flatMap(({ path }) => (path?.length ? pathOfInput(path) : []));
    throw new RemoteRejectedError('wave', reason, { paths });
  }
  if (outcome?.didSucceed === true && errors.length === 0) return outcome;
  const refusal = outcome == null ? refusalOf(errors, sent) : undefined;
  if (refusal) throw refusal;
  throw unreadable('write', reasonOf(errors, 'the answer does not say whether it succeeded'));
}

/** Only an error of the mutation itself says that it was not executed: what failed below it was being shown, and so was done. */
function refusalOf(errors: readonly WaveError[], sent: unknown): Error | undefined {
  const [first] = errors;
  if (!first || errors.some(({ path }) => path?.length !== 1)) return undefined;
  if (nodeNotFound.test(first.message)) return new PassingRefusalError('wave', 'Node could not be found');
  if (first.extensions?.code === 'NOT_FOUND') return new RemoteMissingError('wave: NOT_FOUND');
  return notExecuted(first, sent);
}

function made(pair: Pair, record: unknown): Snapshot {
  const snapshot = snapshotOf(pair, record);
  if (!snapshot)
    throw new RemoteOutcomeUnknownError('wave', 'it succeeded, but the answer does not hold the record');
  return snapshot;
}

const inputOf = { customer: customerInput, product: productInput, order: invoiceInput };

const changedBy = (paths: readonly string[]): ReadonlySet<string> =>
  new Set(paths.map((path) => path.split('.')[0] ?? path));

function incomeAccountOf({ incomeAccountId }: WaveOptions): string {
  if (incomeAccountId) return incomeAccountId;
  throw new RemoteRejectedError('wave', 'the setting WAVE_INCOME_ACCOUNT_ID is needed to create products');
}

async function create(
  mutate: Mutate,
  options: WaveOptions,
  pair: Pair,
  body: Body,
  call: Call,
): Promise<Snapshot> {
  const { businessId } = options;
  const present = new Set(Object.keys(body));
  if (pair === 'customer') {
    const input = { businessId, ...customerInput(body, present) } as CustomerCreate;
    const answer = await mutate(documents.customerCreate, input, undefined, call);
    return made(pair, succeeded(answer, 'customerCreate', input).customer);
  }
  if (pair === 'product') {
    const incomeAccountId = incomeAccountOf(options);
    const input = { businessId, incomeAccountId, ...productInput(body, present) } as ProductCreate;
    const answer = await mutate(documents.productCreate, input, undefined, call);
    return made(pair, succeeded(answer, 'productCreate', input).product);
  }
  const input = { businessId, status: 'DRAFT', ...invoiceInput(body, present) } as InvoiceCreate;
  const answer = await mutate(documents.invoiceCreate, input, undefined, call);
  return made(pair, succeeded(answer, 'invoiceCreate', input).invoice);
}

async function update(
  mutate: Mutate,
  pair: Pair,
  current: Snapshot,
  next: Body,
  paths: readonly string[],
  call: Call,
): Promise<Snapshot> {
  const changed = changedBy(paths);
  const { id } = current;
  if (pair === 'customer') {
    const input = { id, ...customerInput(next, changed) };
    const answer = await mutate(documents.customerPatch, input, id, call);
    return made(pair, succeeded(answer, 'customerPatch', input).customer);
  }
  return pair === 'product'
    ? updateProduct(mutate, id, next, changed, call)
    : updateInvoice(mutate, id, next, changed, call);
}

/**
 * Archiving is a mutation of its own, and comes last: an archived product may refuse the others. Each property is answered by the
 * mutation that wrote it: what the second shows otherwise, somebody edited in between.
 */
async function updateProduct(
  mutate: Mutate,
  id: string,
  next: Body,
  changed: ReadonlySet<string>,
  call: Call,
): Promise<Snapshot> {
  const archives = changed.has('isArchived') && next.isArchived === true;
  let patched: Snapshot | undefined;
  if (!archives || changed.size > 1) {
    const input = { id, ...productInput(next, changed) };
    const answer = await mutate(documents.productPatch, input, id, call);
    patched = made('product', succeeded(answer, 'productPatch', input).product);
  }
  if (!archives && patched) return patched;
  // After the first part it is wanted, however old the picture is by then.
  const { sendBy: _sendBy, ...afterwards } = call;
  const archive = async () => {
    const answer = await mutate(documents.productArchive, { id }, id, patched ? afterwards : call);
    return made('product', succeeded(answer, 'productArchive', { id }).product);
  };
  const archived = await (patched ? archive().catch(afterFirstPart) : archive());
  const written = Object.entries(patched?.body ?? {}).filter(
    ([name]) => name !== 'isArchived' && changed.has(name),
  );
  return { ...archived, body: { ...archived.body, ...Object.fromEntries(written) } };
}

/** The first part is done, so whatever kept the second one away leaves the whole in doubt: it is read again before anything is concluded. */
function afterFirstPart(error: unknown): never {
  if (error instanceof RemoteRejectedError) throw error;
  throw new RemoteOutcomeUnknownError('wave', 'only a part of it was written');
}

/** Leaving DRAFT is an approval. It only happens alone, when every other row rests. */
async function updateInvoice(
  mutate: Mutate,
  id: string,
  next: Body,
  changed: ReadonlySet<string>,
  call: Call,
): Promise<Snapshot> {
  if (changed.has('status')) {
    const input = { invoiceId: id };
    const answer = await mutate(documents.invoiceApprove, input, id, call);
    return made('order', succeeded(answer, 'invoiceApprove', input).invoice);
  }
  const input = { id, ...invoiceInput(next, changed) };
  const answer = await mutate(documents.invoicePatch, input, id, call);
  return made('order', succeeded(answer, 'invoicePatch', input).invoice);
}
