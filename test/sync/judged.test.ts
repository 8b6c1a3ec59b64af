import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Snapshot } from '../../lib/domain/record.ts';
import type { Engine } from '../../lib/sync/engine.ts';
import { isJudged, noteJudged } from '../../lib/sync/judged.ts';

/** What was judged is known by the engine as such: nothing of it is asked. */
const anEngine = () => ({}) as Engine;
const at = Date.UTC(2026, 0, 1);
const row = (parts: Partial<Snapshot> = {}): Snapshot => ({
  system: 'wave',
  pair: 'customer',
  id: 'W1',
  createdAt: at,
  modifiedAt: at,
  body: { name: 'Ann' },
  ...parts,
});

describe('rows of a list that a poll has judged', () => {
  test('are known again by record, stamp and content, in the same container only', () => {
    const engine = anEngine();
    noteJudged(engine, row(), at + 10_000);
    assert.equal(isJudged(engine, row()), true);
    assert.equal(isJudged(anEngine(), row()), false);
    for (const other of [{ id: 'W2' }, { modifiedAt: at + 1 }, { body: { name: 'Bob' } }, { version: '2' }])
      assert.equal(isJudged(engine, row(other)), false);
  });

  test('are judged again when something may have happened in the second of their stamp', () => {
    const engine = anEngine();
    noteJudged(engine, row(), at + 1_999);
    assert.equal(isJudged(engine, row()), false);
    noteJudged(engine, row({ system: 'customcrm', version: '7' }), at);
    assert.equal(isJudged(engine, row({ system: 'customcrm', version: '7' })), true);
  });

  test('are forgotten, the oldest first, when there are many', () => {
    const engine = anEngine();
    for (let id = 0; id <= 5_000; id++) noteJudged(engine, row({ id: `W${id}` }), at + 10_000);
    assert.equal(isJudged(engine, row({ id: 'W0' })), false);
    assert.equal(isJudged(engine, row({ id: 'W1' })), true);
  });
});
