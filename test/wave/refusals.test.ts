import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ReconnectNeededError } from '../../lib/errors.ts';
import type { Records } from '../../lib/sync/ports.ts';
import { connectionState, tokensInUse } from '../../lib/wave/refusals.ts';
import { fullAccessToken, saveLogin } from '../../lib/wave/tokens.ts';
import { startWaveScript } from '../support/wave-script.ts';
import { callIn, connected, customerBody, startCountedWave } from './connected.ts';
import { memoryTable } from './memory-table.ts';
import { startTokenServer } from './token-server.ts';

const minute = 60_000;
const keys = [{ id: 'k1', secret: new Uint8Array(32).fill(7) }] as const;

/** What containers of one stack share. */
function sharing() {
  let passedMs = 0;
  const clock = { now: () => Date.now() + passedMs, sleep: (ms: number) => sleep(ms) };
  const table = memoryTable();
  return {
    table,
    clock,
    pass(ms: number) {
      passedMs += ms;
    },
  };
}
const longCall = () => callIn(24 * 3600_000);
/** Reads this record twenty times at once; how often a person must reconnect first. */
async function refusalsOf(records: Records, id: string): Promise<number> {
  const ends = await Promise.allSettled(
    Array.from({ length: 20 }, () => records.read('customer', id, longCall())),
  );
  return ends.filter((end) => end.status === 'rejected' && end.reason instanceof ReconnectNeededError).length;
}

describe('a plan that lapsed', () => {
  let wave: Awaited<ReturnType<typeof startCountedWave>>;
  let id: string;
  before(async () => {
    wave = await startCountedWave();
    id = (await connected(wave.url).records.create('customer', customerBody('Lapsed'), '', callIn())).id;
  });
  beforeEach(() => wave.behave({ planLapsed: false }));
  after(() => wave.close());

  test('stops all containers of a full-access token after a request or two; one of them tries again after a while', async () => {
    const shared = sharing();
    const containers = Array.from(
      { length: 3 },
      () => connected(wave.url, { operations: 1, inFlight: 2 }, shared).records,
    );
    const state = async () => (await connectionState(shared.table, 'local')).connection;
    const [first] = containers;
    assert.ok(first);
    assert.equal(await refusalsOf(first, id), 0);
    assert.equal(await state(), 'good');

    await wave.behave({ planLapsed: true });
    const before = await wave.forbidden();
    const asked = async () => (await wave.forbidden()) - before;
    for (const records of containers) assert.equal(await refusalsOf(records, id), 20);
    // Two are under way at once.
    assert.ok((await asked()) <= 2, `${await asked()} requests`);
    assert.equal(await state(), 'reconnect-needed');
    // Nor does anybody reach for the budget in vain.
    const slots = () => shared.table.items.get('budget#wave slots')?.revision;
    const taken = slots();
    assert.equal(await refusalsOf(first, id), 20);
    assert.equal(slots(), taken);

    for (let tried = 1; tried <= 3; tried++) {
      const already = await asked();
      shared.pass(6 * minute);
      const refused = await Promise.all(containers.map((records) => refusalsOf(records, id)));
      assert.deepEqual(refused, [20, 20, 20]);
      assert.equal((await asked()) - already, 1);
    }

    await wave.behave({ planLapsed: false });
    assert.equal(await refusalsOf(first, id), 20);
    assert.equal(await state(), 'reconnect-needed');
    shared.pass(6 * minute);
    await first.read('customer', id, longCall());
    assert.equal(await state(), 'good');
    for (const records of containers) assert.equal(await refusalsOf(records, id), 0);
  });

  test('says nothing about another token: it is tried at once', async () => {
    const shared = sharing();
    await wave.behave({ planLapsed: true });
    assert.equal(await refusalsOf(connected(wave.url, {}, shared).records, id), 20);
    await wave.behave({ planLapsed: false });
    const { accessToken: access } = await wave.login();
    assert.equal(await refusalsOf(connected(wave.url, {}, shared).records, id), 20);
    assert.equal(await refusalsOf(connected(wave.url, { access }, shared).records, id), 0);
    assert.deepEqual(
      [
        (await connectionState(shared.table, 'local')).connection,
        (await connectionState(shared.table, access)).connection,
      ],
      ['reconnect-needed', 'good'],
    );
  });

  test('asks with the tokens of a login once, tries to renew them once, and waits for another login', async () => {
    const shared = sharing();
    const { application } = wave;
    const containers = Array.from(
      { length: 3 },
      () => connected(wave.url, { access: application, inFlight: 1, operations: 1 }, shared).records,
    );
    const login = async () =>
      saveLogin({ ...shared, newId: randomUUID, keys }, await wave.login(), 'business');
    await login();
    const [first] = containers;
    assert.ok(first);
    assert.equal(await refusalsOf(first, id), 0);
    shared.pass(2 * minute);

    await wave.behave({ planLapsed: true });
    const before = await wave.forbidden();
    for (const records of containers) assert.equal(await refusalsOf(records, id), 20);
    assert.equal((await wave.forbidden()) - before, 1);
    const state = await connectionState(shared.table, application);
    assert.equal(state.connection, 'reconnect-needed');
    shared.pass(60 * minute);
    for (const records of containers) assert.equal(await refusalsOf(records, id), 20);
    assert.equal((await wave.forbidden()) - before, 1);

    await wave.behave({ planLapsed: false });
    await login();
    for (const records of containers) assert.equal(await refusalsOf(records, id), 0);
    assert.equal((await connectionState(shared.table, application)).connection, 'good');
  });
});

