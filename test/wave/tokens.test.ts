import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connection } from '../../lib/cli/print.ts';
import { ReconnectNeededError, RemoteUnavailableError } from '../../lib/errors.ts';
import type { Call, Table } from '../../lib/sync/ports.ts';
import type { OAuthApplication, TokenPair } from '../../lib/wave/oauth.ts';
import { connectionState } from '../../lib/wave/refusals.ts';
import { type AccessTokens, oauthTokens, saveLogin, tokenState } from '../../lib/wave/tokens.ts';
import { memoryTable } from './memory-table.ts';
import { lifetimeMs, startTokenServer, type TokenServer } from './token-server.ts';

const minute = 60_000;
const hour = 60 * minute;
const keys = [{ id: 'k1', secret: new Uint8Array(32).fill(7) }] as const;

let time = Date.UTC(2026, 0, 1);
let server: TokenServer;
let table: ReturnType<typeof memoryTable>;
/** Pauses pass ten times as fast as they should: requests take real time meanwhile. */
const clock = {
  now: () => time,
  async sleep(ms: number) {
    time += ms / 10;
    await sleep(1);
  },
};
const surroundings = (own: Table = table) => ({ table: own, clock, newId: randomUUID, keys });
const container = (own: Table = table): AccessTokens =>
  oauthTokens({ ...surroundings(own), application: server.application });
const call = (): Call => ({ deadline: time + 50_000, priority: 'live' });
const login = (pair: TokenPair = server.login()) => saveLogin(surroundings(), pair, 'business');

beforeEach(async () => {
  table = memoryTable();
  server = await startTokenServer(clock.now);
});
afterEach(() => server.close());

describe('the access token', () => {
  test('is that of the login until shortly before its end, and then renewed once for all containers', async () => {
    await login();
    const containers = Array.from({ length: 8 }, () => container());
    const tokensOf = () => Promise.all(containers.map(async (one) => (await one.current(call())).text));
    const first = new Set(await tokensOf());
    assert.equal(first.size, 1);
    time += lifetimeMs - 6 * minute;
    assert.deepEqual(new Set(await tokensOf()), first);
    time += 2 * minute;
    await tokensOf();
    const renewed = new Set(await tokensOf());
    time += 2 * minute;
    assert.equal(new Set(await tokensOf()).size, 1);
    assert.notDeepEqual(renewed, first);
    assert.deepEqual([server.seen.refreshes, server.seen.dead], [1, 0]);
  });

  test('never lies in the clear', async () => {
    const pair = server.login();
    await login(pair);
    await container().current(call());
    const stored = JSON.stringify([...table.items.values()]);
    assert.ok(!stored.includes(pair.accessToken) && !stored.includes(pair.refreshToken));
  });

  test('that is refused is replaced by the one that another container already has, without a refresh', async () => {
    await login();
    const [one, other] = [container(), container()];
    const old = await other.current(call());
    time += 2 * minute;
    const renewed = await one.insteadOf(await one.current(call()), call());
    assert.equal(server.seen.refreshes, 1);
    assert.deepEqual(await other.insteadOf(old, call()), renewed);
    assert.equal(server.seen.refreshes, 1);
  });

  test('that is refused right after it was issued is not renewed again and again', async () => {
    await login();
    const one = container();
    time += 2 * minute;
    const renewed = await one.insteadOf(await one.current(call()), call());
    await assert.rejects(one.insteadOf(renewed, call()), ReconnectNeededError);
    assert.equal(server.seen.refreshes, 1);
  });

  test('is used to its end while the token endpoint is down; then the work waits', async () => {
    await login();
    const one = container();
    time += lifetimeMs - 3 * minute;
    server.next('error');
    assert.ok(server.accepts((await one.current(call())).text));
    time += 4 * minute;
    server.next('html');
    await assert.rejects(one.current(call()), RemoteUnavailableError);
    const shown = async (later: number) =>
      (await connectionState(table, server.application, time + later)).connection;
    assert.deepEqual([await shown(0), await shown(5 * minute)], ['good', 'reconnect-needed']);
    time += minute;
    assert.ok(server.accepts((await one.current(call())).text));
    assert.equal((await tokenState(table, server.application)).connection, 'good');
  });

  test('is not renewed by any container before the token endpoint wants to be asked again', async () => {
    await login();
    time += lifetimeMs;
    server.next({ retryAfter: '3600' });
    const ask = () => container().current(call());
    await assert.rejects(ask(), RemoteUnavailableError);
    for (let minutes = 0; minutes < 50; minutes += 5) {
      time += 5 * minute;
      await assert.rejects(ask(), RemoteUnavailableError);
    }
    assert.equal(server.seen.requests, 1);
    time += 15 * minute;
    assert.ok(server.accepts((await ask()).text));
  });

  test('is not waited for inside a call while the token endpoint does not want to be asked', async () => {
    await login();
    time += lifetimeMs;
    server.next({ retryAfter: '3600' });
    await assert.rejects(container().current(call()), RemoteUnavailableError);
    time += 5 * minute;
    const before = time;
    await assert.rejects(container().current(call()), { retryAfterMs: 15 * minute });
    assert.equal(time, before);
  });

  test('is not asked for with each request, though the token endpoint may be asked again at once', async () => {
    await login();
    time += lifetimeMs - 3 * minute;
    const one = container();
    for (let requests = 1; requests <= 20; requests++) {
      server.next({ retryAfter: '0' });
      await one.current(call());
      time += 500;
    }
    assert.equal(server.seen.requests, 1);
  });

  for (const expiresIn of [0, -1, 'soon', null])
    test(`is kept when its answer says that it expires in ${expiresIn}: the one before is dead`, async () => {
      await login();
      time += lifetimeMs;
      server.next({ expiresIn });
      assert.ok(server.accepts((await container().current(call())).text));
      time += 50 * minute;
      assert.ok(server.accepts((await container().current(call())).text));
      assert.equal(server.seen.requests, 1);
    });

  test('is kept even when the table answers only at the fourth try', async () => {
    await login();
    let failures = 0;
    const flaky = container({
      ...table,
      async write(writes) {
        const isPair = writes.some((write) => 'put' in write && write.put.sk === 'tokens');
        if (isPair && failures++ < 3) throw new Error('throttled');
        return table.write(writes);
      },
    });
    time += lifetimeMs;
    const renewed = await flaky.current(call());
    assert.equal(failures, 4);
    assert.deepEqual(await container().current(call()), renewed);
  });

  test('is not renewed with too little time to keep the answer', async () => {
    await login();
    time += lifetimeMs;
    const short = { deadline: time + 4_000, priority: 'live' } as const;
    await assert.rejects(container().current(short), RemoteUnavailableError);
    assert.equal(server.seen.requests, 0);
  });
});

