import { parseRef, type RecordRef, refKey } from '../domain/record.ts';
import type { Cause, Engine } from './engine.ts';
import type { Condition, Doorbell, Item, Key, Table, Write, WriteResult } from './ports.ts';

const pointerKey = (ref: RecordRef): Key => ({ pk: refKey(ref), sk: 'parked' });
const parkedPrefix = 'parked#';
const parkedKey = (cause: string, ref: RecordRef): Key => ({ pk: parkedPrefix + cause, sk: refKey(ref) });

/** How many records are rung for at a time, and by one run of the janitor; the rest follows at the next one. */
const ringLimit = 200;
/** So many times a wake-up rings; what is behind them is left to the janitor. */
const wakePages = 50;

/** What is put aside: a record, when and by which delivery its change was first heard of, how new it was, and whether only a sweep has rung for it. */
type Waiting = RecordRef &
  Partial<Pick<Doorbell, 'at' | 'eventId' | 'causedBy' | 'seen' | 'seenAt' | 'background'>>;

/** Two workers may put one record aside at once: as its parent, and by its own doorbell. */
const tries = 3;

/**
 * Puts a record aside until whoever removes the cause rings, or the janitor does. Answers false when the cause is gone
 * already (a parent was linked, a lease given back): then go on at once.
 */
export async function park(engine: Engine, ref: Waiting, cause: Cause): Promise<boolean> {
  for (let attempt = 1; attempt <= tries; attempt++) {
    const result = await parkOnce(engine, ref, cause);
    if (result.done) return true;
    if (!result.failed.has(pointerPosition)) return false;
    // Others put it aside at the same time, and for the same: then it waits.
    if (attempt === tries) return result.failed.get(pointerPosition)?.cause === cause.key;
  }
  return false;
}

const pointerPosition = 0;

/** Pointer and item change together, and only from what was read: no item is left behind that no pointer knows. */
async function parkOnce({ table, clock }: Engine, ref: Waiting, cause: Cause): Promise<WriteResult> {
  const before = await table.get(pointerKey(ref));
  const same = before?.cause === cause.key;
  const lookedAt = clock.now();
  const since = same ? Number(before?.since) : clock.now();
  const times = same ? Number(before?.times) + 1 : 1;
  const heardAt = Math.min(ref.at ?? clock.now(), Number(before?.heardAt ?? Number.POSITIVE_INFINITY));
  const causedBy = before?.causedBy ?? ref.causedBy ?? ref.eventId;
  // Told once, however often it waits for something else in between.
  const shows = cause.shows ?? before?.shows;
  // A live change that waits stays one, whoever comes to wait for the same.
  const lane = ref.background && (!before || before.background) ? { background: true } : {};
  const about = { since, heardAt, causedBy, ...newestSeen(ref, before, clock.now()), ...lane };
  const others = [...new Map((cause.also ?? []).map((each) => [each.key, each])).values()].filter(
    ({ key }) => key !== cause.key,
  );
  const beside: readonly Item[] = [
    ...others.map(({ key }) => ({ ...parkedKey(key, ref), name: cause.name, ...about })),
    ...(await stillAtFuses(table, ref, before, cause)),
  ];
  const also = beside.map(({ pk }) => pk.slice(parkedPrefix.length));
  const writes: Write[] = [
    {
      put: {
        ...pointerKey(ref),
        cause: cause.key,
        name: cause.name,
        ...about,
        lookedAt,
        times,
        ...(also.length > 0 && { also }),
        ...(shows !== undefined && { shows }),
      },
      when: before ? asRead(before) : 'absent',
    },
    {
      put: {
        ...parkedKey(cause.key, ref),
        name: cause.name,
        ...about,
        ...(cause.asks && { asks: cause.asks }),
        state: 'parked',
        due: cause.due,
      },
    },
  ];
  for (const item of beside) writes.push({ put: item });
  for (const key of causesOf(before))
    if (key !== cause.key && !also.includes(key)) writes.push({ delete: parkedKey(key, ref) });
  for (const each of [cause, ...others]) if (each.while) writes.push(each.while);
  return table.write(writes);
}

