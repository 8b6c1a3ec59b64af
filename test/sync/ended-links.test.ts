import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type RecordRef, refKey, type Snapshot } from '../../lib/domain/record.ts';
import { RemoteRejectedError } from '../../lib/errors.ts';
import { accept, includeRecord } from '../../lib/sync/decisions.ts';
import type { Engine } from '../../lib/sync/engine.ts';
import { handleBatch } from '../../lib/sync/handle-batch.ts';
import { tidy } from '../../lib/sync/janitor.ts';
import { parkedNow } from '../../lib/sync/parking.ts';
import { pause } from '../../lib/sync/pause.ts';
import type { Records, Write } from '../../lib/sync/ports.ts';
import { recordStateOf } from '../../lib/sync/record-state.ts';
import {
  anHour,
  blindTo,
  deleteIn,
  linkedOrder,
  linkedPair,
  linkOf,
  losingCreates,
  orderToType,
  restoreIn,
  ring,
  snapshotOf,
  withWave,
} from '../support/sync-steps.ts';
import { type Database, type SyncWorld, startDatabase, startSyncWorld } from '../support/sync-world.ts';

let database: Database;
before(async () => {
  database = await startDatabase();
});
after(() => database.close());

const start = () => startSyncWorld(database, { startedPairs: () => true });
const minuteMs = 60_000;
const garage = { Name: 'Garage', Email: 'g@garage.example' };

/** The polls have seen it, and nothing waits. */
async function polled(world: SyncWorld): Promise<void> {
  await world.poll();
  await world.drain();
}

const withCustomcrm = (engine: Engine, customcrm: Partial<Records>): Engine => ({
  ...engine,
  systems: { ...engine.systems, customcrm: { ...engine.systems.customcrm, ...customcrm } },
});

const endsALink = (writes: readonly Write[]): boolean =>
  writes.some((each) => 'put' in each && each.put.sk === 'tombstone');

describe('an edited invoice whose order was deleted stays', () => {
  async function edited(world: SyncWorld) {
    const { crm, wave } = await linkedOrder(world);
    await polled(world);
    await world.edit(wave, { memo: 'Typed by a user of Wave' });
    const old = await snapshotOf(world, crm);
    await deleteIn(world, crm);
    return { crm, wave, old };
  }

  /** A replica of Customcrm that has not seen the deletion: a read shows the old picture, and a list shows this. */
  function lagging({ engine }: SyncWorld, old: Snapshot, listed: readonly Snapshot[]): Engine {
    const { read, changedSince } = engine.systems.customcrm;
    return withCustomcrm(engine, {
      read: async (pair, id, call) =>
        id === old.id ? { state: 'living', snapshot: old } : read(pair, id, call),
      async changedSince(...asked) {
        const page = await changedSince(...asked);
        const changes = page.changes.flatMap((change) =>
          change.state === 'deleted' && change.ref.id === old.id
            ? listed.map((snapshot) => ({ state: 'living', snapshot }) as const)
            : [change],
        );
        return { ...page, changes };
      },
    });
  }

  /** A CRM that has no footers. */
  function withoutFooters({ engine }: SyncWorld): Engine {
    const { read, create, update } = engine.systems.customcrm;
    const bare = ({ body: { Footer: _footer, ...body }, ...snapshot }: Snapshot) => ({ ...snapshot, body });
    return withCustomcrm(engine, {
      create: async (...asked) => bare(await create(...asked)),
      update: async (...asked) => bare(await update(...asked)),
      async read(...asked) {
        const reading = await read(...asked);
        return reading.state === 'living' ? { ...reading, snapshot: bare(reading.snapshot) } : reading;
      },
    });
  }

  /** Its process ends with the write that ends a link: what follows that write is not done. */
  function dyingWithTheEnd({ engine }: SyncWorld): Engine {
    const { table } = engine;
    let isDead = false;
    return {
      ...engine,
      table: {
        ...table,
        async write(writes) {
          if (isDead) throw new Error('killed');
          const result = await table.write(writes);
          isDead ||= result.done && endsALink(writes);
          return result;
        },
      },
    };
  }

  test('though a worker sees the order as it was before', async (t) => {
    const world = await start();
    t.after(world.close);
    const { crm, wave, old } = await edited(world);
    await ring(world, crm);
    assert.equal((await recordStateOf(world.engine, wave))?.state, 'unlinked');
    await world.drain(lagging(world, old, [old]));
    await anHour(world);
    assert.equal((await world.read(wave)).memo, 'Typed by a user of Wave');
  });

  test('though a worker dies with the end of the link, and the next one sees the order as it was before', async (t) => {
    const world = await start();
    t.after(world.close);
    const { crm, wave, old } = await edited(world);
    await assert.rejects(ring(world, crm, dyingWithTheEnd(world)), /killed/);
    await world.drain(lagging(world, old, []));
    await anHour(world);
    await polled(world);
    assert.equal((await world.read(wave)).memo, 'Typed by a user of Wave');
  });

  test('though Customcrm has no place for what was edited, and the edit was looked at', async (t) => {
    const whole = await start();
    t.after(whole.close);
    const world = { ...whole, engine: withoutFooters(whole) };
    const { crm, wave } = await linkedOrder(world);
    await ring(world, wave);
    await world.drain(world.engine);
    await world.edit(wave, { footer: 'Typed by a user of Wave' });
    await ring(world, wave);
    await deleteIn(world, crm);
    await ring(world, crm);
    assert.equal((await world.read(wave)).footer, 'Typed by a user of Wave');
  });
});

