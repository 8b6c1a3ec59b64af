import { localIncomeAccountId } from '../../infra/local/wave/ids.ts';
import type { Pair } from '../../lib/domain/record.ts';
import { at } from '../end-to-end/world.ts';
import type { Fields } from './rows.ts';

const fieldNames = {
  customer: 'fields',
  order: 'texts',
} as const;

/** What Wave's web form sends so that the record holds what `next` holds in these input properties. */
export function waveInput(pair: Pair, next: Fields, inputs: Iterable<string>): Fields {
  return Object.fromEntries([...inputs].map((name) => [name, inputOf(pair, next, name)]));
}

function inputOf(pair: Pair, next: Fields, name: string): unknown {
  if (name === 'shippingDetails') return next.shipping;
  if (name === 'defaultSalesTaxIds') return next.taxIds;
  if (name === 'items')
    return (next.items as readonly Fields[]).map(
      ({ productId, description, quantity, unitPrice, taxIds }) => ({
        productId,
        description,
        quantity,
        unitPrice,
        taxes: (taxIds as readonly string[]).map((salesTaxId) => ({ salesTaxId })),
      }),
    );
  if (name === 'discounts')
    return (next.discounts as readonly Fields[]).map((each) => ({
      discountType: each.type,
      name: each.name,
      ...(each.type === 'FIXED' ? { amount: each.value } : { percentage: each.value }),
    }));
  if (name in next || pair === 'product') return next[name];
  return at(next, `${fieldNames[pair]}.${name}`);
}

/** An empty record of each kind, as the web form shows it. */
export const blank: Readonly<Record<Pair, Fields>> = {
  customer: {
    name: '',
    fields: {},
    currency: null,
    address: {
      addressLine1: null,
      addressLine2: null,
      city: null,
      postalCode: null,
      provinceCode: null,
      countryCode: null,
    },
    shipping: { name: null, phone: null, instructions: null, address: null },
  },
  product: { name: '', description: null, unitPrice: '0', taxIds: [], incomeAccountId: localIncomeAccountId },
  order: { texts: {}, items: [], discounts: [] },
};
