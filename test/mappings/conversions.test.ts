import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  active,
  blankToNull,
  code,
  date,
  decimal,
  decimalOf,
  discount,
  email,
  lifeCycle,
  money,
  plain,
  reference,
  roundedTo,
  text,
} from '../../lib/mappings/conversions.ts';
import { codesOf, taxCodes } from '../../lib/mappings/taxes.ts';
import { mappingFacts } from '../support/mapping-facts.ts';

const facts = mappingFacts();
const fraction = mappingFacts({ wavePercentage: 'fraction' });

describe('texts', () => {
  // biome-ignore format: reads as a decision table.
  const forms: [string, typeof text, string | null, string][] = [
    ['null is empty',                          text,  null,                ''],
    ['an empty text is empty',                 text,  '',                  ''],
    ['blanks are empty',                       text,  ' \t\r\n\u00a0',     ''],
    ['surrounding blanks make no difference',  text,  ' a b ',             'a b'],
    ['nor do line endings',                    text,  'a\r\nb\r\nc',       'a\nb\nc'],
    ['nor does composing',                     text,  'Zoe\u0308',         'Zo\u00eb'],
    ['case does',                              text,  'North',             'North'],
    ['but not in e-mail addresses',            email, ' A@B.Example',      'a@b.example'],
    ['nor in codes',                           code,  ' ca-on ',           'CA-ON'],
    ['dates are texts',                        date,  '2026-05-04',        '2026-05-04'],
  ];
  for (const [situation, conversion, cell, form] of forms) {
    test(`${situation}, on both sides`, () => {
      assert.equal(conversion.form?.(conversion.fromCustomcrm(cell, facts), facts), form);
      assert.equal(conversion.form?.(conversion.fromWave(cell, facts), facts), form);
    });
  }

  test('are written as typed, and empty as null', () => {
    for (const conversion of [text, email, code]) {
      assert.deepEqual(conversion.toWave(' A\r\nb ', 'old', facts), { cell: ' A\r\nb ' });
      assert.deepEqual(conversion.toCustomcrm(null, 'old', facts), { cell: null });
    }
    assert.equal(blankToNull(' \n'), null);
    assert.equal(blankToNull(null), null);
    assert.equal(blankToNull(' a '), ' a ');
  });
});

describe('decimals', () => {
  const price = decimal(5);

  // biome-ignore format: reads as a decision table.
  const plains: [string, string][] = [
    ['1500', '1500'], ['1500.00', '1500'], ['1,500.50', '1500.5'], ['1,234,567.8', '1234567.8'], ['0.00', '0'], ['-0', '0'], ['-0.00', '0'], ['-1.50', '-1.5'],
    ['007.10', '7.1'], ['0.00000001', '0.00000001'], ['100000000000000000000000', '100000000000000000000000'], ['1e3', '1000'],
  ];
  for (const [typed, expected] of plains)
    test(`${typed} is ${expected}`, () => assert.equal(plain(typed), expected));

  // biome-ignore format: reads as a decision table.
  const rounds: [string, number, string][] = [
    ['1.000004', 5, '1'], ['1.000005', 5, '1.00001'], ['-1.000005', 5, '-1.00001'], ['1.000015', 5, '1.00002'], ['1.0000049', 5, '1'],
    ['0.123456785', 8, '0.12345679'], ['-0.000001', 5, '0'], ['2.5', 0, '3'], ['1,234.5', 0, '1235'],
  ];
  for (const [typed, places, expected] of rounds)
    test(`${typed} with ${places} decimals is ${expected}: ties away from zero`, () =>
      assert.equal(roundedTo(typed, places), expected));

  // biome-ignore format: reads as a decision table.
  const puts: [string, string | null, string | undefined, string | null][] = [
    ['a new value, as Wave keeps it',             '1.0000051', '2',         '1.00001'],
    ['a value that rounds to the current one',    '1.00001',   '1.0000051', '1.0000051'],
    ['a value without current one',               '1.50',      undefined,   '1.5'],
    ['empty',                                     null,        '2',         null],
  ];
  for (const [situation, value, current, expected] of puts) {
    test(`are put as ${expected}: ${situation}`, () => {
      assert.deepEqual(price.toWave(value, current, facts), { cell: expected });
      assert.deepEqual(price.toCustomcrm(value, current, facts), { cell: expected });
    });
  }

  test('are empty as null or an empty text', () => {
    for (const cell of [null, '']) {
      assert.equal(price.fromCustomcrm(cell, facts), null);
      assert.equal(price.fromWave(cell, facts), null);
    }
    assert.equal(price.form?.(null, facts), '');
    assert.equal(price.form?.('1.50', facts), '1.5');
  });

  test('are equal when they are to 5 decimals, and an empty one equals only another', () => {
    assert.equal(price.same?.('1.000004', '1', facts), true);
    assert.equal(price.same?.('1.000005', '1', facts), false);
    assert.equal(price.same?.(null, null, facts), true);
    assert.equal(price.same?.(null, '0', facts), false);
  });
});

