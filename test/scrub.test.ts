import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { reasonFrom, scrub } from '../lib/scrub.ts';

/** What somebody may type, with a letter or digit in it. */
const typed = fc
  .oneof(
    fc.string({ minLength: 3, maxLength: 30 }),
    fc.string({ minLength: 3, maxLength: 30, unit: 'grapheme' }),
    fc.lorem({ maxCount: 4 }),
    fc.constantFrom("O'Brien & Sons", 'Straße 5', 'İstanbul', '(a+b)*[c]', '$100.00', 'a\\b', 'x  y\nz'),
  )
  .map((value) => value.normalize('NFC').trim())
  .filter((value) => value.length >= 3 && /[\p{L}\p{N}]/u.test(value));
const spelling = fc.constantFrom<(value: string) => string>(
  (value) => value,
  (value) => value.toUpperCase(),
  (value) => value.toLowerCase(),
  (value) => `  ${value}\n`,
  (value) => value.replace(/\s+/gu, '   '),
  (value) => value.normalize('NFD'),
);
/** Around it, in words that nobody typed. */
const around = fc.constantFrom<(value: string) => string>(
  (value) => `${value} is not valid.`,
  (value) => `The value (${value}) was refused`,
  (value) => `Refused: ${value}`,
  (value) => `This cannot be: "${value}"`,
);
const folded = (text: string) => text.normalize('NFC').toLowerCase().replace(/\s+/gu, ' ');

describe('the words of another system', () => {
  test('never hold a value that we sent, in whatever case and with whatever blanks', () => {
    fc.assert(
      fc.property(typed, spelling, around, (value, spelt, inWords) => {
        const words = scrub(inWords(spelt(value)), { input: { inner: [{ value: ` ${value} ` }] } });
        const [frame = ''] = [inWords('').replace(/["().:]/g, '')];
        if (!folded(frame).includes(folded(value))) assert.ok(!folded(words).includes(folded(value)), words);
      }),
      { numRuns: 2_000 },
    );
  });

  test('never hold an e-mail address', () => {
    fc.assert(
      fc.property(fc.emailAddress(), around, (address, inWords) => {
        const words = scrub(inWords(address), {});
        assert.ok(!words.includes('@'), words);
      }),
    );
  });

  test('never hold a number of three digits or more, however it is grouped', () => {
    const number = fc.oneof(
      fc.integer({ min: 100 }).map(String),
      fc.integer({ min: 1_000 }).map((value) => value.toLocaleString('en')),
      fc.double({ min: 10, max: 1e9, noNaN: true }).map((value) => value.toFixed(2)),
      fc.constantFrom(
        '+1 (555) 010-2030',
        '555-0199',
        '2026-10-01',
        '4111 1111 1111 1111',
        '12:30:05',
        '1/2/34',
      ),
    );
    fc.assert(
      fc.property(number, around, (value, inWords) => {
        const words = scrub(inWords(value), {});
        assert.doesNotMatch(words, /\d/);
      }),
    );
  });

  test('never hold a number that we sent, however it is written', () => {
    const written = fc.constantFrom<(value: number) => string>(
      (value) => String(value),
      (value) => value.toFixed(1),
      (value) => `+${value}`,
    );
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 99 }), written, written, (value, sent, said) => {
        assert.doesNotMatch(
          scrub(`The quantity ${said(value)} is too small`, { quantity: sent(value) }),
          /\d/,
        );
      }),
    );
  });

  test('never hold what they quote', () => {
    const marks = fc.constantFrom(
      ['"', '"'],
      ["'", "'"],
      ['`', '`'],
      ['“', '”'],
      ['„', '“'],
      ['«', '»'],
      ['‘', '’'],
    );
    const inside = fc
      .string({ minLength: 1, maxLength: 40 })
      .map((text) => `q${text.replace(/["'`]/g, '')}q`);
    fc.assert(
      fc.property(inside, marks, fc.boolean(), (text, [open = '', close = ''], isCut) => {
        const words = scrub(`Somebody is called ${open}${text}${isCut ? '' : `${close} already`}`, {});
        assert.match(words, /^Somebody is called …( already)?$/);
      }),
    );
  });

  // biome-ignore format: reads as a decision table.
  const table: [string, unknown, string][] = [
    ['This field is required.',                              {},                       'This field is required.'],
    ['At most 1 discount is allowed, with 8 decimals',       {},                       'At most 1 discount is allowed, with 8 decimals'],
    ["The customer's name isn't unique",                     { name: 'Ann' },          "The customer's name isn't unique"],
    ["'O'Brien' is taken",                                   {},                       '… is taken'],
    ['Al is taken, Alberta is not',                          { name: 'al' },           '… is taken, Alberta is not'],
    ['The Province is not in CA',                            { country: 'CA' },        'The Province is not in …'],
    ['12.50 is above 12',                                    { amount: '12.5' },       '… is above 12'],
    ['Variable "$m1" got invalid value "a lot" at "m1.unitPrice"', { m1: { unitPrice: 'a lot' } }, 'Variable "$m1" got invalid value … at "m1.unitPrice"'],
    ['a - b',                                                { memo: '-' },            'a - b'],
  ];
  for (const [words, sent, expected] of table) {
    test(`"${words}" becomes "${expected}"`, () => {
      assert.equal(scrub(words, sent), expected);
    });
  }

  test('keep the names that our own document holds', () => {
    const words = 'Cannot query field "fax" on type "Customer", but "Smith".';
    assert.equal(
      scrub(words, {}, 'query { customer { ... on Customer { fax } } }'),
      'Cannot query field "fax" on type "Customer", but ….',
    );
  });

  test('are bounded, and looked through in time however long they are', () => {
    const sent = Array.from({ length: 500 }, (_, index) => `value ${index}`);
    assert.ok(scrub('a'.repeat(1_000_000), sent).length <= 500);
    assert.ok(scrub(`${"'".repeat(5_000)}${'"'.repeat(5_000)}`, sent).length <= 500);
  });
});

describe('a reason', () => {
  test('names the place and the code as they are', () => {
    const objections = [
      {
        place: 'items.100.productId',
        code: 'NOT_FOUND',
        words: 'Product 2211000000000000003 could not be found.',
      },
      { place: 'input.name', code: 'INVALID', words: null },
      { words: 'Acme is taken' },
    ];
    assert.equal(
      reasonFrom(objections, { name: 'ACME', id: 'NOT_FOUND' }),
      'items.100.productId NOT_FOUND Product … could not be found.; input.name INVALID; … is taken',
    );
  });

  test('trusts no place or code that is not one', () => {
    const objections = [{ place: 'call 555-0199', code: 'ann@example.com', words: '' }];
    assert.equal(reasonFrom(objections, {}), 'call … …');
  });
});