describe('an invoice of which a person is asked which text stands', () => {
  async function asked(world: SyncWorld) {
    const { order, typeInvoice } = await orderToType(world, await linkedOrder(world));
    const invoice = await typeInvoice();
    await ring(world, order);
    await world.drain();
    assert.equal((await world.counterpart(order))?.id, invoice.id);
    const { state, reasons } = await linkOf(world, order);
    assert.deepEqual([state, reasons], ['held', ['Description: first link differs']]);
    return { order, invoice };
  }

  for (const how of ['cancelled', 'deleted', 'not found once, and then deleted'] as const)
    test(`is not deleted when its order is ${how}`, async (t) => {
      const world = await start();
      t.after(world.close);
      const { order, invoice } = await asked(world);
      if (how === 'not found once, and then deleted')
        await ring(world, order, withCustomcrm(world.engine, { read: async () => ({ state: 'not-found' }) }));
      if (how === 'cancelled') await world.edit(order, { Status: 'cancelled' });
      else await deleteIn(world, order);
      await ring(world, order);
      await anHour(world);
      assert.equal((await world.read(invoice)).memo, 'Typed by the bookkeeper');
    });

  test('does not cancel its order when it is deleted in Wave', async (t) => {
    const world = await start();
    t.after(world.close);
    const { order, invoice } = await asked(world);
    await world.inWave('invoiceDelete', { invoiceId: invoice.id });
    await ring(world, order);
    const { reasons } = await linkOf(world, order);
    assert.deepEqual(reasons, ['not found in wave', 'Description: first link differs']);
    await anHour(world);
    assert.notEqual((await world.read(order)).Status, 'cancelled');
  });
});

