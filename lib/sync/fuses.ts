import { parseRef, type RecordRef, refKey } from '../domain/record.ts';
import type { Engine } from './engine.ts';
import { waitingFor, waitsBeside, wake } from './parking.ts';
import type { Item, Key, Write } from './ports.ts';

/**
 * What a fuse watches: everything changed at once, records going out of use, values going empty, and rows written to and fro. Asked in
 * this order: what waits for the first is not counted by the others again and again.
 */
export const fuseNames = ['changed', 'deletions', 'emptied', 'loop'] as const;
export type FuseName = (typeof fuseNames)[number];

/** How much is counted, ms. */
const windowMs = 3600_000;
/** What a person said of a change holds for so long, ms: who has waited is rung for at once, or when what it waits for beside is over, such as a pause. */
const rulingMs = 24 * 3600_000;
const besideMs = 7 * rulingMs;
/** Tries against other workers that count at the same time: each that is lost is one of theirs that was counted. */
const tries = 25;

/** What is to pass: its rows, each with the print of what is asked there. */
export type Asked = Readonly<Record<string, string>>;

/**
 * How a record passes a fuse: freely, not at all for now, never (a person said no to these rows), or nobody knows yet, as too many others count. What a person said is used up by the
 * write that follows from it, so `spends` is to be a part of that.
 */
export type Passage =
  | { readonly did: 'waits' | 'busy' }
  | { readonly did: 'passes'; readonly spends: readonly Write[] }
  | { readonly did: 'rejected'; readonly rows: readonly string[]; readonly spends: readonly Write[] };

interface Window {
  readonly revision: number;
  /** What was counted, by record and row: a repeated attempt does not count twice. */
  readonly counted: Readonly<Record<string, { readonly at: number; readonly amount: number }>>;
  /** Since when nothing passes (ms). */
  readonly blownAt?: number;
  /** When a person replaced it (ms): what he said of those that waited may still be unheard. */
  readonly mendedAt?: number;
}

const windowKey = (name: FuseName): Key => ({ pk: `fuse#${name}`, sk: 'window' });
const rulingKey = (ref: RecordRef, name: FuseName): Key => ({ pk: refKey(ref), sk: `ruling#${name}` });

/** The cause key under which records wait for this fuse. */
export const fuseCause = (name: FuseName): string => `fuse#${name}`;

/** Counts these rows of a record, given as both halves of its link. Beyond the limit of an hour the fuse blows, and everything waits until a person has looked. */
export async function passFuse(
  engine: Engine,
  name: FuseName,
  halves: readonly [RecordRef, RecordRef],
  asked: Asked,
): Promise<Passage> {
  const [ref] = halves;
  const ruling = await rulingOn(engine, name, halves, asked);
  if (ruling) return ruling;
  for (let attempt = 0; attempt < tries; attempt++) {
    const now = engine.clock.now();
    const before = await windowOf(engine, name);
    if (before.blownAt !== undefined) return { did: 'waits' };
    const counted = countedWith(before, ref, Object.keys(asked), now);
    const sum = Object.values(counted).reduce((total, entry) => total + entry.amount, 0);
    const blows = sum > engine.settings.fuseLimit;
    const after: Window = blows
      ? { ...before, revision: before.revision + 1, blownAt: now }
      : { revision: before.revision + 1, counted };
    if (!(await engine.table.write([windowWrite(name, before, after)])).done) continue;
    if (!blows) return { did: 'passes', spends: [] };
    reportBlown(engine, name, ref);
    return { did: 'waits' };
  }
  return { did: 'busy' };
}

function reportBlown(engine: Engine, name: FuseName, { system, pair, id }: RecordRef): void {
  engine.report({ message: 'fuse blown', system, pair, id, eventId: name, because: fuseCause(name) });
}

/** A record that is a case for a fuse by itself, however many others there are: nothing passes before a person has looked. */
export async function passAlone(
  engine: Engine,
  name: FuseName,
  halves: readonly [RecordRef, RecordRef],
  asked: Asked,
): Promise<Passage> {
  const ruling = await rulingOn(engine, name, halves, asked);
  if (ruling) return ruling;
  if (await blowFuse(engine, name)) reportBlown(engine, name, halves[0]);
  return { did: 'waits' };
}

/** A fuse that only a sweep blows holds every write back, as it may be one of those that the sweep did not believe. */
export async function passUnblown(
  engine: Engine,
  name: FuseName,
  halves: readonly [RecordRef, RecordRef],
  asked: Asked,
): Promise<Passage> {
  const { blownAt, mendedAt = Number.NEGATIVE_INFINITY } = await windowOf(engine, name);
  const isOpen = blownAt === undefined;
  const passes = { did: 'passes', spends: [] } as const;
  if (isOpen && mendedAt + besideMs < engine.clock.now()) return passes;
  return (await rulingOn(engine, name, halves, asked)) ?? (isOpen ? passes : { did: 'waits' });
}

