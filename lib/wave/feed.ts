import { type Pair, pairs } from '../domain/record.ts';
import { RemoteUnavailableError } from '../errors.ts';
import type { Call, ListPage, ListPosition, WaveFeed, WavePage } from '../sync/ports.ts';
import type { WaveClient } from './client.ts';
import { type Changes, changes, list } from './documents.ts';
import type { WaveOptions } from './options.ts';
import { isTooMuch, pagesOf } from './pages.ts';
import { readBatch, readMany } from './read.ts';
import { snapshotOf } from './snapshot.ts';

const listOf = { customer: 'customers', product: 'products', order: 'invoices' } as const;
/** Records that are read in one answer at the least: else none could witness for another. */
const fewest = 2;
type Positions = Readonly<Partial<Record<Pair, ListPosition>>>;
const unasked: ListPosition = { after: new Date(0).toISOString() };

/** The lists of one Wave business, oldest change first. */
export function waveFeed(client: WaveClient, options: WaveOptions): WaveFeed {
  const { businessId, sharing } = options;
  const pages = pagesOf();
  /** Wave refused three lists in one document, however short. */
  let togetherIsTooMuch = false;
  let most = Math.max(fewest, sharing?.operations ?? readBatch);

  /** The first answer's time counts: nothing that came later is missed by the next poll. */
  async function oneByOne(from: Positions, asked: readonly Pair[], call: Call): Promise<WavePage> {
    const parts: WavePage[] = [];
    for (const pair of asked) {
      const { [pair]: position } = from;
      parts.push(await inPages(position ? { [pair]: position } : {}, [pair], call));
    }
    const dates = parts.map(({ date }) => date);
    return { date: Math.min(...dates), lists: Object.assign({}, ...parts.map(({ lists }) => lists)) };
  }

  function inPages(from: Positions, asked: readonly Pair[], call: Call): Promise<WavePage> {
    const skips = asked.map((pair) => from[pair]?.skip ?? 0);
    return pages.ask(asked.length, skips, (pageSize) => changesIn(client, options, from, pageSize, call));
  }

  return {
    async changes(from, call) {
      const asked = pairs.filter((pair) => from[pair]);
      if (togetherIsTooMuch) return oneByOne(from, asked, call);
      try {
        return await inPages(from, asked, call);
      } catch (error) {
        if (!isTooMuch(error) || asked.length < 2) throw error;
        togetherIsTooMuch = true;
        return oneByOne(from, asked, call);
      }
    },
    listAll(pair, cursor, call) {
      const skip = Number(cursor ?? 0);
      return pages.ask(1, [skip], async (pageSize) => {
        const variables = {
          business: businessId,
          page: skip / pageSize + 1,
          pageSize,
          customers: pair === 'customer',
          products: pair === 'product',
          invoices: pair === 'order',
        };
        const answer = await client(list, variables, 'read', call);
        const business = answer.data?.business;
        if (answer.errors.length > 0 || business?.id !== businessId)
          throw new RemoteUnavailableError('wave', `the list of ${listOf[pair]} was not read completely`);
        const { snapshots, full } = rowsOf(business, pair, pageSize);
        return { snapshots, next: full ? String(skip + pageSize) : undefined };
      });
    },
    async readTogether(refs, call) {
      const read = () => {
        const keys = refs.slice(0, most).map(({ pair, id }) => ({ pair, id }));
        return readMany(client, options, keys, call);
      };
      let readings = await read();
      if (readings.some(isTooMuch) && most > fewest) {
        most = fewest;
        readings = await read();
      }
      return readings.map((reading) => {
        if (isTooMuch(reading)) throw new RemoteUnavailableError('wave', 'two records are not read together');
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
  pageSize: number,
  call: Call,
): Promise<WavePage> {
  const at = (pair: Pair) => from[pair] ?? unasked;
  const pageOf = (pair: Pair) => (at(pair).skip ?? 0) / pageSize + 1;
  const variables = {
    business: businessId,
    pageSize,
    customers: from.customer !== undefined,
    customersAfter: at('customer').after,
    customersPage: pageOf('customer'),
    products: from.product !== undefined,
    productsAfter: at('product').after,
    productsPage: pageOf('product'),
    invoices: from.order !== undefined,
    invoicesAfter: at('order').after,
    invoicesPage: pageOf('order'),
  };
  const answer = await client(changes, variables, 'read', call);
  const business = answer.data?.business;
  // One error anywhere: some row was not read, and the cursor must not pass it.
  if (answer.errors.length > 0 || business?.id !== businessId)
    throw new RemoteUnavailableError('wave', 'a list was not read completely');
  return {
    date: answer.date,
    lists: Object.fromEntries(
      pairs.filter((pair) => from[pair]).map((pair) => [pair, rowsOf(business, pair, pageSize)]),
    ),
  };
}

function rowsOf(business: NonNullable<Changes['business']>, pair: Pair, pageSize: number): ListPage {
  const edges = business[listOf[pair]]?.edges ?? [];
  const snapshots = edges.map(({ node }) => snapshotOf(pair, node));
  const whole = snapshots.filter((snapshot) => snapshot !== undefined);
  if (whole.length < snapshots.length)
    throw new RemoteUnavailableError('wave', `a row of ${listOf[pair]} was not read`);
  return { snapshots: whole, full: edges.length >= pageSize };
}
