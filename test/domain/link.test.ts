import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { historyLimit, nothingAgreed, refOf } from '../../lib/domain/link.ts';

describe('a link', () => {
  const link = { pair: 'product', customcrmId: '7', waveId: 'W7' } as const;

  test('names its record in each system', () => {
    assert.deepEqual(refOf(link, 'customcrm'), { system: 'customcrm', pair: 'product', id: '7' });
    assert.deepEqual(refOf(link, 'wave'), { system: 'wave', pair: 'product', id: 'W7' });
  });

  test('begins with nothing agreed on either side', () => {
    assert.deepEqual(nothingAgreed, { customcrm: {}, wave: {}, reverted: {} });
  });

  test('keeps its last 50 outcomes', () => {
    assert.equal(historyLimit, 50);
  });
});
