import type { Link } from '../domain/link.ts';
import { refOf } from '../domain/link.ts';
import { otherSystem, type Pair, pairs, type RecordRef, type System, systems } from '../domain/record.ts';
import { mappings } from '../mappings/pairs.ts';
import type { Engine, Handled } from './engine.ts';
import { handleDoorbell } from './handle-doorbell.ts';
import { forgetKeys, indexKeys } from './key-index.ts';
import { counterpartOf, findLink, linkedIds } from './links.ts';
import type { Call, Change } from './ports.ts';
import { recordStateOf } from './record-state.ts';
import { isNew, type Rehearsal, rehearse } from './rehearsal.ts';
import { sight } from './sighting.ts';

// The preview is a rehearsal of the live run: the same worker, on pretended systems and a pretended table. It cannot say anything else
// than what the apply then does, but for what the systems themselves add: refusals, values that they fill in, edits in the meantime.

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

/** Records that are rehearsed at a time. */
const together = 10;
const directoryPage = 500;
/** Pages of one list; more is not one business. */
const pageLimit = 10_000;
/** Causes that only say that another record was at the same thing at that moment. */
const passing = new Set(['busy', 'lease', 'fence']);

/**
 * What starting these pairs, or a sweep of them, would do, record by record: parents first, Customcrm first. Reads both lists completely
 * before it says anything, and holds them in memory. Writes nothing, neither to a system nor to the table.
 * @param callNow what bounds the next remote calls. @throws SyncError when a list could not be read.
 */
export async function* preview(
  engine: Engine,
  callNow: () => Call,
  { pairs: chosen = pairs }: { readonly pairs?: readonly Pair[] } = {},
): AsyncGenerator<PreviewEntry> {
  const rehearsal = await rehearse(engine, chosen);
  const lists = new Map<Pair, readonly RecordRef[]>();
  for (const pair of chosen) lists.set(pair, await noteLists(rehearsal, pair, callNow));
  for (const pair of pairs.filter((each) => chosen.includes(each))) {
    const refs = await distinct(engine, [
      ...(lists.get(pair) ?? []),
      ...(await unseen(engine, rehearsal, pair)),
    ]);
    // Never two halves of one link at once: who comes first is the one that the link is said of.
    for (const system of systems)
      yield* rehearseAll(
        engine,
        rehearsal,
        refs.filter((ref) => ref.system === system),
        callNow,
      );
  }
}

