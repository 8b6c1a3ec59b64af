import { type Link, refOf } from '../domain/link.ts';
import { loopLimit, nextTurn, type Turns } from '../domain/loop.ts';
import type { Snapshot, System } from '../domain/record.ts';
import type { RecordPlan } from '../mappings/record-plan.ts';
import type { Work } from './apply-change.ts';
import type { Engine, Handled } from './engine.ts';
import { type FuseName, fuseCause, passFuse, rulingOn } from './fuses.ts';
import { stillHeld } from './leases.ts';
import { saveLink } from './links.ts';

/** A fuse that is blown is looked at again this much later (ms), unless a person is faster. */
const lookAgainMs = 15 * 60_000;

/** Looks at a plan before it is sent: waves of deletions, of values going empty, and loops stop here until a person has looked. */
export async function throughFuses(
  engine: Engine,
  link: Link,
  planned: RecordPlan,
): Promise<'passes' | 'rejected' | Handled> {
  const halves = [refOf(link, 'customcrm'), refOf(link, 'wave')] as const;
  if (loops(link, planned)) {
    const ruling = await rulingOn(engine, 'loop', halves);
    if (ruling === 'rejected') return ruling;
    if (ruling === undefined) return waits(engine, 'loop');
  }
  const amounts = { deletions: planned.archives.length, emptied: planned.empties.length };
  for (const name of ['deletions', 'emptied'] as const) {
    if (amounts[name] === 0) continue;
    const passage = await passFuse(engine, name, halves, amounts[name]);
    if (passage === 'rejected') return passage;
    if (passage === 'waits') return waits(engine, name);
  }
  return 'passes';
}

const waits = ({ clock }: Engine, name: FuseName): Handled => ({
  did: 'parked',
  cause: { name: 'fuse', key: fuseCause(name), due: clock.now() + lookAgainMs },
});

/** A person said no: shown, and not tried again until one of the sides changes. */
export async function rejectedByFuse(work: Work, link: Link, planned: RecordPlan): Promise<Handled> {
  const reasons = ['rejected at the fuse'];
  const after = { ...link, state: 'held' as const, reasons, refused: planned.picture };
  await saveLink(work.engine.table, link, after, stillHeld(work.lease));
  return { did: 'finished', message: 'change held', because: 'rejected at the fuse' };
}

const sentRows = (planned: RecordPlan, system: System) =>
  Object.entries(planned.writes[system]?.prints ?? {});

function loops(link: Link, planned: RecordPlan): boolean {
  return (['customcrm', 'wave'] as const).some((system) =>
    sentRows(planned, system).some(
      ([row, print]) => nextTurn(link.turns?.[row], system, print).count >= loopLimit,
    ),
  );
}

/** The turns of a link after these answers; rows that were not written keep theirs. */
export function turnsAfter(
  link: Link,
  planned: RecordPlan,
  answers: Readonly<Partial<Record<System, Snapshot>>>,
): Turns {
  const turns: Record<string, Turns[string]> = { ...link.turns };
  for (const system of ['customcrm', 'wave'] as const) {
    if (!answers[system]) continue;
    for (const [row, print] of sentRows(planned, system)) turns[row] = nextTurn(turns[row], system, print);
  }
  return turns;
}
