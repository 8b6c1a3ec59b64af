import { type Body, type RecordRef, refKey } from '../../lib/domain/record.ts';
import { isBlankOrNone } from '../../lib/mappings/cells.ts';
import type { Row } from '../../lib/mappings/mapping.ts';
import { mappings } from '../../lib/mappings/pairs.ts';
import type { OutcomeLine } from '../../lib/sync/engine.ts';
import type { Notebook } from './checks.ts';
import { type Ending, everOpposite } from './ending.ts';
import { type Happening, setOut } from './truth.ts';

/** What a fuse counts, ms. */
const windowMs = 3600_000;
/** A write sets out within this time after it was counted, ms. */
const countedBeforeMs = 60_000;

/**
 * Out of use, or emptied, by the engine: never more records, or rows, within an hour than the fuse allows, unless a person mended it in
 * between, or let the record through after it had waited.
 */
export function checkFuses(ending: Ending, { look }: Notebook): void {
  const { world } = ending;
  // A table that was set back has forgotten what was counted.
  if (world.restored) return;
  const limit = world.settings.fuseLimit;
  const waited = new Set(world.outcomes.filter(isFused).map((line) => recordOf(line)));
  const wasReleased = (ref: RecordRef) =>
    [refKey(ref), ...everOpposite(ending, ref).map((other) => refKey(other))].some((key) => waited.has(key));
  const counted = world.truth.all().filter((happening) => !wasReleased(happening));
  const archived = counted.filter(takesOut).map((each) => ({ key: linkOf(ending, each), at: setOut(each) }));
  const emptied = counted.flatMap((each) =>
    emptiedCells(ending, each).map((cell) => ({ key: cell, at: setOut(each) })),
  );
  for (const cases of [archived, emptied])
    for (const { at } of cases) {
      const mendedAt = Math.max(0, ...world.mended.filter((time) => time <= at));
      const since = Math.max(at - windowMs, mendedAt) + countedBeforeMs;
      const keys = new Set(cases.filter((other) => other.at > since && other.at <= at).map(({ key }) => key));
      look(
        'fuses hold',
        keys.size > limit ? `${[...keys].join(', ')} within an hour: ${limit} may` : undefined,
      );
    }
}

/** A fuse counts by link, whichever side it takes out of use: a product that is given another counterpart is one, and archived in both. */
function linkOf({ world }: Ending, happening: Happening): string {
  const own = refKey(happening);
  const other = happening.system === 'wave' ? world.store.everLinkedWith(own).at(-1) : undefined;
  return other === undefined ? own : refKey({ system: 'customcrm', pair: happening.pair, id: other });
}

/**
 * By link, as a fuse counts them, whichever side was emptied; of two rows in one cell of Wave one. What was emptied beside them, as it was
 * filled in after our read, was in no plan: see `editInGap`.
 */
function emptiedCells(ending: Ending, happening: Happening): readonly string[] {
  const { world, cell } = ending;
  const { by, did, pair, system } = happening;
  const { basis, next } = (by.who === 'engine' && did === 'edited' && by.attempt) || {};
  if (!basis || !next) return [];
  const link = linkOf(ending, happening);
  const isBlank = (row: Row, body: Body) => isBlankOrNone(cell(row, system, body));
  const emptied = mappings[pair]
    .rows(world.settings.mapping)
    .filter((row) => !isBlank(row, basis) && isBlank(row, next));
  return [...new Set(emptied.map(({ id, rules }) => `${link} ${rules.waveCellOf ?? id}`))];
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
