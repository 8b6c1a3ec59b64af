import { RemoteUnavailableError } from '../errors.ts';
import type { Tax, TaxCatalogue } from '../sync/ports.ts';
import type { WaveClient } from './client.ts';
import { salesTaxes } from './documents.ts';
import type { WaveOptions } from './options.ts';

const pageSize = 100;
/** More sales taxes than this many pages hold are not to be expected of a small business. */
const pageLimit = 20;
const cachedMs = 5 * 60_000;
const freshAtMostEveryMs = 60_000;

/** The sales taxes of the business, archived ones included; kept for some minutes in this container. */
export function waveTaxes(
  client: WaveClient,
  { businessId }: WaveOptions,
  now: () => number = Date.now,
): TaxCatalogue {
  let cached: { readonly taxes: readonly Tax[]; readonly at: number } | undefined;
  return {
    async taxes(call, options) {
      const keptMs = options?.fresh ? freshAtMostEveryMs : cachedMs;
      if (cached && now() - cached.at < keptMs) return cached.taxes;
      const taxes: Tax[] = [];
      for (let page = 1; page <= pageLimit; page++) {
        const { data, errors } = await client(
          salesTaxes,
          { business: businessId, page, pageSize },
          'read',
          call,
        );
        const list = data?.business?.salesTaxes;
        if (errors.length > 0 || !list)
          throw new RemoteUnavailableError('wave', 'the sales taxes were not read');
        for (const { node } of list.edges) {
          if (node) taxes.push({ id: node.id, abbreviation: node.abbreviation, archived: node.isArchived });
        }
        if (list.edges.length < pageSize) break;
      }
      cached = { taxes, at: now() };
      return taxes;
    },
  };
}
