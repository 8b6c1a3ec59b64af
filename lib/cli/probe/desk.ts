import type { TadaDocumentNode } from 'gql.tada';
import type { DocumentNode } from 'graphql';
import { RemoteOutcomeUnknownError, RemoteRejectedError, SyncError } from '../../errors.ts';
import type { Call } from '../../sync/ports.ts';
import type { WaveError } from '../../wave/answer.ts';
import type { WaveClient } from '../../wave/client.ts';
import {
  customerCreate,
  type customerPatch,
  type invoiceApprove,
  invoiceCreate,
  invoiceDelete,
  productArchive,
  productCreate,
} from '../../wave/documents.ts';
import { customerDelete } from '../../wave/probe-documents.ts';
import { composed } from '../../wave/write.ts';

/** What every probe works with: one connection, one business, and records of its own that it takes away again. */
export interface Desk {
  readonly business: string;
  readonly customerId: string;
  readonly productId: string;
  readonly sleep: (ms: number) => Promise<void>;
  /** @throws NotAskedError when there are errors beside the data: what they left out says nothing. */
  readonly read: Read;
  /** For questions about the errors themselves. */
  readonly readWithErrors: Read;
  /** What Wave made of it, or why it refused. */
  readonly write: Write;
  /** A customer of its own. */
  readonly customer: (fields?: Omit<CustomerInput, 'businessId' | 'name'>) => Promise<Customer>;
  /** Two of them, made by one document. */
  readonly twins: () => Promise<readonly Customer[]>;
  /** A draft with these lines, for the desk's own customer unless another is named. */
  readonly draft: (fields: Partial<InvoiceInput>) => Promise<Invoice>;
}

type Read = <Data, Variables>(
  document: TadaDocumentNode<Data, Variables>,
  variables: Variables,
) => Promise<{ readonly data: Data | undefined; readonly errors: readonly WaveError[] }>;
type DataOf<Document> = Document extends TadaDocumentNode<infer Data, infer _> ? Data : never;
type InputOf<Document> = Document extends TadaDocumentNode<infer _, { input: infer Input }> ? Input : never;
type CustomerInput = InputOf<typeof customerCreate>;
export type CustomerPatch = InputOf<typeof customerPatch>;
type InvoiceInput = InputOf<typeof invoiceCreate>;
type Customer = NonNullable<NonNullable<DataOf<typeof customerCreate>['customerCreate']>['customer']>;
export type Invoice = NonNullable<NonNullable<DataOf<typeof invoiceApprove>['invoiceApprove']>['invoice']>;

interface Said {
  readonly didSucceed: boolean;
  readonly inputErrors: readonly { readonly message: string | null }[] | null;
}
/** `answer` is absent when Wave refused; `because` then holds its words. */
export interface Written<Answer> {
  readonly answer?: Answer;
  readonly because: string;
}
type Write = <Data extends object, Input extends object>(
  document: TadaDocumentNode<Data, { input: Input }>,
  input: Input,
) => Promise<Written<NonNullable<Data[keyof Data]>>>;

/** Something that a probe needs was refused: what it asks stays open. */
export class NotAskedError extends Error {
  override readonly name = 'NotAskedError';
}

export const lineOf = (productId: string, description: string, unitPrice = '100') => ({
  productId,
  description,
  quantity: '1',
  unitPrice,
  taxes: [],
});

type Kind = 'customer' | 'product' | 'invoice';
const kindOf = new Map<unknown, Kind>([
  [customerCreate, 'customer'],
  [productCreate, 'product'],
  [invoiceCreate, 'invoice'],
]);
const deletions: readonly unknown[] = [invoiceDelete, customerDelete];

/**
 * Makes the desk's own customer and product. `clear` takes everything away that Wave lets go, and answers what stayed, or perhaps did.
 * @throws NotAskedError when they cannot be made; what was made before that is gone, or named there
 */
