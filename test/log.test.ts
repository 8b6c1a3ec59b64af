import assert from 'node:assert/strict';
import { describe, mock, test } from 'node:test';
import { log } from '../lib/log.ts';

/** The lines that were written meanwhile. */
function linesOf(write: () => void): readonly string[] {
  const output = mock.method(process.stdout, 'write', () => true);
  try {
    write();
    return output.mock.calls.map(({ arguments: [chunk] }) => String(chunk));
  } finally {
    output.mock.restore();
  }
}

describe('the log', () => {
  test('writes one JSON line an outcome', () => {
    const lines = linesOf(() =>
      log('info', { message: 'webhook taken', system: 'wave', pair: 'order', id: 'W-7', eventId: 'e1' }),
    );
    assert.deepEqual(lines, [
      '{"level":"info","message":"webhook taken","system":"wave","pair":"order","id":"W-7","eventId":"e1"}\n',
    ]);
  });

  for (const level of ['info', 'warn', 'error'] as const) {
    test(`says how grave it is: ${level}`, () => {
      const [line = ''] = linesOf(() => log(level, { message: 'm' }));
      assert.equal(JSON.parse(line).level, level);
    });
  }

  test('keeps out every field that is not on its list: payloads, personal data, secrets', () => {
    const [line = ''] = linesOf(() =>
      log('info', {
        message: 'change applied',
        name: 'North Quay',
        email: 'office@north-quay.example',
        body: { Name: 'North Quay' },
        token: 'secret',
        authorization: 'Bearer secret',
        value: 'x',
        url: 'https://crm.example.com?token=secret',
      }),
    );
    assert.deepEqual(JSON.parse(line), { level: 'info', message: 'change applied' });
  });

  test('leaves out what is undefined, and keeps what is false, zero or empty', () => {
    const [line = ''] = linesOf(() =>
      log('info', { message: '', because: undefined, complete: false, pages: 0, rows: [] }),
    );
    assert.deepEqual(JSON.parse(line), { level: 'info', message: '', complete: false, pages: 0, rows: [] });
  });

  test('stays one line whatever a text holds', () => {
    const lines = linesOf(() => log('info', { message: 'a\nb', error: 'c\r\nd' }));
    assert.equal(lines.length, 1);
    assert.equal(lines[0]?.split('\n').length, 2);
  });
});
