import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type Body, otherSystem, pairs, type System, systems } from '../../lib/domain/record.ts';
import { active, money } from '../../lib/mappings/conversions.ts';
import {
  type Facts,
  getPath,
  putCell,
  type Row,
  readCell,
  sameCells,
  setPath,
} from '../../lib/mappings/mapping.ts';
import { mappings } from '../../lib/mappings/pairs.ts';
import { arbitraryCells } from '../support/mapping-arbitraries.ts';
import { mappingFacts } from '../support/mapping-facts.ts';

// The lens laws, for every row of every table: a row that is added is under them at once.

const usual = mappingFacts();
const other = mappingFacts({
  wavePercentage: 'fraction',
  waveKeepsLineOrder: true,
  poNumberFrom: 'PurchaseOrderNumber',
});
/** Only orders look at the settings. */
const tables = [
  { settings: 'as by default', facts: usual, pairs },
  { settings: 'with the other settings', facts: other, pairs: ['order'] as const },
];
const runs = { numRuns: 60 };

/** A body that shows nothing but this row. */
const showing = (row: Row, system: System, cell: unknown): Body => setPath({}, row[system], cell);
const shown = (row: Row, system: System, body: Body, facts: Facts) => {
  const cell = readCell(row, system, body, facts);
  assert.ok(cell, 'the row is shown');
  return cell;
};

/** The body after it was told to hold the other side's value; undefined when that is refused. */
function put(row: Row, to: System, origin: Body, body: Body, facts: Facts): Body | undefined {
  const answer = putCell(row, to, shown(row, otherSystem(to), origin, facts).value, body, facts);
  return 'cell' in answer ? setPath(body, row[to], answer.cell) : undefined;
}
const holdsTheSame = (row: Row, customcrm: Body, wave: Body, facts: Facts): boolean =>
  sameCells(row, shown(row, 'customcrm', customcrm, facts), shown(row, 'wave', wave, facts), facts);
const bodies = (row: Row, to: System, left: Body, right: Body): [Row, Body, Body] =>
  to === 'wave' ? [row, left, right] : [row, right, left];

/** Wave computes its own money, and its API cannot un-archive: refused by design, see conversions.test.ts. */
const mayRefuse = (row: Row, to: System): boolean =>
  to === 'wave' && (row.conversion === active || row.conversion === money);

for (const { settings, facts, pairs } of tables) {
  for (const pair of pairs) {
    for (const row of mappings[pair].rows(facts.settings)) {
      const cells = arbitraryCells(row);
      describe(`${pair}.${row.id}, ${settings}`, () => {
        for (const to of systems) {
          test(`get-put in ${to}: putting back what was got changes nothing`, () => {
            fc.assert(
              fc.property(cells[to], (cell) => {
                const body = showing(row, to, cell);
                const { value } = shown(row, to, body, facts);
                assert.deepEqual(putCell(row, to, value, body, facts), { cell });
              }),
              runs,
            );
          });

          test(`put-get in ${to}: what is put is what is got`, () => {
            fc.assert(
              fc.property(cells[otherSystem(to)], cells[to], (sent, before) => {
                const origin = showing(row, otherSystem(to), sent);
                const after = put(row, to, origin, showing(row, to, before), facts);
                if (!after)
                  return assert.ok(mayRefuse(row, to), 'only what is known to be refused is refused');
                assert.ok(holdsTheSame(...bodies(row, to, origin, after), facts));
              }),
              runs,
            );
          });

          test(`put-put in ${to}: the last value counts`, () => {
            fc.assert(
              fc.property(
                cells[otherSystem(to)],
                cells[otherSystem(to)],
                cells[to],
                (first, last, before) => {
                  const start = showing(row, to, before);
                  const origin = showing(row, otherSystem(to), last);
                  const between = put(row, to, showing(row, otherSystem(to), first), start, facts) ?? start;
                  const after = put(row, to, origin, between, facts);
                  if (!after) return assert.ok(mayRefuse(row, to));
                  assert.ok(holdsTheSame(...bodies(row, to, origin, after), facts));
                },
              ),
              runs,
            );
          });

          test(`there and back from ${to}: an unchanged cell keeps its own spelling`, () => {
            fc.assert(
              fc.property(cells[to], cells[otherSystem(to)], (cell, before) => {
                const own = showing(row, to, cell);
                const there = put(row, otherSystem(to), own, showing(row, otherSystem(to), before), facts);
                if (!there) return assert.ok(mayRefuse(row, otherSystem(to)));
                const back = put(row, to, there, own, facts);
                if (!back) return assert.ok(mayRefuse(row, to));
                // Wave re-formats the items that it replaces as a whole, so there only the value counts.
                if (to === 'wave' && row.id === 'Lines')
                  return assert.ok(holdsTheSame(row, there, back, facts));
                assert.deepEqual(getPath(back, row[to]), cell);
              }),
              runs,
            );
          });
        }
      });
    }
  }
}
