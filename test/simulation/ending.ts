import type { Link } from '../../lib/domain/link.ts';
import {
  type Body,
  otherSystem,
  type Pair,
  type RecordRef,
  refKey,
  type System,
} from '../../lib/domain/record.ts';
import { type Cell, type Facts, type Row, sameCells } from '../../lib/mappings/mapping.ts';
import { type Loser, losersOf } from '../../lib/sync/conflict-log.ts';
import type { Lambda } from './lambda.ts';
import { sameLines } from './lines-compare.ts';
import { beginning } from './scheduler.ts';
import type { Attempt, Happening } from './truth.ts';
import { reformatted } from './wave.ts';
import type { World } from './world.ts';

/** Both systems, the table and what happened, as the checks look at them when everything is over. */
export interface Ending {
  readonly world: World;
  readonly functions: Lambda;
  readonly restedAt: number | undefined;
  readonly writesAtRest: number;
  readonly links: readonly Linked[];
  readonly linkOf: (ref: RecordRef) => Linked | undefined;
  /** What an unlinked record shows. */
  readonly shownOf: (ref: RecordRef) => { readonly state: string; readonly reason: string } | undefined;
  readonly records: readonly Standing[];
  readonly standingOf: (ref: RecordRef) => Standing;
  /** Equal after conversion, by the links as they are now. */
  readonly same: (row: Row, customcrm: Cell, wave: Cell) => boolean;
  /** As `same`, but what Wave re-formatted is something else: to whom the answer of the write was lost, it is. */
  readonly sameInPlain: (row: Row, customcrm: Cell, wave: Cell) => boolean;
  readonly cell: (row: Row, system: System, body: Body) => Cell | undefined;
  readonly losers: (link: Linked) => readonly Loser[];
}

/** A record that was ever there. */
export interface Standing {
  readonly ref: RecordRef;
  readonly key: string;
  /** As it is, or as it last was. */
  readonly body: Body;
  readonly isLiving: boolean;
  readonly happenings: readonly Happening[];
}

export interface Linked {
  readonly link: Link;
  readonly customcrm: Standing;
  readonly wave: Standing;
}

export async function endingOf(
  world: World,
  functions: Lambda,
  rest: { readonly restedAt: number | undefined; readonly writesAtRest: number },
): Promise<Ending> {
  const records = everyRecord(world);
  const byKey = new Map(records.map((standing) => [standing.key, standing]));
  const standingOf = (ref: RecordRef): Standing => {
    const found = byKey.get(refKey(ref));
    if (!found) throw new Error(`${refKey(ref)} was never made in its system`);
    return found;
  };
  const links = world.store
    .all()
    .filter((item) => item.sk === 'link' && item.link !== undefined)
    .map((item): Linked => {
      const link = item.link as Link;
      const { pair } = link;
      return {
        link,
        customcrm: standingOf({ system: 'customcrm', pair, id: link.customcrmId }),
        wave: standingOf({ system: 'wave', pair, id: link.waveId }),
      };
    });
  const byRecord = new Map(
    links.flatMap(
      (linked) =>
        [
          [linked.customcrm.key, linked],
          [linked.wave.key, linked],
        ] as const,
    ),
  );
  const facts = factsOf(world);
  const reformats = world.wires.faults.has('waveReformats');
  const losers = await everyLoser(world, links);
  const sameInPlain: Ending['sameInPlain'] = (row, customcrm, wave) =>
    sameCells(row, customcrm, wave, facts) || (row.id === 'Lines' && sameLines(world.store, customcrm, wave));
  return {
    ...rest,
    world,
    functions,
    links,
    records,
    standingOf,
    linkOf: (ref) => byRecord.get(refKey(ref)),
    shownOf(ref) {
      const item = world.store.item({ pk: refKey(ref), sk: 'state' });
      return item && { state: String(item.state), reason: String(item.reason) };
    },
    sameInPlain,
    same: (row, customcrm, wave) =>
      sameInPlain(row, customcrm, wave) ||
      (reformats && row.wave.endsWith('postalCode') && reformatted(customcrm.form) === wave.form),
    cell: (row, system, body) =>
      system === 'customcrm' && world.hidden.has(row.customcrm)
        ? undefined
        : world.truth.cellOf(row, system, body),
    losers: (linked) => losers.get(linked.link.id) ?? [],
  };
}

