import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { parseDoorbell } from '../../lib/aws/change-queue.ts';
import { type FingerprintKeys, fingerprints } from '../../lib/domain/fingerprint.ts';
import type { Link } from '../../lib/domain/link.ts';
import type { Body, Pair, RecordRef } from '../../lib/domain/record.ts';
import { canonical } from '../../lib/mappings/mapping.ts';
import { blownSince } from '../../lib/sync/fuses.ts';
import { handleDoorbell } from '../../lib/sync/handle-doorbell.ts';
import { findIntent, openIntent, updateIntent } from '../../lib/sync/intents.ts';
import { holdersOf, indexKeys, keysOf } from '../../lib/sync/key-index.ts';
import { linkKey } from '../../lib/sync/keys.ts';
import { type Lease, takeLease } from '../../lib/sync/leases.ts';
import { findLink } from '../../lib/sync/links.ts';
import { resolve } from '../../lib/sync/operate.ts';
import { showRecord } from '../../lib/sync/show-record.ts';
import { startSweep, sweep } from '../../lib/sync/sweep.ts';
import { type SweepProgress, sweepProgress } from '../../lib/sync/sweep-progress.ts';
import { type Database, type SyncWorld, startDatabase, startSyncWorld } from '../support/sync-world.ts';

let database: Database;
before(async () => {
  database = await startDatabase();
});
after(() => database.close());

const key = (id: string, byte: number) => ({ id, secret: new Uint8Array(32).fill(byte) });
const [old, next] = [key('k1', 7), key('k2', 9)];

const start = () => startSyncWorld(database, { startedPairs: () => true });
/** The same table and systems, as a container with other keys sees them. */
const withKeys = (world: SyncWorld, keys: FingerprintKeys): SyncWorld => ({
  ...world,
  engine: { ...world.engine, settings: { ...world.engine.settings, keys } },
});

const ring = (world: SyncWorld, { system, pair, id }: RecordRef) =>
  handleDoorbell(
    world.engine,
    { system, pair, id, eventId: 'webhook', at: world.engine.clock.now() },
    world.call(),
  );

async function linked(world: SyncWorld) {
  const made = await world.make('customcrm', 'customer', {
    Name: 'North',
    Email: 'north@one.example',
    Fax: '1',
  });
  await world.drain();
  await ring(world, made);
  const there = await world.counterpart(made);
  assert.ok(there);
  return { here: made, there };
}

const hourMs = 3600_000;

/** More links than {@link startSyncWorld}'s fuse lets change at once. */
async function manyLinked(
  world: SyncWorld,
  pair: Pair = 'customer',
  bodyOf = (index: number): Body => ({ Name: `Customer ${index}`, Fax: `${index}` }),
) {
  const made = await Promise.all(
    Array.from({ length: 22 }, (_, index) => world.make('customcrm', pair, bodyOf(index))),
  );
  await fullSweep(world, pair);
  world.takeRung();
  const links = await Promise.all(
    made.map(async (here) => {
      const there = await world.counterpart(here);
      assert.ok(there);
      return { here, there };
    }),
  );
  const [first, ...others] = links;
  assert.ok(first);
  return [first, ...others] as const;
}

/** A whole run, and what its doorbells come to. */
async function fullSweep(
  { engine, call, drain }: SyncWorld,
  pair: Pair = 'customer',
): Promise<SweepProgress> {
  await startSweep(engine, { pairs: [pair] });
  for (let invocation = 1; invocation <= 10; invocation++) {
    await sweep(engine, call());
    await drain(engine);
    const progress = await sweepProgress(engine);
    if (progress?.finishedAt !== undefined) return progress;
  }
  throw new Error('The sweep does not come to its end');
}

async function linkOf(world: SyncWorld, ref: RecordRef): Promise<Link> {
  const link = await findLink(world.engine.table, ref);
  assert.ok(link);
  return link;
}

