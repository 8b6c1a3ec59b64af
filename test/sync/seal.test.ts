import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { FingerprintKey, FingerprintKeys } from '../../lib/domain/fingerprint.ts';
import { seal, unseal } from '../../lib/sync/seal.ts';

const keyOf = (id: string, fill: number): FingerprintKey => ({ id, secret: new Uint8Array(32).fill(fill) });
const keys: FingerprintKeys = [keyOf('k1', 1)];

describe('a sealed text', () => {
  test('opens to what it was, shows nothing of it, and is never the same twice', () => {
    const sealed = seal(keys, 'test', 'Grüße, 12 Aurora Way');
    assert.equal(unseal(keys, 'test', sealed), 'Grüße, 12 Aurora Way');
    assert.ok(!sealed.includes('Aurora'));
    assert.notEqual(sealed, seal(keys, 'test', 'Grüße, 12 Aurora Way'));
  });

  test('opens after a rotation, while the old key is kept', () => {
    const sealed = seal(keys, 'test', 'text');
    assert.equal(unseal([keyOf('k2', 2), keyOf('k1', 1)], 'test', sealed), 'text');
    assert.throws(() => unseal([keyOf('k2', 2)], 'test', sealed), /k1 .* FINGERPRINT_KEYS/);
  });

  test('does not open for another purpose, with another key of that name, or after a change', () => {
    const sealed = seal(keys, 'test', 'text');
    assert.throws(() => unseal(keys, 'other', sealed));
    assert.throws(() => unseal([keyOf('k1', 2)], 'test', sealed));
    const [id, iv, tag = '', text] = sealed.split('.');
    assert.throws(() => unseal(keys, 'test', [id, iv, tag, `${text}AA`].join('.')));
    assert.throws(() => unseal(keys, 'test', [id, iv, tag.slice(0, 6), text].join('.')));
  });

  test('that earlier versions have kept still opens', () => {
    const sealed = 'k1.AQIDBAUGBwgJCgsM.kDEatRBv3rZf1i2v224rvg._3Tl4nZrgCMIKn7b';
    assert.equal(unseal(keys, 'conflict-log', sealed), 'a lost value');
  });
});
