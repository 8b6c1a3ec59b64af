import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { countOutcome, sendMetrics } from '../lib/metrics.ts';
import type { OutcomeLine } from '../lib/sync/engine.ts';

/** What is sent to CloudWatch for these outcomes, by metric. */
function countedOf(...lines: readonly Partial<OutcomeLine>[]): Readonly<Record<string, unknown>> {
  const output = mock.method(process.stdout, 'write', () => true);
  try {
    for (const line of lines)
      countOutcome({
        message: 'nothing to do',
        system: 'wave',
        pair: 'order',
        id: '7',
        eventId: 'e1',
        ...line,
      });
    sendMetrics();
    const sent = output.mock.calls.map(({ arguments: [text] }) => JSON.parse(String(text)));
    return Object.assign({}, ...sent.map(({ _aws, service, cause, ...values }) => values));
  } finally {
    output.mock.restore();
  }
}

const shown = [
  ['a block', { message: 'change blocked', because: 'blocked' }, { Blocked: 1 }],
  ['a conflict', { message: 'change held', because: 'conflict' }, { Conflicts: 1 }],
  ['a difference that is held', { message: 'change held', because: 'held' }, { Held: 1 }],
  ['a record that is blocked', { message: 'record blocked', because: 'no name' }, { Blocked: 1 }],
  ['a record that is ambiguous', { message: 'record ambiguous', because: 'two' }, { Ambiguous: 1 }],
  [
    'a record that is blocked while it waits',
    { message: 'record waits', because: 'parent', reason: 'parent deleted' },
    { Waiting: 1, Blocked: 1 },
  ],
  [
    'a record that is ambiguous while it waits',
    { message: 'record waits', because: 'fence', reason: 'may be the result of a create' },
    { Waiting: 1, Ambiguous: 1 },
  ],
] as const satisfies readonly (readonly [string, Partial<OutcomeLine>, object])[];

for (const [what, line, counted] of shown)
  test(`${what} counts once, not each time that it is looked at`, () => {
    assert.deepEqual(countedOf(line), counted);
    const { Waiting, ...news } = countedOf({ ...line, again: true });
    assert.deepEqual(news, {});
  });

test('a write counts although it leaves the link in the state that it had', () => {
  const applied = { message: 'change applied', because: 'blocked', lagMs: 9 } as const;
  assert.deepEqual(countedOf(applied), { ChangesApplied: 1, Blocked: 1, LagMs: 9 });
  assert.deepEqual(countedOf({ ...applied, again: true }), { ChangesApplied: 1, LagMs: 9 });
});

test('an attempt that will be made again is no record that failed', () => {
  assert.deepEqual(countedOf({ message: 'change failed', because: 'Error at x' }), { Retried: 1 });
  assert.deepEqual(countedOf({ message: 'record failed' }), { Failed: 1 });
});