describe('money', () => {
  // biome-ignore format: reads as a decision table.
  const table: [string, number, string][] = [
    ['1500', 2, '15.00'], ['5', 2, '0.05'], ['-250', 2, '-2.50'], ['1500', 0, '1500'], ['1', 3, '0.001'], ['0', 2, '0.00'],
    ['9007199254740993', 2, '90071992547409.93'],
  ];
  for (const [minorUnitValue, exponent, expected] of table) {
    test(`${minorUnitValue} of exponent ${exponent} is ${expected}`, () => {
      assert.equal(decimalOf({ minorUnitValue, currency: { exponent } }), expected);
      assert.equal(money.fromWave({ minorUnitValue, currency: { exponent } }, facts), expected);
    });
  }

  test('flows from Wave only', () => {
    assert.deepEqual(money.toCustomcrm('15.00', '1', facts), { cell: '15.00' });
    assert.deepEqual(money.toWave('15.00', null, facts), { blocked: 'Wave computes its own totals' });
  });

  test('is the same amount however a CRM spells it, and empty as null or an empty text', () => {
    const form = (cell: string | null) => money.form?.(money.fromCustomcrm(cell, facts), facts);
    assert.equal(form('15'), form('15.000'));
    assert.notEqual(form('15'), form('15.01'));
    assert.deepEqual([form(null), form('')], ['', '']);
    assert.equal(money.fromWave(null, facts), null);
  });
});

describe('Active and isArchived', () => {
  test('are the inverse of each other', () => {
    assert.equal(active.fromCustomcrm(true, facts), true);
    assert.equal(active.fromWave(true, facts), false);
    assert.equal(active.fromWave(false, facts), true);
    assert.deepEqual(active.toCustomcrm(false, true, facts), { cell: false });
  });

  // biome-ignore format: reads as a decision table.
  const table: [string, boolean, boolean | undefined, object][] = [
    ['archives',                       false, false,     { cell: true }],
    ['stays archived',                 false, true,      { cell: true }],
    ['stays in use',                   true,  false,     { cell: false }],
    ['starts in use',                  true,  undefined, { cell: false }],
    ['cannot be put back into use',    true,  true,      { blocked: 'Wave cannot un-archive a product through its API: do it in the web app' }],
  ];
  for (const [situation, value, current, expected] of table)
    test(`in Wave ${situation}`, () => assert.deepEqual(active.toWave(value, current, facts), expected));
});

