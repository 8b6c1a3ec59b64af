import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toleranceMs } from '../../lib/domain/webhook.ts';

test('a delivery is fresh for five minutes, as Standard Webhooks asks', () => {
  assert.equal(toleranceMs, 300_000);
});
