import type { Body, System } from '../../lib/domain/record.ts';
import {
  active,
  code,
  date,
  discount,
  email,
  lifeCycle,
  money,
  text,
} from '../../lib/mappings/conversions.ts';
import { lines } from '../../lib/mappings/lines.ts';
import type { Row } from '../../lib/mappings/mapping.ts';
import { taxCodes } from '../../lib/mappings/taxes.ts';
import type { Dice } from './dice.ts';

/** What a user of one system can choose from. */
export interface Choices {
  readonly dice: Dice;
  /** A number that was never used before: it makes each typed text findable. */
  readonly fresh: () => number;
  readonly products: readonly string[];
  readonly customers: readonly string[];
}

const colours = [
  'teal',
  'Zoë',
  'Zoe\u0308',
  'straße',
  '測試',
  '🙂 mix',
  "O'Neil",
  'a\tb',
  'two\r\nlines',
  'Ünïcödé',
  '<b>&amp;',
];

/** What this user now types for a row, in that system's own shape. Undefined: users cannot change it there. */
export function typedValue(
  row: Row,
  system: System,
  choices: Choices,
): { readonly cell: unknown } | undefined {
  const { dice } = choices;
  if (row.id === 'CustomerId')
    return choices.customers.length > 0 ? { cell: dice.pick(choices.customers) } : undefined;
  const { conversion } = row;
  if (conversion === lifeCycle || conversion === money) return undefined;
  if (conversion === active) return { cell: system === 'customcrm' ? dice.chance(0.7) : dice.chance(0.5) };
  if (conversion === taxCodes) return { cell: typedTaxes(system, dice) };
  if (conversion === lines) return { cell: typedLines(system, choices) };
  if (conversion === discount) return { cell: typedDiscount(system, choices) };
  if (conversion === code) return { cell: typedCode(row, dice) };
  if (conversion === email) return { cell: dice.chance(0.15) ? null : `User.${choices.fresh()}@Example.com` };
  if (row.id.endsWith('Date'))
    return { cell: row.id === 'DueDate' && dice.chance(0.2) ? null : typedDate(dice) };
  if (row.id === 'UnitPrice') return { cell: decimalText(dice, 7) };
  return conversion === text || conversion === date ? { cell: typedText(row, system, choices) } : undefined;
}

const never = new Set(['InvoiceNumber', 'InvoiceStatus', 'InvoiceUrl']);

function typedText(row: Row, system: System, { dice, fresh }: Choices): string | null {
  const mayBeEmpty =
    row.rules.required === undefined && row.rules.emptyInWave !== 'block' && !never.has(row.id);
  if (mayBeEmpty && dice.chance(0.12)) return dice.pick([null, '', '  ']);
  const core = `${dice.pick(colours)} ${fresh()}`;
  if (row.id === 'OrderNumber') return system === 'customcrm' ? `ON-${fresh()}` : core;
  if (row.id === 'Name') return core;
  if (dice.chance(0.03)) return `${core} ${'long '.repeat(dice.pick([60, 2000]))}`;
  return dice.chance(0.1) ? ` ${core} ` : core;
}

function typedCode(row: Row, dice: Dice): string | null {
  if (row.id === 'Currency') return dice.pick(['CAD', 'USD', 'EUR', 'JPY']);
  if (dice.chance(0.15)) return null;
  return row.id.endsWith('Province') ? dice.pick(['CA-ON', 'CA-QC', 'US-AZ']) : dice.pick(['CA', 'US', 'DE']);
}

const typedDate = (dice: Dice): string => `2026-0${dice.between(1, 9)}-${dice.between(10, 28)}`;

/** Up to so many decimals, now and then with zeros at the end. */
function decimalText(dice: Dice, places: number): string {
  const decimals = dice.chance(0.7) ? 2 : dice.between(0, places);
  const fraction = Array.from({ length: decimals }, () => dice.between(0, 9)).join('');
  return `${dice.between(0, 5_000)}${decimals > 0 ? `.${fraction}` : ''}`;
}

const codes = ['GST', 'PST', 'HST'] as const;
const idOf = { GST: 'T-gst', PST: 'T-pst', HST: 'T-hst' } as const;

function typedTaxes(system: System, dice: Dice): readonly unknown[] {
  const chosen = codes.filter(() => dice.chance(0.35));
  return system === 'customcrm'
    ? chosen
    : chosen.map((abbreviation) => ({ id: idOf[abbreviation], abbreviation }));
}

/** At least one line, each with a text of its own. */
function typedLines(system: System, choices: Choices): readonly Body[] {
  const { dice, products, fresh } = choices;
  if (products.length === 0) return [];
  return Array.from({ length: dice.between(1, 3) }, () => {
    const description = dice.chance(0.1) ? null : `line ${fresh()}`;
    const quantity = dice.chance(0.8) ? String(dice.between(1, 9)) : decimalText(dice, 10);
    const price = decimalText(dice, 10);
    const product = dice.pick(products);
    if (system === 'customcrm')
      return {
        ProductId: product,
        Description: description,
        Quantity: quantity,
        UnitPrice: price,
        ...(dice.chance(0.7) && { TaxCodes: typedTaxes(system, dice) }),
      };
    return {
      product: { id: product },
      description,
      quantity,
      unitPrice: price,
      taxes: typedTaxes(system, dice).map((salesTax) => ({ salesTax })),
    };
  });
}

function typedDiscount(system: System, { dice, fresh }: Choices): unknown {
  if (dice.chance(0.3)) return system === 'customcrm' ? null : [];
  const isFixed = dice.chance(0.5);
  const amount = isFixed ? `${dice.between(1, 50)}.50` : String(dice.between(1, 60));
  const name = dice.chance(0.5) ? `discount ${fresh()}` : null;
  if (system === 'customcrm') return { Type: isFixed ? 'fixed' : 'percentage', Value: amount, Name: name };
  return isFixed
    ? [{ __typename: 'FixedInvoiceDiscount', name, amount }]
    : [{ __typename: 'PercentageInvoiceDiscount', name, percentage: amount }];
}
