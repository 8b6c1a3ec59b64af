import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Pair, Snapshot } from '../../lib/domain/record.ts';
import { RemoteUnavailableError } from '../../lib/errors.ts';
import type { Engine } from '../../lib/sync/engine.ts';
import { findLink } from '../../lib/sync/links.ts';
import { park, wakeOverdue } from '../../lib/sync/parking.ts';
import { pollWave } from '../../lib/sync/poll-wave.ts';
import { recordStateOf } from '../../lib/sync/record-state.ts';
import { startSweep, sweep } from '../../lib/sync/sweep.ts';
import type { WaveError } from '../../lib/wave/answer.ts';
import type { WaveClient } from '../../lib/wave/client.ts';
import { namedChanges } from '../../lib/wave/documents.ts';
import { waveFeed } from '../../lib/wave/feed.ts';
import { waveRecords } from '../../lib/wave/records.ts';
import { linkedPair, withWave } from '../support/sync-steps.ts';
import { type Database, type SyncWorld, startDatabase, startSyncWorld } from '../support/sync-world.ts';

let database: Database;
before(async () => {
  database = await startDatabase();
});
after(() => database.close());

const dayMs = 24 * 3600_000;
const minuteMs = 60_000;
const allStarted = { startedPairs: () => true };

describe('a poll of a Wave that takes only so much at once', () => {
  test('rings for every row of one stamp once, while its pages become smaller and another process goes on', async (t) => {
    const world = await startSyncWorld(database, allStarted);
    t.after(world.close);
    await world.behave({ stampResolutionMs: dayMs });
    for (let some = 0; some < 6; some++)
      await Promise.all(
        Array.from({ length: 40 }, (_, index) =>
          world.make('wave', 'customer', { name: `Row ${some} ${index}` }),
        ),
      );
    const sizes: number[] = [];
    const watched: Engine = {
      ...world.engine,
      feed: {
        ...world.engine.feed,
        async changes(from, call) {
          if (sizes.length === 1) await world.behave({ maximumCost: 60 });
          if (sizes.length === 3) await world.behave({ maximumCost: 7 });
          if (sizes.length === 6) throw new Error('killed');
          const page = await world.engine.feed.changes(from, call);
          sizes.push(page.lists.customer?.snapshots.length ?? 0);
          return page;
        },
      },
    };
    await assert.rejects(pollWave(watched, world.call()), /killed/);
    assert.deepEqual(sizes, [100, 50, 50, 5, 5, 5]);
    await world.behave({ maximumCost: 0 });
    const { complete } = await pollWave(world.container(), world.call());
    assert.equal(complete, true);
    const rung = world.takeRung().filter(({ pair }) => pair === 'customer');
    assert.equal(rung.length, 240);
    assert.equal(new Set(rung.map(({ id }) => id)).size, 240);
  });

  test('and of which two records are read together still proves a deletion', async (t) => {
    const world = await startSyncWorld(database, allStarted);
    t.after(world.close);
    await world.behave({ maximumCost: 2 });
    const made = await Promise.all(
      ['Gone', 'One', 'Two', 'Three', 'Four', 'Five', 'Six'].map((Name) =>
        world.make('customcrm', 'customer', { Name }),
      ),
    );
    await world.poll();
    await world.drain();
    const [gone] = made;
    assert.ok(gone);
    const there = await world.counterpart(gone);
    assert.ok(there);
    await world.inWave('customerDelete', { id: there.id });
    for (let look = 1; look <= 2; look++) {
      await world.engine.queues.wave.ring([
        { system: 'wave', pair: 'customer', id: there.id, eventId: `look ${look}`, at: Date.now() },
      ]);
      await world.drain();
      world.pass(11 * minuteMs);
    }
    assert.equal(await findLink(world.engine.table, gone), undefined);
    assert.equal(world.outcomes.at(-1)?.because, 'deleted on the other side');
  });
});

const listNames = { customer: 'customers', product: 'products', order: 'invoices' } as const;
type Lists = Readonly<
  Record<string, { readonly edges: readonly { readonly node: { readonly id: string } }[] } | null>
