import type { System } from '../domain/record.ts';
import type { Engine } from './engine.ts';
import type { Key } from './ports.ts';

// When a system's webhook was last heard, so that an operator sees whether its registration works.

const deliveryKey = (system: System): Key => ({ pk: `webhook#${system}`, sk: 'last' });
/** A container writes it down this often at the most, ms. */
const grainMs = 10_000;
const notedAt = new WeakMap<Engine, Map<System, number>>();

/** To be called for a delivery whose signature was right. Never throws: the delivery itself is in the queue. */
export async function noteDelivery(engine: Engine, system: System): Promise<void> {
  const noted = notedAt.get(engine) ?? new Map<System, number>();
  notedAt.set(engine, noted);
  const now = engine.clock.now();
  if (now - (noted.get(system) ?? 0) < grainMs) return;
  noted.set(system, now);
  await engine.table.write([{ put: { ...deliveryKey(system), at: now } }]).catch(() => {
    noted.delete(system);
  });
}

/** ms since 1970, to ten seconds; undefined when none ever came. */
export async function lastDelivery({ table }: Engine, system: System): Promise<number | undefined> {
  const item = await table.get(deliveryKey(system));
  return item && Number(item.at);
}
