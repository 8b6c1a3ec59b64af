import { RemoteUnavailableError } from '../errors.ts';
import type { Call, Clock, Item, Key, Table } from './ports.ts';

// One item of the table holds every request to Wave that still counts, whoever made it. It is taken and given back by conditional
// writes on its revision. A request counts from before it is sent until 60 s after its answer: so no 60 seconds at Wave's door, which
// sees it at some time in between, ever hold more than the limit.

export interface BudgetLimits {
  /** Requests (or fields, where Wave counts those) in any 60 s. */
  readonly perMinute: number;
  /** Requests at once. */
  readonly inFlight: number;
  /** Requests in any 24 hours. */
  readonly perDay: number;
  /** After this long a request without an end counts as that of a dead holder, ms: time-out and a margin. */
  readonly leaseMs: number;
  /** What "a minute" is, ms. Only tests have another one. */
  readonly windowMs: number;
}

/** What a request needs of the budget. */
export interface Want {
  readonly cost: number;
  /** Writes may use the last slots: what was read for them grows stale while they wait. */
  readonly intention: 'read' | 'write';
  readonly call: Call;
}

/** What became of a request. `refused` is a 429; `unsent` never left this machine and costs nothing. */
export type Ending =
  | { readonly did: 'answered' | 'unanswered' | 'unsent' }
  | { readonly did: 'refused'; readonly retryAfterMs: number | undefined };

/** The right to send one request now. */
export interface Slot {
  readonly cost: number;
  readonly waitedMs: number;
  /** What the budget still allows at this moment, in requests or fields. */
  readonly left: number;
  /** To be called once, when the request has ended. Never throws: a slot that is not given back runs out by itself. */
  readonly end: (ending: Ending) => Promise<void>;
}

export interface RequestBudget {
  /**
   * Waits for a slot, within the call. @throws RemoteUnavailableError with `retryAfterMs` when none comes free in time, or the table
   * does not answer: nothing was sent.
   */
  take(want: Want): Promise<Slot>;
}

interface Holder {
  readonly id: string;
  readonly cost: number;
  readonly until: number;
}
interface Spent {
  readonly cost: number;
  readonly until: number;
}
interface Slots {
  readonly revision: number;
  readonly underWay: readonly Holder[];
  readonly spent: readonly Spent[];
  /** By hour since 1970, for the daily limit. */
  readonly hours: readonly { readonly hour: number; readonly cost: number }[];
  readonly blockedUntil: number;
  /** 429s since the last quiet time, each counted once for those that were sent together. */
  readonly strikes: number;
  readonly refusedAt: number;
  /** After a 429 only one request at a time goes out, until one is answered. */
  readonly probing: boolean;
}

const key: Key = { pk: 'budget#wave', sk: 'slots' };
/** Share of the budget that background work leaves to live work. */
const liveShare = 0.2;
/** Share of what is left to each that reads leave to writes. */
const writeShare = 0.05;
/** The longest wait for a slot, ms. A write is based on what was read before: it waits shortly and is then planned anew. */
const patienceMs = { read: 20_000, write: 2_000 } as const;
/** What must be left of the deadline for the request itself, ms. */
const requestReserveMs = 1_000;
/** A request whose answer was lost may still be under way for this long, ms. */
const afterglowMs = 2_000;
/** Clocks of our containers differ by less, ms; also the grain of what is kept of answered requests, as a part of the window. */
const skewMs = 250;
const grains = 240;
const hourMs = 3_600_000;
/** Writes that may fail because another container was faster, and looks at the item, for one slot. */
const tryLimit = 200;
const endTryLimit = 25;
const nothingYet: Slots = {
  revision: 0,
  underWay: [],
  spent: [],
  hours: [],
  blockedUntil: 0,
  strikes: 0,
  refusedAt: 0,
  probing: false,
};