>;

/**
 * A Wave that never shows a part of these records: a part that may be null is null under an error, and any other makes the whole list
 * null. `shows`: their ids, where nothing else is asked for.
 */
function hiding(
  world: SyncWorld,
  pair: Pair,
  ids: readonly string[],
  part: 'null' | 'list' = 'list',
  shows = true,
) {
  const name = listNames[pair];
  const counted = { requests: 0 };
  const { wave, waveOptions } = world.connections;
  const client: WaveClient = async (document, variables, ...rest) => {
    counted.requests += 1;
    const answer = await wave(document, variables, ...rest);
    const { business } = (answer.data ?? {}) as { readonly business?: Lists };
    const { edges = [] } = business?.[name] ?? {};
    const broken = edges.flatMap(({ node }, index) => (ids.includes(node.id) ? [index] : []));
    if (broken.length === 0) return answer;
    const errors = broken.map(
      (index): WaveError => ({
        message: 'Something happened',
        path: ['business', name, 'edges', index, 'node', 'unitPrice'],
        extensions: { code: 'INTERNAL_SERVER_ERROR' },
      }),
    );
    const list = part === 'list' ? null : business?.[name];
    const named = (document as unknown) === namedChanges && !shows ? { namedProducts: null } : {};
    return { ...answer, errors, data: { business: { ...business, [name]: list, ...named } } as never };
  };
  const engine: Engine = {
    ...world.engine,
    feed: waveFeed(client, waveOptions),
    systems: { ...world.engine.systems, wave: waveRecords(client, waveOptions) },
  };
  return { engine, counted };
}

describe('a poll of Wave of several pages', () => {
  test('carries over also what was edited again while it was at it, and is on two of its pages', async (t) => {
    const world = await startSyncWorld(database, allStarted);
    t.after(world.close);
    const { crm, wave } = await linkedPair(world, 'customer', { Name: 'Corner Bakery', Phone: '1' });
    await world.poll();
    await world.edit(wave, { phone: '2' });
    for (let index = 0; index < 9; index++) await world.make('wave', 'customer', { name: `Row ${index}` });
    // A page holds five rows.
    await world.behave({ maximumCost: 7 });
    let pages = 0;
    const watched: Engine = {
      ...world.engine,
      feed: {
        ...world.engine.feed,
        async changes(from, call) {
          if (pages === 1) {
            await world.behave({ maximumCost: 0 });
            await world.drain();
            await world.edit(wave, { phone: '3' });
          }
          pages += 1;
          return world.engine.feed.changes(from, call);
        },
      },
    };
    await pollWave(watched, world.call());
    assert.ok(pages > 1, `${pages} pages`);
    assert.equal((await world.read(crm)).Phone, '2');
    await world.drain();
    assert.equal((await world.read(crm)).Phone, '3');
  });
});

describe('a poll of Wave that breaks off behind its first page', () => {
  test('leaves the last minute to the next one, as rows may appear later than their stamps say', async (t) => {
    const world = await startSyncWorld(database, allStarted);
    t.after(world.close);
    const made: string[] = [];
    for (let index = 0; index < 120; index++)
      made.push((await world.make('wave', 'customer', { name: `Row ${index}` })).id);
    const [late] = made;
    let pages = 0;
    const lagging: Engine = {
      ...world.engine,
      feed: {
        ...world.engine.feed,
        async changes(from, call) {
          pages += 1;
          if (pages === 3) throw new Error('killed');
          const page = await world.engine.feed.changes(from, call);
          const { customer, ...lists } = page.lists;
          if (!customer) return page;
          const snapshots = customer.snapshots.filter(({ id }) => id !== late);
          return { ...page, lists: { ...lists, customer: { ...customer, snapshots } } };
        },
      },
    };
    await world.behave({ maximumCost: 60 });
    await assert.rejects(pollWave(lagging, world.call()), /killed/);
    world.pass(minuteMs / 2);
    assert.equal((await pollWave(world.container(), world.call())).complete, true);
    assert.ok(world.takeRung().some(({ id }) => id === late));
  });
});

