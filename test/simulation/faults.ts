import type { Dice } from './dice.ts';

/** What can go wrong. Each seed switches on a random part of it, so that no fault always hides another. */
export const faultNames = [
  'lostAnswer',
  'lateExecution',
  'slowAnswer',
  'serverError',
  'throttled',
  'readLag',
  'listLag',
  'nodeNotFound',
  'aliasFails',
  'noRights',
  'tableFailsBefore',
  'tableFailsAfter',
  'transactionConflict',
  'queueFailsBefore',
  'queueFailsAfter',
  'delivery repeated',
  'delivery delayed',
  'webhookDropped',
  'webhookRepeated',
  'webhookDelayed',
  'killed',
  'frozen',
  'wholeSeconds',
  'clockSkew',
  'waveTrims',
  'customcrmTrims',
  'waveReformats',
  'absentKeys',
  'pollFails',
  'poisoned',
  'poisonKills',
  'tableRestored',
  'massDeletion',
  'tightBudget',
  'messageLost',
  'createdTooLate',
  'partialAnswer',
  'robots',
] as const;
export type FaultName = (typeof faultNames)[number];

/** How likely a fault is at one step while it is switched on. Those with 1 are qualities of a whole world. */
const rates: Readonly<Record<FaultName, number>> = {
  lostAnswer: 0.04,
  lateExecution: 0.03,
  slowAnswer: 0.03,
  serverError: 0.04,
  throttled: 0.04,
  readLag: 0.05,
  listLag: 0.2,
  nodeNotFound: 0.2,
  aliasFails: 0.03,
  noRights: 0.002,
  tableFailsBefore: 0.003,
  tableFailsAfter: 0.003,
  transactionConflict: 0.3,
  queueFailsBefore: 0.01,
  queueFailsAfter: 0.01,
  'delivery repeated': 0.05,
  'delivery delayed': 0.1,
  webhookDropped: 0.3,
  webhookRepeated: 0.2,
  webhookDelayed: 0.3,
  killed: 0.04,
  frozen: 0.02,
  wholeSeconds: 1,
  clockSkew: 1,
  waveTrims: 1,
  customcrmTrims: 1,
  waveReformats: 1,
  absentKeys: 1,
  pollFails: 0.1,
  poisoned: 1,
  poisonKills: 1,
  tableRestored: 1,
  massDeletion: 1,
  tightBudget: 1,
  messageLost: 0.15,
  createdTooLate: 0.03,
  partialAnswer: 0.03,
  robots: 1,
};

export interface Faults {
  readonly on: ReadonlySet<FaultName>;
  /** Does it strike now? Counts when it does. */
  readonly strikes: (name: FaultName) => boolean;
  /** Something happened that {@link strikes} does not decide about. */
  readonly note: (name: FaultName) => void;
  /** A quality of this world, for good. */
  readonly has: (name: FaultName) => boolean;
  readonly dice: Dice;
  /** Nothing goes wrong any more. */
  readonly isOver: () => boolean;
  readonly struck: () => Readonly<Partial<Record<FaultName, number>>>;
  /** From now on nothing goes wrong any more; qualities of the world stay. */
  readonly stop: () => void;
}

/** Those that happen at times of their own, in few worlds. */
const events: ReadonlySet<FaultName> = new Set([
  'poisoned',
  'poisonKills',
  'tableRestored',
  'massDeletion',
  'robots',
]);

/** How many of all faults a seed switches on. */
const share = 0.4;
const rareShare = 0.08;
/** Faults with a stream of chance of their own, and in how many worlds there are any. */
const ownShares: Readonly<Partial<Record<FaultName, number>>> = {
  // Requests to Wave are few, and shared by all containers.
  tightBudget: 0.2,
  createdTooLate: 0.05,
  partialAnswer: share,
  robots: 0.05,
  // SQS loses none; what is lost here is what any part of the path could lose.
  messageLost: 0,
};

function isDrawn(dice: Dice, name: FaultName): boolean {
  const own = ownShares[name];
  return own === undefined ? dice.chance(events.has(name) ? rareShare : share) : dice.fork(name).chance(own);
}

/** Worlds in which only some things go wrong: what holds in these cannot be asked of the others. */
export const themes = {
  /** When, how often and in which order something is heard of. */
  order: [
    'delivery repeated',
    'delivery delayed',
    'webhookRepeated',
    'webhookDelayed',
    'transactionConflict',
    'wholeSeconds',
  ],
  /** A change is never heard of: one sweep brings it. */
  loss: ['webhookDropped', 'pollFails', 'queueFailsBefore', 'queueFailsAfter', 'messageLost'],
  /** One record of which no read succeeds, or that kills whoever reads it. */
  isolation: ['poisoned', 'poisonKills'],
  /** Nothing is late. */
  punctual: ['wholeSeconds', 'webhookRepeated', 'delivery repeated'],
} as const satisfies Readonly<Record<string, readonly FaultName[]>>;
export type Theme = keyof typeof themes;
const themeNames = Object.keys(themes) as readonly Theme[];
/** In how many worlds there is a theme, and how many of its faults such a world has. */
const themedShare = 0.2;
const shareOfTheme = 0.6;

export const isOnly = (on: ReadonlySet<FaultName>, theme: Theme): boolean =>
  [...on].every((name) => themes[theme].some((each) => each === name));

function drawn(dice: Dice): readonly FaultName[] {
  const own = dice.fork('theme');
  if (!own.chance(themedShare)) return faultNames.filter((name) => isDrawn(dice, name));
  const faults = themes[own.pick(themeNames)].filter(() => own.chance(shareOfTheme));
  // Whoever is killed by a record must have one.
  return faults.some((name) => name === 'poisonKills') ? [...faults, 'poisoned'] : faults;
}

/** @param given exactly these faults; unless said, chance decides. */
export function faultsOf(dice: Dice, given: readonly FaultName[] | undefined): Faults {
  const on = new Set(given ?? drawn(dice));
  const counts: Partial<Record<FaultName, number>> = {};
  let stopped = false;
  const count = (name: FaultName) => {
    counts[name] = (counts[name] ?? 0) + 1;
  };
  for (const name of on) if (rates[name] === 1 && !events.has(name)) count(name);
  return {
    on,
    strikes(name) {
      if (stopped || !on.has(name) || !dice.chance(rates[name])) return false;
      count(name);
      return true;
    },
    note: count,
    has: (name) => on.has(name),
    dice,
    isOver: () => stopped,
    struck: () => ({ ...counts }),
    stop() {
      stopped = true;
    },
  };
}
