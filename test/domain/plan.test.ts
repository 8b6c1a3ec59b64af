import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decide, type Policies, plan, type RowState, type Verdict } from '../../lib/domain/plan.ts';
import { conflictPolicies, type ObservedAt } from '../../lib/domain/policy.ts';
import { combinations } from '../support/combinations.ts';
import { policiesOf, rowState, shows, unseen } from '../support/plan-rows.ts';
import { specifiedVerdict } from '../support/plan-rules.ts';

const bools = [false, true] as const;
const changes = ['same', 'changed', 'none'] as const;

/** All that two sides can show: unseen, or each emptiness and change; only what both show can be equal. */
const sides = combinations({
  customcrm: [unseen, ...combinations({ known: [true], empty: bools, change: changes })],
  wave: [unseen, ...combinations({ known: [true], empty: bools, change: changes })],
  equal: bools,
}).filter(({ customcrm, wave, equal }) => !equal || (customcrm.known && wave.known));

const rest = { irreversible: [false], emptyInWave: ['allow'], required: [false] } as const;
const lifeCycles = combinations({
  customcrm: ['draft', 'issued', 'cancelled'],
  wave: ['draft', 'issued'],
  mayAdvanceWave: bools,
});

/** Every row that a table can make: what only two-way rows may declare is not multiplied with the others. */
const rows: readonly RowState[] = [
  ...combinations({
    direction: ['both'],
    applies: bools,
    irreversible: bools,
    emptyInWave: ['allow', 'block', 'restore'],
    required: bools,
    revertedBefore: bools,
    keptApart: [false],
  }),
  ...combinations({
    direction: ['toWave', 'toCustomcrm'],
    applies: bools,
    revertedBefore: bools,
    keptApart: bools,
    ...rest,
  }),
  ...combinations({
    direction: ['both'],
    lifeCycle: lifeCycles,
    applies: bools,
    revertedBefore: bools,
    keptApart: [false],
    ...rest,
  }),
].flatMap((declared) => sides.map((shown) => ({ id: 'City', ...declared, ...shown })));

const observations: readonly ObservedAt[] = [
  {},
  { customcrm: 100_000 },
  { wave: 100_000 },
  { customcrm: 100_000, wave: 100_000 },
  { customcrm: 100_000, wave: 105_000 },
  { customcrm: 100_000, wave: 105_001 },
  { customcrm: 105_001, wave: 100_000 },
];
const policies: readonly Policies[] = combinations({
  conflict: conflictPolicies,
  firstLink: conflictPolicies,
  observed: observations,
}).map(({ conflict, firstLink, observed }) => ({
  conflict: () => conflict,
  firstLink: () => firstLink,
  observed,
}));
const total = rows.length * policies.length;

const textOf = (verdict: Verdict): string =>
  verdict.do +
  ('to' in verdict ? ` ${verdict.to}` : 'agree' in verdict && verdict.agree ? ', agreed' : '') +
  `: ${'reason' in verdict ? verdict.reason : verdict.because}`;

/** The first cases that break a promise, readable. */
function breaches(isBroken: (row: RowState, policy: Policies, verdict: Verdict) => boolean) {
  const found: unknown[] = [];
  for (const row of rows) {
    for (const policy of policies) {
      const verdict = decide(row, policy);
      if (!isBroken(row, policy, verdict)) continue;
      found.push({ row, conflict: policy.conflict(''), firstLink: policy.firstLink(''), verdict });
      if (found.length === 3) return found;
    }
  }
  return found;
}

const never = (row: RowState) =>
  row.customcrm.known && row.wave.known && row.customcrm.change === 'none' && row.wave.change === 'none';
const from = (verdict: { to: 'customcrm' | 'wave' }) => (verdict.to === 'wave' ? 'customcrm' : 'wave');

