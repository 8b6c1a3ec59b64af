import { otherSystem, refKey, type System } from '../../lib/domain/record.ts';
import type { Row } from '../../lib/mappings/mapping.ts';
import type { Notebook } from './checks.ts';
import { bothCells, type Ending, everOpposite, sameOnce } from './ending.ts';
import { describe, type Happening, isFromAYoungPicture } from './truth.ts';

/** Everything that the engine wrote was somebody's value, was allowed, and was written on what had been read. */
export function checkWrites(ending: Ending, notebook: Notebook): void {
  for (const happening of ending.world.truth.all()) {
    if (happening.by.who !== 'engine') continue;
    if (happening.did === 'deleted') checkDeletedDraft(happening, notebook);
    if (happening.did !== 'edited') continue;
    checkLocks(ending, happening, notebook);
    checkJustified(ending, happening, notebook);
    checkOwnEcho(ending, happening, notebook);
  }
  checkAlternation(ending, notebook);
}

const topOf = (path: string): string => path.split('.')[0] ?? path;

const flowsTo = (row: Row, system: System): boolean =>
  row.direction === 'both' || row.direction === (system === 'wave' ? 'toWave' : 'toCustomcrm');

/** Rows of a write that were sent, or that stand in an object that was replaced as a whole. */
function sentRows({ world }: Ending, { system, pair, by, rows }: Happening): readonly Row[] {
  const paths = (by.who === 'engine' && by.attempt?.paths) || [];
  const tops = new Set(paths.map(topOf));
  return world.truth
    .rowsOf(pair)
    .filter((row) => rows.includes(row.id) && flowsTo(row, system) && tops.has(topOf(row[system])));
}

/** Each value that arrives was held by the other side before, or was there when the record was read. */
function checkJustified(ending: Ending, happening: Happening, { look, except }: Notebook): void {
  const { system } = happening;
  const others = everOpposite(ending, happening).filter(({ order }) => order < happening.order);
  const basis = happening.by.who === 'engine' ? happening.by.attempt?.basis : undefined;
  for (const row of sentRows(ending, happening)) {
    const cell = ending.cell(row, system, happening.after);
    if (!cell) continue;
    const wasThere = others.some(({ after }) => {
      const other = ending.cell(row, otherSystem(system), after);
      if (!other) return false;
      const cells = bothCells(system, cell, other);
      return ending.same(row, ...cells) || sameOnce(ending, row, ...cells);
    });
    const wasRead = basis && ending.cell(row, system, basis)?.form === cell.form;
    if (!wasThere && wasRead)
      except('editInGap: a neighbour was put back', `${row.id} of ${describe(happening)}`);
    const byDeletion = others.some(({ did }) => did === 'deleted');
    look(
      'writes are justified',
      wasThere || wasRead || byDeletion
        ? undefined
        : `${row.id} of ${describe(happening)}: nobody had typed it`,
    );
  }
}

/** What a user replaced in his own system does not come back from the other one, where nobody had typed anything since. */
function checkOwnEcho(ending: Ending, happening: Happening, { look, except }: Notebook): void {
  const { world } = ending;
  if (world.restored) return;
  const { system, order, by } = happening;
  const basis = by.who === 'engine' ? by.attempt?.basis : undefined;
  const before = world.truth.of(happening).filter((other) => other.order < order && other.by.who === 'user');
  for (const row of sentRows(ending, happening)) {
    const put = ending.cell(row, system, happening.after);
    const typed = before.filter(({ rows }) => rows.includes(row.id));
    const last = typed.at(-1);
    const earlier = typed.findLast(({ after }) => ending.cell(row, system, after)?.form === put?.form);
    if (row.direction !== 'both' || row.rules.ratchet || !put || !last || !earlier || earlier === last)
      continue;
    const lastCell = ending.cell(row, system, last.after);
    if (lastCell?.form === '' || lastCell?.form === 'null') continue;
    const there = everOpposite(ending, happening).filter(
      (other) => other.order < order && (other.did === 'deleted' || other.rows.includes(row.id)),
    );
    // What stands there by somebody's own hand is not an echo, even when it is the same and older.
    const isTheirs = there.at(-1)?.by.who === 'user';
    // Deleted and brought back, its next link is a first one.
    const wasGone = world.truth
      .of(happening)
      .some((other) => other.did === 'restored' && other.order > earlier.order && other.order < order);
    // Linked with another record since: that one's values, and a first link.
    const isLinkedSince =
      world.store.linksOf(refKey(happening)).some(({ madeAt }) => madeAt > last.at) ||
      // Or linked again by a person: what was typed before the first look at that is of a first link too, and kept.
      world.decided.some(
        ({ what, about, at }) => /link/.test(what) && at > earlier.at && about.includes(refKey(happening)),
      );
    const between =
      isTheirs ||
      isLinkedSince ||
      wasGone ||
      there.some(
        (other) => other.order > earlier.order && (other.did === 'deleted' || other.by.who === 'user'),
      );
    const wasRead = basis && ending.cell(row, system, basis)?.form === put.form;
    if (!between && wasRead)
      except('editInGap: a neighbour was put back', `${row.id} of ${describe(happening)}`);
    look(
      'no own echo',
      between || wasRead
        ? undefined
        : `${row.id} of ${describe(happening)}: replaced what was typed after it`,
    );
  }
}

