import type { Body, Pair, Snapshot } from '../domain/record.ts';
import type { WaveRecord } from './documents.ts';

interface Discount {
  readonly __typename?: string;
  readonly amount?: string | null;
  readonly percentage?: string | null;
}

const isKnown = ({ __typename: type, amount, percentage }: Discount): boolean =>
  (type === 'FixedInvoiceDiscount' && amount != null) ||
  (type === 'PercentageInvoiceDiscount' && percentage != null);

/** A kind of discount that Wave has added since says nothing in our terms: the row is then not shown, and left alone on both sides. */
function readable(pair: Pair, { discounts, ...body }: Body): Body {
  const isReadable = pair !== 'order' || ((discounts ?? []) as readonly Discount[]).every(isKnown);
  return isReadable && discounts !== undefined ? { ...body, discounts } : body;
}

/** A record as a list or an answer showed it; undefined when it is not whole. */
export function snapshotOf(pair: Pair, record: unknown): Snapshot | undefined {
  const { id, createdAt, modifiedAt } = (record ?? {}) as Partial<WaveRecord>;
  if (!id || !createdAt || !modifiedAt) return undefined;
  return {
    system: 'wave',
    pair,
    id,
    body: readable(pair, record as Body),
    createdAt: Date.parse(createdAt),
    modifiedAt: Date.parse(modifiedAt),
  };
}