export async function openDesk(options: {
  readonly client: WaveClient;
  readonly business: string;
  readonly incomeAccountId: string;
  readonly callNow: () => Call;
  readonly sleep: (ms: number) => Promise<void>;
  /** Told apart from all other records by this. */
  readonly mark: string;
}): Promise<{ readonly desk: Desk; readonly clear: () => Promise<readonly string[]> }> {
  const { client, business, mark, callNow, sleep } = options;
  const gone = new Set<string>();
  const made: Record<Kind, string[]> = { customer: [], product: [], invoice: [] };
  const perhaps: string[] = [];

  const write: Write = async (document, input) => {
    const answer = await client(document, { input }, 'write', callNow()).catch((error: unknown) => {
      if (error instanceof RemoteRejectedError) return { refusal: error.message };
      const kind = kindOf.get(document);
      if (error instanceof RemoteOutcomeUnknownError && kind) perhaps.push(perhapsMade(kind, input));
      throw error;
    });
    if ('refusal' in answer) return { because: answer.refusal };
    const [said] = Object.values(answer.data ?? {}) as readonly (Said | null)[];
    const words = [...(said?.inputErrors ?? []), ...answer.errors].map(({ message }) => message);
    if (!said?.didSucceed) return { because: words.join('; ') || 'no reason' };
    const kind = kindOf.get(document);
    const record = kind && (said as unknown as Readonly<Record<Kind, { readonly id: string } | null>>)[kind];
    if (kind && record) made[kind].push(record.id);
    // What is deleted need not be taken away again.
    if (deletions.includes(document)) for (const id of Object.values(input as object)) gone.add(String(id));
    return { answer: said as never, because: '' };
  };

  async function customer(fields: Omit<CustomerInput, 'businessId' | 'name'> = {}): Promise<Customer> {
    const name = `${mark} ${made.customer.length + 1}`;
    const { answer, because } = await write(customerCreate, { businessId: business, name, ...fields });
    if (!answer?.customer) throw new NotAskedError(`a customer could not be made: ${because}`);
    return answer.customer;
  }
  async function product(): Promise<string> {
    const { incomeAccountId } = options;
    const input = { businessId: business, name: mark, unitPrice: '100', incomeAccountId };
    const { answer, because } = await write(productCreate, input);
    if (!answer?.product) throw new NotAskedError(`a product could not be made: ${because}`);
    return answer.product.id;
  }
  const makeOwn = async () => ({ customerId: (await customer()).id, productId: await product() });
  const own = await makeOwn().catch(async (error: unknown) => {
    const left = await clear();
    const stays = left.length > 0 ? `. Wave keeps what the probe made: ${left.join(', ')}` : '';
    throw error instanceof Error ? new NotAskedError(`${error.message}${stays}`, { cause: error }) : error;
  });

  async function draft(fields: Partial<InvoiceInput>): Promise<Invoice> {
    const input = { businessId: business, customerId: own.customerId, ...fields, status: 'DRAFT' as const };
    const { answer, because: why } = await write(invoiceCreate, input);
    if (!answer?.invoice) throw new NotAskedError(`an invoice could not be made: ${why}`);
    return answer.invoice;
  }

  /** Invoices before their customers and products. */
  async function clear(): Promise<readonly string[]> {
    const stays: string[] = [];
    const take = async (what: string, written: Promise<Written<unknown>>) => {
      const { answer } = await written.catch((error: unknown) => {
        if (error instanceof SyncError) return { answer: undefined };
        throw error;
      });
      if (!answer) stays.push(what);
    };
    const left = (ids: readonly string[]) => ids.filter((id) => !gone.has(id));
    for (const id of left(made.invoice)) await take(`invoice ${id}`, write(invoiceDelete, { invoiceId: id }));
    for (const id of left(made.customer)) await take(`customer ${id}`, write(customerDelete, { id }));
    for (const id of made.product) await take(`product ${id}`, write(productArchive, { id }));
    return [...stays, ...perhaps];
  }

  async function twins(): Promise<readonly Customer[]> {
    const inputs = [1, 2].map((count) => ({ businessId: business, name: `${mark} twin ${count}` }));
    const variables = Object.fromEntries(inputs.map((input, index) => [`m${index}`, input]));
    const document = composed(inputs.map(() => customerCreate as unknown as DocumentNode));
    const names = inputs.map((input) => perhapsMade('customer', input));
    const { data } = await client(
      document as unknown as TadaDocumentNode<
        Record<string, DataOf<typeof customerCreate>['customerCreate']>
      >,
      variables,
      'write',
      callNow(),
    ).catch((error: unknown) => {
      if (error instanceof RemoteOutcomeUnknownError) perhaps.push(...names);
      throw error;
    });
    const both = Object.values(data ?? {}).flatMap((said) => said?.customer ?? []);
    made.customer.push(...both.map(({ id }) => id));
    return both;
  }

  const readWithErrors: Read = (document, variables) => client(document, variables, 'read', callNow());
  const read: Read = async (document, variables) => {
    const answer = await readWithErrors(document, variables);
    const [error] = answer.errors;
    if (error) throw new NotAskedError(`Wave did not show all of it: ${error.message}`);
    return answer;
  };

  return {
    desk: {
      business,
      ...own,
      sleep,
      read,
      readWithErrors,
      write,
      customer,
      twins,
      draft,
    },
    clear,
  };
}

/** What a create may have made whose answer was lost, by what a person finds it by. */
function perhapsMade(kind: Kind, input: object): string {
  const { name, customerId } = input as { readonly name?: string; readonly customerId?: string };
  return `perhaps ${kind === 'invoice' ? `an invoice of customer ${customerId}` : `a ${kind} "${name}"`}`;
}