test('the one try that is due is taken by one container, however many ask at the same moment', async () => {
  const shared = { ...sharing(), table: memoryTable({ before: () => sleep(1) }) };
  const containers = Array.from({ length: 5 }, () => tokensInUse(fullAccessToken('one'), shared));
  const [first] = containers;
  assert.ok(first);
  await assert.rejects(first.insteadOf(await first.current(callIn()), callIn()), ReconnectNeededError);
  for (let tried = 1; tried <= 3; tried++) {
    shared.pass(6 * minute);
    const ends = await Promise.allSettled(containers.map((tokens) => tokens.current(callIn())));
    assert.equal(ends.filter(({ status }) => status === 'fulfilled').length, 1);
  }
});

test('renewed tokens that are refused as well are not renewed again: one request tries them now and then', async () => {
  const shared = sharing();
  let isOpen = false;
  const script = await startWaveScript(() =>
    isOpen
      ? { body: { data: { business: { id: 'other' } } } }
      : { status: 403, body: '<html>Forbidden</html>' },
  );
  const server = await startTokenServer(shared.clock.now);
  try {
    const { application } = server;
    await saveLogin({ ...shared, newId: randomUUID, keys }, server.login(), 'business');
    shared.pass(2 * minute);
    const { records } = connected(script.url, { access: application, inFlight: 1, operations: 1 }, shared);
    assert.equal(await refusalsOf(records, 'C1'), 20);
    // The token of the login, and the renewed one.
    assert.deepEqual([script.received.length, server.seen.refreshes], [2, 1]);
    assert.equal((await connectionState(shared.table, application)).connection, 'reconnect-needed');
    for (let tried = 1; tried <= 3; tried++) {
      shared.pass(6 * minute);
      assert.equal(await refusalsOf(records, 'C1'), 20);
      assert.deepEqual([script.received.length, server.seen.refreshes], [2 + tried, 1]);
    }
    await saveLogin({ ...shared, newId: randomUUID, keys }, server.login(), 'business');
    isOpen = true;
    assert.equal(await refusalsOf(records, 'C1'), 0);
    assert.equal((await connectionState(shared.table, application)).connection, 'good');
  } finally {
    await script.close();
    await server.close();
  }
});
