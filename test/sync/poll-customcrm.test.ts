import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { customcrmClient } from '../../lib/customcrm/client.ts';
import { customcrmRecords } from '../../lib/customcrm/records.ts';
import type { Body } from '../../lib/domain/record.ts';
import { RemoteOutcomeUnknownError, RemoteRejectedError, RemoteUnavailableError } from '../../lib/errors.ts';
import type { Engine } from '../../lib/sync/engine.ts';
import { pollCustomcrm } from '../../lib/sync/poll-customcrm.ts';
import type { Change, Records } from '../../lib/sync/ports.ts';
import { recordStateOf } from '../../lib/sync/record-state.ts';
import { startSweep, sweep } from '../../lib/sync/sweep.ts';
import { linkedPair, linkOf, ring } from '../support/sync-steps.ts';
import { type Database, type SyncWorld, startDatabase, startSyncWorld } from '../support/sync-world.ts';

let database: Database;
before(async () => {
  database = await startDatabase();
});
after(() => database.close());

const minuteMs = 60_000;

/** A Customcrm of which one node stamped one record by a clock that runs ten minutes ahead. */
function withFastClock(world: SyncWorld, id: string): Engine {
  const { customcrm } = world.engine.systems;
  const stamped = (change: Change): Change =>
    change.state === 'living' && change.snapshot.id === id
      ? { ...change, snapshot: { ...change.snapshot, modifiedAt: change.snapshot.createdAt + 10 * minuteMs } }
      : change;
  return {
    ...world.engine,
    systems: {
      ...world.engine.systems,
      customcrm: {
        ...customcrm,
        async changedSince(pair, since, cursor, call) {
          const page = await customcrm.changedSince(pair, since, cursor, call);
          return { ...page, changes: page.changes.map(stamped) };
        },
      },
    },
  };
}

describe('the poll of Customcrm', () => {
  test('does not follow a stamp from the future: what changes before that is seen', async (t) => {
    const world = await startSyncWorld(database, { startedPairs: () => true });
    t.after(world.close);
    const { crm, wave } = await linkedPair(world, 'customer', { Name: 'One' });
    const odd = await world.make('customcrm', 'customer', { Name: 'Odd' });
    const engine = withFastClock(world, odd.id);
    await pollCustomcrm(engine, world.call());
    await world.edit(crm, { Phone: '7' });
    await pollCustomcrm(engine, world.call());
    await world.drain(engine);
    assert.equal((await world.read(wave)).phone, '7');
  });
});

const hourMs = 60 * minuteMs;
const pageSize = 2;

/** A Customcrm whose pages are small, and what it was asked for. @param aheadMs of its clock: rows that are there since long are not recent */
function smallPages(world: SyncWorld, aheadMs: number) {
  const asked: Record<string, unknown>[] = [];
  const client = customcrmClient({ url: world.systems.customcrm.url, token: 'local', timeoutMs: 10_000 });
  const records = customcrmRecords(async (request, call) => {
    const query = request.query?.limit ? { ...request.query, limit: pageSize } : request.query;
    if (request.path.endsWith('customers') && query) asked.push(query);
    const answer = await client({ ...request, ...(query && { query }) }, call);
    return { ...answer, date: answer.date + aheadMs };
  });
  const engineWith = (customcrm: Records): Engine => ({
    ...world.engine,
    systems: { ...world.engine.systems, customcrm },
  });
  return { asked, records, engineWith, engine: engineWith(records) };
}

