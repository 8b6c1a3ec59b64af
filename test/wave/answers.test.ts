import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { localBusinessId } from '../../infra/local/wave/server.ts';
import type { Snapshot } from '../../lib/domain/record.ts';
import {
  PassingRefusalError,
  ReconnectNeededError,
  RemoteMissingError,
  RemoteOutcomeUnknownError,
  RemoteRejectedError,
  RemoteUnavailableError,
} from '../../lib/errors.ts';
import { waveFeed } from '../../lib/wave/feed.ts';
import { waveHealth } from '../../lib/wave/health.ts';
import { snapshotOf } from '../../lib/wave/snapshot.ts';
import { type Received, type Reply, startWaveScript } from '../support/wave-script.ts';
import { type Connected, callIn, connected, customerBody, rename } from './connected.ts';

const hourMs = 3_600_000;
const stamp = '2026-03-01T10:00:00.000Z';
const shown = (id: string, more: Readonly<Record<string, unknown>> = {}) => ({
  id,
  ...customerBody(id),
  createdAt: stamp,
  modifiedAt: stamp,
  ...more,
});
const snapshot = (id: string): Snapshot => ({
  system: 'wave',
  pair: 'customer',
  id,
  body: shown(id) as never,
  createdAt: Date.parse(stamp),
  modifiedAt: Date.parse(stamp),
});
const done = (id: string) => ({ didSucceed: true, inputErrors: [], customer: shown(id) });
const error = (code: string | undefined, path?: readonly unknown[], message = 'Something happened') => ({
  message,
  ...(path && { path }),
  ...(code && { extensions: { code, id: 'ref-1' } }),
});
const idOf = (request: Received, alias: string) =>
  String((request.variables[alias] as { readonly id: string } | undefined)?.id);
/** Every mutation succeeds, but for what the test says. */
const allDone = (request: Received, more: Readonly<Record<string, unknown>> = {}) => ({
  ...Object.fromEntries(request.aliases.map((alias) => [alias, done(idOf(request, alias))])),
  ...more,
});

async function during<T>(
  reply: (request: Received, index: number) => Reply | Promise<Reply>,
  run: (adapter: Connected, received: readonly Received[]) => Promise<T>,
  settings: Parameters<typeof connected>[1] = {},
): Promise<T> {
  const script = await startWaveScript(reply);
  try {
    return await run(connected(script.url, settings), script.received);
  } finally {
    await script.close();
  }
}

const outcome = (promise: Promise<unknown>) =>
  promise.then(
    () => 'done',
    (failure: Error) => failure.constructor.name,
  );
/** Renames three customers in one document and says how each ended. */
const three = (reply: (request: Received) => Reply) =>
  during(reply, ({ records }) =>
    Promise.all(['C1', 'C2', 'C3'].map((id) => outcome(rename(records, snapshot(id), 'Other')))),
  );

const unknown = RemoteOutcomeUnknownError.name;
const unavailable = RemoteUnavailableError.name;
const rejected = RemoteRejectedError.name;

