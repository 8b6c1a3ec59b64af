import type { Pair } from '../../lib/domain/record.ts';
import type { Facts, MappingSettings } from '../../lib/mappings/mapping.ts';

/** The defaults of the product, with the one setting that order lines without product need. */
export const mappingSettings: MappingSettings = {
  createInvoicesFrom: 'draft',
  poNumberFrom: 'OrderNumber',
  approveInvoices: 'never',
  editIssuedInvoices: false,
  waveFallbackProductId: 'WP-fallback',
  wavePercentage: 'percent',
  waveKeepsLineOrder: false,
};

/** Customcrm ids by Wave id. */
const links: Readonly<Record<Pair, Readonly<Record<string, string>>>> = {
  customer: { 'WC-1': 'c1', 'WC-2': 'c2' },
  product: { 'WP-1': 'p1', 'WP-2': 'p2', 'WP-3': 'p3' },
  order: {},
};

/** Linked are customers c1 and c2 and products p1 to p3 (`WC-1` ... in Wave); `HST` is archived, `VAT` was made anew. */
export function mappingFacts(settings: Partial<MappingSettings> = {}): Facts {
  return {
    settings: { ...mappingSettings, ...settings },
    customcrmIdOf: (pair, waveId) => links[pair][waveId],
    waveIdOf: (pair, id) => Object.entries(links[pair]).find(([, own]) => own === id)?.[0],
    taxes: [
      { id: 'T-gst', abbreviation: 'GST', archived: false },
      { id: 'T-pst', abbreviation: 'PST', archived: false },
      { id: 'T-hst', abbreviation: 'HST', archived: true },
      { id: 'T-vat-1', abbreviation: 'VAT', archived: true },
      { id: 'T-vat-2', abbreviation: 'VAT', archived: false },
    ],
  };
}