async function* rehearseAll(
  engine: Engine,
  rehearsal: Rehearsal,
  refs: readonly RecordRef[],
  callNow: () => Call,
): AsyncGenerator<PreviewEntry> {
  for (let first = 0; first < refs.length; first += together) {
    const some = refs.slice(first, first + together);
    const entries = await Promise.all(some.map((ref) => rehearseOne(engine, rehearsal, ref, callNow())));
    for (const [index, ref] of some.entries()) {
      const entry =
        entries[index] === 'again'
          ? await rehearseOne(engine, rehearsal, ref, callNow(), true)
          : entries[index];
      if (entry && entry !== 'again') yield entry;
    }
  }
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

/** Both lists to their ends. "No match" means nothing before that. */
async function noteLists(
  rehearsal: Rehearsal,
  pair: Pair,
  callNow: () => Call,
): Promise<readonly RecordRef[]> {
  const refs: RecordRef[] = [];
  for await (const change of everyRow(rehearsal.engine, pair, callNow)) {
    const { system, id } = change.state === 'living' ? change.snapshot : change.ref;
    const ref = { system, pair, id };
    rehearsal.note(ref, change.state === 'living' ? change : { state: 'deleted' });
    if (change.state === 'living') await indexKeys(rehearsal.engine, change.snapshot);
    else await forgetKeys(rehearsal.engine, ref);
    refs.push(ref);
  }
  return refs;
}

async function* everyRow(
  { systems: { customcrm }, feed }: Engine,
  pair: Pair,
  callNow: () => Call,
): AsyncGenerator<Change> {
  let cursor: string | undefined;
  for (let page = 1; page <= pageLimit; page++) {
    const { changes, next } = await customcrm.changedSince(pair, 0, cursor, callNow());
    yield* changes;
    cursor = next;
    if (cursor === undefined) break;
  }
  for (let page = 1; page <= pageLimit; page++) {
    const { snapshots, full } = await feed.listAll(pair, page, callNow());
    for (const snapshot of snapshots) yield { state: 'living', snapshot };
    if (!full) break;
  }
}

/** Links of which no list showed the Customcrm half, by that half. */
async function unseen({ table }: Engine, { known }: Rehearsal, pair: Pair): Promise<readonly RecordRef[]> {
  const refs: RecordRef[] = [];
  let after: string | undefined;
  do {
    const page = await linkedIds(table, pair, {
      ...(after !== undefined && { after }),
      limit: directoryPage,
    });
    for (const { customcrmId } of page) {
      const ref: RecordRef = { system: 'customcrm', pair, id: customcrmId };
      if (!known(ref)) refs.push(ref);
    }
    after = page.length < directoryPage ? undefined : page.at(-1)?.customcrmId;
  } while (after !== undefined);
  return refs;
}

/** Each record once, and of a link only its Customcrm half, which is looked at together with the other. */
async function distinct({ table }: Engine, refs: readonly RecordRef[]): Promise<readonly RecordRef[]> {
  const seen = new Map(refs.map((ref) => [`${ref.system}#${ref.id}`, ref]));
  const kept: RecordRef[] = [];
  for (const ref of seen.values())
    if (ref.system === 'customcrm' || (await counterpartOf(table, ref)) === undefined) kept.push(ref);
  return kept;
}

/** Undefined: the record was said already, as somebody's counterpart, or it is gone and never had one. */
async function rehearseOne(
  engine: Engine,
  rehearsal: Rehearsal,
  ref: RecordRef,
  call: Call,
  isLastTry = false,
): Promise<PreviewEntry | 'again' | undefined> {
  const before = await findLink(engine.table, ref);
  const { table } = rehearsal.engine;
  if (!before && (await counterpartOf(table, ref)) !== undefined && !isLastTry) return undefined;
  if (!before && rehearsal.known(ref)?.state === 'deleted') return undefined;
  if (before && !(await differs(rehearsal, before, call)))
    return { ...entryOf(ref, 'nothing'), counterpart: before.waveId, reasons: before.reasons };
  const doorbell = { ...ref, eventId: 'preview', at: engine.clock.now() };
  const handled = await handleDoorbell(rehearsal.engine, doorbell, call);
  if (handled.did === 'parked' && passing.has(handled.cause.name) && !isLastTry) return 'again';
  return before ? linkedEntry(rehearsal, before, handled) : unlinkedEntry(engine, rehearsal, ref, handled);
}

/** Is there anything for a worker to do? A record that no list showed always is. */
async function differs(rehearsal: Rehearsal, link: Link, call: Call): Promise<boolean> {
  const taxes = link.pair === 'customer' ? [] : await rehearsal.engine.taxes.taxes(call);
  for (const system of systems) {
    const reading = rehearsal.known(refOf(link, system));
    if (reading?.state !== 'living') return true;
    if ((await sight(rehearsal.engine, reading.snapshot, taxes)).differs) return true;
  }
  return false;
}

const entryOf = ({ system, pair, id }: RecordRef, action: PreviewAction): PreviewEntry => ({
  action,
  pair,
  system,
  id,
  rows: [],
  reasons: [],
  after: [],
});

async function linkedEntry(
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

async function unlinkedEntry(
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
  if (handled.did === 'parked') return { ...entryOf(ref, 'wait'), after, reasons: because(handled) };
  const shown = await recordStateOf(rehearsal.engine, ref);
  if (!shown) return { ...entryOf(ref, 'nothing'), reasons: because(handled) };
  const action = ({ excluded: 'excluded', ambiguous: 'ambiguous', blocked: 'blocked' } as const)[
    String(shown.state)
  ];
  return { ...entryOf(ref, action ?? 'hold'), after, reasons: [shown.reason] };
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