describe('a list of Customcrm that takes longer than a run', () => {
  /** One page more than what a run reads in any case. */
  const names = ['A', 'B', 'C', 'D', 'E', 'F', 'G', 'H'];
  const readAnyway = 6;
  async function customers(world: SyncWorld) {
    const made = [];
    for (const Name of names) made.push(await world.make('customcrm', 'customer', { Name }));
    return made.map(({ id }) => id);
  }
  /** By the engine's clock there is no time for more than it reads in any case; a request has a minute. */
  function shortly(world: SyncWorld) {
    world.pass(minuteMs);
    return world.call(500);
  }
  const rungIn = (world: SyncWorld) => world.takeRung().map(({ id }) => id);

  test('is read on by the next one, where it was left', async (t) => {
    const world = await startSyncWorld(database, { startedPairs: () => true });
    t.after(world.close);
    const ids = await customers(world);
    const { engine, asked } = smallPages(world, hourMs);
    assert.equal((await pollCustomcrm(engine, shortly(world))).complete, false);
    assert.deepEqual(rungIn(world), ids.slice(0, readAnyway));
    asked.splice(0);
    assert.equal((await pollCustomcrm(engine, world.call())).complete, true);
    assert.deepEqual(rungIn(world), ids.slice(readAnyway));
    assert.deepEqual(
      asked.map((query) => 'cursor' in query),
      [true, false],
      'and its end again, by the time that it was read to',
    );
  });

  test('carries over also what was edited again while it was read, and is on two of its pages', async (t) => {
    const world = await startSyncWorld(database, { startedPairs: () => true });
    t.after(world.close);
    const { crm, wave } = await linkedPair(world, 'customer', { Name: 'One', Phone: '1' });
    await world.poll();
    await world.drain();
    await world.edit(crm, { Phone: '2' });
    await customers(world);
    const { records, engineWith } = smallPages(world, 0);
    let isEditedAgain = false;
    const watched = engineWith({
      ...records,
      async changedSince(pair, since, cursor, call) {
        if (cursor !== undefined && !isEditedAgain) {
          isEditedAgain = true;
          await world.drain();
          assert.equal((await world.read(wave)).phone, '2');
          await world.edit(crm, { Phone: '3' });
        }
        return records.changedSince(pair, since, cursor, call);
      },
    });
    await pollCustomcrm(watched, world.call());
    assert.ok(isEditedAgain);
    await world.drain();
    assert.equal((await world.read(wave)).phone, '3');
  });

  for (const [what, error] of [
    ['is not taken any more', new RemoteRejectedError('customcrm', 'HTTP 400')],
    ['breaks the list', new RemoteUnavailableError('customcrm', 'HTTP 500')],
  ] as const)
    test(`is begun anew when its cursor ${what}, and nothing of it is missed`, async (t) => {
      const world = await startSyncWorld(database, { startedPairs: () => true });
      t.after(world.close);
      const ids = await customers(world);
      const { records, engine, engineWith } = smallPages(world, hourMs);
      let refused = 0;
      const forgetful = engineWith({
        ...records,
        async changedSince(pair, since, cursor, call) {
          if (cursor === undefined || refused > 0) return records.changedSince(pair, since, cursor, call);
          refused += 1;
          throw error;
        },
      });
      await pollCustomcrm(engine, shortly(world));
      assert.deepEqual(rungIn(world), ids.slice(0, readAnyway));
      assert.equal((await pollCustomcrm(forgetful, world.call())).complete, true);
      assert.equal(refused, 1);
      assert.deepEqual([...new Set(rungIn(world))], ids.slice(readAnyway));
    });

  test('is begun anew when its cursor is old: it may stand for a list as it was then', async (t) => {
    const world = await startSyncWorld(database, { startedPairs: () => true });
    t.after(world.close);
    await customers(world);
    const { engine, asked } = smallPages(world, hourMs);
    await pollCustomcrm(engine, shortly(world));
    asked.splice(0);
    world.pass(11 * minuteMs);
    assert.equal((await pollCustomcrm(engine, world.call())).complete, true);
    assert.equal('cursor' in (asked[0] ?? {}), false);
  });

  test('is read again from before what is recent: a row may come later than its stamp says', async (t) => {
    const world = await startSyncWorld(database, { startedPairs: () => true });
    t.after(world.close);
    const [late, ...others] = await customers(world);
    const { records, engine, engineWith } = smallPages(world, 0);
    const lagging = engineWith({
      ...records,
      async changedSince(...given) {
        const page = await records.changedSince(...given);
        const shows = (change: Change) => change.state !== 'living' || change.snapshot.id !== late;
        return { ...page, changes: page.changes.filter(shows) };
      },
    });
    assert.equal((await pollCustomcrm(lagging, shortly(world))).complete, false);
    assert.equal((await pollCustomcrm(lagging, world.call())).complete, true);
    assert.deepEqual([...new Set(rungIn(world))].sort(), others.sort());
    await pollCustomcrm(engine, world.call());
    assert.ok(rungIn(world).includes(String(late)));
  });
});

/** A Customcrm that shows this row otherwise than the contract says, in lists and alone. */
function spoiling(world: SyncWorld, id: string, spoilt: Body): Engine {
  const client = customcrmClient({ url: world.systems.customcrm.url, token: 'local', timeoutMs: 10_000 });
  const spoil = (row: Body) => (row.Id === id ? { ...row, ...spoilt } : row);
  const customcrm: Records = customcrmRecords(async (request, call) => {
    const answer = await client(request, call);
    const body = (answer.body ?? {}) as Body;
    const { data } = body;
    return {
      ...answer,
      body: Array.isArray(data) ? { ...body, data: data.map((row) => spoil(row as Body)) } : spoil(body),
    };
  });
  return { ...world.engine, systems: { ...world.engine.systems, customcrm } };
}

