import { RemoteUnavailableError } from '../errors.ts';
import type { Call, Tax, TaxCatalogue } from '../sync/ports.ts';
import type { WaveClient } from './client.ts';
import { salesTaxes } from './documents.ts';
import type { WaveOptions } from './options.ts';
import { pagesOf, wholeList } from './pages.ts';

const cachedMs = 5 * 60_000;
const freshAtMostEveryMs = 60_000;

/** The sales taxes of the business, archived ones included; kept for some minutes in this container. */
export function waveTaxes(
  client: WaveClient,
  { businessId }: WaveOptions,
  now: () => number = Date.now,
): TaxCatalogue {
  const pages = pagesOf();
  let cached: { readonly taxes: readonly Tax[]; readonly at: number } | undefined;
  let underWay: Promise<readonly Tax[]> | undefined;

  async function read(call: Call): Promise<readonly Tax[]> {
    const rows = await wholeList(pages, async (page, pageSize) => {
      const variables = { business: businessId, page, pageSize };
      const { data, errors } = await client(salesTaxes, variables, 'read', call);
      const list = data?.business?.salesTaxes;
      if (errors.length > 0 || !list)
        throw new RemoteUnavailableError('wave', 'the sales taxes were not read');
      return list.edges;
    });
    const taxes = rows.flatMap(({ node }): Tax[] =>
      node ? [{ id: node.id, abbreviation: node.abbreviation, archived: node.isArchived }] : [],
    );
    cached = { taxes, at: now() };
    return taxes;
  }

  return {
    async taxes(call, { fresh = false, since } = {}) {
      const age = cached ? now() - cached.at : Number.POSITIVE_INFINITY;
      const isSince = cached !== undefined && since !== undefined && cached.at >= since;
      if (since !== undefined && !isSince && age < freshAtMostEveryMs)
        throw new RemoteUnavailableError('wave', 'the sales taxes are not read again at once', {
          retryAfterMs: freshAtMostEveryMs - age,
        });
      const keptMs = fresh || since !== undefined ? freshAtMostEveryMs : cachedMs;
      if (cached && age < keptMs) return cached.taxes;
      // All records of a batch want them at once.
      underWay ??= read(call).finally(() => {
        underWay = undefined;
      });
      return underWay;
    },
  };
}
