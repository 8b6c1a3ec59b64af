import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { Link } from '../../lib/domain/link.ts';
import type { Body, Pair, RecordRef, Snapshot } from '../../lib/domain/record.ts';
import { RemoteOutcomeUnknownError } from '../../lib/errors.ts';
import type { Engine, Handled } from '../../lib/sync/engine.ts';
import { handleDoorbell } from '../../lib/sync/handle-doorbell.ts';
import { tidy } from '../../lib/sync/janitor.ts';
import { findLink } from '../../lib/sync/links.ts';
import type { Doorbell, Reading, Records } from '../../lib/sync/ports.ts';
import { sweep } from '../../lib/sync/sweep.ts';
import type { SyncWorld } from './sync-world.ts';

// Steps that stories about one record are told in.

/** A doorbell of this record is worked on, by the engine of the world or by a variant of it. */
export const ring = (
  world: SyncWorld,
  { system, pair, id }: RecordRef,
  engine: Engine = world.engine,
  more: Partial<Doorbell> = {},
): Promise<Handled> =>
  handleDoorbell(
    engine,
    { system, pair, id, eventId: 'webhook', at: world.engine.clock.now(), ...more },
    world.call(),
  );

/** A record of Customcrm and the counterpart that it gets in Wave, at rest. */
export async function linkedPair(world: SyncWorld, pair: Pair, body: Body) {
  const crm = await world.make('customcrm', pair, body);
  const handled = await ring(world, crm);
  const wave = await world.counterpart(crm);
  assert.ok(wave, JSON.stringify(handled));
  await ring(world, crm);
  world.takeRung();
  return { crm: { system: 'customcrm', pair, id: crm.id } as const satisfies RecordRef, wave };
}

/** An order of one customer for one product, and its draft invoice. */
export async function linkedOrder(world: SyncWorld, more: Body = {}) {
  const customer = await linkedPair(world, 'customer', { Name: 'Corner Bakery', Currency: 'CAD' });
  const product = await linkedPair(world, 'product', { Name: 'Ladder', UnitPrice: '100' });
  const parents = { customer, product };
  const order = await linkedPair(world, 'order', { ...orderOf(parents), Title: 'Spring order', ...more });
  return { ...order, ...parents };
}

interface Parents {
  readonly customer: { readonly crm: RecordRef; readonly wave: RecordRef };
  readonly product: { readonly crm: RecordRef; readonly wave: RecordRef };
}

const orderOf = ({ customer, product }: Parents): Body => ({
  CustomerId: customer.crm.id,
  Currency: 'CAD',
  OrderDate: '2026-10-01',
  Lines: [
    { ProductId: product.crm.id, Description: 'Ladder', Quantity: '2', UnitPrice: '100', TaxCodes: [] },
  ],
});

/** Another order for the same, and how a bookkeeper types its invoice by herself: with its number, and a text of her own. */
export async function orderToType(world: SyncWorld, parents: Parents) {
  const texts = { Title: 'Autumn order', Description: 'From Customcrm' };
  const order = await world.make('customcrm', 'order', { ...orderOf(parents), ...texts });
  const product = { id: parents.product.wave.id };
  const typeInvoice = (more: Body = {}) =>
    world.make('wave', 'order', {
      customer: { id: parents.customer.wave.id },
      currency: { code: 'CAD' },
      invoiceDate: '2026-10-01',
      poNumber: String(order.body.OrderNumber),
      title: 'Autumn order',
      memo: 'Typed by the bookkeeper',
      items: [{ product, description: 'Ladder', quantity: '2', price: '100', taxes: [] }],
      ...more,
    });
  return { order, typeInvoice };
}

export async function snapshotOf(world: SyncWorld, { system, pair, id }: RecordRef): Promise<Snapshot> {
  const reading = await world.engine.systems[system].read(pair, id, world.call());
  assert.ok(reading.state === 'living');
  return reading.snapshot;
}

/** A user of Customcrm deletes it. */
export async function deleteIn(world: SyncWorld, ref: RecordRef): Promise<void> {
  await world.engine.systems.customcrm.remove(ref.pair, await snapshotOf(world, ref), world.call());
}

/** A user of Customcrm takes that back. */
export async function restoreIn({ env }: SyncWorld, { pair, id }: RecordRef): Promise<void> {
  const { status } = await fetch(`${env.CUSTOMCRM_API_URL}/${pair}s/${id}/restore`, {
    method: 'POST',
    headers: { authorization: 'Bearer local', 'idempotency-key': randomUUID() },
  });
  assert.equal(status, 200);
}

/** Janitor and workers. */
export async function anHour(world: SyncWorld, engine: Engine = world.engine): Promise<void> {
  for (let look = 1; look <= 4; look++) {
    world.pass(15 * 60_000);
    await tidy(engine);
    await world.drain(engine);
  }
}

/** With its sweep. No polls: by the clock of the systems it is the same minute still, which they would read once more. */
export async function aDay(world: SyncWorld): Promise<void> {
  world.pass(24 * 60 * 60_000);
  await sweep(world.engine, world.call());
  await world.drain();
  await anHour(world);
}

export async function linkOf(world: SyncWorld, ref: RecordRef): Promise<Link> {
  const link = await findLink(world.engine.table, ref);
  assert.ok(link);
  return link;
}

/** The engine with a Wave that behaves differently. */
export const withWave = (engine: Engine, wave: Partial<Records>): Engine => ({
  ...engine,
  systems: { ...engine.systems, wave: { ...engine.systems.wave, ...wave } },
});

/** The engine while no create arrives in Wave, and none is answered. */
export const losingCreates = (engine: Engine): Engine =>
  withWave(engine, { create: () => Promise.reject(new RemoteOutcomeUnknownError('wave', 'lost')) });

/** The engine while Wave says of this record that it is not there. */
export function blindTo(engine: Engine, hidden: Pick<RecordRef, 'id'>): Engine {
  const { wave } = engine.systems;
  const notFound: Reading = { state: 'not-found' };
  const isHidden = ({ id }: Pick<RecordRef, 'id'>) => id === hidden.id;
  const blind = withWave(engine, {
    read: async (pair, id, call) => (isHidden({ id }) ? notFound : wave.read(pair, id, call)),
  });
  return {
    ...blind,
    feed: {
      ...engine.feed,
      async readTogether(refs, call) {
        const readings = await engine.feed.readTogether(refs, call);
        return readings.map((reading, index) => (refs[index] && isHidden(refs[index]) ? notFound : reading));
      },
      async changes(from, call) {
        const page = await engine.feed.changes(from, call);
        const lists = Object.entries(page.lists).map(([pair, { snapshots, full }]) => [
          pair,
          { full, snapshots: snapshots.filter((snapshot) => !isHidden(snapshot)) },
        ]);
        return { ...page, lists: Object.fromEntries(lists) };
      },
    },
  };
}