describe('decide, a situation a line', () => {
  const changed = shows('changed');
  const changedToEmpty = shows('changed', true);
  const fresh = shows('none');
  const freshEmpty = shows('none', true);
  const waveLater = { observed: { customcrm: 1_000, wave: 6_001 } };
  const wave5sLater = { observed: { customcrm: 1_000, wave: 6_000 } };
  const lifeCycle = (customcrm: 'draft' | 'issued' | 'cancelled', wave: 'draft' | 'issued', may = true) => ({
    lifeCycle: { customcrm, wave, mayAdvanceWave: may },
  });
  // biome-ignore format: reads as a decision table.
  const table: [string, Partial<RowState>, Partial<Policies>, string][] = [
    ['values are equal',                             { customcrm: changed, wave: changed, equal: true }, {}, 'nothing, agreed: equal'],
    ['the row does not concern this record',         { customcrm: changed, applies: false },             {}, 'nothing: not applicable'],
    ['Customcrm does not show the property',         { customcrm: unseen, wave: changed },               {}, 'nothing: unknown'],
    ['Wave does not show the property',              { customcrm: changed, wave: unseen },               {}, 'nothing: unknown'],
    ['only Customcrm changed',                       { customcrm: changed },                             {}, 'write wave: changed'],
    ['only Wave changed',                            { wave: changed },                                  {}, 'write customcrm: changed'],
    ['nobody changed, the systems spell otherwise',  {},                                                 {}, 'nothing: recorded difference'],
    ['Wave filled in what we did not send',          { customcrm: shows('same', true), wave: fresh },    {}, 'write customcrm: changed'],
    ['Customcrm filled in what we did not send',     { customcrm: fresh, wave: shows('same', true) },    {}, 'write wave: changed'],
    ['Customcrm emptied it',                         { customcrm: changedToEmpty },                      {}, 'write wave: changed'],
    ['emptied, but Wave needs one',                  { customcrm: changedToEmpty, emptyInWave: 'block' },   {}, 'block: City is empty, and Wave needs one'],
    ['emptied, but Wave keeps its own',              { customcrm: changedToEmpty, emptyInWave: 'restore' }, {}, 'write customcrm: reverted'],
    ['Wave emptied it, but Customcrm needs one',     { wave: changedToEmpty, required: true },           {}, 'block: City is empty in Wave, and Customcrm needs one'],
    ['first link, only Wave has one',                { customcrm: freshEmpty, wave: fresh },             {}, 'write customcrm: filled'],
    ['first link, only Customcrm has one',           { customcrm: fresh, wave: freshEmpty },             {}, 'write wave: filled'],
    ['first link, different, hold by default',       { customcrm: fresh, wave: fresh },                  {}, 'hold: first link differs'],
    ['first link, different, Customcrm wins',        { customcrm: fresh, wave: fresh }, { firstLink: () => 'customcrm' }, 'write wave: first link'],
    ['first link, different, Wave wins',             { customcrm: fresh, wave: fresh }, { firstLink: () => 'wave' },      'write customcrm: first link'],
    ['first link, irreversible, whatever the policy', { customcrm: fresh, wave: fresh, irreversible: true }, { firstLink: () => 'wave' }, 'hold: irreversible'],
    ['first link, irreversible, one side empty',     { customcrm: freshEmpty, wave: fresh, irreversible: true }, {}, 'hold: irreversible'],
    ['both changed, times unknown',                  { customcrm: changed, wave: changed },              {}, 'write wave: conflict'],
    ['both changed, Wave exactly 5 s later',         { customcrm: changed, wave: changed },              wave5sLater, 'write wave: conflict'],
    ['both changed, Wave more than 5 s later',       { customcrm: changed, wave: changed },              waveLater, 'write customcrm: conflict'],
    ['both changed, Customcrm wins by policy',       { customcrm: changed, wave: changed }, { ...waveLater, conflict: () => 'customcrm' }, 'write wave: conflict'],
    ['both changed, Wave wins by policy',            { customcrm: changed, wave: changed }, { conflict: () => 'wave' },      'write customcrm: conflict'],
    ['both changed, a person must say',              { customcrm: changed, wave: changed }, { conflict: () => 'hold' },      'hold: both changed'],
    ['both changed, the winner is an empty that Wave refuses', { customcrm: changedToEmpty, wave: changed, emptyInWave: 'block' }, {}, 'block: City is empty, and Wave needs one'],
    ['to Wave only: the sender changed',             { direction: 'toWave', customcrm: changed },                         {}, 'write wave: changed'],
    ['to Wave only: both changed',                   { direction: 'toWave', customcrm: changed, wave: changed },          {}, 'write wave: overruled'],
    ['to Wave only: it had been left alone',         { direction: 'toWave', customcrm: changed, keptApart: true },        {}, 'write wave: overruled'],
    ['to Wave only: the receiver changed',           { direction: 'toWave', wave: changed },                              {}, 'write wave: reverted'],
    ['to Wave only: it changed again',               { direction: 'toWave', wave: changed, revertedBefore: true },        {}, 'nothing, agreed: recorded difference'],
    ['to Wave only: first link, nothing to send',    { direction: 'toWave', customcrm: freshEmpty, wave: fresh },         {}, 'nothing, agreed: recorded difference'],
    ['to Customcrm only: first link',                { direction: 'toCustomcrm', customcrm: fresh, wave: fresh },         {}, 'write customcrm: first link'],
    ['to Customcrm only: the sender emptied it',     { direction: 'toCustomcrm', wave: changedToEmpty },                  {}, 'write customcrm: changed'],
    ['to Customcrm only: the receiver changed',      { direction: 'toCustomcrm', customcrm: changed },                    {}, 'write customcrm: reverted'],
    ['to Customcrm only: nobody changed',            { direction: 'toCustomcrm' },                                        {}, 'nothing: recorded difference'],
    ['Wave leaves DRAFT',                            { ...lifeCycle('draft', 'issued'), wave: changed },                  {}, 'write customcrm: changed'],
    ['an issued order is set back to draft',         { ...lifeCycle('draft', 'issued'), customcrm: changed },             {}, 'write customcrm: reverted'],
    ['the order is confirmed, approving is on',      { ...lifeCycle('issued', 'draft'), customcrm: changed },             {}, 'write wave: changed'],
    ['the order is confirmed, approving is off',     { ...lifeCycle('issued', 'draft', false), customcrm: changed },      {}, 'nothing, agreed: recorded difference'],
    ['the order was confirmed before the link',      { ...lifeCycle('issued', 'draft'), customcrm: fresh, wave: fresh },  {}, 'nothing, agreed: recorded difference'],
    ['the order is cancelled',                       { ...lifeCycle('cancelled', 'issued'), customcrm: changed },         {}, 'block: the order is cancelled, but its invoice stays: void or delete it in Wave'],
  ];
  for (const [situation, row, policy, expected] of table) {
    test(`${situation}: ${expected}`, () =>
      assert.equal(textOf(decide(rowState(row), policiesOf(policy))), expected));
  }
});

