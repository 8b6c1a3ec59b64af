import type { RecordRef } from '../domain/record.ts';
import { reportFailed } from './broken-links.ts';
import type { Cause, Engine } from './engine.ts';
import { counterpartOf } from './links.ts';
import { parkedNow } from './parking.ts';
import type { Doorbell, Unreadable } from './ports.ts';
import type { Sighting } from './sighting.ts';
import { isStarted } from './started-pairs.ts';

/**
 * Shows a row that could not be read, and passes it, so that it holds up no other. It is news until it waits to be read: then its own
 * worker has looked at the record, and does so again and again until it can be read.
 */
export async function showUnreadable(
  engine: Engine,
  { ref, isNamed, because }: Unreadable,
  eventId: string,
): Promise<Pick<Sighting, 'news' | 'print' | 'mayWait' | 'link'>> {
  const print = 'unreadable';
  const concerns =
    (await isStarted(engine, ref.pair)) || (await counterpartOf(engine.table, ref)) !== undefined;
  if (!concerns) return { news: false, print, mayWait: false, link: undefined };
  await reportFailed(engine, ref, because, eventId, isNamed);
  return { news: isNamed && !(await waitsToBeRead(engine, ref)), print, mayWait: false, link: undefined };
}

/** What waits for something else may not be looked at for a day, and would show long after it could be read that it cannot. */
async function waitsToBeRead(engine: Engine, ref: RecordRef): Promise<boolean> {
  const parked = await parkedNow(engine, ref);
  return parked !== undefined && readSoon.has(String(parked.name));
}
/** A resume rings for everything that was paused. */
const readSoon: ReadonlySet<string> = new Set<Cause['name']>(['unavailable', 'reconnect', 'pause']);

/** Shows these rows of one system, and rings for those that are news. Answers how many. */
export async function ringForUnread(
  engine: Engine,
  unread: readonly Unreadable[],
  eventId: string,
  at: number,
): Promise<number> {
  const shown = await Promise.all(unread.map((row) => showUnreadable(engine, row, eventId)));
  const doorbells = unread.flatMap(({ ref }, index): Doorbell[] =>
    shown[index]?.news ? [{ ...ref, eventId, at }] : [],
  );
  const [first] = doorbells;
  if (first) await engine.queues[first.system].ring(doorbells);
  return doorbells.length;
}
