import type { Pair } from '../domain/record.ts';
import { customer } from './customer.ts';
import type { PairMapping } from './mapping.ts';
import { order } from './order.ts';
import { product } from './product.ts';

/** The three pairs by name. */
export const mappings: Readonly<Record<Pair, PairMapping>> = { customer, product, order };