describe('plan', () => {
  const confirmed = rowState({
    id: 'Status',
    customcrm: shows('changed'),
    lifeCycle: { customcrm: 'issued', wave: 'draft', mayAdvanceWave: true },
  });
  const texts = (states: readonly RowState[]) =>
    Object.fromEntries([...plan(states, policiesOf())].map(([id, verdict]) => [id, textOf(verdict)]));

  test('gives each row its own verdict', () => {
    assert.deepEqual(
      texts([rowState({ customcrm: shows('changed') }), rowState({ id: 'Fax', equal: true })]),
      {
        City: 'write wave: changed',
        Fax: 'nothing, agreed: equal',
      },
    );
    assert.deepEqual(texts([]), {});
  });

  test('asks the policies by row', () => {
    const both = { customcrm: shows('changed'), wave: shows('changed') };
    const verdicts = plan([rowState(both), rowState({ ...both, id: 'Fax' })], {
      ...policiesOf(),
      conflict: (row) => (row === 'Fax' ? 'hold' : 'wave'),
    });
    assert.deepEqual([...verdicts.values()].map(textOf), ['write customcrm: conflict', 'hold: both changed']);
  });

  test(`approves an invoice only when every other row rests, in all ${sides.length * 12} neighbourhoods`, () => {
    const neighbours = combinations({
      shown: sides,
      emptyInWave: ['allow', 'block', 'restore'],
      required: bools,
      applies: bools,
    }).map(({ shown, ...declared }) => rowState({ ...declared, ...shown }));
    for (const neighbour of neighbours) {
      const rests = specifiedVerdict(neighbour, policiesOf()).do === 'nothing';
      const expected = rests ? 'write wave: changed' : 'nothing: waits for the other rows';
      assert.equal(texts([confirmed, neighbour]).Status, expected);
      assert.equal(texts([neighbour, confirmed]).Status, expected);
    }
  });

  test('confirms an order in Customcrm whatever the other rows do', () => {
    const left = rowState({
      id: 'Status',
      wave: shows('changed'),
      lifeCycle: { customcrm: 'draft', wave: 'issued', mayAdvanceWave: true },
    });
    assert.equal(texts([left, rowState({ customcrm: shows('changed') })]).Status, 'write customcrm: changed');
  });
});

