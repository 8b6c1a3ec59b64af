import assert from 'node:assert/strict';
import type { Link } from '../../lib/domain/link.ts';
import type { Body, Pair, RecordRef } from '../../lib/domain/record.ts';
import type { Engine, Handled } from '../../lib/sync/engine.ts';
import { handleDoorbell } from '../../lib/sync/handle-doorbell.ts';
import { findLink } from '../../lib/sync/links.ts';
import type { Doorbell, Reading, Records } from '../../lib/sync/ports.ts';
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
  const { crm, wave } = await linkedPair(world, 'order', {
    CustomerId: customer.crm.id,
    Currency: 'CAD',
    OrderDate: '2026-10-01',
    Title: 'Spring order',
    Lines: [
      { ProductId: product.crm.id, Description: 'Ladder', Quantity: '2', UnitPrice: '100', TaxCodes: [] },
    ],
    ...more,
  });
  return { crm, wave, customer, product };
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
