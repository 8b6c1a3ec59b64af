import type { TadaDocumentNode } from 'gql.tada';
import { parse } from 'graphql';
import { type Pair, pairs } from '../domain/record.ts';
import { RemoteUnavailableError } from '../errors.ts';
import type { Call, Reading } from '../sync/ports.ts';
import type { WaveAnswer, WaveClient, WaveError, WaveOptions } from './client.ts';
import * as documents from './documents.ts';
import { snapshotOf } from './snapshot.ts';

/** Records that one document reads, one alias each. */
export const readBatch = 25;

export interface ReadKey {
  readonly pair: Pair;
  readonly id: string;
  readonly call: Call;
}

const fieldOf = { customer: 'customer', product: 'product', order: 'invoice' } as const;
const fragmentOf = {
  customer: documents.customerFields,
  product: documents.productFields,
  order: documents.invoiceFields,
};
const fragmentName = {
  customer: 'CustomerFields',
  product: 'ProductFields',
  order: 'InvoiceFields',
} as const;

type ReadData = { readonly business: Readonly<Record<string, unknown>> | null };
const readDocuments = new Map<string, TadaDocumentNode<ReadData, Record<string, string>>>();

/** One aliased field a record, of the same typed fragments that every document uses; one document for each list of pairs. */
function readDocument(kinds: readonly Pair[]): TadaDocumentNode<ReadData, Record<string, string>> {
  const shape = kinds.join(' ');
  const known = readDocuments.get(shape);
  if (known) return known;
  const fields = kinds.map(
    (pair, index) => `r${index}: ${fieldOf[pair]}(id: $id${index}) { ...${fragmentName[pair]} }`,
  );
  const variables = kinds.map((_, index) => `$id${index}: ID!`);
  const query = parse(
    `query Read($business: ID!, ${variables.join(', ')}) { business(id: $business) { id ${fields.join(' ')} } }`,
  );
  const fragments = pairs
    .filter((pair) => kinds.includes(pair))
    .flatMap((pair) => fragmentOf[pair].definitions);
  const document = {
    kind: 'Document',
    definitions: [...query.definitions, ...fragments],
  } as unknown as TadaDocumentNode<ReadData, Record<string, string>>;
  readDocuments.set(shape, document);
  return document;
}

/** All of these in one answer. Each is judged by itself: a reading, or the error because of which it was not read. */
export async function readMany(
  client: WaveClient,
  { businessId }: WaveOptions,
  keys: readonly ReadKey[],
): Promise<readonly (Reading | Error)[]> {
  const [first] = keys;
  if (!first) return [];
  const variables = {
    business: businessId,
    ...Object.fromEntries(keys.map((key, index) => [`id${index}`, key.id])),
  };
  const call = { ...first.call, deadline: Math.min(...keys.map((key) => key.call.deadline)) };
  const answer = await client(readDocument(keys.map((key) => key.pair)), variables, 'read', call).catch(
    (error: Error) => error,
  );
  return keys.map((key, index) =>
    answer instanceof Error ? answer : readingOf(answer, key, `r${index}`, businessId),
  );
}

/** Each alias is judged on its own: any error under its path means that this record was not read. */
function readingOf(
  answer: WaveAnswer<ReadData>,
  { pair, id }: ReadKey,
  alias: string,
  businessId: string,
): Reading | Error {
  const own = answer.errors.filter((error) => error.path?.[1] === alias);
  const general = answer.errors.filter((error) => error.path == null || error.path.length < 2);
  const business = answer.data?.business;
  if (business?.id !== businessId)
    return new RemoteUnavailableError('wave', reasonOf(general, 'the business is not in the answer'));
  const notFound =
    own.length > 0 &&
    own.every((error) => error.extensions?.code === 'NOT_FOUND' && error.path?.length === 2);
  const record = business[alias];
  if (notFound && record == null) return { state: 'not-found' };
  if (own.length > 0 || general.length > 0)
    return new RemoteUnavailableError('wave', reasonOf([...own, ...general], 'a part was not read'));
  if (record === null) return { state: 'not-found' };
  const snapshot = snapshotOf(pair, record);
  if (snapshot?.id !== id)
    return new RemoteUnavailableError('wave', 'the record in the answer is not the one that was asked for');
  return { state: 'living', snapshot };
}

/** Wave's own codes and references; never a message, which could quote what we sent. */
export const reasonOf = (errors: readonly WaveError[], otherwise: string): string =>
  errors
    .map(({ extensions }) => [extensions?.code, extensions?.id].filter(Boolean).join(' '))
    .filter(Boolean)
    .join('; ') || otherwise;
