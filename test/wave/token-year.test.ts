import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { randomOf } from '../../infra/local/faults.ts';
import { ReconnectNeededError, RemoteUnavailableError } from '../../lib/errors.ts';
import type { Call, Key, Table, Write } from '../../lib/sync/ports.ts';
import { oauthTokens, saveLogin, tokenState } from '../../lib/wave/tokens.ts';
import { memoryTable } from './memory-table.ts';
import { startTokenServer, type Use } from './token-server.ts';

const minute = 60_000;
const hour = 60 * minute;
const dayMs = 24 * hour;
const keys = [{ id: 'k1', secret: new Uint8Array(32).fill(7) }] as const;

/** Time that passes only while everybody sleeps: no request takes longer than it says, however busy the machine is. */
function commonTime(start: number) {
  let time = start;
  let awake = 0;
  let sleepers: { readonly at: number; readonly wake: () => void }[] = [];
  function advance(): void {
    if (awake > 0) return;
    const [next, ...others] = sleepers.sort((a, b) => a.at - b.at);
    if (!next) return;
    sleepers = others;
    time = Math.max(time, next.at);
    awake += 1;
    next.wake();
  }
  return {
    now: () => time,
    sleep: (ms: number) =>
      new Promise<void>((wake) => {
        sleepers.push({ at: time + ms, wake });
        awake -= 1;
        advance();
      }),
    /** All at once, to their ends. */
    async together(works: readonly (() => Promise<void>)[]): Promise<void> {
      awake += works.length;
      await Promise.all(
        works.map((work) =>
          work().finally(() => {
            awake -= 1;
            advance();
          }),
        ),
      );
    },
    pass(ms: number): void {
      time += ms;
    },
  };
}

/** The table of a container that dies at one of its awaits: before or after a call, nothing of it goes on. */
function mortalTable(table: Table, dieAt: number, isAfter: boolean) {
  let calls = 0;
  let die: () => void = () => undefined;
  const died = new Promise<'died'>((resolve) => {
    die = () => resolve('died');
  });
  const step = async <T>(act: () => Promise<T>): Promise<T> => {
    calls += 1;
    if (calls < dieAt) return act();
    if (calls === dieAt && isAfter) await act();
    die();
    return new Promise(() => undefined);
  };
  const mortal: Table = {
    ...table,
    get: (key: Key) => step(() => table.get(key)),
    write: (writes: readonly Write[]) => step(() => table.write(writes)),
  };
  return { mortal, died };
}

