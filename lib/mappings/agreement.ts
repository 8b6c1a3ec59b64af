import type { Fingerprints } from '../domain/fingerprint.ts';
import type { Agreed, RowPrints } from '../domain/link.ts';
import { type Body, otherSystem, type System, systems } from '../domain/record.ts';
import { cellsFor, cellsOf, emptyCell } from './cells.ts';
import { type Cell, compareCell, type Facts, formsSent, type Row, readCell, sameCells } from './mapping.ts';
import type { Pictured, RecordPlan } from './record-plan.ts';

// What both sides agree about, row by row, as fingerprints of what they hold: read from answers, never from what was sent.

/** No record holds this: where it is agreed, whatever stands there was put there since. */
export const neverHeld = { value: null, form: '\u0000' } as const;

type Known = Omit<Pictured, 'customcrm' | 'wave'>;

/**
 * What was sent without an answer and stands there now has arrived: agreed on its side, and what the other side holds instead, its user
 * put there since. Noted with the next write of the link, for that one replaces the write-ahead.
 */
export function arrived(pictured: Pictured): Pictured {
  const { mapping, ahead, facts } = pictured;
  if (!ahead) return pictured;
  const rows = mapping.rows(facts.settings);
  const cells = cellsOf(pictured, rows);
  const unequal = rows.filter((row) => {
    const { customcrm, wave } = cellsFor(cells, row);
    return customcrm && wave && !sameCells(row, customcrm, wave, facts);
  });
  const inWave = { ...pictured, agreed: arrivedAt('wave', pictured.wave, pictured, unequal) };
  const agreed = arrivedAt('customcrm', pictured.customcrm, inWave, unequal);
  return { ...pictured, agreed, ahead: undefined };
}

/**
 * What a write is about to replace was seen there: should its answer be lost, anything that is neither this nor what was sent is its
 * user's, also where nothing was ever agreed.
 */
export function seenBefore(pictured: Pictured, planned: Pick<RecordPlan, 'writes'>): Pictured {
  const { mapping, facts, prints } = pictured;
  const agreed = { ...pictured.agreed };
  for (const row of mapping.rows(facts.settings)) {
    const to = systems.find((system) => planned.writes[system]?.rows.includes(row.id));
    const cell = to && readCell(row, to, pictured[to], facts);
    if (to && cell && agreed[to][row.id] === undefined)
      agreed[to] = { ...agreed[to], [row.id]: prints.of(row.id, cell.form) };
  }
  return { ...pictured, agreed };
}

/** What is agreed when this side holds what was sent to it without an answer. The other side's is news then, when it is something else. */
export function arrivedAt(
  system: System,
  body: Body,
  { mapping, agreed, ahead, facts, prints }: Known,
  rows: readonly Row[] = mapping.rows(facts.settings),
): Agreed {
  const own: Record<string, string> = { ...agreed[system] };
  const others: Record<string, string> = { ...agreed[otherSystem(system)] };
  for (const row of rows) {
    const cell = readCell(row, system, body, facts);
    // Where the other side never agreed to anything, what was sent may be what had been agreed here all along.
    const isShared = others[row.id] !== undefined;
    if (!cell || (isShared && prints.compare(own[row.id], row.id, cell.form) === 'same')) continue;
    if (!isSent(row, cell, ahead?.[system], facts, prints)) continue;
    own[row.id] = prints.of(row.id, cell.form);
    others[row.id] = prints.of(row.id, neverHeld.form);
  }
  return { ...agreed, [system]: own, [otherSystem(system)]: others };
}

/** Whether this side shows anything that was sent to it without an answer. */
export const showsSent = (system: System, body: Body, { mapping, ahead, facts, prints }: Known): boolean =>
  mapping.rows(facts.settings).some((row) => {
    const cell = readCell(row, system, body, facts);
    return cell !== undefined && isSent(row, cell, ahead?.[system], facts, prints);
  });

function isSent(
  row: Row,
  cell: Cell,
  sent: RowPrints | undefined,
  facts: Facts,
  prints: Fingerprints,
): boolean {
  return formsSent(row, cell, facts).some((form) => prints.compare(sent?.[row.id], row.id, form) === 'same');
}

/**
 * Did this side's user change something since both sides agreed? A survivor's edit beats a deletion.
 * @param wasTouched the record has moved since: what it holds in a row of which nothing is agreed, such as one that the other side never
 *   showed, may have been typed now, and a cell of two rows emptied
 */
export function editedSinceAgreement(
  system: System,
  body: Body,
  { mapping, agreed, ahead, facts, prints }: Known,
  wasTouched: boolean,
): boolean {
  return mapping.rows(facts.settings).some((row) => {
    const sends =
      row.direction === 'both' || row.direction === (system === 'wave' ? 'toCustomcrm' : 'toWave');
    const cell = sends ? readCell(row, system, body, facts) : undefined;
    if (!cell) return false;
    // What stands in a cell of two rows was agreed, or written, for one of them.
    const shared = system === 'wave' ? row.rules.waveCellOf : undefined;
    const changes = [
      compareCell(prints, agreed[system][row.id], row, cell, facts),
      ...(shared === undefined ? [] : [prints.compare(agreed[system][shared], shared, cell.form)]),
    ];
    if (changes.every((change) => change === 'none')) return wasTouched && cell.value !== null;
    // What was on its way to the other side had been typed here: it stands there still, or was taken back since.
    const sent = ahead?.[otherSystem(system)][row.id];
    if (sent !== undefined && sent !== agreed[otherSystem(system)][row.id]) return true;
    const isOurs =
      isSent(row, cell, ahead?.[system], facts, prints) ||
      (shared !== undefined && prints.compare(ahead?.[system][shared], shared, cell.form) === 'same');
    if (!changes.includes('changed') || isOurs) return false;
    // Of two rows one was agreed with what stood there. It was not the empty one: the other fills the cell then.
    return !changes.includes('same') || (wasTouched && cell.value === null);
  });
}

