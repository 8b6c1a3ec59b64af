import { RemoteUnavailableError } from '../errors.ts';
import type { Call } from '../sync/ports.ts';
import type { WaveError } from './answer.ts';
import type { WaveClient } from './client.ts';
import { graphql } from './graphql.ts';
import type { WaveOptions } from './options.ts';
import { pagesOf, wholeList } from './pages.ts';

export const health = graphql(`
  query Health($business: ID!, $page: Int!, $pageSize: Int!) {
    business(id: $business) {
      id name isArchived currency { code }
      accounts(page: $page, pageSize: $pageSize, subtypes: [INCOME, DISCOUNTS, OTHER_INCOME], isArchived: false) { pageInfo { currentPage totalPages } edges { node { id name } } }
    }
  }
`);
export const fallback = graphql(`
  query FallbackProduct($business: ID!, $id: ID!) {
    business(id: $business) { id product(id: $id) { id name isSold isArchived } }
  }
`);

/** What an operator wants to know about the connection to Wave. */
export interface WaveHealth {
  readonly business:
    | { readonly id: string; readonly name: string; readonly currency: string; readonly archived: boolean }
    | undefined;
  readonly incomeAccounts: readonly { readonly id: string; readonly name: string }[];
  /** Wave's clock less ours, ms; accurate to about a second. */
  readonly clockAheadMs: number;
}

/** @throws SyncError when Wave does not answer or refuses the token. */
export async function waveHealth(
  client: WaveClient,
  { businessId }: WaveOptions,
  call: Call,
): Promise<WaveHealth> {
  let business: WaveHealth['business'];
  let clockAheadMs = 0;
  const accounts = await wholeList(pagesOf(), async (page, pageSize) => {
    const answer = await client(health, { business: businessId, page, pageSize }, 'read', call);
    const found = answer.data?.business;
    if (!found) throwUnlessMissing(answer.errors);
    business = found
      ? { id: found.id, name: found.name, currency: found.currency.code, archived: found.isArchived }
      : undefined;
    clockAheadMs = answer.date - Date.now();
    return { rows: found?.accounts?.edges ?? [], pageInfo: found?.accounts?.pageInfo };
  });
  return {
    business,
    incomeAccounts: accounts.flatMap(({ node }) => (node ? [{ id: node.id, name: node.name }] : [])),
    clockAheadMs,
  };
}

/** These say that the business is none that can be read, and not that Wave failed. */
const saysWhose: ReadonlySet<string> = new Set([
  'NOT_FOUND',
  'FORBIDDEN',
  'BAD_USER_INPUT',
  'VARIABLE_VALUE',
]);

/** That Wave failed says nothing about whether the business is there. */
function throwUnlessMissing(errors: readonly WaveError[]): void {
  if (errors.some(({ extensions }) => !saysWhose.has(extensions?.code ?? '')))
    throw new RemoteUnavailableError('wave', 'the business was not read');
}

/** The product that stands for lines without a product: undefined when it is not there. */
export async function fallbackProduct(
  client: WaveClient,
  { businessId }: WaveOptions,
  id: string,
  call: Call,
): Promise<{ readonly name: string; readonly usable: boolean } | undefined> {
  const answer = await client(fallback, { business: businessId, id }, 'read', call);
  const found = answer.data?.business?.product;
  return found ? { name: found.name, usable: found.isSold && !found.isArchived } : undefined;
}
