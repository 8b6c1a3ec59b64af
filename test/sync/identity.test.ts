import assert from 'node:assert/strict';
import { after, before, describe, type TestContext, test } from 'node:test';
import { localBusinessId } from '../../infra/local/wave/server.ts';
import { checkIdentity, registrations } from '../../lib/app.ts';
import { webhooksApi } from '../../lib/customcrm/webhooks-api.ts';
import { SettingsError } from '../../lib/errors.ts';
import { lastRestore } from '../../lib/sync/identity.ts';
import { tidy } from '../../lib/sync/janitor.ts';
import { pause, pauses, resume } from '../../lib/sync/pause.ts';
import { pollWave } from '../../lib/sync/poll-wave.ts';
import { noteOf, stackId, stopBesideOthers } from '../../lib/sync/registrations.ts';
import { type Database, type SyncWorld, startDatabase, startSyncWorld } from '../support/sync-world.ts';

let database: Database;
before(async () => {
  database = await startDatabase();
});
after(() => database.close());

async function started(t: TestContext, beside?: SyncWorld): Promise<SyncWorld> {
  const world = await startSyncWorld(database, {}, { ...(beside && { beside }) });
  t.after(world.close);
  return world;
}

/** A container of this stack starts, with these settings in place of its own. */
const begin = ({ connections }: SyncWorld, changed: Partial<SyncWorld['connections']['config']> = {}) =>
  checkIdentity({ ...connections, config: { ...connections.config, ...changed } });
const everyPause = async ({ engine }: SyncWorld) =>
  (await pauses(engine)).map(({ scope, reason }) => `${scope}: ${reason}`);

describe('a table of links', () => {
  test('refuses to serve another Customcrm than before, and says what changed', async (t) => {
    const world = await started(t);
    await begin(world);
    await begin(world);
    const moved = begin(world, { CUSTOMCRM_API_URL: 'https://other.example/api/v1' });
    await assert.rejects(moved, new RegExp(`${SettingsError.name}: .*: customcrmUrl changed`));
  });

  test('refuses to serve another business in Wave than before, and says what changed', async (t) => {
    const world = await started(t);
    await begin(world);
    const moved = begin(world, { WAVE_BUSINESS_ID: 'another' });
    await assert.rejects(moved, new RegExp(`${SettingsError.name}: .*: waveBusinessId changed`));
  });

  test('stands still after a restore until a person goes on, and then is its own again', async (t) => {
    const world = await started(t);
    await begin(world);
    const key = { pk: 'identity', sk: 'stack' };
    const identity = await world.engine.table.get(key);
    assert.ok(identity?.tableId, 'the table tells its id');
    await world.engine.table.write([{ put: { ...identity, ...key, tableId: 'before the restore' } }]);
    await pause(world.engine, 'all', 'by the operator');
    await begin(world);
    const reason = 'all: by the operator; the table was restored from a backup: run preview, then resume all';
    assert.deepEqual(await everyPause(world), [reason]);
    const restoredAt = await lastRestore(world.engine);
    assert.ok(restoredAt !== undefined && restoredAt <= world.engine.clock.now());
    await resume(world.engine, 'all');
    await begin(world);
    assert.deepEqual(await everyPause(world), []);
    assert.equal(await lastRestore(world.engine), restoredAt);
  });
});

describe('the age of the polls', () => {
  test('is counted from the first start for a system that was never read, so that a wrong first deployment shows', async (t) => {
    const world = await started(t);
    await begin(world);
    world.pass(3600_000);
    await begin(world);
    const ages = async () => (await tidy(world.engine)).pollAgesMs;
    for (const age of await ages()) assert.ok(age >= 3600_000);
    assert.equal((await ages()).length, 2);
    await pollWave(world.engine, world.call());
    const [customcrm, wave] = await ages();
    assert.ok(Number(customcrm) >= 3600_000 && Number(wave) < 3600_000);
  });

  test('is counted from now on for a stack that older code has started', async (t) => {
    const world = await started(t);
    await begin(world);
    const key = { pk: 'identity', sk: 'stack' };
    const identity = await world.engine.table.get(key);
    await world.engine.table.write([{ put: { ...identity, ...key, startedAt: undefined } }]);
    assert.deepEqual((await tidy(world.engine)).pollAgesMs, []);
    await begin(world);
    assert.equal((await tidy(world.engine)).pollAgesMs.length, 2);
    assert.deepEqual(await everyPause(world), []);
  });
});