describe('a row of Wave that cannot be read', () => {
  const products = async (world: SyncWorld, count: number) => {
    const made: string[] = [];
    for (let index = 0; index < count; index++)
      made.push((await world.make('wave', 'product', { name: `Product ${index}`, unitPrice: '1' })).id);
    return made;
  };

  for (const part of ['list', 'null'] as const)
    test(`is named, shown as failed, and passed, also when its error makes ${part === 'list' ? 'the list' : 'a part'} null`, async (t) => {
      const world = await startSyncWorld(database, allStarted);
      t.after(world.close);
      const made = await products(world, 60);
      const [, bad = ''] = made.slice(36);
      const { engine, counted } = hiding(world, 'product', [bad], part);
      const { complete } = await pollWave(engine, world.call());
      assert.equal(complete, true);
      const rung = new Set(world.takeRung().map(({ id }) => id));
      assert.deepEqual(
        made.filter((id) => !rung.has(id)),
        [],
      );
      const ref = { system: 'wave', pair: 'product', id: bad } as const;
      assert.deepEqual(await recordStateOf(engine, ref), {
        state: 'failed',
        reason: 'Wave does not show unitPrice',
      });
      assert.ok(counted.requests < 50, `${counted.requests} requests`);
      const before = counted.requests;
      await pollWave(engine, world.call());
      assert.ok(counted.requests - before < 10, `${counted.requests - before} requests`);
    });

  test('is told of by its place where Wave shows no id, and passed', async (t) => {
    const world = await startSyncWorld(database, allStarted);
    t.after(world.close);
    const made = await products(world, 4);
    const [bad = '', ...others] = made;
    const { engine } = hiding(world, 'product', [bad], 'list', false);
    const { complete } = await pollWave(engine, world.call());
    assert.equal(complete, true);
    const rung = new Set(world.takeRung().map(({ id }) => id));
    assert.deepEqual(
      others.filter((id) => !rung.has(id)),
      [],
    );
    const [line] = world.outcomes.filter(({ message }) => message === 'record failed');
    assert.match(String(line?.id), /^row \d of products since /);
  });

  test('is passed by a sweep', async (t) => {
    const world = await startSyncWorld(database, allStarted);
    t.after(world.close);
    const made = await products(world, 12);
    const [, , , bad = ''] = made;
    const { engine } = hiding(world, 'product', [bad]);
    await startSweep(engine, { pairs: ['product'] });
    const progress = await sweep(engine, world.call(300_000));
    assert.equal(progress?.stopped, undefined);
    const rung = new Set(world.takeRung().map(({ id }) => id));
    assert.deepEqual(
      made.filter((id) => !rung.has(id)),
      [bad],
    );
    assert.ok(
      world.outcomes.some(({ message, id }) => message === 'record failed' && id === 'row 5 of products'),
    );
  });

  test('is looked at until it can be read, whatever else it waits for', async (t) => {
    const world = await startSyncWorld(database, allStarted);
    t.after(world.close);
    const [bad = ''] = await products(world, 1);
    const ref = { system: 'wave', pair: 'product', id: bad } as const;
    await world.poll();
    world.takeRung();
    const due = world.engine.clock.now() + dayMs;
    await park(world.engine, ref, { name: 'parent', key: 'parent#customcrm#customer#1', due });
    const { engine } = hiding(world, 'product', [bad]);
    const unreadable = withWave(engine, {
      read: () => Promise.reject(new RemoteUnavailableError('wave', 'it does not show a part of it')),
    });
    await pollWave(engine, world.call());
    await world.drain(unreadable);
    assert.equal((await recordStateOf(engine, ref))?.state, 'failed');
    world.takeRung();
    await pollWave(engine, world.call());
    assert.deepEqual(world.takeRung(), []);
    world.pass(minuteMs);
    await wakeOverdue(world.engine);
    await world.drain();
    assert.equal(await recordStateOf(engine, ref), undefined);
    assert.ok(await world.counterpart(ref));
  });

  test('does not stand in the way of a create', async (t) => {
    const world = await startSyncWorld(database, allStarted);
    t.after(world.close);
    const [bad = ''] = await products(world, 1);
    const { engine } = hiding(world, 'product', [bad]);
    const other = await world.make('customcrm', 'customer', { Name: 'Somebody else' });
    await pollWave(engine, world.call());
    await engine.queues.customcrm.ring([
      { system: 'customcrm', pair: 'customer', id: other.id, eventId: 'webhook', at: Date.now() },
    ]);
    await world.drain(engine);
    assert.ok(await world.counterpart(other));
  });

  for (const errors of [[{ message: 'Something happened', path: ['business', 'products'] }], []])
    test(`is not taken for one when a whole list fails, with ${errors.length} errors`, async (t) => {
      const world = await startSyncWorld(database, allStarted);
      t.after(world.close);
      await products(world, 3);
      const { wave, waveOptions } = world.connections;
      let requests = 0;
      const client: WaveClient = async (...args) => {
        requests += 1;
        const answer = await wave(...args);
        const { business } = answer.data as { readonly business: object };
        return { ...answer, errors, data: { business: { ...business, products: null } } as never };
      };
      const engine = { ...world.engine, feed: waveFeed(client, waveOptions) };
      await assert.rejects(pollWave(engine, world.call()), /a list was not read completely/);
      assert.equal(requests, 1);
    });
});