describe('what a link left', () => {
  const isEdited = 'deleted on the other side, but edited here since';

  async function shows(world: SyncWorld, ref: RecordRef, reason: string): Promise<void> {
    const shown = await recordStateOf(world.engine, ref);
    assert.deepEqual([shown?.state, shown?.reason], ['unlinked', reason]);
  }

  test('is an edited invoice, and shows that also when its customer is deleted too', async (t) => {
    const world = await start();
    t.after(world.close);
    const { crm, wave, customer } = await linkedOrder(world);
    await polled(world);
    await world.edit(wave, { memo: 'Typed by a user of Wave' });
    for (const ref of [crm, customer.crm]) await deleteIn(world, ref);
    for (const ref of [customer.crm, crm]) await ring(world, ref);
    await shows(world, wave, isEdited);
    await world.drain();
    await shows(world, wave, isEdited);
  });

  test('is a cancelled order whose draft was deleted, and shows that still when it was looked at', async (t) => {
    const world = await start();
    t.after(world.close);
    const { crm } = await linkedOrder(world);
    await world.edit(crm, { Status: 'cancelled' });
    await ring(world, crm);
    await shows(world, crm, 'cancelled: its invoice was deleted');
    await world.drain();
    await shows(world, crm, 'cancelled: its invoice was deleted');
  });

  test('shows that it was edited also when it was accepted and included again', async (t) => {
    const world = await start();
    t.after(world.close);
    const { crm, wave } = await linkedPair(world, 'customer', garage);
    await world.edit(wave, { phone: '1' });
    await deleteIn(world, crm);
    await ring(world, crm);
    await world.drain();
    await shows(world, wave, isEdited);
    assert.equal((await accept(world.engine, wave, world.call())).done, true);
    assert.equal((await includeRecord(world.engine, wave)).done, true);
    await world.drain();
    await shows(world, wave, isEdited);
  });

  test('shows that Wave refused to delete it, and why', async (t) => {
    const world = await start();
    t.after(world.close);
    const { crm, wave } = await linkedOrder(world);
    await polled(world);
    await deleteIn(world, crm);
    const refusal = new RemoteRejectedError('wave', 'the books of that year are closed');
    await ring(world, crm, withWave(world.engine, { remove: () => Promise.reject(refusal) }));
    const reason = 'deleted on the other side; here that was refused';
    await shows(world, wave, `${reason}: wave refused: the books of that year are closed`);
  });

  test('is rung for in the background when a sweep found the end of the link', async (t) => {
    const world = await start();
    t.after(world.close);
    const { crm, wave } = await linkedPair(world, 'customer', garage);
    await deleteIn(world, crm);
    world.takeRung();
    await ring(world, crm, world.engine, { background: true });
    const rung = world.takeRung().filter(({ id }) => id === wave.id);
    assert.deepEqual(
      rung.map(({ background }) => background),
      [true],
    );
  });

  test('does not fill the queue while the end of the link cannot be written', async (t) => {
    const world = await start();
    t.after(world.close);
    const { crm } = await linkedPair(world, 'customer', garage);
    await world.drain();
    await deleteIn(world, crm);
    const { table } = world.engine;
    const write: typeof table.write = async (writes) => {
      if (endsALink(writes)) throw new Error('refused for good');
      return table.write(writes);
    };
    const failing = { ...world.engine, table: { ...table, write } };
    const doorbell = { ...crm, eventId: 'webhook', at: world.engine.clock.now() };
    for (let receiveCount = 1; receiveCount <= 5; receiveCount++) {
      const failed = await handleBatch(failing, [{ messageId: 'one', doorbell, receiveCount }], world.call());
      assert.deepEqual(failed, ['one']);
    }
    assert.ok(world.queued() <= 1, `${world.queued()} messages for the survivor`);
  });
});

describe('what was deleted by mistake and restored at once has the link that it had', () => {
  async function restored(world: SyncWorld, crm: RecordRef, first: string): Promise<void> {
    await deleteIn(world, crm);
    await ring(world, crm);
    await restoreIn(world, crm);
    if (first === 'its own doorbell') await ring(world, crm);
    await world.drain();
  }

  for (const first of ['its own doorbell', 'that of its survivor']) {
    for (const [how, phone] of [
      ['changed', '2'],
      ['emptied', ''],
    ] as const)
      test(`with what was ${how} in Wave, when ${first} is worked on first`, async (t) => {
        const world = await start();
        t.after(world.close);
        const { crm, wave } = await linkedPair(world, 'customer', { Name: 'Garage', Phone: '1' });
        await polled(world);
        await world.edit(wave, { phone });
        await restored(world, crm, first);
        await anHour(world);
        const [{ Phone }, { phone: there }] = [await world.read(crm), await world.read(wave)];
        assert.deepEqual([Phone || '', there || ''], [phone, phone]);
        assert.equal((await linkOf(world, crm)).state, 'in-sync');
      });

    test(`though it is a product whose survivor was archived, when ${first} is worked on first`, async (t) => {
      const world = await start();
      t.after(world.close);
      const { crm } = await linkedPair(world, 'product', { Name: 'Ladder', UnitPrice: '1' });
      await polled(world);
      const { id } = await linkOf(world, crm);
      await restored(world, crm, first);
      await polled(world);
      await anHour(world);
      assert.equal((await linkOf(world, crm)).id, id);
    });
  }
});

