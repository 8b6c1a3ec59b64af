import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loopLimit, nextTurn, type Turn } from '../../lib/domain/loop.ts';
import type { System } from '../../lib/domain/record.ts';

/** The count after these writes of one row, in order. */
function countAfter(...writes: [System, string][]): number {
  let turn: Turn | undefined;
  for (const [to, print] of writes) turn = nextTurn(turn, to, print);
  return turn?.count ?? 0;
}

describe('the loop fuse', () => {
  // biome-ignore format: reads as a decision table.
  const table: [string, [System, string][], number][] = [
    ['one write',                                        [['wave', 'a']], 0],
    ['a write there and one back',                       [['wave', 'a'], ['customcrm', 'b']], 0],
    ['the first value again is the first repetition',    [['wave', 'a'], ['customcrm', 'b'], ['wave', 'a']], 1],
    ['the same two values go on',                        [['wave', 'a'], ['customcrm', 'b'], ['wave', 'a'], ['customcrm', 'b'], ['wave', 'a']], 3],
    ['a new value of a user starts again',               [['wave', 'a'], ['customcrm', 'b'], ['wave', 'a'], ['customcrm', 'c']], 0],
    ['and so does one that comes later',                 [['wave', 'a'], ['customcrm', 'b'], ['wave', 'a'], ['customcrm', 'c'], ['wave', 'a']], 1],
    ['one side sent the same again and again',           [['wave', 'a'], ['wave', 'a'], ['wave', 'a']], 2],
    ['one side with new values each time',               [['wave', 'a'], ['wave', 'b'], ['wave', 'c']], 0],
  ];
  for (const [situation, writes, expected] of table) {
    test(`counts ${expected}: ${situation}`, () => assert.equal(countAfter(...writes), expected));
  }

  test('remembers what each side was last sent', () => {
    const turn = nextTurn(nextTurn(undefined, 'wave', 'a'), 'customcrm', 'b');
    assert.deepEqual(turn, { sent: { wave: 'a', customcrm: 'b' }, count: 0 });
  });

  test('blows at the fourth repetition, after six writes of the same two values', () => {
    assert.equal(loopLimit, 4);
    const writes = Array.from({ length: 6 }, (_, n): [System, string] =>
      n % 2 ? ['customcrm', 'b'] : ['wave', 'a'],
    );
    assert.equal(countAfter(...writes), loopLimit);
  });
});
