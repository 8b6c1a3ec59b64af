import { fingerprints } from '../domain/fingerprint.ts';
import { type Link, refOf } from '../domain/link.ts';
import { type RecordRef, refKey, type Snapshot, type System } from '../domain/record.ts';
import { cellsOf } from '../mappings/cells.ts';
import { mappings } from '../mappings/pairs.ts';
import { losersOf } from './conflict-log.ts';
import type { Engine } from './engine.ts';
import { gatherFacts } from './facts.ts';
import { findIntent } from './intents.ts';
import { findLink } from './links.ts';
import type { Call, Reading } from './ports.ts';
import { recordStateOf } from './record-state.ts';
import { tombstoneOf } from './tombstones.ts';

/** One property on both sides, as it is right now. */
export interface ShownRow {
  readonly row: string;
  readonly direction: 'both' | 'toWave' | 'toCustomcrm';
  readonly customcrm: unknown;
  readonly wave: unknown;
  /** Which sides changed since both last agreed; `none`: never agreed. */
  readonly changed: readonly System[] | 'none';
}

/** Everything that is known about one record. Values are read live and kept nowhere. */
export interface ShownDetail {
  readonly ref: RecordRef;
  readonly link?: Link;
  readonly readings: Readonly<Partial<Record<System, Reading['state']>>>;
  readonly rows: readonly ShownRow[];
  readonly waits?: { readonly cause: string; readonly since: number };
  readonly state?: { readonly state: string; readonly reason: string };
  readonly openIntent: boolean;
  readonly tombstone?: string;
  readonly losers: readonly { readonly row: string; readonly system: System; readonly at: number }[];
}

export async function showRecord(engine: Engine, ref: RecordRef, call: Call): Promise<ShownDetail> {
  const link = await findLink(engine.table, ref);
  const refs = link ? [refOf(link, 'customcrm'), refOf(link, 'wave')] : [ref];
  const readings = await Promise.all(
    refs.map(({ system, pair, id }) => engine.systems[system].read(pair, id, call)),
  );
  const living = readings.flatMap((reading) => (reading.state === 'living' ? [reading.snapshot] : []));
  const parked = await engine.table.get({ pk: refKey(ref), sk: 'parked' });
  const state = await recordStateOf(engine, ref);
  const tombstone = await tombstoneOf(engine.table, ref);
  const loserRef = link ? refOf(link, 'customcrm') : ref;
  const losers = await losersOf(engine.table, engine.settings.keys, loserRef, engine.clock.now());
  return {
    ref,
    ...(link && { link }),
    readings: Object.fromEntries(refs.map(({ system }, index) => [system, readings[index]?.state])),
    rows: await rowsOf(engine, link, ref, living, call),
    ...(parked && { waits: { cause: String(parked.name), since: Number(parked.since) } }),
    ...(state && { state }),
    openIntent: (await findIntent(engine, ref)) !== undefined,
    ...(tombstone && { tombstone: `${tombstone.kind}, of ${refKey(tombstone.other)}` }),
    losers: losers.map(({ row, system, at }) => ({ row, system, at })),
  };
}

async function rowsOf(
  engine: Engine,
  link: Link | undefined,
  ref: RecordRef,
  living: readonly Snapshot[],
  call: Call,
): Promise<readonly ShownRow[]> {
  const bodies = Object.fromEntries(living.map(({ system, body }) => [system, body]));
  const facts = await gatherFacts(engine, ref.pair, bodies, call);
  const rows = mappings[ref.pair].rows(engine.settings.mapping);
  const cells = cellsOf({ customcrm: bodies.customcrm ?? {}, wave: bodies.wave ?? {}, facts }, rows);
  const prints = fingerprints(engine.settings.keys, link?.id ?? '');
  return rows.map((row) => {
    const cell = cells.get(row.id);
    const compared = (['customcrm', 'wave'] as const).map((system) => {
      const form = cell?.[system]?.form;
      return form === undefined ? 'none' : prints.compare(link?.agreed[system][row.id], row.id, form);
    });
    const changed = (['customcrm', 'wave'] as const).filter((_, index) => compared[index] === 'changed');
    return {
      row: row.id,
      direction: row.direction,
      customcrm: cell?.customcrm?.value,
      wave: cell?.wave?.value,
      changed: compared.every((change) => change === 'none') ? 'none' : changed,
    };
  });
}