test('a year of containers that die at every await, slow and lost answers, lapses, revocations and logins uses no refresh token again whose use may have succeeded in time, and leaves no dead pair unnoticed', async (t) => {
  const random = randomOf(2026);
  const time = commonTime(Date.UTC(2026, 0, 1));
  const table = memoryTable();
  const crashed = new Set<string>();
  const sums = {
    tokens: 0,
    crashes: 0,
    logins: 0,
    lapses: 0,
    revoked: 0,
    lost: 0,
    waits: 0,
    looks: 0,
    again: 0,
  };
  /** A refresh token was used again although its first use was not in vain, for all that anybody could know. */
  const unexplained: string[] = [];
  const dead = new Set<string>();
  const everyUse: Use[] = [];
  let hasLapsed = false;
  const server = await startTokenServer(time.now, {
    thinks: () => time.sleep(random() < 0.5 ? 100 : 8_000 * random()),
    onUse(use, earlier) {
      everyUse.push(use);
      const isInVain = ({ by, ended }: Use) => ended === 'lost' || ended === 'failed' || crashed.has(by);
      if (earlier.length > 0) sums.again += 1;
      if (use.was !== 'good' && !hasLapsed) dead.add(use.refreshToken);
      if (use.was === 'spent' && earlier.length === 0) unexplained.push(`${use.by}: nobody has spent it`);
      const reason = earlier.find((each) => !isInVain(each));
      if (reason) unexplained.push(`${use.by} after ${reason.by}: ${reason.ended ?? 'under way'}`);
    },
  });
  t.after(() => server.close());
  const clock = {
    now: time.now,
    sleep(ms: number) {
      sums.looks += 1;
      return time.sleep(ms);
    },
  };
  const shared = { clock, newId: randomUUID, keys };
  const call = (): Call => ({ deadline: time.now() + 50_000, priority: 'live' });
  const login = () => saveLogin({ ...shared, table }, server.login(), 'business');
  let names = 0;
  function newContainer() {
    const name = String(++names);
    const { mortal, died } = mortalTable(table, 3 + Math.floor(random() * 300), random() < 0.5);
    const { tokenUrl, ...rest } = server.application;
    const application = { ...rest, tokenUrl: `${tokenUrl}?by=${name}` };
    return { name, tokens: oauthTokens({ ...shared, table: mortal, application }), died };
  }
  const containers = Array.from({ length: 3 }, newContainer);
  /** Since the last login, something happened that may lose a pair for good. */
  let mayBeLost = false;

  async function use(index: number): Promise<void> {
    for (let attempt = 0; attempt < 40; attempt++) {
      const one = containers[index] ?? newContainer();
      const token = await Promise.race([one.tokens.current(call()).catch((error) => error), one.died]);
      if (token === 'died') {
        crashed.add(one.name);
        containers[index] = newContainer();
        sums.crashes += 1;
        mayBeLost = true;
        await time.sleep(2_000);
        continue;
      }
      if (!(token instanceof Error) && server.accepts(token.text)) {
        sums.tokens += 1;
        return;
      }
      const answer =
        token instanceof Error
          ? token
          : await Promise.race([one.tokens.insteadOf(token, call()).catch((error) => error), one.died]);
      if (answer instanceof ReconnectNeededError) return;
      if (answer instanceof RemoteUnavailableError) sums.waits += 1;
      await time.sleep(answer instanceof RemoteUnavailableError ? 31_000 : 1_000);
    }
    assert.fail('neither a good token nor a connection that is said to be lost');
  }
  const useAll = () => time.together(containers.map((_, index) => () => use(index)));

  await login();
  const end = time.now() + 365 * dayMs;
  while (time.now() < end) {
    time.pass((20 + 80 * random()) * minute);
    const luck = random();
    if (luck < 0.01) {
      server.next('answer lost');
      sums.lost += 1;
    } else if (luck < 0.03) server.next(random() < 0.5 ? 'error' : 'html');
    if (luck > 0.998) {
      server.revoke();
      sums.revoked += 1;
    } else if (luck > 0.995 && !hasLapsed) {
      server.lapse(true);
      hasLapsed = true;
      sums.lapses += 1;
    }
    if (luck < 0.01 || luck > 0.995) mayBeLost = true;
    await useAll();
    const { connection } = await tokenState(table, server.application);
    if (connection !== 'reconnect-needed') continue;
    assert.ok(mayBeLost, 'nothing has happened that could have lost the connection');
    // Nobody asks any more until somebody logs in.
    const before = server.seen.requests;
    time.pass(5 * hour * random());
    await useAll();
    assert.equal(server.seen.requests, before);
    server.lapse(false);
    hasLapsed = false;
    await login();
    sums.logins += 1;
    mayBeLost = false;
  }
  const said = JSON.stringify({ ...sums, ...server.seen, deadPairs: dead.size });
  t.diagnostic(said);
  assert.deepEqual(unexplained, []);
  const issued = everyUse.filter(({ ended }) => ended === 'issued' || ended === 'lost');
  assert.equal(new Set(issued.map(({ refreshToken }) => refreshToken)).size, issued.length);
  // Each dead pair ended with a login, and was hardly ever asked for twice: by whoever lived to tell.
  assert.equal(dead.size, sums.logins - sums.lapses, said);
  assert.ok(server.seen.dead < 1.1 * dead.size, said);
  // Containers did wait for one another's refreshes, and had their mishaps.
  assert.ok(sums.looks > 1_000 && sums.again > 50 && server.seen.refreshes > 1_000, said);
  assert.ok(sums.crashes > 100 && sums.lost > 20 && sums.lapses > 5 && sums.revoked > 5, said);
});