describe('an answer to three writes', () => {
  // biome-ignore format: reads as a decision table.
  const table: [string, (request: Received) => Reply, string[]][] = [
    ['all succeeded',                           (r) => ({ body: { data: allDone(r) } }),                                                        ['done', 'done', 'done']],
    ['the connection is cut',                   () => 'cut',                                                                                   [unknown, unknown, unknown]],
    ['HTTP 500',                                () => ({ status: 500, body: 'oops' }),                                                         [unknown, unknown, unknown]],
    ['HTTP 200 that is no JSON',                () => ({ body: '<html>Sorry</html>' }),                                                        [unknown, unknown, unknown]],
    ['HTTP 429',                                () => ({ status: 429, headers: { 'retry-after': '30' } }),                                      [unavailable, unavailable, unavailable]],
    ['data is null under one error',            () => ({ body: { data: null, errors: [error('INTERNAL_SERVER_ERROR', ['m1'])] } }),            [unknown, unknown, unknown]],
    ['one payload is null without an error',    (r) => ({ body: { data: allDone(r, { m1: null }) } }),                                         ['done', unknown, 'done']],
    ['one succeeded, its record is null',       (r) => ({ body: { data: allDone(r, { m1: { ...done('C2'), customer: null } }) } }),            ['done', unknown, 'done']],
    ['one record has a hole under an error',    (r) => ({ body: { data: allDone(r), errors: [error('INTERNAL_SERVER_ERROR', ['m1', 'customer', 'address'])] } }), ['done', unknown, 'done']],
    ['it fails over the cost of something',     () => ({ body: { data: null, errors: [error('INTERNAL_SERVER_ERROR', undefined, 'posting the cost of goods took too long: request cost')] } }), [unknown, unknown, unknown]],
    ['an error belongs to no field',            (r) => ({ body: { data: allDone(r), errors: [error('INTERNAL_SERVER_ERROR')] } }),             [unknown, unknown, unknown]],
    ['one was not found',                       (r) => ({ body: { data: allDone(r, { m1: null }), errors: [error('NOT_FOUND', ['m1'])] } }),   ['done', RemoteMissingError.name, 'done']],
    ['one was refused by its input',            (r) => ({ body: { data: allDone(r, { m1: { didSucceed: false, inputErrors: null } }) } }),     ['done', rejected, 'done']],
    ['one input was malformed',                 (r) => ({ body: { data: allDone(r, { m1: null }), errors: [error('BAD_USER_INPUT', ['m1'])] } }), ['done', rejected, 'done']],
    ['one hit a rate limit of its field',       (r) => ({ body: { data: allDone(r, { m1: null }), errors: [error('RATE_LIMITED', ['m1'])] } }), ['done', unavailable, 'done']],
    ['one met a passing fault',                 (r) => ({ body: { data: allDone(r, { m1: null }), errors: [error(undefined, ['m1'], 'Node could not be found')] } }), ['done', PassingRefusalError.name, 'done']],
    ['one succeeded, a part was not found',     (r) => ({ body: { data: allDone(r, { m1: { ...done('C2'), customer: null } }), errors: [error(undefined, ['m1', 'customer', 'id'], 'Node could not be found')] } }), ['done', unknown, 'done']],
    ['a part of one was not found',             (r) => ({ body: { data: allDone(r, { m1: null }), errors: [error('NOT_FOUND', ['m1', 'customer', 'id'])] } }), ['done', unknown, 'done']],
    ['a part of one met a passing fault',       (r) => ({ body: { data: allDone(r, { m1: null }), errors: [error(undefined, ['m1', 'customer', 'id'], 'Node could not be found')] } }), ['done', unknown, 'done']],
    ['a part of one hit a rate limit',          (r) => ({ body: { data: allDone(r, { m1: null }), errors: [error('RATE_LIMITED', ['m1', 'customer'])] } }), ['done', unknown, 'done']],
    ['one was refused, and a part of it failed', (r) => ({ body: { data: allDone(r, { m1: null }), errors: [error('BAD_USER_INPUT', ['m1']), error('INTERNAL_SERVER_ERROR', ['m1', 'customer'])] } }), ['done', unknown, 'done']],
    ['a limit that belongs to no field',        (r) => ({ body: { data: allDone(r, { m1: null }), errors: [error('RATE_LIMITED')] } }), [unknown, unknown, unknown]],
    ['the token ended in all of their parts',   (r) => ({ body: { data: Object.fromEntries(r.aliases.map((alias) => [alias, null])), errors: r.aliases.map((alias) => error('UNAUTHENTICATED', [alias, 'customer', 'id'])) } }), [unknown, unknown, unknown]],
    ['the token ended between two of them',     (r) => ({ body: { data: allDone(r, { m1: null }), errors: [error('UNAUTHENTICATED', ['m1'])] } }), ['done', 'TokenRefusedError', 'done']],
    ['new fields and codes',                    (r) => ({ body: { data: allDone(r, { m1: { ...done('C2'), stars: 5 } }), extensions: { cost: 3 } } }), ['done', 'done', 'done']],
  ];
  for (const [situation, reply, expected] of table) {
    test(`${situation}: ${expected.join(', ')}`, async () => {
      assert.deepEqual(await three(reply), expected);
    });
  }

  test('that refuses the text of the document is not asked for again: it is the same for all of them', async () => {
    const received = await during(
      () => ({ body: { errors: [error('GRAPHQL_VALIDATION_FAILED', undefined, 'Cannot query field')] } }),
      async ({ records }, requests) => {
        const calls = ['C1', 'C2', 'C3'].map((id) => outcome(rename(records, snapshot(id), 'Other')));
        assert.deepEqual(await Promise.all(calls), Array(3).fill('DocumentRefusedError'));
        return requests;
      },
    );
    assert.equal(received.length, 1);
  });

  for (const refused of [
    error('QUERY_COST', undefined, 'Refused'),
    error(undefined, undefined, 'Query cost 1200 exceeds the limit of 1000'),
    error(undefined, undefined, 'The query exceeds the maximum cost'),
    error(undefined, undefined, 'The operation complexity is too high'),
  ])
    test(`that refuses the document as too much is split: ${refused.extensions?.code ?? refused.message}`, async () => {
      const received = await during(
        ({ aliases, variables }) => {
          if (aliases.length > 1) return { body: { errors: [refused] } };
          const { id } = variables.input as { readonly id: string };
          return { body: { data: { customerPatch: done(id) } } };
        },
        async ({ records }, requests) => {
          const calls = ['C1', 'C2', 'C3'].map((id) => outcome(rename(records, snapshot(id), 'Other')));
          assert.deepEqual(await Promise.all(calls), ['done', 'done', 'done']);
          return requests;
        },
      );
      assert.ok(received.length > 3);
    });

  test('never quotes what was sent in its reason', async () => {
    const inputErrors = [{ path: ['input', 'name'], message: 'Other is not a name', code: 'INVALID' }];
    const reason = await during(
      () => ({ body: { data: { customerPatch: { didSucceed: false, inputErrors } } } }),
      ({ records }) => rename(records, snapshot('C1'), 'Other').catch((failure) => failure.reason),
    );
    assert.equal(reason, 'input.name INVALID … is not a name');
  });
});

