import type { Link } from '../domain/link.ts';
import { type Pair, type RecordRef, refKey, type System, systems } from '../domain/record.ts';
import { reportBroken } from './broken-links.ts';
import type { Engine } from './engine.ts';
import { BrokenLinkError, directoryEntry, findLink, linkedIds } from './links.ts';
import { markOf } from './sweep-compare.ts';
import { type FoundRecord, marksOf, type SweepRun } from './sweep-run.ts';

const directoryPage = 500;

/** Which links the list of each system showed: loaded once an invocation. */
export type Marks = Readonly<Record<System, ReadonlySet<string>>>;

export async function loadMarks(engine: Engine, run: SweepRun, pair: Pair): Promise<Marks> {
  const [customcrm, wave] = await Promise.all(systems.map((system) => marksOf(engine, run, pair, system)));
  return { customcrm: customcrm ?? new Set(), wave: wave ?? new Set() };
}

interface Directory {
  readonly linked: number;
  /** Links of which the list of this system did not show the record. */
  readonly unseen: Readonly<Record<System, number>>;
  /** Of these, the ones that are older than the run; not counted further than one beyond the fuse's limit. */
  readonly old: Readonly<Record<System, number>>;
}

/** How many links there are, and how many each list did not show: what the guard against an emptied system looks at. */
export async function countLinks(
  engine: Engine,
  run: SweepRun,
  pair: Pair,
  marks: Marks,
): Promise<Directory> {
  let linked = 0;
  const unseen = { customcrm: 0, wave: 0 };
  const old = { customcrm: 0, wave: 0 };
  let after: string | undefined;
  do {
    const page = await linkedIds(engine.table, pair, {
      ...(after !== undefined && { after }),
      limit: directoryPage,
    });
    linked += page.length;
    for (const system of systems) {
      const missing = page.filter((entry) => !marks[system].has(markOf(entry.customcrmId, entry.waveId)));
      unseen[system] += missing.length;
      for (const entry of missing) {
        if (old[system] > engine.settings.fuseLimit) break;
        if (await isOlder(engine, run, pair, entry)) old[system] += 1;
      }
    }
    after = page.length < directoryPage ? undefined : page.at(-1)?.customcrmId;
  } while (after !== undefined);
  return { linked, unseen, old };
}

/** Whether more than one record was linked before the run began: then no list of this pair can be empty. */
export async function hadLinks(engine: Engine, run: SweepRun, pair: Pair): Promise<boolean> {
  const some = await linkedIds(engine.table, pair, { limit: directoryPage });
  let older = 0;
  for (const entry of some) {
    if (await isOlder(engine, run, pair, entry)) older += 1;
    if (older > 1) return true;
  }
  return false;
}

async function isOlder({ table }: Engine, run: SweepRun, pair: Pair, entry: Entry): Promise<boolean> {
  const link = await findLink(table, { system: 'customcrm', pair, id: entry.customcrmId });
  return link !== undefined && !madeSince(link, run.startedAt);
}

/**
 * One page of the directory of links. A link that both lists showed is whole: each half was read, and both named the same two records.
 * The others are looked at one by one: broken ones are shown, records that a list did not show are suspects, and their worker finds out.
 */
export async function checkLinks(
  engine: Engine,
  run: SweepRun,
  pair: Pair,
  marks: Marks,
): Promise<{ readonly found: readonly FoundRecord[]; readonly next: string | undefined }> {
  const page = await linkedIds(engine.table, pair, {
    ...(run.cursor !== undefined && { after: run.cursor }),
    limit: directoryPage,
  });
  const doubtful = page.filter(({ customcrmId, waveId }) =>
    systems.some((system) => !marks[system].has(markOf(customcrmId, waveId))),
  );
  const found = await Promise.all(doubtful.map((entry) => suspects(engine, run, pair, marks, entry)));
  return {
    found: found.flat(),
    next: page.length < directoryPage ? undefined : page.at(-1)?.customcrmId,
  };
}

type Entry = { readonly customcrmId: string; readonly waveId: string };

async function suspects(
  engine: Engine,
  run: SweepRun,
  pair: Pair,
  marks: Marks,
  entry: Entry,
): Promise<readonly FoundRecord[]> {
  const link = await wholeLink(engine, pair, entry);
  if (!link || madeSince(link, run.startedAt)) return [];
  const mark = markOf(entry.customcrmId, entry.waveId);
  const missing = systems.filter((system) => !marks[system].has(mark));
  const refs = missing.map((system): RecordRef => ({ system, pair, id: idIn(entry, system) }));
  const parked = await Promise.all(
    systems.map((system) =>
      engine.table.get({ pk: refKey({ system, pair, id: idIn(entry, system) }), sk: 'parked' }),
    ),
  );
  // What waits for a parent may wait for a day; everything else is looked at soon anyway.
  if (parked.some((pointer) => pointer !== undefined && pointer.name !== 'parent')) return [];
  return refs.map(({ system, id }) => ({ system, id, revision: link.revision, repair: false }));
}

const idIn = ({ customcrmId, waveId }: Entry, system: System): string =>
  system === 'customcrm' ? customcrmId : waveId;

/** Linked after the lists were read. */
const madeSince = (link: Link, at: number): boolean => (link.history.at(-1)?.at ?? 0) >= at;

/** The link of a directory entry, read from its Wave half, which checks both; undefined when it ended meanwhile, or is broken. */
async function wholeLink(engine: Engine, pair: Pair, entry: Entry): Promise<Link | undefined> {
  const main: RecordRef = { system: 'customcrm', pair, id: entry.customcrmId };
  try {
    const link = await findLink(engine.table, { system: 'wave', pair, id: entry.waveId });
    if (link?.customcrmId === entry.customcrmId) return link;
  } catch (error) {
    if (!(error instanceof BrokenLinkError)) throw error;
  }
  if ((await directoryEntry(engine.table, pair, entry.customcrmId)) === entry.waveId)
    await reportBroken(engine, main);
  return undefined;
}