/** What was done with a plan, and what it left agreed. */
export interface Settled {
  readonly agreed: Agreed;
  /** Rows that the answer showed otherwise than they were sent: the system trimmed, rounded or re-formatted. */
  readonly differences: readonly string[];
  /** A row that we did not write is not what it was when we read: somebody was there, so plan again at once. */
  readonly somebodyWasThere: boolean;
}

/**
 * The agreed state after the writes of `done` were answered. Only rows that we wrote take their print from the answer;
 * the others keep that of the read before.
 */
export function settle(
  pictured: Pictured,
  done: RecordPlan,
  answers: Readonly<Partial<Record<System, Body>>>,
): Settled {
  const rows = pictured.mapping.rows(pictured.facts.settings);
  const read = cellsOf(pictured, rows);
  const after = cellsOf(
    { customcrm: answers.customcrm ?? {}, wave: answers.wave ?? {}, facts: pictured.facts },
    rows,
  );
  const agreed = {
    customcrm: { ...pictured.agreed.customcrm },
    wave: { ...pictured.agreed.wave },
    reverted: { ...pictured.agreed.reverted },
  };
  const differences: string[] = [];
  let somebodyWasThere = false;
  for (const row of rows) {
    const verdict = done.verdicts.get(row.id);
    const before = ownCells(row, cellsFor(read, row), pictured, done);
    const shown = ownCells(row, cellsFor(after, row), pictured, done);
    renew(agreed, row, before, pictured);
    const written = systemsThatGot(done, answers, row.id);
    for (const system of ['customcrm', 'wave'] as const) {
      if (answers[system] && written !== system && shown[system]?.form !== before[system]?.form)
        somebodyWasThere = true;
    }
    if (written) {
      const kept = { ...before, [written]: shown[written] };
      recordCells(
        agreed,
        row,
        kept,
        pictured.prints,
        row.conversion.partial?.(before[otherSystem(written)]?.value ?? null) ? written : undefined,
      );
      if (kept.customcrm && kept.wave && !sameCells(row, kept.customcrm, kept.wave, pictured.facts))
        differences.push(row.id);
      if (verdict?.do === 'write' && verdict.because === 'reverted') {
        agreed.reverted[row.id] = pictured.prints.of(row.id, before[otherSystem(written)]?.form ?? '');
      } else delete agreed.reverted[row.id];
    } else if (verdict?.do === 'nothing' && verdict.agree) {
      recordCells(agreed, row, before, pictured.prints, undefined);
    }
  }
  return { agreed, differences, somebodyWasThere };
}

/** Of a cell that two rows share: where the other one's stands, or is written over what had been agreed, this row's is empty. */
function ownCells(
  row: Row,
  cells: Readonly<Record<System, Cell | undefined>>,
  { agreed }: Pictured,
  { writes }: RecordPlan,
): Readonly<Record<System, Cell | undefined>> {
  const owner = row.rules.waveCellOf;
  const isOthers =
    owner !== undefined &&
    agreed.wave[row.id] !== undefined &&
    writes.customcrm?.rows.includes(row.id) === true &&
    writes.customcrm.next[row.customcrm] === null;
  return isOthers && cells.wave ? { ...cells, wave: emptyCell } : cells;
}

/** What still holds is noted under the key that writes now: the older one can go one day. */
function renew(
  agreed: Readonly<Record<'customcrm' | 'wave' | 'reverted', Record<string, string>>>,
  row: Row,
  cells: Readonly<Record<System, Cell | undefined>>,
  { prints, facts }: Pictured,
): void {
  const { customcrm, wave } = cells;
  const sent = row.direction === 'toWave' ? customcrm : wave;
  for (const [name, cell] of Object.entries({ customcrm, wave, reverted: sent })) {
    const noted = agreed[name as keyof typeof agreed];
    if (cell && compareCell(prints, noted[row.id], row, cell, facts) === 'same')
      noted[row.id] = prints.of(row.id, cell.form);
  }
}

const systemsThatGot = (
  done: RecordPlan,
  answers: Readonly<Partial<Record<System, Body>>>,
  row: string,
): System | undefined =>
  (['customcrm', 'wave'] as const).find(
    (system) => answers[system] && done.writes[system]?.rows.includes(row),
  );

/** Notes both prints; `filledIn` did not get everything from us, so what it holds counts as its own change and flows back once. */
export function recordCells(
  agreed: { customcrm: Record<string, string>; wave: Record<string, string> },
  row: Row,
  cells: Readonly<Record<System, Cell | undefined>>,
  prints: Fingerprints,
  filledIn: System | undefined,
): void {
  for (const system of ['customcrm', 'wave'] as const) {
    const cell = cells[system];
    if (cell && system !== filledIn) agreed[system][row.id] = prints.of(row.id, cell.form);
    else delete agreed[system][row.id];
  }
}
