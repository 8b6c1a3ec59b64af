/** What the stand-ins can be told to do wrong; each kind has its own probability. */
export const faultKinds = [
  /** The request is executed, the connection is cut before the answer. */
  'lostAnswer',
  /** The connection is cut first, the request is executed some time later. */
  'lateExecution',
  /** A read or list answers from a past state. */
  'lag',
  /** 429, half of them with Retry-After; nothing is executed. */
  'throttle',
  /** 500 or 503; nothing is executed. */
  'serverError',
  /** A field is null under an entry of `errors` (Wave only). */
  'partialErrors',
  /** A create answers "Node could not be found" although its ids are valid (Wave only). */
  'nodeNotFound',
  /** A mutation succeeds, and its answer shows no record (Wave only). */
  'nullPayload',
  /** The request is executed, and the answer is HTTP 200 with a page of the edge's own (Wave only). */
  'edgePage',
  'webhookDropped',
  'webhookRepeated',
  /** Delivered after a random delay, so that webhooks overtake each other. */
  'webhookDelayed',
] as const;

export type FaultKind = (typeof faultKinds)[number];
/** Probabilities from 0 to 1; a kind that is not named never strikes. */
export type FaultRates = Partial<Record<FaultKind, number>>;

export interface Faults {
  /** Replaces all rates. */
  readonly set: (rates: FaultRates) => void;
  readonly strikes: (kind: FaultKind) => boolean;
  /** A random whole number from `least` to `most`, both included. */
  readonly between: (least: number, most: number) => number;
  /** How often each kind has struck. */
  readonly struck: () => Readonly<Partial<Record<FaultKind, number>>>;
}

/** Draws faults from one seed, so that a run can be repeated. */
export function drawFaults(seed: number, initial: FaultRates = {}): Faults {
  const random = randomOf(seed);
  const counts: Partial<Record<FaultKind, number>> = {};
  let rates = initial;
  return {
    set(next) {
      rates = next;
    },
    strikes(kind) {
      const rate = rates[kind] ?? 0;
      if (rate === 0 || random() >= rate) return false;
      counts[kind] = (counts[kind] ?? 0) + 1;
      return true;
    },
    between: (least, most) => least + Math.floor(random() * (most - least + 1)),
    struck: () => ({ ...counts }),
  };
}

/** Mulberry32: a small seeded generator, good enough to draw faults. Answers numbers in [0, 1). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
