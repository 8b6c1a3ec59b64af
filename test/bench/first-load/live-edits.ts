import { setTimeout as sleep } from 'node:timers/promises';
import { findLink } from '../../../lib/sync/links.ts';
import type { Outside } from './outside.ts';
import type { Product } from './product.ts';
import type { Seeded } from './seed.ts';

/** An edit that has not arrived after this long counts as lost, ms. */
const patienceMs = 180_000;
/** Between two looks whether one arrived, ms. */
const lookMs = 50;
/** Users begin to edit at a restart: how cold containers, and the slots of dead ones, delay them is over then, ms. */
export const warmAfterMs = 30_000;

export interface LiveEdits {
  /** How long each took from the answer of Customcrm to Wave, ms; and those of them that were made {@link warmAfterMs} after the first one. */
  readonly tookMs: readonly number[];
  readonly warmMs: readonly number[];
  /** That did not arrive. */
  readonly lost: number;
  /** Made before the customer was linked: they arrive with its counterpart, as the look at everything afterwards proves. */
  readonly early: number;
}
export const noEdits: LiveEdits = { tookMs: [], warmMs: [], lost: 0, early: 0 };

/**
 * Users change the phone of one customer after another in Customcrm, one each `everyMs`, until `isOver`. The customers are such as were
 * in Customcrm only: whether it is edited before or after it is linked, its counterpart must hold what was typed.
 */
export async function editWhile(
  { customcrm, control }: Outside,
  product: Product,
  targets: readonly Seeded[],
  { everyMs, name, isOver }: { everyMs: number; name: string; isOver: (made: number) => boolean },
): Promise<LiveEdits> {
  const arrivals: Promise<number | 'lost' | 'early'>[] = [];
  const edit = async ({ customcrmId = '' }: Seeded, phone: string) => {
    const ref = { system: 'customcrm', pair: 'customer', id: customcrmId } as const;
    const link = await findLink(product.engine().table, ref);
    await customcrm('PATCH', `/customers/${customcrmId}`, { Phone: phone });
    if (!link) return 'early';
    const madeAt = performance.now();
    while (performance.now() < madeAt + patienceMs) {
      const { fields } = (await control('wave', `customers/${link.waveId}`)) as { fields: { phone: string } };
      if (fields.phone === phone) return performance.now() - madeAt;
      await sleep(lookMs);
    }
    return 'lost';
  };
  const warmAt = performance.now() + warmAfterMs;
  let cold = 0;
  while (!isOver(arrivals.length)) {
    if (performance.now() < warmAt) cold += 1;
    const target = targets[arrivals.length % targets.length];
    if (!target) throw new RangeError('There is no customer to edit');
    arrivals.push(edit(target, `${name} ${arrivals.length}`));
    await sleep(everyMs);
  }
  const times = await Promise.all(arrivals);
  const measured = (some: readonly (number | string)[]) => some.filter((time) => typeof time === 'number');
  return {
    tookMs: measured(times),
    warmMs: measured(times.slice(cold)),
    lost: times.filter((time) => time === 'lost').length,
    early: times.filter((time) => time === 'early').length,
  };
}

/** The smallest of the numbers that this share of them does not exceed. */
export function percentile(numbers: readonly number[], share: number): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return Math.round(sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0);
}
