import type { Canary } from './canaries.ts';
import type { FaultName } from './faults.ts';
import { type Result, run } from './run.ts';

/**
 * One seed with a planted bug. Of what it violates only that counts which the sound engine does not violate as often in the same world.
 */
export async function runPlanted(
  { plant, faults: own = [], busy = false }: Canary,
  seed: number,
  faults: readonly FaultName[] = own,
): Promise<Result> {
  const planted = await run({ seed, plant, faults, busy });
  if (planted.violations.length === 0) return planted;
  const sound = countsOf(await run({ seed, faults, busy }));
  const counts = countsOf(planted);
  const violations = planted.violations.filter(
    ({ check }) => (counts.get(check) ?? 0) > (sound.get(check) ?? 0),
  );
  return { ...planted, violations };
}

function countsOf({ violations }: Result): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { check } of violations) counts.set(check, (counts.get(check) ?? 0) + 1);
  return counts;
}
