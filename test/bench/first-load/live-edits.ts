import { setTimeout as sleep } from 'node:timers/promises';
import type { Outside } from './outside.ts';
import type { Seeded } from './seed.ts';

/** An edit that has not arrived after this long counts as lost, ms. */
const patienceMs = 180_000;
/** Between two looks whether one arrived, ms. */
const lookMs = 50;

export interface LiveEdits {
  /** How long each took from the answer of Customcrm to Wave, ms. */
  readonly tookMs: readonly number[];
  /** That did not arrive. */
  readonly lost: number;
}

/** Users change the phone of one linked customer after another in Customcrm, one each `everyMs`, until `isOver`. */
export async function editWhile(
  { customcrm, control }: Outside,
  targets: readonly Seeded[],
  { everyMs, name, isOver }: { everyMs: number; name: string; isOver: (made: number) => boolean },
): Promise<LiveEdits> {
  const arrivals: Promise<number | undefined>[] = [];
  const edit = async ({ customcrmId, waveIds: [waveId] }: Seeded, phone: string) => {
    await customcrm('PATCH', `/customers/${customcrmId}`, { Phone: phone });
    const madeAt = performance.now();
    while (performance.now() < madeAt + patienceMs) {
      const { fields } = (await control('wave', `customers/${waveId}`)) as { fields: { phone: string } };
      if (fields.phone === phone) return performance.now() - madeAt;
      await sleep(lookMs);
    }
    return undefined;
  };
  while (!isOver(arrivals.length)) {
    const target = targets[arrivals.length % targets.length];
    if (!target) throw new RangeError('There is no linked customer to edit');
    arrivals.push(edit(target, `${name} ${arrivals.length}`));
    await sleep(everyMs);
  }
  const times = await Promise.all(arrivals);
  const tookMs = times.filter((time) => time !== undefined);
  return { tookMs, lost: times.length - tookMs.length };
}

/** The smallest of the numbers that this share of them does not exceed. */
export function percentile(numbers: readonly number[], share: number): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return Math.round(sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0);
}