describe('a row of Customcrm that breaks the contract', () => {
  test('is shown as failed and holds up nobody else, until it can be read', async (t) => {
    const world = await startSyncWorld(database, { startedPairs: () => true });
    t.after(world.close);
    const bad = await world.make('customcrm', 'customer', { Name: 'Broken', City: 'Halifax' });
    const engine = spoiling(world, bad.id, { City: 3 });
    const next = await world.make('customcrm', 'customer', { Name: 'Next' });
    await pollCustomcrm(engine, world.call());
    assert.deepEqual(
      world.takeRung().map(({ id }) => id),
      [bad.id, next.id],
    );
    assert.deepEqual(await recordStateOf(engine, bad), {
      state: 'failed',
      reason: 'not what the contract says: City',
    });
    await world.drain(engine);
    assert.ok(await world.counterpart(next));
    await pollCustomcrm(engine, world.call());
    const again = world.takeRung().filter(({ id }) => id === bad.id);
    assert.deepEqual(again, [], 'it waits: its worker looks at it again');
    const news = world.outcomes.filter(
      ({ message, id, again }) => message === 'record failed' && id === bad.id && !again,
    );
    assert.equal(news.length, 1);
    await ring(world, bad);
    assert.ok(await world.counterpart(bad));
    assert.equal(await recordStateOf(engine, bad), undefined);
  });

  test('is passed by a sweep as well, which rings for it, and takes no link for missing', async (t) => {
    const world = await startSyncWorld(database, { startedPairs: () => true });
    t.after(world.close);
    const { crm } = await linkedPair(world, 'customer', { Name: 'Broken', City: 'Halifax' });
    const next = await world.make('customcrm', 'customer', { Name: 'Next' });
    const engine = spoiling(world, crm.id, { City: 3 });
    await startSweep(engine, { pairs: ['customer'] });
    const progress = await sweep(engine, world.call(300_000));
    assert.equal(progress?.stopped, undefined);
    assert.deepEqual(
      world
        .takeRung()
        .map(({ id }) => id)
        .sort(),
      [crm.id, next.id].sort(),
    );
    assert.equal((await recordStateOf(engine, crm))?.state, 'failed');
    await world.drain(engine);
    assert.ok(await linkOf(world, crm));
  });

  test('may be the result of an unanswered create: nothing is concluded from that it was not found', async (t) => {
    const world = await startSyncWorld(database, { startedPairs: () => true });
    t.after(world.close);
    const wave = await world.make('wave', 'customer', { name: 'One' });
    const { customcrm } = world.engine.systems;
    let made = '';
    let creates = 0;
    const lost: Engine = {
      ...world.engine,
      systems: {
        ...world.engine.systems,
        customcrm: {
          ...customcrm,
          async create(...args) {
            creates += 1;
            made = (await customcrm.create(...args)).id;
            throw new RemoteOutcomeUnknownError('customcrm', 'no answer');
          },
        },
      },
    };
    await ring(world, wave, lost);
    const blind = spoiling(world, made, { City: 3 });
    for (let look = 1; look <= 4; look++) {
      world.pass(3 * minuteMs);
      const handled = await ring(world, wave, {
        ...blind,
        systems: {
          ...lost.systems,
          customcrm: { ...lost.systems.customcrm, changedSince: blind.systems.customcrm.changedSince },
        },
      });
      assert.ok(handled.did === 'parked' && handled.cause.name !== 'settle', JSON.stringify(handled));
    }
    assert.equal(creates, 1);
    await ring(world, wave);
    assert.equal((await world.counterpart(wave))?.id, made);
  });

  test('and has no id stops its list: nobody could find it again', async (t) => {
    const world = await startSyncWorld(database, { startedPairs: () => true });
    t.after(world.close);
    const bad = await world.make('customcrm', 'customer', { Name: 'Broken' });
    const engine = spoiling(world, bad.id, { Id: null });
    const poll = pollCustomcrm(engine, world.call());
    await assert.rejects(poll, RemoteUnavailableError);
    await assert.rejects(poll, /a customer is not what the contract says: Id/);
  });
});