describe('the life cycle', () => {
  // biome-ignore format: reads as a decision table.
  const customcrm: [string | null, string][] = [['draft', 'draft'], ['confirmed', 'issued'], ['fulfilled', 'issued'], ['cancelled', 'cancelled'], ['its own step', 'issued'], [null, 'issued']];
  for (const [status, stage] of customcrm)
    test(`of an order that is ${status} is ${stage}`, () => {
      assert.equal(lifeCycle.fromCustomcrm(status, facts), stage);
      assert.equal(lifeCycle.form?.(stage, facts), stage);
    });

  for (const status of [
    'DRAFT',
    'SAVED',
    'UNPAID',
    'SENT',
    'VIEWED',
    'OVERDUE',
    'PARTIAL',
    'PAID',
    'OVERPAID',
  ]) {
    const stage = status === 'DRAFT' ? 'draft' : 'issued';
    test(`of an invoice that is ${status} is ${stage}`, () =>
      assert.equal(lifeCycle.fromWave(status, facts), stage));
  }

  // biome-ignore format: reads as a decision table.
  const puts: ['toCustomcrm' | 'toWave', string, string | undefined, string][] = [
    ['toCustomcrm', 'issued', 'draft',     'confirmed'],
    ['toCustomcrm', 'issued', undefined,   'confirmed'],
    ['toCustomcrm', 'issued', 'fulfilled', 'fulfilled'],
    ['toCustomcrm', 'draft',  'confirmed', 'draft'],
    ['toWave',      'issued', 'DRAFT',     'SAVED'],
    ['toWave',      'issued', undefined,   'SAVED'],
    ['toWave',      'issued', 'SENT',      'SENT'],
    ['toWave',      'draft',  'SENT',      'DRAFT'],
  ];
  for (const [put, stage, current, expected] of puts)
    test(`${put}: ${stage} over ${current} is ${expected}`, () =>
      assert.deepEqual(lifeCycle[put](stage, current, facts), { cell: expected }));
});

describe('a reference', () => {
  const customer = reference('customer');

  // biome-ignore format: reads as a decision table.
  const puts: ['toWave' | 'toCustomcrm', string | null, object][] = [
    ['toWave',      'customcrm#c1',   { cell: 'WC-1' }],
    ['toWave',      'wave#WC-7',      { cell: 'WC-7' }],
    ['toWave',      'wave#a#b',       { cell: 'a#b' }],
    ['toWave',      'customcrm#c#9',  { waitFor: { system: 'customcrm', pair: 'customer', id: 'c#9' } }],
    ['toWave',      null,             { cell: null }],
    ['toCustomcrm', 'wave#WC-2',      { cell: 'c2' }],
    ['toCustomcrm', 'customcrm#c7',   { cell: 'c7' }],
    ['toCustomcrm', 'wave#WC-9',      { waitFor: { system: 'wave', pair: 'customer', id: 'WC-9' } }],
  ];
  for (const [put, value, expected] of puts)
    test(`${put} of ${value} is ${JSON.stringify(expected)}`, () =>
      assert.deepEqual(customer[put](value, 'old', facts), expected));

  test('is read as the own id, or empty', () => {
    assert.equal(customer.fromCustomcrm('c1', facts), 'customcrm#c1');
    assert.equal(customer.fromWave('WC-1', facts), 'wave#WC-1');
    for (const cell of [null, '']) assert.equal(customer.fromCustomcrm(cell, facts), null);
    assert.equal(customer.fromWave(null, facts), null);
  });

  // biome-ignore format: reads as a decision table.
  const equal: [string | null, string | null, boolean][] = [
    ['customcrm#c1', 'wave#WC-1', true], ['customcrm#c1', 'wave#WC-2', false], ['customcrm#c9', 'wave#WC-9', false], ['customcrm#c1', null, false], [null, 'wave#WC-1', false],
  ];
  for (const [left, right, expected] of equal)
    test(`${left} and ${right} are ${expected ? '' : 'not '}the same`, () =>
      assert.equal(customer.same?.(left, right, facts), expected));

  test('follows the links of its own pair', () => {
    assert.deepEqual(reference('product').toWave('customcrm#p1', undefined, facts), { cell: 'WP-1' });
    assert.ok('waitFor' in reference('product').toWave('customcrm#c1', undefined, facts));
  });
});

