import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { CustomcrmOrder } from '../../lib/customcrm/schema.ts';
import { lines, productsOf } from '../../lib/mappings/lines.ts';
import type { Facts, Value } from '../../lib/mappings/mapping.ts';
import { mappingFacts } from '../support/mapping-facts.ts';

type CustomcrmLine = CustomcrmOrder['Lines'][number];
type WaveItem = NonNullable<Parameters<typeof lines.fromWave>[0]>[number];

const facts = mappingFacts();
const ordered = mappingFacts({ waveKeepsLineOrder: true });

const line = (parts: Partial<CustomcrmLine> = {}): CustomcrmLine => ({
  Id: 'l1',
  ProductId: 'p1',
  Description: 'Ladder',
  Quantity: '2',
  UnitPrice: '49.90',
  TaxCodes: ['GST'],
  ...parts,
});
const item = (parts: Partial<WaveItem> = {}): WaveItem => ({
  product: { id: 'WP-1' },
  description: 'Ladder',
  quantity: '2',
  unitPrice: '49.9',
  taxes: [{ salesTax: { id: 'T-gst' } }],
  ...parts,
});
const untaxed = ({ TaxCodes: _codes, ...rest }: CustomcrmLine): CustomcrmLine => rest;
const tax = (id: string) => ({ salesTax: { id } });

const crm = (cells: readonly CustomcrmLine[], known: Facts = facts): Value =>
  lines.fromCustomcrm(cells, known);
const wave = (cells: readonly WaveItem[], known: Facts = facts): Value => lines.fromWave(cells, known);
const same = (left: readonly CustomcrmLine[], right: readonly WaveItem[], known: Facts = facts) =>
  lines.same?.(crm(left, known), wave(right, known), known);

describe('the lines of an order and the items of its invoice', () => {
  const two = [line(), line({ Id: 'l2', ProductId: 'p2' })];
  const twoItems = [item(), item({ product: { id: 'WP-2' } })];

  // biome-ignore format: reads as a decision table.
  const table: [string, readonly CustomcrmLine[], readonly WaveItem[], Facts, boolean][] = [
    ['the same',                                        [line()],                                  [item()],                                                 facts,   true],
    ['none',                                            [],                                        [],                                                       facts,   true],
    ['one more',                                        two,                                       [item()],                                                 facts,   false],
    ['the same twice and once',                         [line(), line()],                          [item()],                                                 facts,   false],
    ['other zeros and thousands',                       [line({ Quantity: '2.000' })],             [item({ unitPrice: '49.90000', quantity: '2.0' })],       facts,   true],
    ['a quantity that rounds to Wave’s 8 decimals',     [line({ Quantity: '2.000000004' })],       [item()],                                                 facts,   true],
    ['a price that rounds to Wave’s 8 decimals',        [line({ UnitPrice: '49.899999995' })],     [item()],                                                 facts,   true],
    ['another 8th decimal',                             [line({ Quantity: '2.00000001' })],        [item()],                                                 facts,   false],
    ['another quantity',                                [line({ Quantity: '3' })],                 [item()],                                                 facts,   false],
    ['another price',                                   [line({ UnitPrice: '50' })],               [item()],                                                 facts,   false],
    ['another description',                             [line({ Description: 'Steps' })],          [item()],                                                 facts,   false],
    ['blanks around the description',                   [line({ Description: ' Ladder\r\n' })],    [item()],                                                 facts,   true],
    ['a description composed otherwise',                [line({ Description: 'Zoe\u0308' })],      [item({ description: 'Zo\u00eb' })],                      facts,   true],
    ['a description over two lines',                    [line({ Description: 'a\r\nb' })],         [item({ description: 'a\nb' })],                          facts,   true],
    ['an empty description and none',                   [line({ Description: ' ' })],              [item({ description: null })],                            facts,   true],
    ['a CRM that does not show descriptions',           [line({ Description: undefined })],        [item({ description: '' })],                              facts,   true],
    ['another product',                                 [line({ ProductId: 'p2' })],               [item()],                                                 facts,   false],
    ['a product that is not linked',                    [line({ ProductId: 'p9' })],               [item({ product: { id: 'WP-9' } })],                      facts,   false],
    ['no product and the fallback product',             [line({ ProductId: null })],               [item({ product: { id: 'WP-fallback' } })],               facts,   true],
    ['an empty product and the fallback product',       [line({ ProductId: '' })],                 [item({ product: { id: 'WP-fallback' } })],               facts,   true],
    ['no product and a real one',                       [line({ ProductId: null })],               [item()],                                                 facts,   false],
    ['taxes in another order and case',                 [line({ TaxCodes: ['pst', 'GST'] })],      [item({ taxes: [tax('T-gst'), tax('T-pst')] })],          facts,   true],
    ['taxes that Wave shows unsorted',                  [line({ TaxCodes: ['GST', 'PST'] })],      [item({ taxes: [tax('T-pst'), tax('T-gst')] })],          facts,   true],
    ['no taxes',                                        [line({ TaxCodes: [] })],                  [item({ taxes: [] })],                                    facts,   true],
    ['another tax',                                     [line({ TaxCodes: [] })],                  [item()],                                                 facts,   false],
    ['taxes that the CRM does not show',                [untaxed(line())],                         [item()],                                                 facts,   false],
    ['another order',                                   two,                                       twoItems.toReversed(),                                    facts,   true],
    ['another order, when Wave keeps it',               two,                                       twoItems.toReversed(),                                    ordered, false],
    ['the same order, when Wave keeps it',              two,                                       twoItems,                                                 ordered, true],
  ];
  for (const [situation, left, right, known, expected] of table)
    test(`are ${expected ? 'equal' : 'different'}: ${situation}`, () =>
      assert.equal(same(left, right, known), expected));

  test('are none where a system shows null', () => {
    assert.deepEqual([lines.fromCustomcrm(null, facts), lines.fromWave(null, facts)], [[], []]);
    assert.equal(lines.form?.([], facts), '');
  });

  test('have one form whatever the order, unless Wave keeps it', () => {
    const other = two.toReversed();
    assert.equal(lines.form?.(crm(two), facts), lines.form?.(crm(other), facts));
    assert.notEqual(lines.form?.(crm(two), ordered), lines.form?.(crm(other), ordered));
  });

  test('have another form for every cell that differs', () => {
    const edits: Partial<CustomcrmLine>[] = [
      {},
      { ProductId: 'p2' },
      { Description: 'x' },
      { Quantity: '3' },
      { UnitPrice: '5' },
      { TaxCodes: [] },
    ];
    const forms = [...edits.map((edit) => [line(edit)]), [untaxed(line())], [], [line(), line()]].map(
      (cells) => lines.form?.(crm(cells), facts),
    );
    assert.equal(new Set(forms).size, forms.length);
  });
});

