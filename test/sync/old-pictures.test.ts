import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { Engine } from '../../lib/sync/engine.ts';
import type { Records } from '../../lib/sync/ports.ts';
import { linkedOrder, ring } from '../support/sync-steps.ts';
import { type Database, type SyncWorld, startDatabase, startSyncWorld } from '../support/sync-world.ts';

// Wave has no version check: what was read too long ago is read again before anything is written or removed because of it.

let database: Database;
before(async () => {
  database = await startDatabase();
});
after(() => database.close());

const settings = { startedPairs: () => true, maxReadToWriteMs: 2_000 };

/** Does something after the first answer to a read of this system and pair. */
function afterFirstRead(records: Records, pair: string, run: () => Promise<void>): Pick<Records, 'read'> {
  let isDone = false;
  return {
    async read(...asked) {
      const reading = await records.read(...asked);
      if (!isDone && asked[0] === pair) {
        isDone = true;
        await run();
      }
      return reading;
    },
  };
}

/** While the taxes are fetched after the first read, a minute passes, and the user of an invoice types something. */
function editedMeanwhile(world: SyncWorld, { id }: { readonly id: string }): Engine {
  let isDone = false;
  return {
    ...world.engine,
    taxes: {
      async taxes(...asked) {
        if (!isDone) {
          isDone = true;
          world.pass(60_000);
          await world.inWave('invoicePatch', { id, memo: 'typed by a person' });
        }
        return world.engine.taxes.taxes(...asked);
      },
    },
  };
}

const street = (addressLine1: string) => ({
  address: { addressLine1, addressLine2: null, city: null, postalCode: null, province: null, country: null },
});

describe('a picture of Wave that has become old', () => {
  test('while a match was looked for is not what the first plan writes from', async (t) => {
    const world = await startSyncWorld(database, settings);
    t.after(world.close);
    const there = await world.make('wave', 'customer', {
      name: 'Hill Farm',
      email: 'a@x.example',
      ...street('Old St 1'),
    });
    const here = await world.make('customcrm', 'customer', {
      Name: 'Hill Farm',
      Email: 'a@x.example',
      City: 'Toronto',
    });
    const { customcrm } = world.engine.systems;
    const slow = afterFirstRead(customcrm, 'customer', async () => {
      world.pass(30_000);
      await world.edit(there, street('New St 9'));
    });
    const engine = {
      ...world.engine,
      systems: { ...world.engine.systems, customcrm: { ...customcrm, ...slow } },
    };
    await ring(world, there, engine);
    await world.poll();
    await world.drain();
    const { address } = (await world.read(there)) as { address: Readonly<Record<string, unknown>> };
    assert.deepEqual([address.addressLine1, address.city], ['New St 9', 'Toronto']);
    assert.equal((await world.read(here)).StreetAddress1, 'New St 9');
  });

  test('is not what an invoice is deleted because of: an edit beats the cancellation', async (t) => {
    const world = await startSyncWorld(database, settings);
    t.after(world.close);
    const { crm, wave } = await linkedOrder(world);
    await world.edit(crm, { Status: 'cancelled' });
    await ring(world, crm, editedMeanwhile(world, wave));
    const left = await world.engine.systems.wave.read('order', wave.id, world.call());
    assert.equal(left.state, 'living');
    assert.equal((await world.read(wave)).memo, 'typed by a person');
  });

  test('is not what a survivor is removed because of', async (t) => {
    const world = await startSyncWorld(database, settings);
    t.after(world.close);
    const { crm, wave } = await linkedOrder(world);
    await world.engine.systems.customcrm.remove('order', await snapshotOf(world, crm.id), world.call());
    await ring(world, crm, editedMeanwhile(world, wave));
    await world.drain();
    assert.equal((await world.read(wave)).memo, 'typed by a person');
    assert.equal(await world.counterpart(wave), undefined);
  });

  test('is read after Customcrm’s answer, where that takes long: nothing waits for ever', async (t) => {
    const world = await startSyncWorld(database, settings);
    t.after(world.close);
    const { crm, wave } = await linkedOrder(world);
    await world.edit(crm, { Title: 'New title' });
    const { customcrm } = world.engine.systems;
    const reads = { customcrm: 0, wave: 0 };
    const slow: Engine = {
      ...world.engine,
      systems: {
        wave: {
          ...world.engine.systems.wave,
          async read(...asked) {
            const reading = await world.engine.systems.wave.read(...asked);
            reads.wave += 1;
            return reading;
          },
        },
        customcrm: {
          ...customcrm,
          async read(...asked) {
            const reading = await customcrm.read(...asked);
            if (asked[0] !== 'order') return reading;
            reads.customcrm += 1;
            // Longer than Wave, where that is asked at the same time.
            for (let look = 0; look < 50 && reads.wave < reads.customcrm; look++) await sleep(10);
            await nextTurn();
            world.pass(3_000);
            return reading;
          },
        },
      },
    };
    const handled = await ring(world, crm, slow);
    assert.equal(handled.did, 'finished');
    assert.equal((await world.read(wave)).title, 'New title');
    assert.equal(reads.customcrm, 2);
  });

  test('holds no row back because a parent takes long that waits for a person', async (t) => {
    const world = await startSyncWorld(database, settings);
    t.after(world.close);
    const { crm, wave } = await linkedOrder(world);
    for (const unitPrice of ['1', '2']) await world.make('wave', 'product', { name: 'Rope', unitPrice });
    const rope = await world.make('customcrm', 'product', { Name: 'Rope', UnitPrice: '1' });
    await world.poll();
    await world.edit(crm, {
      Title: 'New title',
      Lines: [{ ProductId: rope.id, Description: 'Rope', Quantity: '2', UnitPrice: '100', TaxCodes: [] }],
    });
    const { customcrm } = world.engine.systems;
    const slow = {
      ...world.engine,
      systems: {
        ...world.engine.systems,
        customcrm: {
          ...customcrm,
          async read(...asked: Parameters<Records['read']>) {
            if (asked[0] === 'product') world.pass(2_500);
            return customcrm.read(...asked);
          },
        },
      },
    };
    const handled = await ring(world, crm, slow);
    assert.equal((await world.read(wave)).title, 'New title');
    assert.equal(handled.did === 'parked' && handled.cause.name, 'parent');
  });
});

async function snapshotOf(world: SyncWorld, id: string) {
  const reading = await world.engine.systems.customcrm.read('order', id, world.call());
  assert.ok(reading.state === 'living');
  return reading.snapshot;
}