describe('tax codes', () => {
  // biome-ignore format: reads as a decision table.
  const table: [string, readonly string[], readonly string[], readonly string[]][] = [
    //                                                   typed                   stand as                     in Wave
    ['in the order of the alphabet',                     ['PST', 'GST'],         ['code:GST', 'code:PST'],    ['T-gst', 'T-pst']],
    ['whatever their case and blanks',                   [' gst '],              ['code:GST'],                ['T-gst']],
    ['each once',                                        ['GST', 'gst'],         ['code:GST'],                ['T-gst']],
    ['archived ones too',                                ['HST'],                ['code:HST'],                ['T-hst']],
    ['the living one of two that are called the same',   ['VAT'],                ['code:VAT'],                ['T-vat-2']],
    ['none',                                             [],                     [],                          []],
  ];
  for (const [situation, codes, names, ids] of table)
    test(`are known ${situation}`, () => {
      assert.deepEqual(taxCodes.fromCustomcrm(codes, facts), names);
      assert.deepEqual(taxCodes.toWave(names, undefined, facts), { cell: ids.map((id) => ({ id })) });
      assert.ok(taxCodes.same?.(names, ids, facts));
    });

  test('are known by id when Wave shows them, in whatever order', () => {
    assert.deepEqual(taxCodes.fromWave([{ id: 'T-pst' }, { id: 'T-gst' }], facts), ['T-gst', 'T-pst']);
    assert.deepEqual([taxCodes.fromWave(null, facts), taxCodes.fromCustomcrm(null, facts)], [[], []]);
    assert.ok(!taxCodes.same?.(['code:GST'], ['T-pst'], facts));
    assert.ok(!taxCodes.same?.(['code:GST'], ['T-unlisted'], facts));
  });

  test('leave the tax that is there, of two that are called the same', () => {
    const { taxes } = facts;
    const [archived, living] = taxes.filter(({ abbreviation }) => abbreviation === 'VAT');
    assert.ok(archived && living);
    for (const { id } of [archived, living]) {
      assert.ok(taxCodes.same?.(['code:VAT'], [id], facts));
      for (const names of [['code:VAT'], ['code:GST', 'code:VAT']])
        assert.ok(JSON.stringify(taxCodes.toWave(names, [{ id }], facts)).includes(`"${id}"`));
    }
    const both = [{ id: archived.id }, { id: living.id }];
    assert.deepEqual(taxCodes.toWave(['code:GST', 'code:VAT'], both, facts), {
      cell: [{ id: 'T-gst' }, ...both],
    });
  });

  test('are known though their abbreviations have blanks around them in Wave', () => {
    const blank = { ...facts, taxes: [{ id: 'T-gst', abbreviation: 'gst ', archived: false }] };
    assert.ok(taxCodes.same?.(['code:GST'], ['T-gst'], blank));
    assert.deepEqual(taxCodes.toCustomcrm(['T-gst'], [], blank), { cell: ['gst'] });
  });

  test('are written as ids in Wave, and one that Wave lacks is refused by name', () => {
    assert.deepEqual(taxCodes.toWave(['T-gst'], [], facts), { cell: [{ id: 'T-gst' }] });
    assert.deepEqual(taxCodes.toWave(['T-gst', 'code:XX'], [], facts), {
      blocked: 'Wave has no sales tax with the abbreviation XX',
    });
  });

  test('are written as abbreviations in Customcrm, and one without is refused', () => {
    assert.deepEqual(taxCodes.toCustomcrm(['T-gst', 'T-hst', 'code:XX'], [], facts), {
      cell: ['GST', 'HST', 'XX'],
    });
    assert.deepEqual(codesOf(['T-new'], facts), {
      blocked: 'Wave shows a sales tax that its own list does not hold',
    });
  });
});

