import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { otherSystem, pairs, parseRef, refKey, systems } from '../../lib/domain/record.ts';

describe('a record reference', () => {
  test('has one name in keys, groups and logs', () => {
    assert.equal(refKey({ system: 'customcrm', pair: 'order', id: '7' }), 'customcrm#order#7');
  });

  test('is found again in its name, whatever its id holds', () => {
    const id = fc.oneof(fc.string({ unit: 'binary', minLength: 1 }), fc.constantFrom('a#b', '#', '##'));
    fc.assert(
      fc.property(fc.constantFrom(...systems), fc.constantFrom(...pairs), id, (system, pair, id) => {
        assert.deepEqual(parseRef(refKey({ system, pair, id })), { system, pair, id });
      }),
    );
  });

  for (const name of ['', 'customcrm', 'customcrm#order', 'crm#order#7', 'wave#invoice#7', 'Wave#order#7']) {
    test(`is not made from '${name}'`, () =>
      assert.throws(() => parseRef(name), {
        name: 'RangeError',
        message: `Not a record reference: ${name}`,
      }));
  }

  test('lists parents before children', () => {
    assert.deepEqual(pairs, ['customer', 'product', 'order']);
  });

  test('has a counterpart in the other system', () => {
    assert.deepEqual(systems.map(otherSystem), ['wave', 'customcrm']);
  });
});
