import type { CustomcrmProduct } from '../customcrm/schema.ts';
import type { WaveProduct } from '../wave/documents.ts';
import { active, decimal, text } from './conversions.ts';
import { type PairMapping, rowsFor } from './mapping.ts';
import { externalIdKey, key } from './match-keys.ts';
import { taxCodes } from './taxes.ts';

const { both } = rowsFor<CustomcrmProduct, WaveProduct>();

/** Product <-> Product, row for row. */
// biome-ignore format: reads as the specification's table.
const rows = [
  //    Customcrm      Wave                  conversion
  both('Name',        'name',                text,       { emptyInWave: 'block', required: true }),
  both('Description', 'description',         text),
  both('UnitPrice',   'unitPrice',           decimal(5), { emptyInWave: 'block', required: true }),
  both('Active',      'isArchived',          active,     { irreversible: true, beginsAs: true }),
  both('TaxCodes',    'defaultSalesTaxes',   taxCodes),
];

export const product: PairMapping = {
  pair: 'product',
  everyRow: rows,
  rows: () => rows,
  matchKeys: (record) => {
    const name = key('name', record.system === 'customcrm' ? record.body.Name : record.body.name);
    return [externalIdKey(record), name].filter((found) => found !== undefined);
  },
  // Only sold products can stand on an invoice.
  preferred: (record) => record.system === 'customcrm' || record.body.isSold !== false,
  contradicts: () => false,
  parents: () => [],
  excluded: (record, { waveFallbackProductId }) =>
    record.system === 'wave' && record.id === waveFallbackProductId
      ? 'the fallback product stands for lines without product'
      : undefined,
  locked: () => undefined,
  afterDeletion(deletedIn, survivor) {
    const [path, cell] = deletedIn === 'customcrm' ? ['isArchived', true] : ['Active', false];
    return survivor[path] === cell ? { do: 'keep' } : { do: 'write', path, cell };
  },
  givenUp: () => false,
  totalsAgree: () => true,
};
