import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc, { type Arbitrary } from 'fast-check';
import { type Body, otherSystem, type Pair, pairs, type System, systems } from '../../lib/domain/record.ts';
import { agreedAfterCreate, composeCreate } from '../../lib/mappings/creation.ts';
import { getPath, type Row, readCell, sameCells, setPath } from '../../lib/mappings/mapping.ts';
import { mappings } from '../../lib/mappings/pairs.ts';
import { type Pictured, planRecord } from '../../lib/mappings/record-plan.ts';
import { applied, pictured } from '../support/linked-record.ts';
import { arbitraryCells } from '../support/mapping-arbitraries.ts';
import { mappingFacts } from '../support/mapping-facts.ts';
import { policiesOf } from '../support/plan-rows.ts';

// Laws of a whole record, over systems that store what they are sent: what was created is not written again, and any
// edits settle after one application.

type Bodies = Readonly<Record<System, Body>>;

const facts = mappingFacts();
const runs = { numRuns: 30 };
const customcrmWins = policiesOf({ firstLink: () => 'customcrm' });

const sides = (row: Row, { customcrm, wave }: Bodies) => ({
  customcrm: readCell(row, 'customcrm', customcrm, facts),
  wave: readCell(row, 'wave', wave, facts),
});
function same(row: Row, bodies: Bodies): boolean {
  const { customcrm, wave } = sides(row, bodies);
  return customcrm !== undefined && wave !== undefined && sameCells(row, customcrm, wave, facts);
}

/** Cells of a row, never empty where neither side may leave it empty. */
const cellsOf = (row: Row, system: System): Arbitrary<unknown> =>
  arbitraryCells(row)[system].filter((cell) => {
    const form = readCell(row, system, setPath({}, row[system], cell), facts)?.form;
    return !(row.rules.required && form === '');
  });

/** A record that shows every row of its table. */
const record = (rows: readonly Row[], system: System): Arbitrary<Body> =>
  fc
    .tuple(...rows.map((row) => cellsOf(row, system)))
    .map((cells) => rows.reduce((body, row, index) => setPath(body, row[system], cells[index]), {}));

/** What can still be edited everywhere: a DRAFT of an order that is one, a product in use. */
const open: Readonly<Record<Pair, Bodies>> = {
  customer: { customcrm: {}, wave: {} },
  product: { customcrm: {}, wave: { isArchived: false } },
  order: { customcrm: { Status: 'draft' }, wave: { status: 'DRAFT' } },
};

/** The bodies after edits of two-way rows, by those sides that `editedBy` says. */
function edit(
  rows: readonly Row[],
  before: Bodies,
  edits: Bodies,
  editedBy: (row: string) => string,
): Bodies {
  const after = { customcrm: before.customcrm, wave: before.wave };
  for (const row of rows.filter(({ direction, rules }) => direction === 'both' && !rules.ratchet)) {
    for (const system of systems) {
      const edited = [system, 'both'].includes(editedBy(row.id));
      if (edited) after[system] = setPath(after[system], row[system], getPath(edits[system], row[system]));
    }
  }
  return after;
}

for (const pair of pairs) {
  const mapping = mappings[pair];
  const rows = mapping.rows(facts.settings);
  const settling = rows.filter(({ direction, rules }) => direction === 'both' && !rules.irreversible);
  const bodies: Arbitrary<Bodies> = fc
    .record({ customcrm: record(rows, 'customcrm'), wave: record(rows, 'wave') })
    .map(({ customcrm, wave }) => ({
      customcrm: { ...customcrm, ...open[pair].customcrm },
      wave: { ...wave, ...open[pair].wave },
    }));
  const settled = ({ customcrm, wave }: Bodies): Pictured =>
    applied(applied(pictured(mapping, customcrm, wave), customcrmWins).after, customcrmWins).after;

  describe(`a record of the pair ${pair}`, () => {
    for (const from of systems) {
      test(`that is created from ${from} is what it was there, and is not written again`, () => {
        fc.assert(
          fc.property(bodies, (origins) => {
            const made = composeCreate(mapping, from, origins[from], facts);
            assert.ok('body' in made);
            const both = { ...origins, [otherSystem(from)]: made.body };
            const picture = pictured(mapping, both.customcrm, both.wave);
            const agreed = agreedAfterCreate(picture, from, made);
            const { verdicts } = planRecord({ ...picture, agreed }, customcrmWins);
            const equal = { do: 'nothing', because: 'equal', agree: true };
            for (const row of made.rows) assert.deepEqual(verdicts.get(row), equal, row);
          }),
          runs,
        );
      });
    }

    test('that is created in Wave and from there in Customcrm again holds what it held', () => {
      fc.assert(
        fc.property(bodies, ({ customcrm }) => {
          const there = composeCreate(mapping, 'customcrm', customcrm, facts);
          assert.ok('body' in there);
          const back = composeCreate(mapping, 'wave', there.body, facts);
          assert.ok('body' in back);
          for (const row of settling.filter(({ id }) => there.rows.includes(id)))
            assert.ok(same(row, { customcrm: back.body, wave: there.body }), row.id);
        }),
        runs,
      );
    });

    test('whose sides differ at first is equal after one application, and stays so', () => {
      fc.assert(
        fc.property(bodies, (first) => {
          const { after, plan } = applied(pictured(mapping, first.customcrm, first.wave), customcrmWins);
          assert.deepEqual(plan.blocked, []);
          for (const row of settling) assert.ok(same(row, after), row.id);
          assert.deepEqual(planRecord(settled(first), customcrmWins).writes, {});
        }),
        runs,
      );
    });

    test('that both sides edit afterwards is equal again, and keeps what nobody edited as it was spelled', () => {
      const anybody = fc.func(fc.constantFrom('neither', 'customcrm', 'wave', 'both'));
      fc.assert(
        fc.property(bodies, bodies, anybody, (first, edits, editedBy) => {
          const linked = settled(first);
          const edited = { ...linked, ...edit(rows, linked, edits, editedBy) };
          const { after, plan } = applied(edited, customcrmWins);
          const refused = new Set(plan.blocked.map(({ row }) => row));
          for (const row of settling.filter(({ id }) => !refused.has(id))) {
            assert.ok(same(row, after), row.id);
            if (editedBy(row.id) === 'neither')
              assert.deepEqual(sides(row, after), sides(row, edited), row.id);
          }
          const again = applied(after, customcrmWins).after;
          assert.deepEqual(planRecord(again, customcrmWins).writes, {});
        }),
        runs,
      );
    });
  });
}