/** The shared budget of all requests to Wave. */
export function requestBudget(options: {
  readonly table: Table;
  readonly clock: Clock;
  readonly newId: () => string;
  readonly random?: () => number;
  readonly limits: BudgetLimits;
}): RequestBudget {
  const { table, clock, newId, limits, random = Math.random } = options;
  let known: Slots | undefined;
  const jitter = (ms: number) => Math.ceil(ms * (0.5 + random()));

  async function read(): Promise<Slots> {
    known = slotsOf(await table.get(key));
    return known;
  }

  /** Answers whether it was written; if not, `known` is what was there instead. */
  async function write(before: Slots, after: Slots): Promise<boolean> {
    const next = { ...after, revision: before.revision + 1 };
    const when = before.revision === 0 ? 'absent' : { equals: { revision: before.revision } };
    const result = await table.write([{ put: { ...key, ...next }, when }]);
    known = result.done ? next : slotsOf(result.failed.get(0));
    return result.done;
  }

  async function take(want: Want): Promise<Slot> {
    const id = newId();
    const startedAt = clock.now();
    const latest = Math.min(startedAt + patienceMs[want.intention], want.call.deadline - requestReserveMs);
    let slots = known ?? (await read());
    let isFresh = false;
    for (let attempt = 1; attempt <= tryLimit; attempt++) {
      const now = clock.now();
      const current = aged(slots, limits, now);
      // A write of ours that nobody answered may have happened.
      if (current.underWay.some((holder) => holder.id === id)) return slotFor(id, want, startedAt, current);
      const verdict = verdictOn(current, limits, want, now);
      if ('at' in verdict && !isFresh) slots = await read();
      else if ('at' in verdict) {
        if ((verdict.at ?? now) > latest) throw noSlot((verdict.at ?? now + limits.windowMs / 60) - now);
        // An answer comes at any time; a slot that comes free by time is wanted by everybody at once.
        if (verdict.at === undefined) await clock.sleep(jitter(Math.min(10 * attempt, 100)));
        else await clock.sleep(verdict.at - now + jitter(Math.min(100, limits.windowMs / 100)));
        slots = await read();
      } else {
        const holder = { id, cost: verdict.cost, until: now + limits.leaseMs };
        const after = taken(current, holder, now);
        if (await write(slots, after)) return slotFor(id, want, startedAt, after);
        slots = known ?? nothingYet;
        if (clock.now() > latest) break;
        if (attempt > 2) await clock.sleep(jitter(Math.min(10 * attempt, 100)));
      }
      isFresh = true;
    }
    throw noSlot(limits.windowMs / 60);
  }

  function slotFor(id: string, { intention, call }: Want, startedAt: number, slots: Slots): Slot {
    const cost = slots.underWay.find((holder) => holder.id === id)?.cost ?? 1;
    const allowed = allowedFor(limits, intention, call.priority);
    return {
      cost,
      waitedMs: clock.now() - startedAt,
      left: Math.max(0, allowed - costOf([...slots.spent, ...slots.underWay])),
      end: (ending) => end(id, ending).catch(() => undefined),
    };
  }

  async function end(id: string, ending: Ending): Promise<void> {
    let slots = known ?? (await read());
    for (let attempt = 1; attempt <= endTryLimit; attempt++) {
      const now = clock.now();
      const after = ended(aged(slots, limits, now), limits, id, ending, now);
      if (await write(slots, after)) return;
      slots = known ?? nothingYet;
      if (attempt > 2) await clock.sleep(jitter(Math.min(5 * attempt, 60)));
    }
  }

  return {
    take: (want) =>
      take(want).catch((cause: unknown) => {
        if (cause instanceof RemoteUnavailableError) throw cause;
        throw new RemoteUnavailableError('wave', 'the request budget could not be read', { cause });
      }),
  };
}

const slotsOf = (item: Item | undefined): Slots =>
  item ? ({ ...nothingYet, ...item } as Slots) : nothingYet;

const noSlot = (retryAfterMs: number): RemoteUnavailableError =>
  new RemoteUnavailableError('wave', 'the request budget is used up', {
    retryAfterMs: Math.max(0, Math.ceil(retryAfterMs)),
  });

const costOf = (entries: readonly { readonly cost: number }[]): number =>
  entries.reduce((sum, { cost }) => sum + cost, 0);

/** What a kind of request may fill the window up to. */
function allowedFor({ perMinute }: BudgetLimits, intention: Want['intention'], priority: Call['priority']) {
  const whole = priority === 'live' ? perMinute : Math.floor(perMinute * (1 - liveShare));
  return Math.max(1, intention === 'write' ? whole : whole - Math.floor(perMinute * writeShare));
}

/** Leaves out what does not count any more. A holder that never ended counts as if its answer had come when its lease ran out. */
function aged(slots: Slots, { windowMs }: BudgetLimits, now: number): Slots {
  const { hours, ...rest } = slots;
  const dead = slots.underWay.filter(({ until }) => until <= now);
  const spent = [
    ...slots.spent,
    ...dead.map(({ cost, until }) => ({ cost, until: until + windowMs + skewMs })),
  ];
  return {
    ...rest,
    underWay: slots.underWay.filter(({ until }) => until > now),
    spent: spent.filter(({ until }) => until > now),
    hours: hours.filter(({ hour }) => hour > Math.floor(now / hourMs) - 25),
  };
}