describe('two stacks on one pair of systems', () => {
  const listed = ({ connections, call }: SyncWorld) => registrations(connections.customcrm, call());
  async function register(world: SyncWorld, waveBusinessId = localBusinessId): Promise<string> {
    const note = noteOf({ id: await stackId(world.engine), waveBusinessId });
    const api = webhooksApi(world.connections.customcrm);
    return (await api.register('https://a.example/webhooks/customcrm', note, world.call())).Id;
  }
  const remove = (world: SyncWorld, id: string) =>
    webhooksApi(world.connections.customcrm).remove(id, world.call());
  /** What every invocation of the poll of Customcrm begins with. */
  const look = async (world: SyncWorld) =>
    stopBesideOthers(world.engine, localBusinessId, await listed(world));

  test('the second one does not start, and leaves nothing behind', async (t) => {
    const first = await started(t);
    await begin(first);
    const id = await register(first);
    const second = await started(t, first);
    await assert.rejects(begin(second), new RegExp(`${SettingsError.name}: .*webhooks remove ${id}, or`));
    assert.deepEqual(await second.items(), []);
    await remove(first, id);
    await begin(second);
  });

  test('a stack that is registered starts again and again', async (t) => {
    const world = await started(t);
    await begin(world);
    await register(world);
    await begin(world);
    assert.equal(await look(world), false);
    assert.deepEqual(await everyPause(world), []);
  });

  test('one that nobody has registered stops once another one is there, until that is removed', async (t) => {
    const [first, second] = await twoStarted(t);
    const id = await register(second);
    assert.deepEqual([await look(first), await look(second)], [true, false]);
    await look(first);
    const reason = `all: another stack on this Customcrm and this Wave business is active: webhooks remove ${id}, then resume all`;
    assert.deepEqual(await everyPause(first), [reason]);
    assert.deepEqual(await everyPause(second), []);
    await remove(first, id);
    await resume(first.engine, 'all');
    assert.equal(await look(first), false);
    assert.deepEqual(await everyPause(first), []);
  });

  test('of two that are registered both stop, and each names the other', async (t) => {
    const [first, second] = await twoStarted(t);
    const ids = [await register(first), await register(second)];
    for (const [world, other] of [
      [first, ids[1]],
      [second, ids[0]],
    ] as const) {
      assert.equal(await look(world), true);
      assert.match((await everyPause(world)).join(), new RegExp(`^all: .* webhooks remove ${other}, then`));
    }
  });

  test('another business, a subscription that is off, and strangers are nobody’s concern', async (t) => {
    const [first, second] = await twoStarted(t);
    const id = await register(second, 'another business');
    const api = webhooksApi(first.connections.customcrm);
    await api.register('https://b.example', 'Accounting', first.call());
    await api.register('https://c.example', '', first.call());
    assert.equal(await look(first), false);
    const others = await listed(first);
    const sleeping = others.map((each) => ({ ...each, isActive: each.id !== id }));
    assert.equal(await stopBesideOthers(first.engine, 'another business', sleeping), false);
    assert.equal(await stopBesideOthers(first.engine, 'another business', others), true);
  });

  test('a Customcrm that does not answer proves nothing: a new stack starts, a known one goes on', async (t) => {
    const first = await started(t);
    await register(first);
    const second = await started(t, first);
    await fetch(`${first.systems.customcrm.origin}/_control/faults`, {
      method: 'POST',
      headers: { authorization: 'Bearer local', 'content-type': 'application/json' },
      body: JSON.stringify({ serverError: 1 }),
    });
    await begin(second);
    assert.equal(await stopBesideOthers(second.engine, localBusinessId, undefined), false);
    assert.deepEqual(await everyPause(second), []);
  });

  async function twoStarted(t: TestContext): Promise<readonly [SyncWorld, SyncWorld]> {
    const first = await started(t);
    const second = await started(t, first);
    await begin(first);
    await begin(second);
    return [first, second];
  }
});
