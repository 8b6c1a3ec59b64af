import { type Pair, type RecordRef, type System, systems } from '../domain/record.ts';
import type { Engine } from './engine.ts';
import { BrokenLinkError, findLink } from './links.ts';
import { pollKey } from './poll-progress.ts';
import type { Doorbell } from './ports.ts';
import { noteSighting, seenSince } from './sighting.ts';
import { type FoundRecord, pageAfter, type SweepRun } from './sweep-run.ts';

/** Doorbells of a sweep that may be unhandled at a time: more than a minute of the budget, since what found no slot is rung for once a minute. */
export const outstandingLimit = 100;
/** Doorbells rung at once. */
const ringBatch = 10;
/** Causes that an outage piles records up under. Waiting for a parent, a fuse or a person says nothing about the workers. */
const backlogs = ['unavailable', 'reconnect', 'busy', ...systems.map(pollKey)];

/** Who has waited for longer keeps failing, whatever the workers do, ms... */
const stuckAfterMs = 3600_000;
/** ...and, however many they are, leaves room for others: an outage parks so many more in that time, and no run is held up for good. */
const stuckLimit = outstandingLimit / 2;
/** Pages of one backlog that are looked at, {@link outstandingLimit} records each. */
const backlogPages = 20;

/** How many doorbells of sweeps, records and creates wait for the workers, or for an answer; undefined where the queue does not tell. */
export async function outstanding(engine: Engine): Promise<number | undefined> {
  const { queues, table } = engine;
  const depths = await Promise.all(
    systems.map(async (system) => (await queues[system].depth?.())?.background),
  );
  if (depths.some((depth) => depth === undefined)) return undefined;
  const parked = await Promise.all(backlogs.map((cause) => backlog(engine, cause)));
  const stuck = parked.reduce((sum, each) => sum + each.stuck, 0);
  const creates = (await table.byState('intent', Number.MAX_SAFE_INTEGER, outstandingLimit)).length;
  return [...depths, ...parked.map(({ fresh }) => fresh), Math.min(stuck, stuckLimit), creates].reduce(
    (sum: number, count) => sum + (count ?? 0),
    0,
  );
}

/** What waits under a cause, up to the limit. */
async function backlog(
  { table, clock }: Engine,
  cause: string,
): Promise<{ readonly fresh: number; readonly stuck: number }> {
  const counts = { fresh: 0, stuck: 0 };
  let after: string | undefined;
  for (let page = 0; page < backlogPages && counts.fresh < outstandingLimit; page++) {
    const from = after === undefined ? {} : { after };
    const items = await table.query(`parked#${cause}`, { ...from, limit: outstandingLimit });
    for (const { since } of items)
      counts[Number(since) < clock.now() - stuckAfterMs ? 'stuck' : 'fresh'] += 1;
    if (items.length < outstandingLimit) return counts;
    after = items.at(-1)?.sk;
  }
  return counts;
}

/** What one batch came to. `last`: the pair has no more. */
export interface Rung {
  readonly run: SweepRun;
  readonly last: boolean;
}

/** Rings for the next few records of a pair, leaving out those that somebody else has dealt with since they were compared. */
export async function ringBatchOf(engine: Engine, run: SweepRun, pair: Pair): Promise<Rung> {
  const { after, offset } = placeOf(run.cursor);
  const page = await pageAfter(engine, run, pair, after);
  const ringingSince = run.ringingSince ?? engine.clock.now();
  if (!page) return { run: { ...run, ringingSince }, last: true };
  const batch = page.found.slice(offset, offset + ringBatch);
  const open = await stillOpen(engine, pair, batch);
  await ringFor(engine, run, pair, open);
  const isDone = offset + batch.length >= page.found.length;
  const place: Place = isDone ? { after: page.sk, offset: 0 } : { after, offset: offset + batch.length };
  return {
    run: {
      ...run,
      cursor: JSON.stringify(place),
      rung: run.rung + open.length,
      settled: run.settled + batch.length - open.length,
      repairs: run.repairs + open.filter(({ repair }) => repair).length,
      ringingSince,
    },
    last: false,
  };
}

/** The last page that was rung for completely, and how much of the next one was. */
interface Place {
  readonly after?: string | undefined;
  readonly offset: number;
}
const placeOf = (cursor: string | undefined): Place =>
  cursor === undefined ? { offset: 0 } : (JSON.parse(cursor) as Place);

async function stillOpen(
  engine: Engine,
  pair: Pair,
  found: readonly FoundRecord[],
): Promise<readonly FoundRecord[]> {
  const revisions = await Promise.all(
    found.map(({ system, id }) =>
      findLink(engine.table, { system, pair, id }).then(
        (link) => link?.revision ?? 0,
        (error: unknown) => {
          if (error instanceof BrokenLinkError) return undefined;
          throw error;
        },
      ),
    ),
  );
  return found.filter(({ revision }, index) => revisions[index] === revision);
}

/** A poll may have seen a later picture since the lists were compared: who reads the record is to be told of that one, and it stays noted. */
async function withLatest(
  engine: Engine,
  run: SweepRun,
  pair: Pair,
  found: FoundRecord,
): Promise<FoundRecord & { readonly seenAt?: number }> {
  if (found.seen === undefined) return found;
  const later = await seenSince(engine, refOf(found.system, pair, found.id), run.startedAt);
  if (!later || later.seen <= found.seen) return found;
  const { print: _print, ...rest } = found;
  return { ...rest, seen: later.seen, seenAt: later.at };
}

async function ringFor(
  engine: Engine,
  run: SweepRun,
  pair: Pair,
  stillFound: readonly FoundRecord[],
): Promise<void> {
  const found = await Promise.all(stillFound.map((each) => withLatest(engine, run, pair, each)));
  const eventId = `sweep:${run.id}`;
  const at = engine.clock.now();
  for (const system of systems) {
    const own = found.filter((each) => each.system === system);
    const doorbells = own.map(
      ({ id, seen, seenAt }): Doorbell => ({
        ...refOf(system, pair, id),
        eventId,
        at,
        background: true,
        ...(seen !== undefined && { seen }),
        ...(seenAt !== undefined && { seenAt }),
      }),
    );
    if (doorbells.length > 0) await engine.queues[system].ring(doorbells);
  }
  for (const { system, id, print, repair, seen } of found) {
    const ref = refOf(system, pair, id);
    if (print !== undefined) await noteSighting(engine, ref, print, seen);
    if (repair) engine.report({ message: 'missed change found', ...ref, eventId });
  }
}

const refOf = (system: System, pair: Pair, id: string): RecordRef => ({ system, pair, id });
