import { type Pair, pairs } from '../domain/record.ts';
import { RemoteUnavailableError } from '../errors.ts';
import type { Call, ListPage, ListPosition, WaveFeed, WavePage } from '../sync/ports.ts';
import { DocumentRefusedError } from './answer.ts';
import type { WaveClient } from './client.ts';
import { type Changes, changes, list } from './documents.ts';
import type { WaveOptions } from './options.ts';
import { readMany } from './read.ts';
import { snapshotOf } from './snapshot.ts';

/** Rows of one list in one document. Wave's maximum is not documented; 100 is known to be safe. */
const pageSize = 100;
const listOf = { customer: 'customers', product: 'products', order: 'invoices' } as const;
type Positions = Readonly<Partial<Record<Pair, ListPosition>>>;
const unasked: ListPosition = { after: new Date(0).toISOString(), page: 1 };

/** The lists of one Wave business, oldest change first. */
export function waveFeed(client: WaveClient, options: WaveOptions): WaveFeed {
  const { businessId } = options;
  /** Wave refused three lists in one document. */
  let togetherIsTooMuch = false;

  /** The first answer's time counts: nothing that came later is missed by the next poll. */
  async function oneByOne(from: Positions, asked: readonly Pair[], call: Call): Promise<WavePage> {
    const parts: WavePage[] = [];
    for (const pair of asked) {
      const { [pair]: position } = from;
      parts.push(await changesIn(client, options, position ? { [pair]: position } : {}, call));
    }
    const dates = parts.map(({ date }) => date);
    return { date: Math.min(...dates), lists: Object.assign({}, ...parts.map(({ lists }) => lists)) };
  }

  return {
    async changes(from, call) {
      const asked = pairs.filter((pair) => from[pair]);
      if (togetherIsTooMuch) return oneByOne(from, asked, call);
      try {
        return await changesIn(client, options, from, call);
      } catch (error) {
        if (!(error instanceof DocumentRefusedError && error.isTooMuch && asked.length > 1)) throw error;
        togetherIsTooMuch = true;
        return oneByOne(from, asked, call);
      }
    },
    async listAll(pair, page, call) {
      const variables = {
        business: businessId,
        page,
        pageSize,
        customers: pair === 'customer',
        products: pair === 'product',
        invoices: pair === 'order',
      };
      const answer = await client(list, variables, 'read', call);
      const business = answer.data?.business;
      if (answer.errors.length > 0 || business?.id !== businessId)
        throw new RemoteUnavailableError('wave', `the list of ${listOf[pair]} was not read completely`);
      return rowsOf(business, pair);
    },
    async readTogether(refs, call) {
      const keys = refs.map(({ pair, id }) => ({ pair, id }));
      const readings = await readMany(client, options, keys, call);
      return readings.map((reading) => {
        if (reading instanceof DocumentRefusedError && reading.isTooMuch)
          throw new RemoteUnavailableError('wave', 'so many records are not read together');
        if (reading instanceof Error) throw reading;
        return reading;
      });
    },
  };
}

/** One page of each list that is asked for, in one answer. */
async function changesIn(
  client: WaveClient,
  { businessId }: WaveOptions,
  from: Positions,
  call: Call,
): Promise<WavePage> {
  const at = (pair: Pair) => from[pair] ?? unasked;
  const variables = {
    business: businessId,
    pageSize,
    customers: from.customer !== undefined,
    customersAfter: at('customer').after,
    customersPage: at('customer').page,
    products: from.product !== undefined,
    productsAfter: at('product').after,
    productsPage: at('product').page,
    invoices: from.order !== undefined,
    invoicesAfter: at('order').after,
    invoicesPage: at('order').page,
  };
  const answer = await client(changes, variables, 'read', call);
  const business = answer.data?.business;
  // One error anywhere: some row was not read, and the cursor must not pass it.
  if (answer.errors.length > 0 || business?.id !== businessId)
    throw new RemoteUnavailableError('wave', 'a list was not read completely');
  return {
    date: answer.date,
    lists: Object.fromEntries(
      pairs.filter((pair) => from[pair]).map((pair) => [pair, rowsOf(business, pair)]),
    ),
  };
}

function rowsOf(business: NonNullable<Changes['business']>, pair: Pair): ListPage {
  const edges = business[listOf[pair]]?.edges ?? [];
  const snapshots = edges.map(({ node }) => snapshotOf(pair, node));
  const whole = snapshots.filter((snapshot) => snapshot !== undefined);
  if (whole.length < snapshots.length)
    throw new RemoteUnavailableError('wave', `a row of ${listOf[pair]} was not read`);
  return { snapshots: whole, full: edges.length >= pageSize };
}