describe('a discount', () => {
  // biome-ignore format: reads as a decision table.
  const table: [string, typeof facts, object, object][] = [
    ['a fixed amount',              facts,    { Type: 'fixed', Value: '5.00', Name: 'Loyal' },       { __typename: 'FixedInvoiceDiscount', name: 'Loyal', amount: '5' }],
    ['a percentage in percent',     facts,    { Type: 'percentage', Value: '10.0', Name: 'Spring' }, { __typename: 'PercentageInvoiceDiscount', name: 'Spring', percentage: '10' }],
    ['a percentage as a fraction',  fraction, { Type: 'percentage', Value: '10', Name: 'Spring' },   { __typename: 'PercentageInvoiceDiscount', name: 'Spring', percentage: '0.1' }],
    ['a small one as a fraction',   fraction, { Type: 'percentage', Value: '0.5', Name: null },      { __typename: 'PercentageInvoiceDiscount', name: null, percentage: '0.005' }],
    ['a fixed amount is no fraction', fraction, { Type: 'fixed', Value: '5', Name: null },           { __typename: 'FixedInvoiceDiscount', name: null, amount: '5' }],
    ['one without name',            facts,    { Type: 'fixed', Value: '5', Name: ' ' },              { __typename: 'FixedInvoiceDiscount', name: null, amount: '5' }],
  ];
  for (const [situation, known, customcrm, wave] of table) {
    test(`is equal on both sides: ${situation}`, () => {
      const value = discount.fromCustomcrm(customcrm as Parameters<typeof discount.fromCustomcrm>[0], known);
      const cell = [wave] as Parameters<typeof discount.fromWave>[0];
      assert.deepEqual(discount.toWave(value, undefined, known), { cell });
      assert.ok(discount.same?.(value, discount.fromWave(cell, known), known));
    });
  }

  test('is read without a name or a value that Wave leaves out', () => {
    assert.deepEqual(discount.fromCustomcrm({ Type: 'fixed', Value: '5' }, facts), {
      type: 'fixed',
      value: '5',
      name: null,
    });
    assert.deepEqual(
      discount.fromWave([{ __typename: 'FixedInvoiceDiscount', name: '', amount: null }], facts),
      { type: 'fixed', value: '0', name: null },
    );
    assert.deepEqual(discount.fromWave([{ __typename: 'PercentageInvoiceDiscount', name: null }], facts), {
      type: 'percentage',
      value: '0',
      name: null,
      isWaves: true,
    });
  });

  test('has not been edited because somebody corrects the setting, and flows in the unit that it has then', () => {
    const cell = [{ __typename: 'PercentageInvoiceDiscount', name: null, percentage: '10' }];
    assert.deepEqual(discount.fromWave(cell, fraction), discount.fromWave(cell, facts));
    const ten = discount.fromCustomcrm({ Type: 'percentage', Value: '10' }, facts);
    assert.ok(discount.same?.(ten, discount.fromWave(cell, facts), facts));
    assert.ok(!discount.same?.(ten, discount.fromWave(cell, facts), fraction));
    assert.deepEqual(discount.toWave(ten, cell, fraction), {
      cell: [{ __typename: 'PercentageInvoiceDiscount', name: null, percentage: '0.1' }],
    });
  });

  test('is none in Customcrm, and an empty list or null in Wave', () => {
    assert.equal(discount.fromCustomcrm(null, facts), null);
    assert.equal(discount.fromWave([], facts), null);
    assert.equal(discount.fromWave(null, facts), null);
    assert.deepEqual(discount.toWave(null, undefined, facts), { cell: [] });
    assert.deepEqual(discount.toCustomcrm(null, undefined, facts), { cell: null });
  });

  test('is written in Customcrm with its type, value and name', () => {
    const value = { type: 'percentage', value: '10', name: 'Spring' };
    assert.deepEqual(discount.toCustomcrm(value, undefined, facts), {
      cell: { Type: 'percentage', Value: '10', Name: 'Spring' },
    });
  });
});