/** What a person said about the record that waited, under either half of its link: of what it asked then, and of nothing else. */
async function rulingOn(
  { table, clock }: Engine,
  name: FuseName,
  halves: readonly [RecordRef, RecordRef],
  asked: Asked,
): Promise<Passage | undefined> {
  const rulings = await Promise.all(halves.map((ref) => table.get(rulingKey(ref, name))));
  // The table deletes what has expired days later. Those of older code say no time.
  const isValid = ({ expiresAt }: Item) => expiresAt === undefined || Number(expiresAt) > clock.now() / 1000;
  const said = rulings.filter((ruling) => ruling !== undefined && isValid(ruling));
  const saidOf = (row: string, released: boolean) =>
    said.some(
      (ruling) =>
        (ruling?.released === true) === released &&
        isAbout(ruling?.asks as readonly string[] | undefined, asked[row] ?? ''),
    );
  const spends = halves.map((ref) => ({ delete: rulingKey(ref, name) }));
  const rows = Object.keys(asked);
  const rejected = rows.filter((row) => saidOf(row, false));
  if (rejected.length > 0) return { did: 'rejected', rows: rejected, spends };
  return rows.every((row) => saidOf(row, true)) ? { did: 'passes', spends } : undefined;
}

/** Older code did not note what was asked, and prints under another key cannot be compared: then all that the record asks is meant. */
function isAbout(asks: readonly string[] | undefined, asked: string): boolean {
  const keyOf = (print: string) => print.split('.', 1)[0];
  const comparable = asks?.filter((print) => keyOf(print) === keyOf(asked)) ?? [];
  return comparable.length === 0 || comparable.includes(asked);
}

async function windowOf({ table }: Engine, name: FuseName): Promise<Window> {
  const item = await table.get(windowKey(name));
  return (item?.window as Window | undefined) ?? { revision: 0, counted: {} };
}

function countedWith(
  { counted }: Window,
  ref: RecordRef,
  rows: readonly string[],
  now: number,
): Window['counted'] {
  const recent = Object.entries(counted).filter(([, entry]) => entry.at > now - windowMs);
  const own = rows.map((row) => [`${refKey(ref)} ${row}`, { at: now, amount: 1 }]);
  return Object.fromEntries([...recent, ...own]);
}

const windowWrite = (name: FuseName, before: Window, after: Window): Write => ({
  put: { ...windowKey(name), revision: after.revision, window: after },
  when: before.revision === 0 ? 'absent' : { equals: { revision: before.revision } },
});

/** Blows a fuse for a reason that is no count: an empty list, everything changed at once. Answers false when it was blown before. */
export async function blowFuse(engine: Engine, name: FuseName): Promise<boolean> {
  for (let attempt = 1; attempt <= tries; attempt++) {
    const before = await windowOf(engine, name);
    if (before.blownAt !== undefined) return false;
    const after = { ...before, revision: before.revision + 1, blownAt: engine.clock.now() };
    if ((await engine.table.write([windowWrite(name, before, after)])).done) return true;
  }
  throw new Error(`The fuse ${name} could not be blown: workers counted at it ${tries} times meanwhile`);
}

/** Since when the fuse is blown (ms), or undefined while everything passes. */
export const blownSince = async (engine: Engine, name: FuseName): Promise<number | undefined> =>
  (await windowOf(engine, name)).blownAt;

/** Replaces the fuse. What waits behind it goes on (`released`), or stays as it is until it changes again. Answers how many. */
export async function mendFuse(engine: Engine, name: FuseName, released: boolean): Promise<number> {
  const now = engine.clock.now();
  let freed = 0;
  for await (const page of waitingFor(engine, fuseCause(name))) {
    for (const item of page) {
      const writes = rulingWrites(item, name, released, now);
      // Looked at since, it may wait at the fuse itself: by that item it is found.
      if (!(await engine.table.write(writes)).done) await engine.table.write(writes.slice(0, 1));
    }
    freed += page.length;
  }
  const before = await windowOf(engine, name);
  if (before.revision > 0)
    await engine.table.write([
      windowWrite(name, before, {
        revision: before.revision + 1,
        counted: {},
        mendedAt: now,
      }),
    ]);
  await wake(engine, fuseCause(name));
  return freed;
}

function rulingWrites(item: Item, name: FuseName, released: boolean, now: number): readonly Write[] {
  const { pk, sk, asks } = item;
  const isBeside = waitsBeside(item);
  const expiresAt = Math.ceil((now + (released && !isBeside ? rulingMs : besideMs)) / 1000);
  const about = asks === undefined ? {} : { asks };
  return [
    { put: { ...rulingKey(parseRef(sk), name), released, expiresAt, ...about } },
    // Asked about once, and not rung for as long as something else holds it back.
    ...(isBeside ? [{ delete: { pk, sk }, when: { equals: { since: Number(item.since) } } }] : []),
  ];
}
