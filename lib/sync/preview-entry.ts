import { type Link, refOf } from '../domain/link.ts';
import {
  otherSystem,
  type Pair,
  pairs,
  parseRef,
  type RecordRef,
  refKey,
  type System,
  systems,
} from '../domain/record.ts';
import { mappings } from '../mappings/pairs.ts';
import type { Cause, Engine, Handled } from './engine.ts';
import { counterpartOf, findLink } from './links.ts';
import { recordStateOf } from './record-state.ts';
import { isNew, type Rehearsal } from './rehearsal.ts';

/** What would happen to a record. `unlink`: its counterpart was deleted. `wait`: not now, for the reason given. */
export const previewActions = [
  'link',
  'create',
  'update',
  'unlink',
  'hold',
  'ambiguous',
  'blocked',
  'wait',
  'excluded',
  'nothing',
] as const;
export type PreviewAction = (typeof previewActions)[number];

export interface PreviewEntry {
  readonly action: PreviewAction;
  readonly pair: Pair;
  /** The record that the entry is about: for a link its Customcrm half. */
  readonly system: System;
  readonly id: string;
  /** Its counterpart; absent when there is none yet. */
  readonly counterpart?: string;
  /** What is written where, such as `Name->wave`; for `create` the properties of the new record. No values. */
  readonly rows: readonly string[];
  readonly reasons: readonly string[];
  /** The parents that are linked or created before it. */
  readonly after: readonly Pair[];
}

/** How many entries of each action. */
export function countActions(entries: Iterable<PreviewEntry>): Readonly<Record<PreviewAction, number>> {
  const counts = Object.fromEntries(previewActions.map((action) => [action, 0])) as Record<
    PreviewAction,
    number
  >;
  for (const { action } of entries) counts[action] += 1;
  return counts;
}

export const entryOf = ({ system, pair, id }: RecordRef, action: PreviewAction): PreviewEntry => ({
  action,
  pair,
  system,
  id,
  rows: [],
  reasons: [],
  after: [],
});

/** What a rehearsal did with a link. */
export async function linkedEntry(
  { engine, sentTo }: Rehearsal,
  before: Link,
  handled: Handled,
): Promise<PreviewEntry> {
  const ref = refOf(before, 'customcrm');
  const after = await findLink(engine.table, ref);
  const entry = { ...entryOf(ref, 'nothing'), counterpart: before.waveId, rows: rowsOf(handled) };
  if (!after)
    return { ...entry, action: 'unlink', reasons: [...because(handled), ...aftermath(before, sentTo)] };
  const reasons = reasonsOf(after);
  const writes = systems.some((system) => sentTo(refOf(before, system)) !== undefined);
  if (writes) return { ...entry, action: 'update', reasons };
  if (handled.did === 'parked') return { ...entry, action: 'wait', reasons: because(handled) };
  const open = ({ held: 'hold', conflict: 'hold', blocked: 'blocked' } as const)[String(after.state)];
  return open ? { ...entry, action: open, reasons } : { ...entry, reasons: because(handled) };
}

/** Wave's totals are not known before it has computed them: a rehearsal says nothing about them. */
const reasonsOf = (link: Link): readonly string[] =>
  link.reasons.filter((reason) => !reason.startsWith('totals:'));

const rowsOf = (handled: Handled): readonly string[] =>
  handled.did === 'finished' ? (handled.rows ?? []) : [];

const because = (handled: Handled): readonly string[] =>
  handled.did === 'parked' ? [handled.cause.name] : handled.because === undefined ? [] : [handled.because];

/** What becomes of the survivor. */
function aftermath(link: Link, sentTo: Rehearsal['sentTo']): readonly string[] {
  return systems.flatMap((system) => {
    const sent = sentTo(refOf(link, system));
    if (!sent) return [];
    return [
      sent.did === 'remove' ? `deleted in ${system}` : `${sent.paths.join(', ')} is written in ${system}`,
    ];
  });
}

/** What a rehearsal did with a record that has no counterpart yet. */
export async function unlinkedEntry(
  engine: Engine,
  rehearsal: Rehearsal,
  ref: RecordRef,
  handled: Handled,
): Promise<PreviewEntry> {
  const { table } = rehearsal.engine;
  const after = await parentsFirst(engine, rehearsal, ref);
  const counterpart = await counterpartOf(table, ref);
  if (counterpart !== undefined) {
    const link = await findLink(table, ref);
    const entry = { ...entryOf(ref, 'link'), after, reasons: link ? reasonsOf(link) : [] };
    if (!isNew(counterpart)) return { ...entry, counterpart, rows: rowsOf(handled) };
    const made = rehearsal.sentTo({ ...ref, system: otherSystem(ref.system), id: counterpart });
    return { ...entry, action: 'create', rows: made?.paths ?? [] };
  }
  if (handled.did === 'parked')
    return { ...entryOf(ref, 'wait'), after, reasons: await waitsFor(rehearsal, handled.cause) };
  const shown = await recordStateOf(rehearsal.engine, ref);
  if (!shown) return { ...entryOf(ref, 'nothing'), reasons: because(handled) };
  const action = ({ excluded: 'excluded', ambiguous: 'ambiguous', blocked: 'blocked' } as const)[
    String(shown.state)
  ];
  return { ...entryOf(ref, action ?? 'hold'), reasons: [shown.reason] };
}

/** A parent is named, with what stands in its way. */
async function waitsFor({ engine }: Rehearsal, { name, key }: Cause): Promise<readonly string[]> {
  if (name !== 'parent') return [name];
  const parent = parseRef(key.replace('parent#', ''));
  const shown = await recordStateOf(engine, parent);
  return [`${refKey(parent)}: ${shown?.reason ?? 'not linked'}`];
}

/** The types of parents of this record that have no counterpart yet. */
async function parentsFirst(engine: Engine, rehearsal: Rehearsal, ref: RecordRef): Promise<readonly Pair[]> {
  const reading = rehearsal.known(ref);
  if (reading?.state !== 'living') return [];
  const parents = mappings[ref.pair].parents(ref.system, reading.snapshot.body, engine.settings.mapping);
  const open = new Set<Pair>();
  for (const parent of parents)
    if ((await counterpartOf(engine.table, parent)) === undefined) open.add(parent.pair);
  return pairs.filter((pair) => open.has(pair));
}