describe('a token that Wave refuses', () => {
  test('stops the work when it is a full-access token, in each of its forms', async () => {
    const forms: Reply[] = [
      { status: 401 },
      { body: { errors: [error('UNAUTHENTICATED')] } },
      { body: { data: null, errors: [error('UNAUTHENTICATED', ['customerPatch'])] } },
      { status: 403, body: 'Forbidden' },
    ];
    for (const form of forms) {
      const failure = await during(
        () => form,
        ({ records }) => rename(records, snapshot('C1'), 'Other').catch((caught) => caught),
      );
      assert.ok(failure instanceof ReconnectNeededError, JSON.stringify(form));
    }
  });
});

describe('a request', () => {
  test('waits for no one after a 429: nothing else is sent until the pause is over', async () => {
    await during(
      () => ({ status: 429, headers: { 'retry-after': '120' } }),
      async ({ records }, received) => {
        for (const id of ['C1', 'C2', 'C3'])
          assert.equal(await outcome(records.read('customer', id, callIn(3_000))), unavailable);
        assert.equal(received.length, 1);
      },
    );
  });

  const limited = { data: null, errors: [error('RATE_LIMITED')] };
  for (const [status, body] of [
    [200, limited],
    [403, ''],
    [503, ''],
  ] as const)
    test(`waits for no one after ${status} with Retry-After either`, async () => {
      await during(
        () => ({ status, body, headers: { 'retry-after': '120' } }),
        async ({ records }, received) => {
          for (const id of ['C1', 'C2', 'C3'])
            await assert.rejects(records.read('customer', id, callIn(3_000)));
          assert.equal(received.length, 1);
        },
      );
    });

  const inHours = (hours: number) => new Date(Date.now() + hours * hourMs).toUTCString();
  // biome-ignore format: reads as a decision table.
  const pauses: [string, string, number | undefined][] = [
    ['in half a minute',              '30',          30_000],
    ['in two hours',                  '7200',        2 * hourMs],
    ['in a minute and a half',        '90.5',        90_500],
    ['at a time in five hours',       inHours(5),    5 * hourMs],
    ['at a time that has passed',     inHours(-1),   0],
    ['in thirty years: in a day',     '999999999',   24 * hourMs],
    ['soon: at a time of our own',    'soon',        undefined],
  ];
  for (const [when, header, expected] of pauses)
    test(`that is told to come back ${when}`, async () => {
      const failure = await during(
        () => ({ status: 429, headers: { 'retry-after': header } }),
        ({ records }) => records.read('customer', 'C1', callIn()).catch((caught) => caught),
      );
      assert.ok(failure instanceof RemoteUnavailableError);
      const { retryAfterMs } = failure;
      if (expected === undefined) assert.equal(retryAfterMs, undefined);
      else assert.ok(Math.abs((retryAfterMs ?? -1) - expected) < 60_000, String(retryAfterMs));
    });

  test('whose answer nobody awaits any more may be under way still; one whose connection broke hardly', async () => {
    await during(
      (_request, index) => (index === 0 ? { body: {}, afterMs: 5_000 } : 'cut'),
      async ({ records, measured }) => {
        for (const waitsMs of [1_500, 60_000])
          assert.equal(await outcome(records.read('customer', 'C1', callIn(waitsMs))), unavailable);
        assert.deepEqual(
          measured.map(({ did }) => did),
          ['abandoned', 'unanswered'],
        );
      },
    );
  });

  test('that cannot reach Wave was never sent', async () => {
    const { records, measured } = connected('http://127.0.0.1:9/graphql/public');
    assert.equal(await outcome(rename(records, snapshot('C1'), 'Other')), unavailable);
    assert.deepEqual(
      measured.map(({ did }) => did),
      ['unsent'],
    );
  });

  test('is not sent when what it is based on has become old, or its token was waited for too long', async () => {
    await during(
      (request) => ({ body: { data: allDone(request, { customerPatch: done('C2') }) } }),
      async ({ records }, received) => {
        const late = { ...callIn(), sendBy: Date.now() - 1 };
        assert.equal(await outcome(rename(records, snapshot('C1'), 'Other', late)), unavailable);
        assert.equal(received.length, 0);
        const inTime = { ...callIn(), sendBy: Date.now() + 30_000 };
        const both = [late, inTime].map((call, index) =>
          outcome(rename(records, snapshot(`C${index + 1}`), 'Other', call)),
        );
        assert.deepEqual(await Promise.all(both), [unavailable, 'done'], 'the other one goes without it');
      },
    );
  });

  test('is slowed down by a limit whose code is a number, beside an error without a message', async () => {
    const numeric = { data: null, errors: [{ message: null, extensions: { code: 429 } }] };
    await during(
      () => ({ body: numeric }),
      async ({ records, measured }) => {
        assert.equal(await outcome(records.read('customer', 'C1', callIn(3_000))), unavailable);
        assert.deepEqual(
          measured.map(({ did }) => did),
          ['refused'],
        );
      },
    );
  });

  test('is not sent without time for an answer', async () => {
    await during(
      () => ({ body: {} }),
      async ({ records }, received) => {
        assert.equal(await outcome(rename(records, snapshot('C1'), 'Other', callIn(100))), unavailable);
        assert.equal(received.length, 0);
      },
    );
  });

  test('of a call with little time left does not cut others short', async () => {
    const reply = (request: Received): Reply => {
      const business: Record<string, unknown> = { id: localBusinessId };
      for (const alias of request.aliases)
        business[alias] = shown(String(request.variables[`id${alias.slice(1)}`]));
      return { body: { data: { business } }, afterMs: request.aliases.length > 1 ? 1_500 : 0 };
    };
    await during(reply, async ({ records }, received) => {
      const calls = ['C1', 'C2', 'C3', 'C4'].map((id, index) =>
        outcome(records.read('customer', id, callIn(index === 1 ? 2_500 : 30_000))),
      );
      assert.deepEqual(await Promise.all(calls), ['done', 'done', 'done', 'done']);
      assert.deepEqual(received.map(({ aliases }) => aliases.length).sort(), [1, 3]);
    });
  });

  test('of live work takes background work along, and never waits behind it', async () => {
    const reply = (request: Received, index: number): Reply => {
      const business: Record<string, unknown> = { id: localBusinessId };
      for (const alias of request.aliases)
        business[alias] = shown(String(request.variables[`id${alias.slice(1)}`]));
      return { body: { data: { business } }, afterMs: index === 0 ? 1_500 : 0 };
    };
    await during(
      reply,
      async ({ records }, received) => {
        const ended: string[] = [];
        const read = (id: string, priority: 'live' | 'background') =>
          records.read('customer', id, callIn(30_000, priority)).then(() => ended.push(id));
        const first = read('C1', 'background');
        while (received.length === 0) await sleep(10);
        await Promise.all([read('C2', 'background'), sleep(100).then(() => read('C3', 'live'))]);
        assert.deepEqual(ended, ['C3', 'C2']);
        await first;
        assert.deepEqual(
          received.map(({ aliases }) => aliases.length),
          [1, 2],
        );
      },
      { inFlight: 2 },
    );
  });
});

