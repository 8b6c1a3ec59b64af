import fc, { type Arbitrary } from 'fast-check';
import type { System } from '../../lib/domain/record.ts';
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

/** Cells as each system may show them. Every one can be held by the other system too (see the facts of the tests). */
type Cells = Readonly<Record<System, Arbitrary<unknown>>>;

const blank = fc.constantFrom(null, '', ' ', ' \t\r\n');
const padding = fc.constantFrom('', ' ', '\t', '\u00a0');
const words = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 30 }),
  fc.string({ unit: 'binary', maxLength: 10 }),
  fc.constantFrom(
    'Zo\u00eb',
    'Zoe\u0308',
    'stra\u00dfe',
    '\u0130zmir',
    'two\r\nlines',
    'two\nlines',
    '\u202eright',
    '0',
    'null',
  ),
  fc.constant('long '.repeat(2_000)),
);
const padded = fc.tuple(padding, words, padding).map((parts) => parts.join(''));
const anyText = fc.oneof({ weight: 1, arbitrary: blank }, { weight: 4, arbitrary: padded });

/** Decimal strings with up to `places` decimals, trailing zeros and any size. */
const decimals = (places: number, least = -(10n ** 20n)): Arbitrary<string> =>
  fc
    .tuple(fc.bigInt({ min: least, max: 10n ** 20n }), fc.integer({ min: 0, max: places }))
    .map(([units, decimals]) => decimalText(units, decimals));

function decimalText(units: bigint, places: number): string {
  const digits = (units < 0n ? -units : units).toString().padStart(places + 1, '0');
  const whole = digits.slice(0, digits.length - places);
  const sign = units < 0n ? '-' : '';
  return places === 0 ? `${sign}${whole}` : `${sign}${whole}.${digits.slice(-places)}`;
}

const someOf = <T>(all: readonly T[]) =>
  fc.shuffledSubarray([...all], { minLength: 0, maxLength: all.length });
const taxIds = someOf(['T-gst', 'T-pst', 'T-hst', 'T-vat-2']);
const codes = someOf(['GST', ' gst ', 'PST', 'hst', 'Vat']);

const customcrmLine = fc.record({
  ProductId: fc.constantFrom('p1', 'p2', 'p3', null, ''),
  Description: fc.oneof(anyText, fc.constant(undefined)),
  Quantity: decimals(10),
  UnitPrice: decimals(10),
  TaxCodes: codes,
});
const waveItem = fc.record({
  product: fc.constantFrom('WP-1', 'WP-2', 'WP-3', 'WP-fallback').map((id) => ({ id })),
  description: anyText,
  quantity: decimals(8),
  unitPrice: decimals(8),
  taxes: taxIds.map((ids) => ids.map((id) => ({ salesTax: { id } }))),
});
/** Some lines more than once: a catalogue sells the same thing twice. */
const withRepeats = <T>(line: Arbitrary<T>) =>
  fc
    .tuple(fc.array(line, { maxLength: 4 }), fc.array(fc.nat(3), { maxLength: 2 }))
    .map(([all, again]) => [...all, ...again.flatMap((index) => all.slice(index, index + 1))]);

const discountName = fc.oneof(blank, padded);
const percentages = decimals(8, 0n);

const anyMoney = fc
  .tuple(fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }), fc.constantFrom(0, 2, 3))
  .map(([units, exponent]) => ({ minorUnitValue: String(units), currency: { exponent } }));

const byConversion = new Map<unknown, Cells>([
  [text, { customcrm: anyText, wave: anyText }],
  [date, { customcrm: anyText, wave: anyText }],
  [email, { customcrm: anyText, wave: anyText }],
  [
    code,
    {
      customcrm: fc.oneof(blank, fc.constantFrom('CA', 'ca', ' CA-ON ')),
      wave: fc.constantFrom(null, 'CA', 'US'),
    },
  ],
  [active, { customcrm: fc.boolean(), wave: fc.boolean() }],
  [
    lifeCycle,
    {
      customcrm: fc.constantFrom('draft', 'confirmed', 'fulfilled', 'on hold'),
      wave: fc.constantFrom(
        'DRAFT',
        'SAVED',
        'UNPAID',
        'SENT',
        'VIEWED',
        'OVERDUE',
        'PARTIAL',
        'PAID',
        'OVERPAID',
      ),
    },
  ],
  [taxCodes, { customcrm: codes, wave: taxIds.map((ids) => ids.map((id) => ({ id }))) }],
  [
    money,
    { customcrm: fc.oneof(fc.constant(null), decimals(3)), wave: fc.oneof(fc.constant(null), anyMoney) },
  ],
  [
    discount,
    {
      customcrm: fc.option(
        fc.record({
          Type: fc.constantFrom('fixed', 'percentage'),
          Value: percentages,
          Name: fc.option(discountName, { nil: undefined }),
        }),
      ),
      wave: fc.oneof(
        fc.constantFrom(null, []),
        fc.tuple(
          fc.record({
            __typename: fc.constant('FixedInvoiceDiscount'),
            name: discountName,
            amount: percentages,
          }),
        ),
        fc.tuple(
          fc.record({
            __typename: fc.constant('PercentageInvoiceDiscount'),
            name: discountName,
            percentage: percentages,
          }),
        ),
      ),
    },
  ],
  [
    lines,
    {
      customcrm: withRepeats(customcrmLine).map((all) =>
        all.map((line, index) => ({ Id: `l${index}`, ...line })),
      ),
      wave: withRepeats(waveItem),
    },
  ],
]);

/** Rows whose conversion is made for them. */
const byRow: Readonly<Record<string, Cells>> = {
  UnitPrice: { customcrm: decimals(8), wave: decimals(5) },
  CustomerId: { customcrm: fc.constantFrom('c1', 'c2'), wave: fc.constantFrom('WC-1', 'WC-2') },
};

/** What both systems may show for a row. A row with a new conversion needs its cells here. */
export function arbitraryCells(row: Row): Cells {
  const cells = byConversion.get(row.conversion) ?? byRow[row.id];
  if (!cells)
    throw new RangeError(`Say in test/support/mapping-arbitraries.ts which cells ${row.id} may hold`);
  return cells;
}