/** Under these a record is not looked at: what a person says meanwhile at the fuse where it waited is said of it all the same. */
const notLookedAt: ReadonlySet<string> = new Set<Cause['name']>([
  'lease',
  'busy',
  'unavailable',
  'reconnect',
  'pause',
  'not-found',
]);

async function stillAtFuses(
  table: Table,
  ref: RecordRef,
  before: Parked,
  { name, also }: Cause,
): Promise<readonly Item[]> {
  // Who waits for parents was looked at, also where it is for the lease of one.
  const fuses =
    notLookedAt.has(name) && !also ? causesOf(before).filter((key) => key.startsWith('fuse#')) : [];
  const items = await Promise.all(fuses.map((key) => table.get(parkedKey(key, ref))));
  return items.flatMap((item) => {
    if (!item) return [];
    const { state: _state, due: _due, ...bare } = item;
    return [bare];
  });
}

/** Every cause whose end rings for a record that waits. */
const causesOf = (parked: Parked): readonly string[] =>
  parked ? [String(parked.cause), ...((parked.also ?? []) as readonly string[])] : [];

/** The newest picture that was heard of, and when. */
function newestSeen(
  { seen, seenAt, at }: Waiting,
  before: Parked,
  now: number,
): Pick<Doorbell, 'seen' | 'seenAt'> {
  const known = before?.seen === undefined ? Number.NEGATIVE_INFINITY : Number(before.seen);
  if (seen !== undefined && seen > known) return { seen, seenAt: seenAt ?? at ?? now };
  return before?.seen === undefined ? {} : { seen: known, seenAt: Number(before.seenAt ?? before.heardAt) };
}

/** Parked anew, even under the same cause, it may wait for something else beside it. */
const asRead = ({ cause, since, times }: Item): Condition => ({
  equals: { cause: String(cause), since: Number(since), times: Number(times) },
});

/** Pauses of a parked record grow from the first to the second, ms. */
const shortestPauseMs = 30_000;
export const longestPauseMs = 15 * 60_000;

/** How long a record waits that has waited so often for the same, ms. */
export const grownPause = (times: number): number =>
  Math.min(shortestPauseMs * 2 ** Math.min(times, 10), longestPauseMs);

/** How often in a row a record was parked under this cause, for a growing pause. */
export async function timesParked({ table }: Engine, ref: RecordRef, causeKey: string): Promise<number> {
  const pointer = await table.get(pointerKey(ref));
  return pointer?.cause === causeKey ? Number(pointer.times) : 0;
}

/** Since when a record has been parked under this cause (ms), or undefined. */
export async function parkedSince(
  { table }: Engine,
  ref: RecordRef,
  causeKey: string,
): Promise<number | undefined> {
  const pointer = await table.get(pointerKey(ref));
  return pointer?.cause === causeKey ? Number(pointer.since) : undefined;
}

/** How a record waits right now; undefined when it does not. */
export type Parked = Item | undefined;

export const parkedNow = ({ table }: Engine, ref: RecordRef): Promise<Parked> => table.get(pointerKey(ref));

/** When the change was first heard of that this record waits with (ms), or undefined when it does not wait. */
export const waitsSince = (parked: Parked): number | undefined =>
  parked && Number(parked.heardAt ?? parked.since);

/** The record is not waiting any more. @param seen as it waited before it was looked at: who parked it since saw something newer */
export async function unpark(engine: Engine, ref: RecordRef, seen?: Parked): Promise<void> {
  const parked = seen ?? (await parkedNow(engine, ref));
  if (parked) await engine.table.write(unparkWrites(ref, parked));
}

