import { otherSystem, type System } from '../../lib/domain/record.ts';
import type { Loser } from '../../lib/sync/conflict-log.ts';
import { type Case, isShown, type Standing } from './case.ts';
import { formsOf, idOf, namesIn, tagOf } from './forms.ts';
import type { Typed } from './ledger.ts';
import { type Row, rowsOf, textForm } from './rows.ts';

/** How long before its outcome is noted a write of the service may have read what it wrote over, ms. */
const gapMs = 15_000;

export const gapAccount = 'editInGap: typed in Wave between our read and our write';

const heldAlone = 'on a record that is not linked, and is shown';

/** The last value that somebody surely typed at each side is on both sides, was replaced later, or is accounted for by name. */
export async function lostEdits(file: Case, standings: readonly Standing[]): Promise<void> {
  const byTag = Map.groupBy(standings, ({ tag }) => tag);
  const byRow = Map.groupBy(file.ledger.typed, ({ tag, row }) => `${tag} ${row}`);
  for (const typed of byRow.values()) {
    const done = typed.filter(({ sure }) => sure !== false);
    for (const system of ['customcrm', 'wave'] as const) {
      const last = done.findLast((each) => each.system === system && each.sure === true && !each.weak);
      if (last) await checkEdit(file, byTag.get(last.tag) ?? [], last, done);
    }
  }
}

async function checkEdit(
  file: Case,
  standings: readonly Standing[],
  last: Typed,
  typed: readonly Typed[],
): Promise<void> {
  const { look, account, ledger } = file;
  const [standing] = standings;
  // Without a link the other checks speak: the record has gone, or shows why it has none.
  if (!standing || ledger.removed.has(last.tag)) return;
  const row = rowsOf[last.pair].find(({ id }) => id === last.row);
  // Two people who entered the same thing one after the other made two records of one name.
  if (standings.some(({ forms }) => forms[last.system].get(last.row) === last.form))
    return look('no edit lost');
  const own = standing.forms[last.system].get(last.row);
  if (!row || wasReplaced(last, typed, own)) return look('no edit lost');
  const reason = isHeldAlone(file, last) ? heldAlone : await reasonIn(file, standings, row, last);
  if (reason !== undefined) {
    account(reason);
    return look('no edit lost');
  }
  const there = standing.forms[otherSystem(last.system)].get(last.row);
  look(
    'no edit lost',
    `${last.row} of ${last.tag} (${standing.link.customcrmId}): "${last.form.slice(0, 120)}" typed in ${last.system} at ${clock(last.to)}; now "${own?.slice(0, 120)}" and "${there?.slice(0, 120)}"; ${standing.link.state}`,
  );
}

/** What is there was typed at the same time or later, at either side. */
const wasReplaced = (last: Typed, typed: readonly Typed[], own: string | undefined): boolean =>
  typed.some((each) => each !== last && each.to >= last.from && each.form === own);

/** The same thing entered in both systems: this one has not met the other yet, and waits for a person to say so. */
const isHeldAlone = ({ picture, book }: Case, { system, pair, tag, row, form }: Typed): boolean =>
  picture.records[system][pair].some(
    (record) =>
      tagOf(system, pair, record) === tag &&
      book.shown.has(`${system}#${pair}#${idOf(system, record)}`) &&
      formsOf(pair, system, record, namesIn(picture)).get(row) === form,
  );

/** Of the records of one name, nobody wrote down into which one it was typed. */
async function reasonIn(file: Case, standings: readonly Standing[], row: Row, last: Typed) {
  const reasons = await Promise.all(standings.map((standing) => reasonFor(file, standing, row, last)));
  return reasons.find((reason) => reason !== undefined);
}

async function reasonFor(file: Case, { link }: Standing, row: Row, last: Typed): Promise<string | undefined> {
  const losers = await file.book.losers(link);
  if (losers.some((loser) => isLoser(loser, row, last))) return 'lost a conflict, kept in the conflict log';
  if (isShown(link, row.id)) return `the link says so: ${link.state}`;
  const overwritten = link.history.some(
    ({ at, rows }) =>
      at >= last.from - 1_000 && at <= last.to + gapMs && rows.some((each) => sharesInput(each, row, last)),
  );
  // Wave has no version check: what is typed between our read and our write is written over.
  return overwritten && last.system === 'wave' ? gapAccount : undefined;
}

function isLoser({ row: id, system, at, value }: Loser, row: Row, last: Typed): boolean {
  if (id !== row.id || system !== last.system || at < last.from - 1_000) return false;
  return row.kind === 'text' ? textForm(value) === last.form : true;
}

/** `City->wave`: this write replaced what the row shares with others. */
function sharesInput(written: string, row: Row, { pair }: Typed): boolean {
  const [id, system] = written.split('->') as [string, System];
  return system === 'wave' && rowsOf[pair].some((each) => each.id === id && each.input === row.input);
}

const clock = (ms: number): string => new Date(ms).toISOString().slice(11, 23);