function everyRecord({ truth, customcrm, wave, settings }: World): readonly Standing[] {
  const keys = new Map<string, RecordRef>();
  for (const { system, pair, id } of truth.all())
    keys.set(refKey({ system, pair, id }), { system, pair, id });
  return [...keys]
    .filter(([, { system, id }]) => !(system === 'wave' && id === settings.mapping.waveFallbackProductId))
    .map(([key, ref]) => {
      const happenings = truth.of(ref);
      const now = ref.system === 'wave' ? wave.find(ref.pair, ref.id) : customcrm.find(ref.pair, ref.id);
      const body = now ?? happenings.at(-1)?.after ?? {};
      return {
        ref,
        key,
        body,
        happenings,
        isLiving: now !== undefined && (ref.system === 'wave' || now.DeletedAt === null),
      };
    });
}

/** Links as they are, or as they last were: what two records showed of a third does not change when its link ends. */
function factsOf({ truth, store }: World): Facts {
  const other = (system: System) => (pair: Pair, id: string) =>
    store.everLinkedWith(refKey({ system, pair, id })).at(-1);
  return { ...truth.facts, waveIdOf: other('customcrm'), customcrmIdOf: other('wave') };
}

/** The conflict logs of links and of records whose link has ended, by link id. */
async function everyLoser(
  world: World,
  links: readonly Linked[],
): Promise<ReadonlyMap<string, readonly Loser[]>> {
  const found = new Map<string, readonly Loser[]>();
  const table = {
    query: (pk: string, { prefix = '' }: { readonly prefix?: string }) =>
      Promise.resolve(world.store.everLoser().filter((item) => item.pk === pk && item.sk.startsWith(prefix))),
  };
  for (const { link, wave } of links) {
    // What was lost while the Wave record was linked with another one is in that one's log.
    const logs = world.store.everLinkedWith(wave.key).map(async (id) => {
      const ref = { system: 'customcrm', pair: link.pair, id } as const;
      const log = await losersOf(table as never, world.settings.keys, ref, beginning, { limit: 1_000 });
      return log.filter((loser) => !isOfAnother(world, ref, link.waveId, loser));
    });
    found.set(link.id, (await Promise.all(logs)).flat());
  }
  return found;
}

/** Clocks of containers differ by less, ms. */
const clocksDifferMs = 10_000;

/** A value of the other Wave record that this one's former counterpart was linked with then. */
function isOfAnother({ store }: World, ref: RecordRef, waveId: string, { system, at }: Loser): boolean {
  const linkedThen = store
    .linksOf(refKey(ref))
    .filter(
      ({ madeAt, endedAt = Number.POSITIVE_INFINITY }) =>
        madeAt - clocksDifferMs <= at && at <= endedAt + clocksDifferMs,
    )
    .map(({ other }) => other);
  return system === 'wave' && linkedThen.length > 0 && !linkedThen.includes(waveId);
}

export const sideOf = (linked: Linked, system: System): Standing =>
  system === 'customcrm' ? linked.customcrm : linked.wave;

/** The two cells of a row, whichever side the first belongs to. */
export const bothCells = (system: System, own: Cell, other: Cell): readonly [customcrm: Cell, wave: Cell] =>
  system === 'customcrm' ? [own, other] : [other, own];

/** Does this link ask a person something about this row? A recorded difference asks nothing. */
export const namesRow = ({ link }: Linked, row: string): boolean =>
  link.reasons.some((reason) => reason.startsWith(`${row}: `) && !reason.endsWith(': recorded difference'));

/** At this time nothing in the table told yet what had come of this write: its answer was lost, or not noted. */
export function isOpen(
  { world }: Ending,
  { ref, container, at: setOutAt, answeredAt }: Attempt,
  at: number,
): boolean {
  if (!ref || setOutAt > at) return false;
  const told = world.store
    .linkWritten(refKey(ref))
    .some(
      (written) =>
        written.at <= at &&
        written.unseen !== ref.system &&
        (written.by === container
          ? answeredAt !== undefined && written.at >= answeredAt
          : written.at > setOutAt),
    );
  return !told;
}

/** What happened to every record that this one was ever linked with, in order. */
export const everOpposite = ({ world }: Ending, { system, pair, id }: RecordRef): readonly Happening[] =>
  world.store
    .everLinkedWith(refKey({ system, pair, id }))
    .flatMap((other) => world.truth.of({ system: otherSystem(system), pair, id: other }))
    .sort((a, b) => a.order - b.order);

/** Named the same two records, by links that there are or once were: when those link with others, nobody changed the reference. */
export function sameOnce({ world }: Ending, row: Row, customcrm: Cell, wave: Cell): boolean {
  if (row.id === 'Lines') return sameLines(world.store, customcrm, wave, 'ever');
  if (row.id !== 'CustomerId') return false;
  const [, here = ''] = String(customcrm.value).split('#');
  const [, there = ''] = String(wave.value).split('#');
  return world.store
    .everLinkedWith(refKey({ system: 'customcrm', pair: 'customer', id: here }))
    .includes(there);
}