describe('decide, over its whole input space', () => {
  test(`agrees with the specification's table in all ${total} cases`, () => {
    assert.deepEqual(
      breaches((row, policy, verdict) => textOf(verdict) !== textOf(specifiedVerdict(row, policy))),
      [],
    );
  });

  const promises: [string, (row: RowState, policy: Policies, verdict: Verdict) => boolean][] = [
    [
      'writes nothing when both sides are equal',
      (row, _policy, { do: does }) => row.equal && does !== 'nothing',
    ],
    [
      'writes nothing when a side does not show the property',
      (row, _policy, { do: does }) => !(row.customcrm.known && row.wave.known) && does !== 'nothing',
    ],
    [
      'agrees to nothing that a side does not show, and to nothing that does not concern the record',
      (row, _policy, verdict) =>
        verdict.do === 'nothing' && verdict.agree && !(row.applies && row.customcrm.known && row.wave.known),
    ],
    [
      'replaces what a user changed only by a conflict that this side loses, by a one-way row, or by what cannot stay',
      (row, _policy, verdict) => {
        if (verdict.do !== 'write' || row.direction !== 'both' || row.lifeCycle || never(row)) return false;
        const target = row[verdict.to];
        const hasNews =
          target.known && (target.change === 'changed' || (target.change === 'none' && !target.empty));
        return hasNews && !['conflict', 'reverted'].includes(verdict.because);
      },
    ],
    [
      'lets the side lose that the policy names',
      (row, policy, verdict) =>
        verdict.do === 'write' &&
        verdict.because === 'conflict' &&
        (policy.conflict(row.id) === 'hold' || policy.conflict(row.id) === verdict.to),
    ],
    [
      'never erases on a first link',
      (row, _policy, verdict) => {
        if (verdict.do !== 'write' || !never(row) || row.lifeCycle) return false;
        const source = row[from(verdict)];
        return source.known && source.empty && row[verdict.to].known && !isEmpty(row, verdict.to);
      },
    ],
    [
      'never decides an irreversible row on a first link',
      (row, _policy, { do: does }) => row.irreversible && never(row) && does === 'write',
    ],
    [
      'never writes a one-way row against its direction',
      (row, _policy, verdict) =>
        verdict.do === 'write' &&
        row.direction !== 'both' &&
        !row.direction.toLowerCase().endsWith(verdict.to),
    ],
    [
      'puts a one-way row back only once',
      (row, _policy, verdict) =>
        verdict.do === 'write' &&
        verdict.because === 'reverted' &&
        row.direction !== 'both' &&
        row.revertedBefore,
    ],
    [
      'never empties what the other system needs',
      (row, _policy, verdict) =>
        verdict.do === 'write' &&
        isEmpty(row, from(verdict)) &&
        !isEmpty(row, verdict.to) &&
        (verdict.to === 'wave' ? row.emptyInWave !== 'allow' : row.required),
    ],
    [
      'never moves an invoice forward unless approving is on and a user confirmed the order',
      (row, _policy, verdict) =>
        row.lifeCycle !== undefined &&
        verdict.do === 'write' &&
        verdict.to === 'wave' &&
        !(row.lifeCycle.mayAdvanceWave && row.customcrm.known && row.customcrm.change === 'changed'),
    ],
    [
      'holds or blocks nothing that nobody changed since agreement',
      (row, _policy, { do: does }) =>
        (does === 'hold' || does === 'block') &&
        !row.lifeCycle &&
        row.customcrm.known &&
        row.wave.known &&
        row.customcrm.change === 'same' &&
        row.wave.change === 'same',
    ],
  ];
  for (const [promise, isBroken] of promises) test(promise, () => assert.deepEqual(breaches(isBroken), []));
});

function isEmpty(row: RowState, system: 'customcrm' | 'wave'): boolean {
  const side = row[system];
  return side.known && side.empty;
}