describe('lines that go to Wave', () => {
  const toWave = (
    cells: readonly CustomcrmLine[],
    current: readonly WaveItem[] | undefined = undefined,
    known = facts,
  ) => lines.toWave(crm(cells, known), current, known);

  // biome-ignore format: reads as a decision table.
  const table: [string, CustomcrmLine, WaveItem[] | undefined, object][] = [
    ['with every cell',                              line(),                                        undefined, item()],
    ['rounded to 8 decimals, ties away from zero',   line({ Quantity: '0.123456785', UnitPrice: '-1.000000005' }), undefined, item({ quantity: '0.12345679', unitPrice: '-1.00000001' })],
    ['without product, as the fallback product',     line({ ProductId: null }),                     undefined, item({ product: { id: 'WP-fallback' } })],
    ['with no taxes',                                line({ TaxCodes: [] }),                        undefined, item({ taxes: [] })],
    ['with no taxes over an item that has some',     line({ TaxCodes: [] }),                        [item()],  item({ taxes: [] })],
    ['with an archived tax',                         line({ TaxCodes: ['HST'] }),                   undefined, item({ taxes: [tax('T-hst')] })],
    ['with an empty description',                    line({ Description: '' }),                     undefined, item({ description: null })],
  ];
  for (const [situation, cell, current, expected] of table)
    test(`are sent ${situation}`, () => assert.deepEqual(toWave([cell], current), { cell: [expected] }));

  test('do not say which taxes when the CRM does not: Wave applies the product’s own', () => {
    const { taxes: _taxes, ...bare } = item();
    assert.deepEqual(toWave([untaxed(line())]), { cell: [bare] });
    assert.deepEqual(toWave([untaxed(line())], [item({ product: { id: 'WP-2' } })]), { cell: [bare] });
    assert.deepEqual(toWave([untaxed(line())], [bare]), { cell: [bare] });
  });

  test('without a product take over no taxes of another one without a product', () => {
    const free = (Description: string) => untaxed(line({ ProductId: null, Description }));
    const fallback = { product: { id: 'WP-fallback' } };
    const current = [item({ ...fallback, description: 'Consulting' })];
    const taxesOf = (...cells: readonly CustomcrmLine[]) => {
      const { cell } = toWave(cells, current) as { readonly cell: readonly WaveItem[] };
      return cell.map(({ taxes }) => taxes);
    };
    assert.deepEqual(taxesOf(free('Consulting'), free('Exempt fee')), [[tax('T-gst')], undefined]);
    assert.deepEqual(taxesOf(free('Exempt fee'), free('Consulting')), [undefined, [tax('T-gst')]]);
    assert.deepEqual(
      taxesOf(free('Consulting, once more')),
      [[tax('T-gst')]],
      'at its place, said otherwise',
    );
  });

  test('keep the taxes of the item that is there for the same product, first of all the one at the same place', () => {
    const [first, second] = [item({ taxes: [tax('T-pst')] }), item({ taxes: [] })];
    const { cell } = toWave([untaxed(line()), untaxed(line()), untaxed(line())], [first, second]) as {
      cell: WaveItem[];
    };
    assert.deepEqual(
      cell.map(({ taxes }) => taxes),
      [[tax('T-pst')], [], [tax('T-pst')]],
    );
    const moved = toWave([untaxed(line({ ProductId: 'p2' })), untaxed(line())], [first]) as {
      cell: WaveItem[];
    };
    assert.deepEqual(
      moved.cell.map(({ taxes }) => taxes),
      [undefined, [tax('T-pst')]],
    );
  });

  // biome-ignore format: reads as a decision table.
  const refused: [string, readonly CustomcrmLine[], Facts, object][] = [
    ['a product that is not linked waits for it',     [line(), line({ ProductId: 'p9' })],   facts, { waitFor: { system: 'customcrm', pair: 'product', id: 'p9' } }],
    ['no product, and no fallback',                   [line({ ProductId: null })],           mappingFacts({ waveFallbackProductId: undefined }), { blocked: 'a line without product needs the setting WAVE_FALLBACK_PRODUCT_ID' }],
    ['a tax that Wave lacks',                         [line({ TaxCodes: ['GST', 'XX'] })],   facts, { blocked: 'Wave has no sales tax with the abbreviation XX' }],
    ['the first reason of several',                   [line({ TaxCodes: ['YY'] }), line({ ProductId: 'p9' })], facts, { blocked: 'Wave has no sales tax with the abbreviation YY' }],
  ];
  for (const [situation, cells, known, expected] of refused)
    test(`are not sent: ${situation}`, () => assert.deepEqual(toWave(cells, undefined, known), expected));

  test('leave something to Wave only when a line does not say its taxes', () => {
    assert.equal(lines.partial?.(crm([line(), untaxed(line())])), true);
    assert.equal(lines.partial?.(crm([line({ TaxCodes: [] })])), false);
    assert.equal(lines.partial?.([]), false);
    assert.equal(lines.partial?.(null), false);
  });
});

