import { type RecordRef, refKey } from '../../lib/domain/record.ts';
import type { OutcomeLine } from '../../lib/sync/engine.ts';
import type { Notebook } from './checks.ts';
import { type Ending, everOpposite } from './ending.ts';
import { type Happening, setOut } from './truth.ts';

/** What a fuse counts, ms. */
const windowMs = 3600_000;
/** A write sets out within this time after it was counted, ms. */
const countedBeforeMs = 60_000;

/**
 * Out of use by the engine: never more records within an hour than the fuse allows, unless a person mended it in between, or let the
 * record through after it had waited.
 */
export function checkFuses(ending: Ending, { look }: Notebook): void {
  const { world } = ending;
  // A table that was set back has forgotten what was counted.
  if (world.restored) return;
  const limit = world.settings.fuseLimit;
  const waited = new Set(world.outcomes.filter(isFused).map((line) => recordOf(line)));
  const wasReleased = (ref: RecordRef) =>
    [refKey(ref), ...everOpposite(ending, ref).map((other) => refKey(other))].some((key) => waited.has(key));
  const taken = world.truth
    .all()
    .filter((happening) => takesOut(happening) && !wasReleased(happening))
    .map((happening) => ({ key: refKey(happening), at: setOut(happening) }));
  for (const { at } of taken) {
    const mendedAt = Math.max(0, ...world.mended.filter((time) => time <= at));
    const since = Math.max(at - windowMs, mendedAt) + countedBeforeMs;
    const records = new Set(
      taken.filter((other) => other.at > since && other.at <= at).map(({ key }) => key),
    );
    look(
      'fuses hold',
      records.size > limit ? `${records.size} records within an hour, ${limit} may` : undefined,
    );
  }
}

/** Whoever blows it is told so first, and may be killed before the record is reported to wait. */
const isFused = ({ message, because }: OutcomeLine): boolean =>
  message === 'fuse blown' || (message === 'record waits' && because === 'fuse');

const recordOf = ({ system, pair, id }: OutcomeLine): string => refKey({ system, pair, id });

/** Deleted or archived by the engine; what a person does in one system arrives in the other by this. */
function takesOut({ by, did, pair, before, after }: Happening): boolean {
  if (by.who !== 'engine') return false;
  return (
    did === 'deleted' || (pair === 'product' && before?.isArchived === false && after.isArchived === true)
  );
}