describe('a record that lives again', () => {
  test('has its own survivor, and not a namesake that was entered in Wave meanwhile', async (t) => {
    const world = await start();
    t.after(world.close);
    const { crm, wave } = await linkedPair(world, 'customer', { ...garage, ExternalId: 'erp-7' });
    await polled(world);
    await deleteIn(world, crm);
    await ring(world, crm);
    await world.drain();
    await world.edit(wave, { email: 'new@garage.example' });
    await ring(world, wave);
    await restoreIn(world, crm);
    const namesake = await world.make('wave', 'customer', { name: 'Other', email: garage.Email });
    await ring(world, namesake);
    await anHour(world);
    assert.equal((await world.counterpart(crm))?.id, wave.id);
  });

  test('has its own survivor, which was not taken for the result of the lost create of its twin', async (t) => {
    const world = await start();
    t.after(world.close);
    await linkedPair(world, 'customer', { Name: 'Somebody else' });
    const { crm, wave } = await linkedPair(world, 'customer', { ...garage, ExternalId: 'erp-7' });
    const twin = await world.make('customcrm', 'customer', garage);
    await ring(world, twin, losingCreates(world.engine));
    await deleteIn(world, crm);
    await ring(world, crm);
    await world.drain();
    await anHour(world);
    const another = await world.counterpart(twin);
    assert.ok(another && another.id !== wave.id);
    await restoreIn(world, crm);
    world.pass(minuteMs);
    await ring(world, crm);
    await anHour(world);
    assert.equal((await world.counterpart(crm))?.id, wave.id);
  });

  test('keeps what its user typed, though Wave shows its survivor as it was before that', async (t) => {
    const world = await start();
    t.after(world.close);
    const { crm, wave } = await linkedPair(world, 'customer', { Name: 'Garage', Phone: '1' });
    const old = await snapshotOf(world, wave);
    await world.edit(crm, { Phone: '2' });
    await ring(world, crm);
    await deleteIn(world, crm);
    await ring(world, crm);
    assert.equal(await world.counterpart(crm), undefined);
    await restoreIn(world, crm);
    const { read } = world.engine.systems.wave;
    const lagging = withWave(world.engine, {
      read: async (pair, id, call) =>
        id === wave.id ? { state: 'living', snapshot: old } : read(pair, id, call),
    });
    const phones = async () => [(await world.read(crm)).Phone, (await world.read(wave)).phone];
    await ring(world, crm, lagging);
    assert.deepEqual(await phones(), ['2', '2']);
    await polled(world);
    await anHour(world);
    assert.deepEqual(await phones(), ['2', '2']);
  });

  test('is waited for by its survivor while it is paused, without a doorbell each minute', async (t) => {
    const world = await start();
    t.after(world.close);
    const { crm, wave } = await linkedPair(world, 'customer', garage);
    await polled(world);
    await deleteIn(world, crm);
    await ring(world, crm);
    await world.drain();
    await restoreIn(world, crm);
    await pause(world.engine, refKey(crm), 'a person looks at it');
    await polled(world);
    await ring(world, wave);
    await world.drain();
    world.takeRung();
    for (let minute = 1; minute <= 30; minute++) {
      world.pass(minuteMs);
      await tidy(world.engine);
      await world.drain();
    }
    const rung = world.takeRung().length;
    assert.ok(rung <= 4, `${rung} doorbells in half an hour`);
    assert.equal((await parkedNow(world.engine, wave))?.name, 'pause');
  });

  test('gets no second counterpart because its survivor does not show: first nothing in Wave does, then all but that', async (t) => {
    const world = await start();
    t.after(world.close);
    await linkedPair(world, 'customer', { Name: 'A witness' });
    const { crm, wave } = await linkedPair(world, 'customer', garage);
    await polled(world);
    await deleteIn(world, crm);
    await ring(world, crm);
    await world.drain();
    await restoreIn(world, crm);
    world.pass(minuteMs);
    await ring(world, crm, withoutRights(world.engine));
    world.pass(10 * minuteMs + 1000);
    for (let look = 1; look <= 3; look++) {
      await ring(world, crm, blindTo(world.engine, wave));
      world.pass(20_000);
    }
    await anHour(world);
    assert.equal((await world.read(wave)).email, garage.Email);
    assert.equal((await world.counterpart(crm))?.id, wave.id);
  });

  /** Wave shows no record at all. */
  const withoutRights = (engine: Engine): Engine => ({
    ...withWave(engine, { read: async () => ({ state: 'not-found' }) }),
    feed: { ...engine.feed, readTogether: async (refs) => refs.map(() => ({ state: 'not-found' })) },
  });
});