/** Rewrites the stored link, as another version of the code would have left it. */
async function rewrite(world: SyncWorld, ref: RecordRef, change: (item: Record<string, unknown>) => object) {
  const item = await world.engine.table.get(linkKey(ref));
  assert.ok(item);
  await world.engine.table.write([{ put: { ...item, ...change(item) } }]);
}

const writesOf = async (world: SyncWorld, run: () => Promise<unknown>) => {
  const before = await world.writes();
  await run();
  const now = await world.writes();
  return { customcrm: now.customcrm - before.customcrm, wave: now.wave - before.wave };
};

describe('code that is older or newer than the table', () => {
  test('keeps what it does not know of a link that newer code has written', async (t) => {
    const world = await start();
    t.after(world.close);
    const { here, there } = await linked(world);
    await rewrite(world, here, ({ link }) => ({
      link: {
        ...(link as Link),
        invented: 'later',
        agreed: { ...(link as Link).agreed, wave: { ...(link as Link).agreed.wave, NewRow: 'k1.1.abc' } },
      },
    }));
    await world.edit(here, { Phone: '+1 416 555 0100' });
    await ring(world, here);
    assert.equal((await world.read(there)).phone, '+1 416 555 0100');
    const after = (await linkOf(world, here)) as Link & { readonly invented?: string };
    assert.equal(after.invented, 'later');
    assert.equal(after.agreed.wave.NewRow, 'k1.1.abc');
  });

  test('refuses a link of a form that it cannot read, and leaves the message for code that can', async (t) => {
    const world = await start();
    t.after(world.close);
    const { here } = await linked(world);
    await rewrite(world, here, () => ({ v: 2 }));
    await world.edit(here, { Phone: '+1 416 555 0100' });
    const writes = await writesOf(world, () =>
      assert.rejects(ring(world, here), /has form 2; this version reads form 1/),
    );
    assert.deepEqual(writes, { customcrm: 0, wave: 0 });
  });
});

test('products of which older code noted the tax by its id on both sides are not taken for edited', async (t) => {
  const world = await start();
  t.after(world.close);
  const { keys } = world.engine.settings;
  const [tax] = await world.engine.taxes.taxes(world.call());
  assert.ok(tax);
  const productOf = (index: number): Body => ({
    Name: `Product ${index}`,
    UnitPrice: '5',
    TaxCodes: [tax.abbreviation],
  });
  for (const { here } of await manyLinked(world, 'product', productOf))
    await rewrite(world, here, (item) => {
      const link = item.link as Link;
      const TaxCodes = fingerprints(keys, link.id).of('TaxCodes', canonical([tax.id]));
      const customcrm = { ...link.agreed.customcrm, TaxCodes };
      return { link: { ...link, agreed: { ...link.agreed, customcrm } } };
    });
  const { phase, stopped } = await fullSweep(world, 'product');
  assert.deepEqual([phase, stopped], ['finished', undefined]);
});

