import type { System } from '../../lib/domain/record.ts';
import type { Dice } from '../simulation/dice.ts';
import { type Fields, type Row, taxIdOf } from './rows.ts';

/** What a person at one system can choose from. */
export interface Desk {
  readonly dice: Dice;
  readonly fresh: () => number;
  /** The record's own name, which stays in its title whatever is typed. */
  readonly tag: string;
  readonly products: readonly string[];
  readonly customers: readonly string[];
}

const words = [
  'teal',
  'Zoë',
  'Zoe\u0308',
  'straße',
  '測試',
  '🙂 mix',
  "O'Neil",
  'two\r\nlines',
  'Ünïcödé',
  '<b>&amp;',
];

/** The rows whose text carries the tag. */
export const carriesTag = ({ id }: Row, pair: string): boolean =>
  id === (pair === 'order' ? 'Title' : 'Name');

const tagPattern = /«(\w+)»/;
export const tagIn = (text: unknown): string | undefined => tagPattern.exec(String(text ?? ''))?.[1];

/** A new value for a row, in that system's own shape; undefined where people cannot type there. */
export function typedCell(
  row: Row,
  pair: string,
  system: System,
  desk: Desk,
): { readonly cell: unknown } | undefined {
  const { dice, fresh, customers } = desk;
  switch (row.kind) {
    case 'text':
      return { cell: typedText(row, pair, desk) };
    case 'email':
      return { cell: dice.chance(0.15) ? null : `User.${fresh()}@Example.com` };
    case 'number':
      return system === 'customcrm' ? { cell: `ON-${fresh()}` } : undefined;
    case 'code':
      return row.id === 'Currency' ? { cell: dice.pick(['CAD', 'USD', 'EUR']) } : undefined;
    case 'price':
      return { cell: amount(dice, 7) };
    case 'date':
      return { cell: `20${dice.between(26, 29)}-0${dice.between(1, 9)}-${dice.between(10, 28)}` };
    case 'taxes':
      return { cell: taxes(system, dice) };
    case 'discount':
      return { cell: discount(system, desk) };
    case 'lines':
      return desk.products.length > 0 ? { cell: lines(system, desk) } : undefined;
    case 'customer':
      return customers.length > 0 ? { cell: dice.pick(customers) } : undefined;
    case 'active':
    case 'status':
      return undefined;
  }
}

function typedText(row: Row, pair: string, { dice, fresh, tag }: Desk): string | null {
  const core = `${dice.pick(words)} ${fresh()}`;
  if (carriesTag(row, pair)) return `«${tag}» ${core}`;
  if (dice.chance(0.12)) return dice.pick([null, '', '  ']);
  if (dice.chance(0.02)) return `${core} ${'long '.repeat(400)}`;
  return dice.chance(0.1) ? ` ${core} ` : core;
}

/** Up to so many decimals, mostly two. */
function amount(dice: Dice, places: number): string {
  const decimals = dice.chance(0.7) ? 2 : dice.between(0, places);
  const fraction = Array.from({ length: decimals }, () => dice.between(0, 9)).join('');
  return `${dice.between(1, 5_000)}${decimals > 0 ? `.${fraction}` : ''}`;
}

function taxes(system: System, dice: Dice): readonly string[] {
  const codes = ['GST', 'HST'].filter(() => dice.chance(0.4));
  return system === 'customcrm' ? codes : codes.map((code) => taxIdOf[code] ?? code);
}

function discount(system: System, { dice, fresh }: Desk): unknown {
  if (dice.chance(0.25)) return system === 'customcrm' ? null : [];
  const isFixed = dice.chance(0.5);
  const value = isFixed ? `${dice.between(1, 50)}.50` : String(dice.between(1, 60));
  const name = `discount ${fresh()}`;
  return system === 'customcrm'
    ? { Type: isFixed ? 'fixed' : 'percentage', Value: value, Name: name }
    : [{ type: isFixed ? 'FIXED' : 'PERCENTAGE', value, name }];
}

/** At least one line, each with a text of its own. */
function lines(system: System, desk: Desk): readonly Fields[] {
  const { dice, fresh, products } = desk;
  return Array.from({ length: dice.between(1, 3) }, () => {
    const product = dice.pick(products);
    const [description, quantity, price] = [`line ${fresh()}`, String(dice.between(1, 9)), amount(dice, 8)];
    return system === 'customcrm'
      ? {
          ProductId: product,
          Description: description,
          Quantity: quantity,
          UnitPrice: price,
          TaxCodes: taxes(system, dice),
        }
      : { productId: product, description, quantity, unitPrice: price, taxIds: taxes(system, dice) };
  });
}

/** A province and its country, which belong together. */
export const places: readonly (readonly [string | null, string | null])[] = [
  ['CA-ON', 'CA'],
  ['CA-QC', 'CA'],
  ['US-AZ', 'US'],
  [null, 'DE'],
  [null, null],
];