describe('rows of one stamp that fill more than a page', () => {
  /** A Wave with so many customers of one stamp, of which its user edits this one when so many pages were read. */
  function bulk(world: SyncWorld, count: number, edits: Readonly<Record<number, number>>) {
    const stamp = Date.now() - 3600_000;
    const rows: Snapshot[] = Array.from({ length: count }, (_, index) => {
      const id = `w${String(index).padStart(3, '0')}`;
      return {
        system: 'wave',
        pair: 'customer',
        id,
        createdAt: stamp,
        modifiedAt: stamp,
        body: { id, name: `Imported ${index}` },
      };
    });
    let pages = 0;
    const engine: Engine = {
      ...world.engine,
      feed: {
        ...world.engine.feed,
        async changes({ customer }) {
          if (!customer) return { date: Date.now(), lists: {} };
          pages += 1;
          const edited = rows[edits[pages] ?? -1];
          if (edited) rows[rows.indexOf(edited)] = { ...edited, modifiedAt: Date.now() };
          const all = rows
            .filter(({ modifiedAt }) => modifiedAt > Date.parse(customer.after))
            .sort((a, b) => a.modifiedAt - b.modifiedAt || (a.id < b.id ? -1 : 1));
          const snapshots = all.slice(customer.skip ?? 0, (customer.skip ?? 0) + 100);
          return { date: Date.now(), lists: { customer: { snapshots, full: snapshots.length >= 100 } } };
        },
      },
    };
    return { engine, rows, pages: () => pages };
  }

  for (const [when, edits] of [
    ['before the second page', { 3: 0 }],
    ['in each of three walks', { 3: 0, 5: 1, 7: 2 }],
  ] as const)
    test(`are all seen when one of them is edited ${when}`, async (t) => {
      const world = await startSyncWorld(database, allStarted);
      t.after(world.close);
      const { engine, rows } = bulk(world, 150, edits);
      const { complete } = await pollWave(engine, world.call());
      assert.equal(complete, true);
      const rung = new Set(world.takeRung().map(({ id }) => id));
      assert.deepEqual(
        rows.flatMap(({ id }) => (rung.has(id) ? [] : [id])),
        [],
      );
    });

  test('are not walked for ever when somebody edits one each time', async (t) => {
    const world = await startSyncWorld(database, allStarted);
    t.after(world.close);
    const { engine, pages } = bulk(
      world,
      150,
      Object.fromEntries(Array.from({ length: 100 }, (_, page) => [page, page])),
    );
    await pollWave(engine, world.call());
    assert.ok(pages() < 20, `${pages()} pages`);
  });
});
