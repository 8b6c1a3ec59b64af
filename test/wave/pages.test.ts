import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { RecordRef } from '../../lib/domain/record.ts';
import { RemoteRejectedError } from '../../lib/errors.ts';
import type { WaveFeed } from '../../lib/sync/ports.ts';
import { waveFeed } from '../../lib/wave/feed.ts';
import { waveHealth } from '../../lib/wave/health.ts';
import { waveTaxes } from '../../lib/wave/taxes.ts';
import { callIn, connected, customerBody, startCountedWave } from './connected.ts';

const count = 230;

describe('a list that costs too much', () => {
  let wave: Awaited<ReturnType<typeof startCountedWave>>;
  let ids: readonly string[];
  before(async () => {
    wave = await startCountedWave();
    const { records } = connected(wave.url, { operations: 25 });
    const made = await Promise.all(
      Array.from({ length: count }, (_, index) =>
        records.create('customer', customerBody(`Row ${index}`), '', callIn()),
      ),
    );
    ids = made.map(({ id }) => id).sort();
  });
  beforeEach(() => wave.behave({ maximumCost: 0 }));
  after(() => wave.close());
  const feed = (): WaveFeed => {
    const { client, options } = connected(wave.url);
    return waveFeed(client, options);
  };

  /** Every row of the list in the order of its pages; `between` happens after each of them. */
  async function walked(
    by: () => WaveFeed,
    between: (page: number) => Promise<unknown> = async () => undefined,
  ): Promise<readonly number[]> {
    const seen: string[] = [];
    const sizes: number[] = [];
    let cursor: string | undefined;
    do {
      const { snapshots, next } = await by().listAll('customer', cursor, callIn());
      seen.push(...snapshots.map(({ id }) => id));
      sizes.push(snapshots.length);
      cursor = next;
      await between(sizes.length);
    } while (cursor !== undefined);
    assert.deepEqual([...seen].sort(), ids);
    return sizes;
  }

  test('is read with smaller pages, which is remembered', async () => {
    const one = feed();
    assert.deepEqual(await walked(() => one), [100, 100, 30]);
    await wave.behave({ maximumCost: 60 });
    const before = await wave.requests();
    assert.deepEqual(await walked(() => one), [50, 50, 50, 50, 30]);
    assert.equal((await wave.requests()) - before, 1 + 5);
    await walked(() => one);
    assert.equal((await wave.requests()) - before, 1 + 5 + 5);
  });

  test('shows every row once, also when its pages become smaller in the middle', async () => {
    const one = feed();
    const sizes = await walked(
      () => one,
      async (page) => {
        if (page === 1) await wave.behave({ maximumCost: 30 });
        if (page === 3) await wave.behave({ maximumCost: 7 });
      },
    );
    assert.deepEqual(sizes, [100, 25, 25, ...Array(16).fill(5), 0]);
  });

  test('shows every row once, also when another process goes on with larger pages', async () => {
    await wave.behave({ maximumCost: 60 });
    const sizes = await walked(feed, async (page) => {
      if (page === 1) await wave.behave({ maximumCost: 0 });
    });
    assert.deepEqual(sizes, [50, 50, 100, 30]);
  });

  test('is polled list by list when three rows are too much', async () => {
    await wave.behave({ maximumCost: 2 });
    const one = feed();
    const from = { after: new Date(0).toISOString() };
    const ask = () => one.changes({ customer: from, product: from, order: from }, callIn());
    const { lists } = await ask();
    assert.deepEqual(
      [lists.customer?.snapshots.length, lists.product?.snapshots.length, lists.order?.snapshots.length],
      [1, 1, 0],
    );
    assert.deepEqual([lists.customer?.full, lists.order?.full], [true, false]);
    const before = await wave.requests();
    await ask();
    assert.equal((await wave.requests()) - before, 3);
  });

  test('is looked through for a lost create in smaller pages', async () => {
    await wave.behave({ maximumCost: 30 });
    const { records } = connected(wave.url);
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await records.changedSince('customer', 0, cursor, callIn());
      seen.push(...page.changes.flatMap((change) => (change.state === 'living' ? [change.snapshot.id] : [])));
      cursor = page.next;
    } while (cursor !== undefined);
    // What shares its second with the end of a page is shown again.
    assert.deepEqual([...new Set(seen)].sort(), ids);
  });

  test('that is refused with a single row is not asked for again and again', async () => {
    await wave.behave({ maximumCost: 0.5 });
    const before = await wave.requests();
    await assert.rejects(feed().listAll('customer', undefined, callIn()), RemoteRejectedError);
    assert.equal((await wave.requests()) - before, 5);
  });

  test('of taxes or accounts is read whole', async () => {
    await wave.behave({ maximumCost: 2 });
    const { client, options } = connected(wave.url);
    const taxes = await waveTaxes(client, options).taxes(callIn());
    assert.deepEqual(taxes.map(({ abbreviation }) => abbreviation).sort(), ['GST', 'HST']);
    const { business, incomeAccounts } = await waveHealth(client, options, callIn());
    assert.equal(business?.name, 'Maple & Co');
    assert.deepEqual(
      incomeAccounts.map(({ name }) => name),
      ['Sales'],
    );
  });

  test('of taxes is read once for all who want it at the same time', async () => {
    const { client, options } = connected(wave.url);
    const catalogue = waveTaxes(client, options);
    const before = await wave.requests();
    const all = await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        catalogue.taxes(callIn(), index % 2 === 0 ? { fresh: true } : undefined),
      ),
    );
    assert.deepEqual(new Set(all.map((taxes) => taxes.length)), new Set([2]));
    assert.equal((await wave.requests()) - before, 1);
  });

  describe('and records that are read together', () => {
    const refs = (): readonly RecordRef[] =>
      [`${ids[0]?.slice(0, -4)}`, ...ids.slice(1, 6)].map((id) => ({ system: 'wave', pair: 'customer', id }));
    const states = async (by: WaveFeed) =>
      (await by.readTogether(refs(), callIn())).map(({ state }) => state);

    test('are as many as a document may hold', async () => {
      const { client, options } = connected(wave.url, { operations: 4 });
      const before = await wave.requests();
      assert.deepEqual(await states(waveFeed(client, options)), ['not-found', 'living', 'living', 'living']);
      assert.equal((await wave.requests()) - before, 1);
    });

    test('are the record and one witness when Wave refuses more, or one record is what a document holds', async () => {
      const { client, options } = connected(wave.url, { operations: 1 });
      assert.deepEqual(await states(waveFeed(client, options)), ['not-found', 'living']);
      await wave.behave({ maximumCost: 3 });
      const one = feed();
      const before = await wave.requests();
      assert.deepEqual(await states(one), ['not-found', 'living']);
      assert.deepEqual(await states(one), ['not-found', 'living']);
      assert.equal((await wave.requests()) - before, 2 + 1);
    });
  });
});