describe('a read', () => {
  const business = (more: Readonly<Record<string, unknown>>) => ({
    body: { data: { business: { id: localBusinessId, ...more } } },
  });
  // biome-ignore format: reads as a decision table.
  const table: [string, Reply, string][] = [
    ['shows the record',                        business({ r0: shown('C1') }),                                                'living'],
    ['shows a value of an enum that is new',    business({ r0: shown('C1', { currency: { code: 'XXX' } }) }),                 'living'],
    ['shows nothing',                           business({ r0: null }),                                                       'not-found'],
    ['shows another record',                    business({ r0: shown('C9') }),                                                unavailable],
    ['shows another business',                  { body: { data: { business: { id: 'other', r0: shown('C1') } } } },            unavailable],
    ['is no JSON',                              { body: '<html></html>' },                                                    unavailable],
    ['is cut',                                  'cut',                                                                        unavailable],
    ['is HTTP 503',                             { status: 503 },                                                              unavailable],
    ['is refused as a document of ours',        { status: 400, body: { errors: [error('GRAPHQL_VALIDATION_FAILED')] } },       'DocumentRefusedError'],
  ];
  for (const [situation, reply, expected] of table) {
    test(`that ${situation} is ${expected}`, async () => {
      const said = await during(
        () => reply,
        ({ records }) =>
          records.read('customer', 'C1', callIn()).then(
            ({ state }) => state,
            (failure: Error) => failure.constructor.name,
          ),
      );
      assert.equal(said, expected);
    });
  }
});