describe('what older and newer code share beside links', () => {
  const customer: RecordRef = { system: 'customcrm', pair: 'customer', id: 'shared' };

  test('an open create keeps what older code does not know when it notes another look', async (t) => {
    const world = await start();
    t.after(world.close);
    const { engine } = world;
    const lease: Lease = { ref: customer, owner: 'one', until: engine.clock.now() + 60_000 };
    await takeLease(engine.table, lease, engine.clock.now());
    const sent = { opId: 'op', bodyHash: '', startedAt: 1, sentAt: 1, attempts: 1, keys: [], sent: {} };
    const newer = { origin: customer, ...sent, invented: 'later' };
    assert.deepEqual(await openIntent(engine, newer, lease), { opened: true });
    const found = await findIntent(engine, customer);
    assert.ok(found);
    assert.ok(await updateIntent(engine, found, { ...found, lookedUpAt: 2 }, lease));
    assert.deepEqual(await findIntent(engine, customer), { ...newer, lookedUpAt: 2 });
  });

  test('a sweep that older code began goes on', async (t) => {
    const world = await start();
    t.after(world.close);
    await linked(world);
    await startSweep(world.engine, { pairs: ['customer'] });
    const run = await world.engine.table.get({ pk: 'sweep', sk: 'run' });
    assert.ok(run);
    const seen = { rows: 1, linked: 1, changed: 0 };
    const older = { ...(run.run as object), seen: { customer: { customcrm: seen, wave: seen } } };
    await world.engine.table.write([{ put: { ...run, run: older, revision: 7 } }]);
    assert.equal((await sweepProgress(world.engine))?.underOlderKeys, 0);
    await sweep(world.engine, world.call());
    assert.equal((await sweepProgress(world.engine))?.phase, 'finished');
  });

  test('a message is read whether it says less or more than this version does', () => {
    const least = { system: 'wave', pair: 'order', id: '1', eventId: 'e', at: 1 };
    assert.deepEqual(parseDoorbell(JSON.stringify(least)), least);
    assert.deepEqual(parseDoorbell(JSON.stringify({ ...least, invented: 'later' })), least);
    assert.equal(parseDoorbell(JSON.stringify({ ...least, pair: 'supplier' })), undefined);
  });
});

describe('a property that is mapped from now on', () => {
  const forget = (world: SyncWorld, ref: RecordRef) =>
    rewrite(world, ref, ({ link }) => {
      const { customcrm, wave, reverted } = (link as Link).agreed;
      const { Fax: _here, ...ours } = customcrm;
      const { Fax: _there, ...theirs } = wave;
      return { link: { ...(link as Link), agreed: { customcrm: ours, wave: theirs, reverted } } };
    });

  test('writes nothing where both sides are equal', async (t) => {
    const world = await start();
    t.after(world.close);
    const { here } = await linked(world);
    await forget(world, here);
    assert.deepEqual(await writesOf(world, () => ring(world, here)), { customcrm: 0, wave: 0 });
    const { agreed } = await linkOf(world, here);
    assert.ok(agreed.customcrm.Fax && agreed.wave.Fax, 'agreed from now on');
  });

  test('is no storm: a sweep of more links than any fuse lets pass rings for each, and calls nothing changed or missed', async (t) => {
    const world = await start();
    t.after(world.close);
    const links = await manyLinked(world);
    for (const { here } of links) await forget(world, here);
    world.pass(25 * hourMs);
    const writes = await writesOf(world, async () => {
      const progress = await fullSweep(world);
      assert.deepEqual([progress.phase, progress.stopped, progress.repairs], ['finished', undefined, 0]);
      assert.equal(await blownSince(world.engine, 'changed'), undefined);
    });
    assert.deepEqual(writes, { customcrm: 0, wave: 0 });
    for (const { here } of links) assert.ok((await linkOf(world, here)).agreed.wave.Fax);
    world.takeRung();
    world.pass(25 * hourMs);
    await fullSweep(world);
    assert.deepEqual(world.takeRung(), [], 'the next sweep has nothing to do');
  });

  test('holds what differs, overwrites nothing, and lets the other rows flow', async (t) => {
    const world = await start();
    t.after(world.close);
    const { here, there } = await linked(world);
    await forget(world, here);
    await world.edit(there, { fax: '2' });
    await world.edit(here, { Phone: '+1 416 555 0100' });
    await ring(world, here);
    assert.deepEqual([(await world.read(here)).Fax, (await world.read(there)).fax], ['1', '2']);
    assert.equal((await world.read(there)).phone, '+1 416 555 0100');
    const { state, reasons } = await linkOf(world, here);
    assert.deepEqual([state, reasons], ['held', ['Fax: first link differs']]);
  });
});

