import { user } from './truth.ts';
import type { World } from './world.ts';

/** How often each of the robots looks, ms. */
const robotMs = 20_000;

/** What the robot of each system insists on. */
const wanted = { customcrm: 'robot A', wave: 'robot B' } as const;
export const robotValues: ReadonlySet<string> = new Set(Object.values(wanted));

/** Two programs, one at each system, insist on another fax number of every third customer. */
export function robots({ customcrm, wave, wires: { scheduler, faults } }: World): void {
  const insist = (run: () => void): void =>
    scheduler.after(robotMs, () => {
      if (faults.isOver()) return;
      run();
      insist(run);
    });
  const isTheirs = (_: unknown, index: number) => index % 3 === 0;
  faults.note('robots');
  insist(() => {
    for (const { Id, Fax } of customcrm.living('customer').filter(isTheirs))
      if (Fax !== wanted.customcrm) customcrm.patch('customer', String(Id), { Fax: wanted.customcrm }, user);
  });
  insist(() => {
    for (const { id, fax } of wave.living('customer').filter(isTheirs))
      if (fax !== wanted.wave) wave.patch('customer', String(id), { fax: wanted.wave }, user);
  });
}
