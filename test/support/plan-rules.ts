import type { Policies, RowState, Side, Verdict } from '../../lib/domain/plan.ts';
import type { ConflictPolicy } from '../../lib/domain/policy.ts';
import type { System } from '../../lib/domain/record.ts';

// The decision table of the specification, stated a second time: as a list of rules of which the first that fits counts.
// It is written from the documents and shares no code with lib/domain/plan.ts, so that each checks the other.

interface Rule {
  readonly situation: string;
  readonly fits: (row: RowState, policies: Policies) => boolean;
  readonly verdict: (row: RowState, policies: Policies) => Verdict;
}

const leave =
  (because: 'not applicable' | 'unknown' | 'equal' | 'recorded difference', agree: boolean) =>
  (): Verdict => ({
    do: 'nothing',
    because,
    agree,
  });
const hold = (because: 'first link differs' | 'both changed' | 'irreversible') => (): Verdict => ({
  do: 'hold',
  because,
});
type Why = 'changed' | 'filled' | 'first link' | 'conflict' | 'overruled' | 'reverted';

const empty = (side: Side) => side.known && side.empty;
const changeOf = (side: Side) => (side.known ? side.change : undefined);
const agreedOnce = (row: RowState) => changeOf(row.customcrm) !== 'none' || changeOf(row.wave) !== 'none';
const moved = (side: Side) => changeOf(side) !== 'same';
/** What was never agreed on one side alone is news when there is something, and silence when there is nothing. */
const hasNews = (side: Side) => changeOf(side) === 'changed' || (changeOf(side) === 'none' && !empty(side));

/** The side that a policy keeps. Only a change observed clearly later (more than 5 s) lets Wave win by time. */
function kept(policy: ConflictPolicy, { customcrm, wave }: Policies['observed']): System | 'nobody' {
  const waveIsLater = customcrm !== undefined && wave !== undefined && wave > customcrm + 5_000;
  return { hold: 'nobody', customcrm: 'customcrm', wave: 'wave', latest: waveIsLater ? 'wave' : 'customcrm' }[
    policy
  ] as System | 'nobody';
}

/** One side's value goes to the other, unless it is an empty one that the other cannot hold. */
const send =
  (from: System, because: Why) =>
  (row: RowState): Verdict => {
    if (from === 'wave')
      return row.required && empty(row.wave)
        ? { do: 'block', reason: `${row.id} is empty in Wave, and Customcrm needs one` }
        : { do: 'write', to: 'customcrm', because };
    if (!empty(row.customcrm) || row.emptyInWave === 'allow') return { do: 'write', to: 'wave', because };
    return row.emptyInWave === 'block'
      ? { do: 'block', reason: `${row.id} is empty, and Wave needs one` }
      : { do: 'write', to: 'customcrm', because: 'reverted' };
  };

const everyRow: readonly Rule[] = [
  { situation: 'not this record now', fits: (row) => !row.applies, verdict: leave('not applicable', false) },
  {
    situation: 'a side does not show it',
    fits: (row) => !row.customcrm.known || !row.wave.known,
    verdict: leave('unknown', false),
  },
  { situation: 'equal', fits: (row) => row.equal, verdict: leave('equal', true) },
];

const lifeCycleRules: readonly Rule[] = [
  {
    situation: 'cancelled in Customcrm: the way of a deletion has already been tried',
    fits: (row) => row.lifeCycle?.customcrm === 'cancelled',
    verdict: () => ({
      do: 'block',
      reason: 'the order is cancelled, but its invoice stays: void or delete it in Wave',
    }),
  },
  {
    situation: 'Wave left DRAFT, and the order is (again) a draft',
    fits: (row) => row.lifeCycle?.customcrm === 'draft',
    verdict: (row) => ({ do: 'write', to: 'customcrm', because: moved(row.wave) ? 'changed' : 'reverted' }),
  },
  {
    situation: 'confirmed since agreement, and confirming approves',
    fits: (row) => row.lifeCycle?.mayAdvanceWave === true && changeOf(row.customcrm) === 'changed',
    verdict: () => ({ do: 'write', to: 'wave', because: 'changed' }),
  },
  { situation: 'Wave stays behind', fits: () => true, verdict: leave('recorded difference', true) },
];