describe('fingerprint keys that rotate', () => {
  test('can go once a sweep has found nothing under them: nothing is held, nothing blows, and what lost before is not in the way', async (t) => {
    const world = await start();
    t.after(world.close);
    const links = await manyLinked(world);
    const [{ here, there }] = links;
    await world.edit(here, { Fax: 'lost' });
    await world.edit(there, { fax: 'won' });
    world.pass(hourMs);
    await resolve(world.engine, here, 'wave', undefined, world.call());
    const rotated = withKeys(world, [next, old]);
    const found: number[] = [];
    for (let times = 1; times <= 2; times++) {
      world.pass(25 * hourMs);
      const writes = await writesOf(world, async () => {
        found.push((await fullSweep(rotated)).underOlderKeys);
      });
      assert.deepEqual(writes, { customcrm: 0, wave: 0 });
    }
    assert.deepEqual(found, [links.length, 0]);
    const shown = await showRecord(rotated.engine, here, world.call());
    assert.deepEqual(
      shown.losers.map(({ row }) => row),
      ['Fax'],
      'opens while its key is there',
    );

    const without = withKeys(world, [next]);
    world.pass(25 * hourMs);
    const progress = await fullSweep(without);
    assert.deepEqual([progress.stopped, progress.total], [undefined, 0]);
    await world.edit(here, { Phone: '+1 416 555 0100' });
    await ring(without, here);
    assert.equal((await world.read(there)).phone, '+1 416 555 0100');
    assert.deepEqual((await showRecord(without.engine, here, world.call())).losers, []);
  });

  test('change nothing by themselves, and move a link to the new key when it is written', async (t) => {
    const world = await start();
    t.after(world.close);
    const { here, there } = await linked(world);
    const rotated = withKeys(world, [next, old]);
    assert.deepEqual(await writesOf(world, () => ring(rotated, here)), { customcrm: 0, wave: 0 });
    await world.edit(here, { Fax: '3' });
    await ring(rotated, here);
    assert.equal((await world.read(there)).fax, '3');
    assert.match(String((await linkOf(rotated, here)).agreed.wave.Fax), /^k2\./);
  });

  test('let a container with the old key and one with both recognise each other’s writes', async (t) => {
    const world = await start();
    t.after(world.close);
    const { here, there } = await linked(world);
    const rotated = withKeys(world, [next, old]);
    await world.edit(here, { Fax: '3' });
    await ring(rotated, here);
    assert.deepEqual(await writesOf(world, () => ring(world, here)), { customcrm: 0, wave: 0 });
    assert.equal((await world.read(there)).fax, '3');
  });

  for (const [name, first, second] of [
    ['the old one', [old], [next, old]],
    ['the new one', [next, old], [old]],
  ] as [string, FingerprintKeys, FingerprintKeys][])
    test(`find a record that is not linked yet by a match key that was noted under ${name}`, async (t) => {
      const world = await start();
      t.after(world.close);
      const made = await world.make('customcrm', 'customer', { Name: 'One', Email: 'same@twin.example' });
      await indexKeys(withKeys(world, first).engine, made);
      const there = await world.make('wave', 'customer', { name: 'One', email: 'same@twin.example' });
      const { engine } = withKeys(world, second);
      for (const matchKey of keysOf(engine, there).filter(({ name }) => name === 'email'))
        assert.deepEqual(await holdersOf(engine, 'customcrm', 'customer', matchKey), [made.id]);
      await ring({ ...world, engine }, there);
      assert.deepEqual(await world.counterpart(there), {
        system: 'customcrm',
        pair: 'customer',
        id: made.id,
      });
    });

  test('hold what differs under a key that is gone, and overwrite nothing', async (t) => {
    const world = await start();
    t.after(world.close);
    const { here, there } = await linked(world);
    await world.edit(here, { Fax: '3' });
    await ring(withKeys(world, [next]), here);
    assert.deepEqual([(await world.read(here)).Fax, (await world.read(there)).fax], ['3', '1']);
    assert.equal((await linkOf(world, here)).state, 'held');
  });
});