const whileIssued = new Set(['Title', 'Description', 'Footer', 'DueDate', 'Status']);
const whilePaid = new Set(['Title', 'Description', 'Footer']);
const paid = new Set(['PARTIAL', 'PAID', 'OVERPAID']);

/** The lock table of docs/dataflow.md. */
function checkLocks(ending: Ending, happening: Happening, { look, except }: Notebook): void {
  if (happening.system !== 'wave' || happening.pair !== 'order' || happening.by.who !== 'engine') return;
  const status = String(happening.before?.status);
  if (status === 'DRAFT') {
    look('locks');
    return;
  }
  const allowed = paid.has(status) ? whilePaid : whileIssued;
  const { editIssuedInvoices } = ending.world.settings.mapping;
  const moved = movedInGap(happening);
  for (const row of sentRows(ending, happening)) {
    const isAllowed =
      allowed.has(row.id) || (editIssuedInvoices && !paid.has(status)) || row.wave === 'poNumber';
    if (!isAllowed && moved) except('lockedInGap', `${row.id} of ${describe(happening)}`);
    look('locks', isAllowed || moved ? undefined : `${row.id} of ${describe(happening)} while ${status}`);
  }
}

/** It had another status when it was read, and was written to as soon after that as is promised. */
const movedInGap = ({ by, before }: Happening): boolean =>
  by.who === 'engine' &&
  by.attempt !== undefined &&
  by.attempt.basis?.status !== before?.status &&
  isFromAYoungPicture(by.attempt);

/** Only drafts are ever deleted. */
function checkDeletedDraft(happening: Happening, { look, except }: Notebook): void {
  if (happening.system !== 'wave' || happening.pair !== 'order') return;
  const status = String(happening.before?.status);
  const moved = movedInGap(happening);
  if (status !== 'DRAFT' && moved) except('lockedInGap', `the deletion of ${describe(happening)}`);
  look('locks', status === 'DRAFT' || moved ? undefined : `${describe(happening)} while ${status}`);
}

/** A row is written at most once for each thing that people did to it (twice where they may leave a part to Wave), and once for what a system filled in at the beginning. */
function checkAlternation(ending: Ending, { look }: Notebook): void {
  for (const linked of ending.links) {
    const both = [linked.customcrm, linked.wave];
    const all = both.flatMap(({ happenings }) => happenings);
    const former = both.flatMap(({ ref }) => everOpposite(ending, ref));
    // A new link brings the values of the one to the other.
    const decisions = ending.world.decided.filter(({ about }) =>
      both.some(({ key }) => about.includes(key)),
    ).length;
    for (const row of ending.world.truth.rowsOf(linked.link.pair)) {
      if (row.direction !== 'both') continue;
      const touched = all.filter(({ rows }) => rows.includes(row.id));
      const byPeople = [...touched, ...former].filter(
        ({ by, rows }) => by.who === 'user' && rows.includes(row.id),
      );
      const people = new Set(byPeople.map(({ order }) => order)).size;
      const ours = touched.filter(({ by, did }) => by.who === 'engine' && did === 'edited').length;
      const most = (row.conversion.partial ? 2 : 1) * people + 1 + decisions;
      const wrong =
        ours > most
          ? `${row.id} of ${refKey(linked.customcrm.ref)} was written ${ours} times, people changed it ${people} times`
          : undefined;
      look('no ping-pong', wrong);
    }
  }
}
