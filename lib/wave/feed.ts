import { type Pair, pairs } from '../domain/record.ts';
import { RemoteUnavailableError } from '../errors.ts';
import type { Call, ListPosition, WaveFeed, WavePage, WholeListPage } from '../sync/ports.ts';
import type { WaveClient } from './client.ts';
import { changes, list, namedChanges } from './documents.ts';
import type { WaveOptions } from './options.ts';
import { isTooMuch, pageSizes, pagesOf } from './pages.ts';
import { readBatch, readMany } from './read.ts';
import { listOf, RowNotReadError, rowsOf, unreadable } from './rows.ts';

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

  /** Rows up to one that was not read, or that one alone: the rest of its list and the other lists do not wait for it. */
  async function inPages(from: Positions, asked: readonly Pair[], call: Call): Promise<WavePage> {
    const skips = asked.map((pair) => from[pair]?.skip ?? 0);
    const [pair = 'customer', ...others] = asked;
    const ask = (pageSize: number) => changesIn(client, options, from, pageSize, call);
    return pages.ask(asked.length, skips, ask).catch((error: unknown) => {
      if (error instanceof RowNotReadError && others.length > 0) return oneByOne(from, asked, call);
      return fewer(error, skips[0] ?? 0, ask, () => oneRow(client, options, from, pair, call));
    });
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
      const ask = async (pageSize: number): Promise<WholeListPage> => {
        const variables = {
          business: businessId,
          page: skip / pageSize + 1,
          pageSize,
          customers: pair === 'customer',
          products: pair === 'product',
          invoices: pair === 'order',
        };
        const answer = await client(list, variables, 'read', call);
        const { [pair]: page } = rowsOf(answer, businessId, [pair], pageSize);
        const { snapshots = [], full = false, places = 0 } = page ?? {};
        return { snapshots, next: full ? String(skip + places) : undefined };
      };
      return pages.ask(1, [skip], ask).catch((error: unknown) =>
        fewer(error, skip, ask, async (hole) => ({
          snapshots: [],
          unread: [unreadable(hole, hole.row, `row ${skip + 1} of ${listOf[pair]}`)],
          next: String(skip + 1),
        })),
      );
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

/** Fewer rows than the page of which one was not read: those before it, or it alone. */
async function fewer<Page>(
  error: unknown,
  skip: number,
  ask: (pageSize: number) => Promise<Page>,
  alone: (hole: RowNotReadError) => Promise<Page>,
): Promise<Page> {
  if (!(error instanceof RowNotReadError)) throw error;
  if (error.pageSize === 1) return alone(error);
  const size = pageSizes.find((each) => each <= error.before && skip % each === 0) ?? 1;
  return ask(size).catch((inner: unknown) => fewer(inner, skip, ask, alone));
}

/** One page of each list that is asked for, in one answer. */
async function changesIn(
  client: WaveClient,
  { businessId }: WaveOptions,
  from: Positions,
  pageSize: number,
  call: Call,
): Promise<WavePage> {
  const answer = await client(changes, placeOf(businessId, from, pageSize), 'read', call);
  const asked = pairs.filter((pair) => from[pair]);
  return { date: answer.date, lists: rowsOf(answer, businessId, asked, pageSize) };
}

/** The one row of this place, or what Wave shows of it in the same answer: its id, or else nothing but its place. */
async function oneRow(
  client: WaveClient,
  { businessId }: WaveOptions,
  from: Positions,
  pair: Pair,
  call: Call,
): Promise<WavePage> {
  const answer = await client(namedChanges, placeOf(businessId, from, 1), 'read', call);
  const { namedCustomers, namedProducts, namedInvoices } = answer.data?.business ?? {};
  const names = [namedCustomers, namedProducts, namedInvoices].flatMap((each) => each?.edges ?? []);
  const errors = answer.errors.filter(({ path }) => !String(path?.[1]).startsWith('named'));
  try {
    return { date: answer.date, lists: rowsOf({ ...answer, errors }, businessId, [pair], 1) };
  } catch (error) {
    if (!(error instanceof RowNotReadError)) throw error;
    const { after, skip = 0 } = from[pair] ?? unasked;
    const place = `row ${skip + 1} of ${listOf[pair]} since ${after}`;
    const page = { snapshots: [], unread: [unreadable(error, names[0]?.node, place)], full: true };
    return { date: answer.date, lists: { [pair]: page } };
  }
}

function placeOf(business: string, from: Positions, pageSize: number) {
  const at = (pair: Pair) => from[pair] ?? unasked;
  const pageOf = (pair: Pair) => (at(pair).skip ?? 0) / pageSize + 1;
  return {
    business,
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
}