describe('a connection that was lost', () => {
  for (const [how, lose] of [
    ['the consent was taken back', () => server.revoke()],
    ['the plan lapsed', () => server.lapse(true)],
  ] as const) {
    test(`because ${how} is said so once; then nothing is asked until somebody logs in`, async () => {
      await login();
      const containers = [container(), container(), container()];
      const held = await Promise.all(containers.map((one) => one.current(call())));
      time += hour;
      lose();
      for (const [index, one] of containers.entries())
        await assert.rejects(
          one.insteadOf(held[index] ?? { text: '', generation: 0 }, call()),
          ReconnectNeededError,
        );
      const state = await tokenState(table, server.application);
      assert.equal(state.connection, 'reconnect-needed');
      const before = server.seen.requests;
      assert.equal(before, 1);
      for (let count = 0; count < 50; count++) {
        time += 7 * minute;
        for (const one of containers) await assert.rejects(one.current(call()), ReconnectNeededError);
      }
      assert.equal(server.seen.requests, before);
      server.lapse(false);
      await login();
      for (const one of containers) assert.ok(server.accepts((await one.current(call())).text));
    });
  }

  test('is said where nobody has ever logged in', async () => {
    await assert.rejects(container().current(call()), ReconnectNeededError);
    assert.deepEqual(await tokenState(table, server.application), { connection: 'none' });
  });

  test('does not hold in a container that had just asked, once somebody logs in', async () => {
    const one = container();
    await assert.rejects(one.current(call()), ReconnectNeededError);
    await login();
    assert.ok(server.accepts((await one.current(call())).text));
  });

  test('by a wrong client secret is repaired by the right one: the tokens stay', async () => {
    await login();
    time += lifetimeMs - 2 * minute;
    const application = { ...server.application, clientSecret: 'other' };
    const shown = async (by: OAuthApplication) => connection(await connectionState(table, by, time));
    const wrong = oauthTokens({ ...surroundings(), application });
    await wrong.current(call());
    assert.match(
      await shown(application),
      /^good, .*cannot be renewed: .*invalid_client.*WAVE_CLIENT_SECRET/,
    );
    time += 2 * minute;
    await assert.rejects(wrong.current(call()), /WAVE_CLIENT_SECRET/);
    assert.match(await shown(application), /^broken, .*invalid_client.*Check .*WAVE_CLIENT_SECRET$/);
    // Nobody has asked with the right one yet.
    assert.match(await shown(server.application), /^good, .*ago$/);
    time += minute;
    assert.ok(server.accepts((await container().current(call())).text));
    assert.match(await shown(server.application), /^good, .*ago$/);
  });

  test('shows after a crash between the answer of a refresh and its storage', async () => {
    await login();
    time += lifetimeMs;
    const dead = container({
      ...table,
      write: (writes) =>
        writes.some((write) => 'put' in write && write.put.sk === 'tokens')
          ? new Promise(() => undefined)
          : table.write(writes),
    });
    void dead.current(call());
    while (server.seen.refreshes === 0) await sleep(5);
    time += minute;
    await assert.rejects(container().current(call()), ReconnectNeededError);
    assert.equal((await tokenState(table, server.application)).connection, 'reconnect-needed');
  });
});

describe('a new login', () => {
  test('wins over a refresh that is under way', async () => {
    await login();
    time += lifetimeMs;
    server.next({ slowMs: 100 });
    const one = container();
    const refreshing = one.current(call());
    while (server.seen.requests === 0) await sleep(5);
    const pair = server.login();
    await login(pair);
    assert.equal((await refreshing).text, pair.accessToken);
    assert.equal((await container().current(call())).text, pair.accessToken);
    const state = await tokenState(table, server.application);
    assert.ok(state.connection === 'good' && state.generation === 2 && state.businessId === 'business');
  });
});
