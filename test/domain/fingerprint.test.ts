import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type FingerprintKeys, fingerprints, keyedHash } from '../../lib/domain/fingerprint.ts';

const key = (id: string, byte: number) => ({ id, secret: new Uint8Array(32).fill(byte) });
const [k1, k2] = [key('k1', 1), key('k2', 2)];
const prints = (keys: FingerprintKeys, scope = 'link-1') => fingerprints(keys, scope);
const stored = prints([k1]).of('Name', 'north');

describe('a fingerprint', () => {
  test('is a key id, a form version and 96 bits of keyed hash, and holds no value', () => {
    assert.match(stored, /^k1\.1\.[A-Za-z0-9_-]{16}$/);
    assert.ok(!stored.includes('north'));
  });

  // biome-ignore format: reads as a decision table.
  const situations: [string, FingerprintKeys, string | undefined, string, string, 'same' | 'changed' | 'none'][] = [
    ['the same value',                          [k1],             stored,                          'Name',   'north', 'same'],
    ['another value',                           [k1],             stored,                          'Name',   'south', 'changed'],
    ['the same value of another row',           [k1],             stored,                          'Number', 'north', 'changed'],
    ['nothing agreed',                          [k1],             undefined,                       'Name',   'north', 'none'],
    ['an empty text stored',                    [k1],             '',                              'Name',   'north', 'none'],
    ['after a rotation, under the older key',   [k2, k1],         stored,                          'Name',   'north', 'same'],
    ['after a rotation, another value',         [k2, k1],         stored,                          'Name',   'south', 'changed'],
    ['under a key that is unknown here',        [k2],             stored,                          'Name',   'north', 'none'],
    ['under a key whose id begins the same',    [key('k', 1)],    stored,                          'Name',   'north', 'none'],
    ['under another form version',              [k1],             stored.replace('.1.', '.2.'),    'Name',   'north', 'none'],
    ['under a version that begins the same',    [k1],             stored.replace('.1.', '.11.'),   'Name',   'north', 'none'],
    ['the same key id, another secret',         [key('k1', 9)],   stored,                          'Name',   'north', 'changed'],
  ];
  for (const [situation, keys, print, row, form, expected] of situations) {
    test(`compares as ${expected}: ${situation}`, () =>
      assert.equal(prints(keys).compare(print, row, form), expected));
  }

  test('is of its own row, value and key, whatever was compared before', () => {
    const one = prints([k2, k1]);
    assert.equal(one.compare(stored, 'Name', 'north'), 'same');
    assert.equal(one.compare(stored, 'Name', 'south'), 'changed');
    assert.equal(one.compare(stored, 'Number', 'north'), 'changed');
    const all = [one.of('Name', 'north'), one.of('Name', 'south'), one.of('Number', 'north'), stored];
    assert.equal(new Set(all).size, 4);
  });

  test('says whether the key that writes made it', () => {
    const rotated = prints([k2, k1]);
    assert.deepEqual(
      [rotated.isCurrent(stored), rotated.isCurrent(rotated.of('Name', 'north'))],
      [false, true],
    );
  });

  test('is written under the first key only', () => {
    assert.match(prints([k2, k1]).of('Name', 'north'), /^k2\.1\./);
  });

  test('does not show that two records hold the same value', () => {
    assert.notEqual(prints([k1], 'link-2').of('Name', 'north'), stored);
    assert.equal(prints([k1], 'link-2').compare(stored, 'Name', 'north'), 'changed');
  });

  test('keeps scope, row and value apart', () => {
    const hashOf = (scope: string, row: string, form: string) => prints([k1], scope).of(row, form);
    assert.notEqual(hashOf('a', 'bc', 'd'), hashOf('ab', 'c', 'd'));
    assert.notEqual(hashOf('a', 'b', 'cd'), hashOf('a', 'bc', 'd'));
  });

  test('says same for equal forms and changed for different ones, whatever they hold', () => {
    const text = fc.string({ unit: 'binary' });
    fc.assert(
      fc.property(text, text, text, (row, left, right) => {
        const print = prints([k1]).of(row, left);
        assert.equal(prints([k2, k1]).compare(print, row, right), left === right ? 'same' : 'changed');
      }),
    );
  });
});

describe('a keyed hash', () => {
  test('is 16 characters of the first 96 bits of HMAC-SHA-256', () => {
    // RFC 4231, test case 2.
    const secret = new TextEncoder().encode('Jefe');
    const expected = Buffer.from('5bdcc146bf60754e6a042426', 'hex').toString('base64url');
    assert.equal(keyedHash(secret, 'what do ya want for nothing?'), expected);
  });
});
