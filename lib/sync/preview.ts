import { type Link, refOf } from '../domain/link.ts';
import { type Pair, pairs, type RecordRef, systems } from '../domain/record.ts';
import { pauseFor } from '../errors.ts';
import type { Engine } from './engine.ts';
import { handleDoorbell } from './handle-doorbell.ts';
import { forgetKeys, indexKeys } from './key-index.ts';
import { BrokenLinkError, counterpartOf, findLink, linkedIds } from './links.ts';
import type { Call, Change, Clock } from './ports.ts';
import { entryOf, linkedEntry, type PreviewEntry, unlinkedEntry } from './preview-entry.ts';
import { type Rehearsal, rehearse } from './rehearsal.ts';
import { sight } from './sighting.ts';

// The preview is a rehearsal of the live run: the same worker, on pretended systems and a pretended table. It cannot say anything else
// than what the apply then does, but for what the systems themselves add: refusals, values that they fill in, edits in the meantime.

/** Records that are rehearsed at a time. */
const together = 10;
const directoryPage = 500;
/** Pages of one list; more is not one business. */
const pageLimit = 10_000;
/** Not said yet: another record was at the same thing at that moment, or a system did not answer. */
type Passing = 'again' | 'unavailable';
const passing = new Set(['busy', 'lease', 'fence']);
/** A page that was not read is asked for again: at full size there are hundreds, and the first may be minutes old. */
const pageTries = 6;
const firstPauseMs = 1_000;
const longestPauseMs = 60_000;

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
    const entries = await Promise.all(
      some.map((ref) => rehearseOne(engine, rehearsal, ref, callNow).catch(brokenEntry(ref))),
    );
    for (const [index, ref] of some.entries()) {
      const entry = entries[index];
      const said = typeof entry === 'string' ? await rehearseAgain(engine, rehearsal, ref, callNow) : entry;
      if (typeof said === 'object') yield said;
    }
  }
}

/** Which of its halves is right is for a person to say, and holds up no other record. */
const brokenEntry =
  (ref: RecordRef) =>
  (error: unknown): PreviewEntry => {
    if (error instanceof BrokenLinkError)
      return { ...entryOf(ref, 'blocked'), reasons: ['the halves of its link do not mirror each other'] };
    throw error;
  };

/** By itself, and once whatever did not answer has had time to. */
async function rehearseAgain(
  engine: Engine,
  rehearsal: Rehearsal,
  ref: RecordRef,
  callNow: () => Call,
): Promise<PreviewEntry | Passing | undefined> {
  for (let attempt = 1; attempt < pageTries; attempt++) {
    const entry = await rehearseOne(engine, rehearsal, ref, callNow);
    if (entry === 'again') break;
    if (entry !== 'unavailable') return entry;
    await engine.clock.sleep(firstPauseMs * attempt);
  }
  return rehearseOne(engine, rehearsal, ref, callNow, true);
}

/** Both lists to their ends. "No match" means nothing before that. */
async function noteLists(
  rehearsal: Rehearsal,
  pair: Pair,
  callNow: () => Call,
): Promise<readonly RecordRef[]> {
  const refs: RecordRef[] = [];
  for await (const changes of everyPage(rehearsal.engine, pair, callNow))
    refs.push(...(await Promise.all(changes.map((change) => noteRow(rehearsal, pair, change)))));
  return refs;
}

async function noteRow({ engine, note }: Rehearsal, pair: Pair, change: Change): Promise<RecordRef> {
  const { system, id } = change.state === 'living' ? change.snapshot : change.ref;
  const ref = { system, pair, id };
  // Its rehearsal says what a worker finds.
  if (change.state === 'unreadable') return ref;
  note(ref, change.state === 'living' ? change : { state: 'deleted' });
  if (change.state === 'living') await indexKeys(engine, change.snapshot);
  else await forgetKeys(engine, ref);
  return ref;
}

async function* everyPage(
  { systems: { customcrm }, feed, clock }: Engine,
  pair: Pair,
  callNow: () => Call,
): AsyncGenerator<readonly Change[]> {
  let cursor: string | undefined;
  for (let page = 1; page <= pageLimit; page++) {
    const { changes, next } = await patiently(clock, () =>
      customcrm.changedSince(pair, 0, cursor, callNow()),
    );
    yield changes;
    cursor = next;
    if (cursor === undefined) break;
  }
  for (let page = 1; page <= pageLimit; page++) {
    const {
      snapshots,
      unread = [],
      next,
    } = await patiently(clock, () => feed.listAll(pair, cursor, callNow()));
    yield [...snapshots.map((snapshot) => ({ state: 'living' as const, snapshot })), ...unread];
    cursor = next;
    if (cursor === undefined) break;
  }
}

async function patiently<Page>(clock: Clock, ask: () => Promise<Page>): Promise<Page> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask();
    } catch (error) {
      const pause = pauseFor(error);
      if (pause?.name !== 'unavailable' || attempt === pageTries) throw error;
      await clock.sleep(Math.min(pause.afterMs ?? firstPauseMs * 2 ** attempt, longestPauseMs));
    }
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
  callNow: () => Call,
  isLastTry = false,
): Promise<PreviewEntry | Passing | undefined> {
  const before = await findLink(engine.table, ref);
  const { table } = rehearsal.engine;
  if (!before && (await counterpartOf(table, ref)) !== undefined && !isLastTry) return undefined;
  if (!before && rehearsal.known(ref)?.state === 'deleted') return undefined;
  if (before && !(await differs(rehearsal, before, callNow)))
    return { ...entryOf(ref, 'nothing'), counterpart: before.waveId, reasons: before.reasons };
  const doorbell = { ...ref, eventId: 'preview', at: engine.clock.now() };
  const handled = await handleDoorbell(rehearsal.engine, doorbell, callNow());
  if (handled.did === 'parked' && !isLastTry) {
    if (handled.cause.name === 'unavailable') return 'unavailable';
    if (passing.has(handled.cause.name)) return 'again';
  }
  return before ? linkedEntry(rehearsal, before, handled) : unlinkedEntry(engine, rehearsal, ref, handled);
}

/** Is there anything for a worker to do? A record that no list showed always is. */
async function differs({ engine, known }: Rehearsal, link: Link, callNow: () => Call): Promise<boolean> {
  const taxes =
    link.pair === 'customer' ? [] : await patiently(engine.clock, () => engine.taxes.taxes(callNow()));
  for (const system of systems) {
    const reading = known(refOf(link, system));
    if (reading?.state !== 'living') return true;
    if ((await sight(engine, reading.snapshot, taxes)).differs) return true;
  }
  return false;
}