const oneWayRules = (from: System, to: System): readonly Rule[] => [
  {
    situation: 'first link, nothing to send: nothing is erased',
    fits: (row) => !agreedOnce(row) && empty(row[from]),
    verdict: leave('recorded difference', true),
  },
  {
    situation: 'first link',
    fits: (row) => !agreedOnce(row),
    verdict: () => ({ do: 'write', to, because: 'first link' }),
  },
  {
    situation: 'the sender wins, and what the other side held by itself is kept',
    fits: (row) => moved(row[from]) && (changeOf(row[from]) === 'none' || row.keptApart || hasNews(row[to])),
    verdict: () => ({ do: 'write', to, because: 'overruled' }),
  },
  {
    situation: 'the sender changed',
    fits: (row) => moved(row[from]),
    verdict: () => ({ do: 'write', to, because: 'changed' }),
  },
  {
    situation: 'nobody changed: the receiver spells it otherwise',
    fits: (row) => !moved(row[to]),
    verdict: leave('recorded difference', false),
  },
  {
    situation: 'the receiver was put back before: left alone',
    fits: (row) => row.revertedBefore,
    verdict: leave('recorded difference', true),
  },
  {
    situation: 'the receiver changed: put back once',
    fits: () => true,
    verdict: () => ({ do: 'write', to, because: 'reverted' }),
  },
];

const twoWayRules: readonly Rule[] = [
  {
    situation: 'first link, cannot be undone',
    fits: (row) => !agreedOnce(row) && row.irreversible,
    verdict: hold('irreversible'),
  },
  {
    situation: 'first link, only Wave has one',
    fits: (row) => !agreedOnce(row) && empty(row.customcrm),
    verdict: send('wave', 'filled'),
  },
  {
    situation: 'first link, only Customcrm has one',
    fits: (row) => !agreedOnce(row) && empty(row.wave),
    verdict: send('customcrm', 'filled'),
  },
  {
    situation: 'first link, different',
    fits: (row) => !agreedOnce(row),
    verdict: (row, { firstLink, observed }) =>
      winnerSends(row, kept(firstLink(row.id), observed), 'first link'),
  },
  {
    situation: 'both changed',
    fits: (row) => hasNews(row.customcrm) && hasNews(row.wave),
    verdict: (row, { conflict, observed }) => winnerSends(row, kept(conflict(row.id), observed), 'conflict'),
  },
  {
    situation: 'only Customcrm changed',
    fits: (row) => hasNews(row.customcrm),
    verdict: send('customcrm', 'changed'),
  },
  { situation: 'only Wave changed', fits: (row) => hasNews(row.wave), verdict: send('wave', 'changed') },
  {
    situation: 'never agreed in Customcrm, and empty there',
    fits: (row) => changeOf(row.customcrm) === 'none',
    verdict: send('wave', 'filled'),
  },
  {
    situation: 'never agreed in Wave, and empty there',
    fits: (row) => changeOf(row.wave) === 'none',
    verdict: send('customcrm', 'filled'),
  },
  { situation: 'recorded difference', fits: () => true, verdict: leave('recorded difference', false) },
];

const winnerSends = (
  row: RowState,
  winner: System | 'nobody',
  because: 'first link' | 'conflict',
): Verdict =>
  winner === 'nobody'
    ? hold(because === 'conflict' ? 'both changed' : 'first link differs')()
    : send(winner, because)(row);

const rulesFor = (row: RowState): readonly Rule[] => {
  if (row.lifeCycle) return [...everyRow, ...lifeCycleRules];
  if (row.direction === 'toWave') return [...everyRow, ...oneWayRules('customcrm', 'wave')];
  if (row.direction === 'toCustomcrm') return [...everyRow, ...oneWayRules('wave', 'customcrm')];
  return [...everyRow, ...twoWayRules];
};

/** What the specification says about one row. */
export function specifiedVerdict(row: RowState, policies: Policies): Verdict {
  const rule = rulesFor(row).find(({ fits }) => fits(row, policies));
  if (!rule) throw new RangeError('The specification has no rule for this row');
  return rule.verdict(row, policies);
}
