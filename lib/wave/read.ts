import type { TadaDocumentNode } from 'gql.tada';
import { type DocumentNode, Kind, parse } from 'graphql';
import { type Pair, pairs } from '../domain/record.ts';
import { RemoteUnavailableError } from '../errors.ts';
import type { Call, Reading } from '../sync/ports.ts';
import type { Slot } from '../sync/request-budget.ts';
import { DocumentRefusedError, type WaveAnswer, type WaveError } from './answer.ts';
import { batcher } from './batch.ts';
import type { WaveClient } from './client.ts';
import * as documents from './documents.ts';
import { documentsKept, gatheringOf, type WaveOptions } from './options.ts';
import { snapshotOf } from './snapshot.ts';

/** Records that one document reads, one alias each, when nothing else is said. */
export const readBatch = 25;

export interface ReadKey {
  readonly pair: Pair;
  readonly id: string;
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
type ReadDocument = TadaDocumentNode<ReadData, Record<string, string>>;
const kept = documentsKept();

/** One aliased field a record, of the same typed fragments that every document uses; one document for each list of pairs. */
export const readDocument = (kinds: readonly Pair[]): ReadDocument =>
  kept(kinds.join(' '), () => {
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
    return { kind: Kind.DOCUMENT, definitions: [...query.definitions, ...fragments] } as DocumentNode;
  }) as unknown as ReadDocument;

/** One record, in a document with others that are wanted at the same time. Nothing is kept. */
export function reads(
  client: WaveClient,
  options: WaveOptions,
): (key: ReadKey, call: Call) => Promise<Reading> {
  const gathering = gatheringOf(options, 'read', readBatch);
  return batcher<ReadKey, Reading>({
    ...gathering,
    keyOf: () => undefined,
    send: (keys, call, slot) => readMany(client, options, keys, call, slot, gathering.shrink),
  });
}

/**
 * All of these in one answer; in several only where that may be, and Wave refuses so much at once. Each is judged by itself: a
 * reading, or the error because of which it was not read.
 */
export async function readMany(
  client: WaveClient,
  options: WaveOptions,
  keys: readonly ReadKey[],
  call: Call,
  slot?: Slot,
  shrink?: (most: number) => void,
): Promise<readonly (Reading | Error)[]> {
  if (keys.length === 0) return [];
  const sorted = [...keys].sort((a, b) => pairs.indexOf(a.pair) - pairs.indexOf(b.pair));
  const variables = {
    business: options.businessId,
    ...Object.fromEntries(sorted.map((key, index) => [`id${index}`, key.id])),
  };
  const document = readDocument(sorted.map((key) => key.pair));
  const answer = await client(document, variables, 'read', call, slot).catch((error: Error) => error);
  if (shrink && answer instanceof DocumentRefusedError && answer.isTooMuch && keys.length > 1) {
    const half = Math.floor(keys.length / 2);
    shrink(half);
    const first = await readMany(client, options, keys.slice(0, half), call, undefined, shrink);
    return [...first, ...(await readMany(client, options, keys.slice(half), call, undefined, shrink))];
  }
  return keys.map((key) =>
    answer instanceof Error ? answer : readingOf(answer, key, `r${sorted.indexOf(key)}`, options.businessId),
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