/** The cost that may be taken now; or when to look again, undefined while only an answer can make room. */
function verdictOn(
  slots: Slots,
  limits: BudgetLimits,
  { cost, intention, call: { priority } }: Want,
  now: number,
): { readonly cost: number } | { readonly at: number | undefined } {
  if (slots.blockedUntil > now) return { at: slots.blockedUntil };
  const allowed = allowedFor(limits, intention, priority);
  // What alone is more than everything goes when nothing else does.
  const needed = Math.min(cost, allowed);
  const today = costOf(slots.hours);
  const allowedToday = priority === 'live' ? limits.perDay : Math.floor(limits.perDay * (1 - liveShare));
  const [oldest] = slots.hours;
  if (oldest && today + needed > allowedToday) return { at: (oldest.hour + 25) * hourMs };
  const atOnce = slots.probing ? 1 : Math.max(1, limits.inFlight - (priority === 'live' ? 0 : 1));
  const excess = costOf([...slots.spent, ...slots.underWay]) + needed - allowed;
  if (excess > 0) return { at: freeAt(slots, limits, excess, now) };
  return slots.underWay.length >= atOnce ? { at: undefined } : { cost: needed };
}

/** When this much of the window has come free, at the earliest. */
function freeAt({ spent, underWay }: Slots, { windowMs }: BudgetLimits, needed: number, now: number): number {
  const coming = [...spent, ...underWay.map(({ cost }) => ({ cost, until: now + windowMs }))];
  let freed = 0;
  for (const { cost, until } of coming.sort((a, b) => a.until - b.until)) {
    freed += cost;
    if (freed >= needed) return until;
  }
  return now + windowMs;
}

function taken(slots: Slots, holder: Holder, now: number): Slots {
  return {
    ...slots,
    underWay: [...slots.underWay, holder],
    hours: withCost(slots.hours, Math.floor(now / hourMs), holder.cost),
  };
}

function withCost(hours: Slots['hours'], hour: number, cost: number): Slots['hours'] {
  const before = hours.find((each) => each.hour === hour)?.cost ?? 0;
  return [...hours.filter((each) => each.hour !== hour), { hour, cost: Math.max(0, before + cost) }];
}

function ended(slots: Slots, limits: BudgetLimits, id: string, ending: Ending, now: number): Slots {
  const holder = slots.underWay.find((each) => each.id === id);
  const others = slots.underWay.filter((each) => each.id !== id);
  if (holder && ending.did === 'unsent')
    return {
      ...slots,
      underWay: others,
      hours: withCost(slots.hours, Math.floor(now / hourMs), -holder.cost),
    };
  if (holder && ending.did === 'unanswered')
    return {
      ...slots,
      underWay: [...others, { ...holder, until: Math.min(holder.until, now + afterglowMs) }],
    };
  const spent = holder ? [...slots.spent, spentFrom(holder.cost, limits, now)] : slots.spent;
  const after = { ...slots, underWay: others, spent: merged(spent) };
  if (ending.did === 'refused') return blocked(after, limits, ending.retryAfterMs, now);
  return ending.did === 'answered' && slots.blockedUntil <= now ? { ...after, probing: false } : after;
}

/** Rounded up, so that the item stays small however high the limit is. */
function spentFrom(cost: number, { windowMs }: BudgetLimits, now: number): Spent {
  const grain = windowMs / grains;
  return { cost, until: Math.ceil((now + windowMs + Math.min(skewMs, grain)) / grain) * grain };
}

function merged(spent: readonly Spent[]): readonly Spent[] {
  const byTime = new Map<number, number>();
  for (const { cost, until } of spent) byTime.set(until, (byTime.get(until) ?? 0) + cost);
  return [...byTime].map(([until, cost]) => ({ cost, until }));
}

/** A 429 stops everybody: as long as Wave says, or for a pause that doubles while they follow one another. */
function blocked(
  slots: Slots,
  { windowMs }: BudgetLimits,
  retryAfterMs: number | undefined,
  now: number,
): Slots {
  const isNew = now >= slots.blockedUntil;
  const quiet = now - slots.refusedAt > 10 * windowMs;
  const strikes = isNew ? (quiet ? 1 : slots.strikes + 1) : slots.strikes;
  const grown = Math.min((windowMs / 12) * 2 ** (strikes - 1), 5 * windowMs);
  const pause = strikes > 1 ? Math.max(retryAfterMs ?? 0, grown) : (retryAfterMs ?? grown);
  return {
    ...slots,
    strikes,
    refusedAt: now,
    probing: true,
    blockedUntil: Math.max(slots.blockedUntil, now + pause + skewMs),
  };
}
