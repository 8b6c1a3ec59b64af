import { type Link, type Refusal, refOf } from '../domain/link.ts';
import { loopLimit, nextTurn, type Turns } from '../domain/loop.ts';
import type { RecordRef, Snapshot, System } from '../domain/record.ts';
import type { RecordPlan } from '../mappings/record-plan.ts';
import type { Engine, Handled } from './engine.ts';
import {
  type Asked,
  type FuseName,
  fuseCause,
  fuseNames,
  type Passage,
  passAlone,
  passFuse,
  passUnblown,
} from './fuses.ts';
import { stillHeld } from './leases.ts';
import { saveLink } from './links.ts';
import type { Write } from './ports.ts';
import type { Work } from './work.ts';

/** A fuse that is blown is looked at again this much later (ms), unless a person is faster. */
const lookAgainMs = 15 * 60_000;

/** Looks at a plan before it is sent: waves of deletions, of values going empty, and loops stop here until a person has looked. */
export async function throughFuses(
  { engine }: Work,
  link: Link,
  planned: RecordPlan,
): Promise<
  | { readonly did: 'passes'; readonly spends: readonly Write[] }
  | Rejected
  | (Handled & { readonly did: 'parked' })
> {
  const halves = [refOf(link, 'customcrm'), refOf(link, 'wave')] as const;
  const asks: Asked = { ...planned.writes.customcrm?.asks, ...planned.writes.wave?.asks };
  const cases = {
    deletions: planned.archives,
    emptied: planned.empties,
    changed: Object.keys(asks),
    loop: loopingRows(link, planned),
  };
  const spends: Write[] = [];
  for (const name of fuseNames) {
    if (cases[name].length === 0) continue;
    const asked = Object.fromEntries(cases[name].map((row) => [row, asks[row] ?? '']));
    const passage = await passageOf(engine, name, halves, asked);
    if (!('spends' in passage)) return waits(engine, name, asked, passage);
    spends.push(...passage.spends);
    if (passage.did === 'rejected') return { ...passage, spends };
  }
  return { did: 'passes', spends };
}

function passageOf(
  engine: Engine,
  name: FuseName,
  halves: readonly [RecordRef, RecordRef],
  asked: Asked,
): Promise<Passage> {
  if (name === 'loop') return passAlone(engine, name, halves, asked);
  return name === 'changed'
    ? passUnblown(engine, name, halves, asked)
    : passFuse(engine, name, halves, asked);
}

/** A person said no to these rows of a plan. */
interface Rejected {
  readonly did: 'rejected';
  readonly rows: readonly string[];
  readonly spends: readonly Write[];
}

/** Put aside until a person has looked at the fuse; when it could only not be counted, for a moment. */
export function waits(
  engine: Engine,
  name: FuseName,
  asked: Asked,
  { did }: Pick<Passage, 'did'>,
): Handled & { readonly did: 'parked' } {
  if (did === 'busy') return { did: 'parked', cause: busyNow(engine) };
  const due = engine.clock.now() + lookAgainMs;
  return {
    did: 'parked',
    cause: { name: 'fuse', key: fuseCause(name), due, asks: Object.values(asked) },
  };
}

/** Said of a row, or of a deletion, that a person did not let pass. */
export const rejectedHere = 'rejected at the fuse';

/** Held, and not tried again until what either side holds there changes. The other rows flow. */
export async function rejectedByFuse(
  work: Work,
  link: Link,
  planned: RecordPlan,
  { rows, spends }: Rejected,
): Promise<Handled | { readonly did: 'again'; readonly link: Link }> {
  const { engine, lease } = work;
  const refusals: Record<string, Refusal> = { ...planned.refusals };
  for (const { asks } of Object.values(planned.writes))
    for (const [row, print] of Object.entries(asks))
      if (rows.includes(row)) refusals[row] = { print, reason: rejectedHere, shows: 'held' };
  const saved = await saveLink(engine.table, link, { ...link, refusals }, stillHeld(lease), spends);
  return saved ? { did: 'again', link: saved } : { did: 'parked', cause: busyNow(engine) };
}

const busyNow = ({ clock }: Engine) => ({ name: 'busy', key: 'busy', due: clock.now() }) as const;

const sentRows = (planned: RecordPlan, system: System) =>
  Object.entries(planned.writes[system]?.prints ?? {});

function loopingRows(link: Link, planned: RecordPlan): readonly string[] {
  return (['customcrm', 'wave'] as const).flatMap((system) =>
    sentRows(planned, system)
      .filter(([row, print]) => nextTurn(link.turns?.[row], system, print).count >= loopLimit)
      .map(([row]) => row),
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