test('a product that is edited between our patch and our archiving shows what each of the two was answered', async () => {
  const product = (more: object) => ({
    ...{
      id: 'P1',
      name: 'Beam',
      description: 'Typed in Customcrm',
      unitPrice: '3',
      isSold: true,
      isBought: false,
    },
    ...{ isArchived: false, defaultSalesTaxes: [], createdAt: stamp, modifiedAt: stamp },
    ...more,
  });
  const current = {
    ...snapshot('P1'),
    pair: 'product' as const,
    body: product({ description: 'Old' }) as never,
  };
  const next = product({ isArchived: true }) as never;
  const answer = await during(
    ({ aliases, query }) => {
      const shownNow = query.includes('productArchive')
        ? product({ isArchived: true, description: 'Typed in Wave meanwhile', name: 'Log' })
        : product({});
      return {
        body: { data: { [aliases[0] ?? '']: { didSucceed: true, inputErrors: [], product: shownNow } } },
      };
    },
    ({ records }) => records.update('product', current, next, ['description', 'isArchived'], callIn()),
  );
  const { description, isArchived, name } = answer.body as unknown as ReturnType<typeof product> & {
    name: string;
    description: string;
    isArchived: boolean;
  };
  assert.deepEqual([description, isArchived, name], ['Typed in Customcrm', true, 'Log']);
});

test('a list of which Wave shows fewer rows than it was asked for is read to its end', async () => {
  const ids = ['C1', 'C2', 'C3'];
  const reply = ({ variables }: Received): Reply => {
    const [page, size] = [Number(variables.page), Math.min(Number(variables.pageSize), 2)];
    const edges = ids.slice((page - 1) * size, page * size).map((id) => ({ node: shown(id) }));
    const pageInfo = { currentPage: page, totalPages: Math.ceil(ids.length / size), totalCount: ids.length };
    return { body: { data: { business: { id: localBusinessId, customers: { pageInfo, edges } } } } };
  };
  await during(reply, async ({ client, options }) => {
    const feed = waveFeed(client, options);
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const { snapshots, next } = await feed.listAll('customer', cursor, callIn());
      seen.push(...snapshots.map(({ id }) => id));
      cursor = next;
    } while (cursor !== undefined);
    assert.deepEqual(seen, ids);
  });
});

test('a business that was not read is not said to be missing', async () => {
  const asked = (code: string) =>
    during(
      () => ({ body: { data: { business: null }, errors: [error(code, ['business'])] } }),
      ({ client, options }) => waveHealth(client, options, callIn()),
    );
  assert.equal((await asked('NOT_FOUND')).business, undefined);
  await assert.rejects(asked('INTERNAL_SERVER_ERROR'), RemoteUnavailableError);
});

test('a discount of a kind that nobody knows is not read as another one', () => {
  const invoice = (discounts: readonly object[] | null) => snapshotOf('order', { ...shown('I1'), discounts });
  const fixed = { __typename: 'FixedInvoiceDiscount', name: null, amount: '5' };
  assert.deepEqual(invoice([fixed])?.body.discounts, [fixed]);
  assert.deepEqual([invoice([])?.body.discounts, invoice(null)?.body.discounts], [[], null]);
  for (const unknownOne of [
    { __typename: 'LoyaltyInvoiceDiscount', name: null },
    { ...fixed, amount: null },
    { __typename: 'PercentageInvoiceDiscount', name: null, percentage: null },
  ])
    assert.equal('discounts' in (invoice([unknownOne])?.body ?? { discounts: [] }), false);
});