describe('items that come to Customcrm', () => {
  const toCustomcrm = (
    cells: readonly WaveItem[],
    current: readonly CustomcrmLine[] | undefined = undefined,
    known = facts,
  ) => lines.toCustomcrm(wave(cells, known), current, known);
  const { Id: _id, ...fresh } = line({ UnitPrice: '49.9' });

  // biome-ignore format: reads as a decision table.
  const table: [string, WaveItem, object][] = [
    ['with every cell',                       item(),                                               fresh],
    ['without product for the fallback one',  item({ product: { id: 'WP-fallback' } }),             { ...fresh, ProductId: null }],
    ['with no taxes',                         item({ taxes: [] }),                                  { ...fresh, TaxCodes: [] }],
    ['with an archived tax',                  item({ taxes: [tax('T-hst')] }),                      { ...fresh, TaxCodes: ['HST'] }],
    ['without description',                   item({ description: ' ' }),                           { ...fresh, Description: null }],
  ];
  for (const [situation, cell, expected] of table)
    test(`are written ${situation}`, () => assert.deepEqual(toCustomcrm([cell]), { cell: [expected] }));

  test('leave what did not change as it is spelled, with the line’s id', () => {
    const own = [
      line({ Id: 'a', Quantity: '2.00', Description: ' Ladder', TaxCodes: ['gst'] }),
      line({ Id: 'b', ProductId: 'p2', UnitPrice: '49.900000001' }),
    ];
    const changed = [item({ quantity: '7' }), item({ product: { id: 'WP-2' } })];
    assert.deepEqual(toCustomcrm(changed, own), { cell: [{ ...own[0], Quantity: '7' }, own[1]] });
    const renamed = [
      item({ description: null, unitPrice: '1' }),
      item({ product: { id: 'WP-2' }, taxes: [] }),
    ];
    assert.deepEqual(toCustomcrm(renamed, own), {
      cell: [
        { ...own[0], Description: null, UnitPrice: '1' },
        { ...own[1], TaxCodes: [] },
      ],
    });
  });

  test('are told from their likes by their taxes, by their descriptions and by their places', () => {
    const [high, low] = [line({ Id: 'a', TaxCodes: ['HST'] }), line({ Id: 'b' })];
    const [highItem, lowItem] = [item({ taxes: [tax('T-hst')] }), item()];
    assert.deepEqual(toCustomcrm([lowItem], [high, low]), { cell: [low] });
    assert.deepEqual(toCustomcrm([lowItem, highItem, item({ quantity: '9' })], [high, low]), {
      cell: [low, high, { ...fresh, Quantity: '9' }],
    });
    const [day1, day2] = [line({ Id: 'a', Quantity: '1' }), line({ Id: 'b', Quantity: '2' })];
    const edited = [item({ description: 'Night', quantity: '1' }), item({ quantity: '3' })];
    assert.deepEqual(toCustomcrm(edited, [day1, day2]), {
      cell: [
        { ...day1, Description: 'Night' },
        { ...day2, Quantity: '3' },
      ],
    });
  });

  test('are new lines where they are of another product, or there are more of them', () => {
    const own = [line({ Id: 'a' })];
    const other = { ...fresh, ProductId: 'p2' };
    assert.deepEqual(toCustomcrm([item({ product: { id: 'WP-2' } })], own), { cell: [other] });
    assert.deepEqual(toCustomcrm([item({ product: { id: 'WP-2' } }), item(), item()], own), {
      cell: [other, own[0], fresh],
    });
  });

  test('give two equal lines each their own id', () => {
    const own = [line({ Id: 'a' }), line({ Id: 'b' }), line({ Id: 'c', Quantity: '9' })];
    const changed = [item(), item(), item({ quantity: '8' })];
    assert.deepEqual(toCustomcrm(changed, own), { cell: [own[0], own[1], { ...own[2], Quantity: '8' }] });
    assert.deepEqual(toCustomcrm([item(), item(), item()], own), {
      cell: [own[0], own[1], { ...own[2], Quantity: '2' }],
    });
  });

  test('bring the taxes that Wave filled in', () => {
    assert.deepEqual(toCustomcrm([item()], [untaxed(line())]), { cell: [line()] });
  });

  test('are the same but for their taxes when Wave filled those in', () => {
    const bare = wave([item({ taxes: [] })]);
    assert.notDeepEqual(crm([line()]), bare);
    assert.deepEqual(lines.withoutFilled?.(wave([item()])), lines.withoutFilled?.(bare));
  });

  test('wait for a product that is not linked, and refuse a tax that has no name', () => {
    assert.deepEqual(toCustomcrm([item({ product: { id: 'WP-9' } })]), {
      waitFor: { system: 'wave', pair: 'product', id: 'WP-9' },
    });
    assert.deepEqual(toCustomcrm([item({ taxes: [tax('T-9')] })]), {
      blocked: 'Wave shows a sales tax that its own list does not hold',
    });
  });
});

describe('the products of lines', () => {
  test('are each named once in the order of their ids, the fallback product never', () => {
    const items = ['WP-2', 'WP-fallback', 'WP-1', 'WP-2'].map((id) => ({ product: { id } }));
    assert.deepEqual(productsOf('wave', items, 'WP-fallback'), [
      { system: 'wave', pair: 'product', id: 'WP-1' },
      { system: 'wave', pair: 'product', id: 'WP-2' },
    ]);
    const own = ['p2', null, '', 'p1'].map((ProductId) => ({ ProductId }));
    assert.deepEqual(
      productsOf('customcrm', [...own, {}], undefined).map(({ id }) => id),
      ['p1', 'p2'],
    );
    assert.deepEqual(productsOf('wave', [{}], undefined), []);
    assert.deepEqual(productsOf('wave', null, undefined), []);
  });
});
