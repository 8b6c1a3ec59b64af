import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { externalIdKey, externalIdOf, key, markedRef, markerPrefix } from '../../lib/mappings/match-keys.ts';
import { snapshotOf } from '../support/mapping-bodies.ts';

describe('a match key', () => {
  // biome-ignore format: reads as a decision table.
  const table: [string, unknown, string | undefined][] = [
    ['trimmed and case-folded',        ' North QUAY ', 'north quay'],
    ['the same composed or not',       'Zoe\u0308',    'zo\u00eb'],
    ['nothing for an empty text',      '',             undefined],
    ['nothing for blanks',             ' \t ',         undefined],
    ['nothing for null',               null,           undefined],
    ['nothing for what is not shown',  undefined,      undefined],
    ['nothing for a number',           7,              undefined],
  ];
  for (const [situation, cell, form] of table) {
    test(`is ${situation}`, () =>
      assert.deepEqual(key('name', cell), form === undefined ? undefined : { name: 'name', form }));
  }
});

describe('the marker in ExternalId', () => {
  const found = (ExternalId: unknown) =>
    externalIdKey(snapshotOf('customcrm', 'product', '7', { ExternalId }));

  test('is written as wave: and the id, and read back as it is', () => {
    assert.equal(externalIdOf('W-7'), 'wave:W-7');
    assert.equal(markerPrefix, 'wave:');
    assert.deepEqual(found('wave:W-7'), { name: 'externalId', form: 'wave:W-7' });
    assert.deepEqual(externalIdKey(snapshotOf('wave', 'product', 'W-7', {})), {
      name: 'externalId',
      form: 'wave:W-7',
    });
  });

  test('names a record of Wave, and only from Customcrm', () => {
    const named = (system: 'customcrm' | 'wave') =>
      markedRef(snapshotOf(system, 'product', '7', { ExternalId: 'wave:W-7' }));
    assert.deepEqual(named('customcrm'), { system: 'wave', pair: 'product', id: 'W-7' });
    assert.equal(named('wave'), undefined);
  });

  test('is as exact as an id: case counts', () => {
    assert.notDeepEqual(found('wave:w-7'), found('wave:W-7'));
  });

  for (const foreign of ['erp:7', 'Wave:7', ' wave:7', '', null, undefined, 7]) {
    test(`is not what another program wrote: ${JSON.stringify(foreign)}`, () => {
      assert.equal(found(foreign), undefined);
      assert.equal(markedRef(snapshotOf('customcrm', 'product', '7', { ExternalId: foreign })), undefined);
    });
  }
});