/** To be part of a write after which the record waits for nothing: it fails when the record was parked anew since. */
export function unparkWrites(ref: RecordRef, parked: Parked): readonly Write[] {
  if (!parked) return [];
  return [
    { delete: pointerKey(ref), when: asRead(parked) },
    ...causesOf(parked).map((cause) => ({ delete: parkedKey(cause, ref) })),
  ];
}

/** After this long the janitor rings again for what still waits for a cause that was removed, ms: a doorbell may have been lost. */
const wokenAgainMs = 15 * 60_000;

/** Rings for everything that waits for this cause. */
export async function wake(engine: Engine, causeKey: string): Promise<number> {
  let rung = 0;
  for await (const page of waitingFor(engine, causeKey)) {
    const soon = engine.clock.now() + wokenAgainMs;
    const mains = await Promise.all(page.map((item) => (waitsBeside(item) ? mainOf(engine, item) : item)));
    const late = mains.filter((item) => item !== undefined).filter(({ due }) => Number(due) > soon);
    await setDue(engine, late, soon);
    rung += await ringFor(engine, page);
  }
  return rung;
}

/** Whether a record waits for this beside something else. */
export const waitsBeside = ({ due }: Item): boolean => due === undefined;

/** The item by which the janitor finds a record that waits for this beside something else. */
async function mainOf({ table }: Engine, { sk }: Item): Promise<Item | undefined> {
  const ref = parseRef(sk);
  const pointer = await table.get(pointerKey(ref));
  return pointer && table.get(parkedKey(String(pointer.cause), ref));
}

/** When these are rung for next; one that is no longer parked is not put back by this. */
async function setDue({ table }: Engine, items: readonly Item[], due: number): Promise<void> {
  for (const item of items) await table.write([{ put: { ...item, due }, when: 'present' }]);
}

/** These are woken by whoever removes the cause, who is about to. */
const wokenAnyway: ReadonlySet<string> = new Set<Cause['name']>(['fence', 'lease']);

/** Rings for a record that waits, whatever for: as a record without a link it did, and now it has one. */
export async function wakeRecord(engine: Engine, ref: RecordRef): Promise<void> {
  const parked = await parkedNow(engine, ref);
  if (parked && !wokenAnyway.has(String(parked.name)))
    await ringFor(engine, [{ ...parked, sk: refKey(ref) }]);
}

/** Everything that waits for this cause, page by page. */
export async function* waitingFor({ table }: Engine, causeKey: string): AsyncGenerator<readonly Item[]> {
  let after: string | undefined;
  for (let pages = 0; pages < wakePages; pages++) {
    const from = after === undefined ? {} : { after };
    const page = await table.query(parkedPrefix + causeKey, { ...from, limit: ringLimit });
    if (page.length > 0) yield page;
    after = page.at(-1)?.sk;
    if (page.length < ringLimit) return;
  }
}

/** Rings for everything that has waited longer than its cause allows. */
export async function wakeOverdue(engine: Engine): Promise<number> {
  const now = engine.clock.now();
  const overdue = await engine.table.byState('parked', now, ringLimit);
  // Rung once a minute at most.
  await setDue(engine, overdue, now + 60_000);
  return ringFor(engine, overdue);
}

async function ringFor(engine: Engine, items: readonly Item[]): Promise<number> {
  const doorbells = items.map(
    (item): Doorbell => ({
      ...parseRef(item.sk),
      eventId: `wake:${engine.newId()}`,
      ...(item.causedBy !== undefined && { causedBy: String(item.causedBy) }),
      at: Number(item.heardAt ?? item.since),
      ...(item.seen !== undefined && { seen: Number(item.seen) }),
      ...(item.seenAt !== undefined && { seenAt: Number(item.seenAt) }),
      ...(item.background === true && { background: true }),
    }),
  );
  for (const system of ['customcrm', 'wave'] as const) {
    const own = doorbells.filter((doorbell) => doorbell.system === system);
    if (own.length > 0) await engine.queues[system].ring(own);
  }
  return doorbells.length;
}
