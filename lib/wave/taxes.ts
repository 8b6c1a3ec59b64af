import { RemoteUnavailableError } from '../errors.ts';
import type { Call, Tax, TaxCatalogue, TaxOptions } from '../sync/ports.ts';
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
  /** By id, when a record first named it that was not in the list, ms. */
  const missedAt = new Map<string, number>();
  let underWay: Promise<readonly Tax[]> | undefined;

  /** A list that was read after an id was first missed is proof for every later look. */
  function missedSince(options: TaxOptions): number {
    if ('fresh' in options) return Number.NEGATIVE_INFINITY;
    const { missing, since } = options;
    for (const id of missing) if (!missedAt.has(id)) missedAt.set(id, since);
    return Math.max(...missing.map((id) => missedAt.get(id) ?? since));
  }

  async function read(call: Call): Promise<readonly Tax[]> {
    const rows = await wholeList(pages, async (page, pageSize) => {
      const variables = { business: businessId, page, pageSize };
      const { data, errors } = await client(salesTaxes, variables, 'read', call);
      const list = data?.business?.salesTaxes;
      if (errors.length > 0 || !list)
        throw new RemoteUnavailableError('wave', 'the sales taxes were not read');
      return { rows: list.edges, pageInfo: list.pageInfo };
    });
    const taxes = rows.flatMap(({ node }): Tax[] =>
      node ? [{ id: node.id, abbreviation: node.abbreviation, archived: node.isArchived }] : [],
    );
    for (const { id } of taxes) missedAt.delete(id);
    cached = { taxes, at: now() };
    return taxes;
  }

  return {
    async taxes(call, options) {
      const age = cached ? now() - cached.at : Number.POSITIVE_INFINITY;
      const isTooOld = cached !== undefined && options !== undefined && cached.at < missedSince(options);
      if (isTooOld && age < freshAtMostEveryMs)
        throw new RemoteUnavailableError('wave', 'the sales taxes are not read again at once', {
          retryAfterMs: freshAtMostEveryMs - age,
        });
      if (cached && !isTooOld && age < (options ? freshAtMostEveryMs : cachedMs)) return cached.taxes;
      // All records of a batch want them at once.
      underWay ??= read(call).finally(() => {
        underWay = undefined;
      });
      return underWay;
    },
  };
}
