import type { Call } from './ports.ts';

// What the budget's item holds, and what becomes of it: pure, and in the time of whoever asks. A request counts from before it is sent
// until 60 s after its answer: so no 60 seconds at Wave's door, which sees it at some time in between, ever hold more than the limit.

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
  /** It is one document that cannot be cut: it costs what it costs, however little is allowed. */
  readonly isWhole?: true;
  /** Writes may use the last slots: what was read for them grows stale while they wait. */
  readonly intention: 'read' | 'write';
  readonly call: Call;
  /** Records of changes that it reads or writes; absent for polls and the like. */
  readonly records?: number;
}

/**
 * What became of a request. `refused` is a 429; `unsent` never left this machine and costs nothing; of an `abandoned` one nobody awaits
 * the answer any more, and Wave may be at it still.
 */
export type Ending =
  | { readonly did: 'answered' | 'unanswered' | 'abandoned' | 'unsent' }
  | { readonly did: 'refused'; readonly retryAfterMs: number | undefined };

export interface Holder {
  readonly id: string;
  readonly cost: number;
  readonly until: number;
}
interface Spent {
  readonly cost: number;
  readonly until: number;
}
export interface Slots {
  readonly revision: number;
  readonly underWay: readonly Holder[];
  readonly spent: readonly Spent[];
  /** By hour since 1970, for the daily limit. */
  readonly hours: readonly { readonly hour: number; readonly cost: number }[];
  readonly blockedUntil: number;
  /** 429s, each counted once for those that were sent together; each whole window without one makes up for one of them. */
  readonly strikes: number;
  /** After a 429 only one request at a time goes out, until one is answered. */
  readonly probing: boolean;
  /** Records that were read for live changes, each counting for less as time goes by, as of the last request for one. */
  readonly demand: { readonly records: number; readonly at: number };
  /** When a worker last went for more changes while they were gathered. */
  readonly turnAt: number;
}

/** Share of the budget that background work leaves to live work at the most; and when there are no live changes, in requests at the most: for polls, and the first that come. */
const liveShare = 0.2;
const quietShare = 0.03;
const quietRequests = 6;
/** Requests that one live change takes, unless it shares them. */
const requestsAChange = 2;
/** Of a day's requests, background work leaves at least these: a poll each minute, and some live changes; of few, half. */
const liveADay = 2_000;
/**
 * Of what background work may take in a window, the most that it takes in a quarter of one. Slots that are all taken at once come free at
 * once, a window later: meanwhile whoever waits gives up.
 */
const burstShare = 0.3;
const burstWindows = 1 / 4;
/** For so long, in windows, live changes may come as they came of late while no slot comes free: longer than it takes where they come free evenly. */
const liveWindows = 1 / 8;
/** What reads leave to writes of their kind: this share of the budget and one, no more than may go out at once, and live ones than is to be expected. */
const writeShare = 0.02;
/** While changes are gathered, workers go for about so many at a time: read and written together they take two requests, at times three. */
const gathered = 8;
/** The longest rest of a worker, as a part of the window. */
export const restShare = 1 / 4;
/** Of that time, how much of it the turns of all workers may take together: who rests longest must come to his. */
const turnsShare = 0.95;
const fewestWorkers = 2;
/** Of the window, how far back the pace of changes is looked at. */
const demandShare = 1 / 3;
/** A request whose connection broke may still be under way for this long, ms. */
const afterglowMs = 2_000;
/** Clocks of our containers differ by less, ms; also the grain of what is kept of answered requests, as a part of the window. */
const skewMs = 250;
const grains = 240;
const hourMs = 3_600_000;
/** The pause of so many 429s is the longest. */
const mostStrikes = 7;
export const nothingYet: Slots = {
  revision: 0,
  underWay: [],
  spent: [],
  hours: [],
  blockedUntil: 0,
  strikes: 0,
  probing: false,
  demand: { records: 0, at: 0 },
  turnAt: 0,
};

export const costOf = (entries: readonly { readonly cost: number }[]): number =>
  entries.reduce((sum, { cost }) => sum + cost, 0);

/** What a kind of request may fill the window up to. Background work leaves what live changes will take in an eighth of it when they come as they came of late. */
export function allowedFor(
  slots: Slots,
  limits: BudgetLimits,
  { intention, call: { priority } }: Want,
  now: number,
): number {
  const { perMinute, inFlight } = limits;
  const changes = demandAt(slots, limits, now) / demandShare;
  // Slots come free all the time: what is left is for those that come while none do.
  const quiet = Math.min(quietRequests, quietShare * perMinute);
  const left = Math.min(liveShare * perMinute, quiet + changes * requestsAChange * liveWindows);
  const isLive = priority === 'live';
  const whole = isLive ? perMinute : Math.floor(perMinute - left);
  const most = Math.min(inFlight, 1 + Math.floor(perMinute * writeShare));
  const forWrites = isLive ? Math.min(most, Math.max(1, Math.ceil(changes))) : most;
  return Math.max(1, intention === 'write' ? whole : whole - forWrites);
}

/** Of `perDay` requests, those that background work may make. */
export const backgroundADay = (perDay: number): number =>
  Math.floor(perDay - Math.max(perDay * liveShare, Math.min(liveADay, perDay / 2)));

/** Leaves out what does not count any more. A holder that never ended counts as if its answer had come when its lease ran out. */
export function aged(slots: Slots, { windowMs }: BudgetLimits, now: number): Slots {
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

/** Why a request has to wait: too many lately, of a day, or Wave itself has asked for a pause. */
export type Lack = 'minute' | 'day' | 'pause';

/** The cost that may be taken now; or when to look again, undefined while only an answer can make room. */
export function verdictOn(
  slots: Slots,
  limits: BudgetLimits,
  want: Want,
  now: number,
): { readonly cost: number } | { readonly at: number | undefined; readonly lack: Lack } {
  if (slots.blockedUntil > now) return { at: slots.blockedUntil, lack: 'pause' };
  const { priority } = want.call;
  const allowed = allowedFor(slots, limits, want, now);
  // What alone is more than everything goes when nothing else does.
  const needed = Math.min(want.cost, allowed);
  const today = costOf(slots.hours);
  const allowedToday = priority === 'live' ? limits.perDay : backgroundADay(limits.perDay);
  const [oldest] = slots.hours;
  if (oldest && today + needed > allowedToday) return { at: (oldest.hour + 25) * hourMs, lack: 'day' };
  const atOnce = slots.probing ? 1 : Math.max(1, limits.inFlight - (priority === 'live' ? 0 : 1));
  const excess = costOf([...slots.spent, ...slots.underWay]) + needed - allowed;
  if (excess > 0) return { at: freeAt(slots, limits, excess, now), lack: 'minute' };
  // Where fields are counted a document is large, and waits for room in the window alone; a write follows the read that waited.
  const isPaced = priority === 'background' && want.intention === 'read' && needed === 1;
  const evenAt = isPaced ? pacedAt(slots, limits, needed, allowed, now) : undefined;
  if (evenAt !== undefined) return { at: evenAt, lack: 'minute' };
  if (slots.underWay.length >= atOnce) return { at: undefined, lack: 'minute' };
  return { cost: want.isWhole ? want.cost : needed };
}

/** When background work may go on that has taken its part of a quarter of the window; undefined while it has not. */
function pacedAt(
  slots: Slots,
  limits: BudgetLimits,
  needed: number,
  allowed: number,
  now: number,
): number | undefined {
  const sooner = limits.windowMs * (1 - burstWindows);
  const lately = { ...slots, spent: slots.spent.filter(({ until }) => until - sooner > now) };
  const most = Math.max(needed, Math.floor(allowed * burstShare));
  const excess = costOf([...lately.spent, ...lately.underWay]) + needed - most;
  return excess > 0 ? freeAt(lately, limits, excess, now) - sooner : undefined;
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

/** Records that were read for live changes and still count. */
const demandAt = ({ demand }: Slots, { windowMs }: BudgetLimits, now: number): number =>
  demand.records * Math.exp(Math.min(0, demand.at - now) / (windowMs * demandShare));

/**
 * How long changes gather before the next worker goes for some, ms: nothing while they come more slowly than two thirds of what the
 * budget carries one by one, at two requests each; until {@link gathered} are there from twice that pace on.
 */
export function gapOf(slots: Slots, limits: BudgetLimits, now: number): number {
  const { windowMs, perMinute, inFlight } = limits;
  const perMs = demandAt(slots, limits, now) / (windowMs * demandShare);
  const load = Math.min(1, (3 * perMs * windowMs) / perMinute - 1);
  const longest = (windowMs * restShare * turnsShare) / Math.max(fewestWorkers, inFlight);
  return load <= 0 ? 0 : Math.min((load * gathered) / perMs, longest);
}

export function taken(
  slots: Slots,
  limits: BudgetLimits,
  holder: Holder,
  { records = 0, intention, call }: Want,
  now: number,
): Slots {
  const more = intention === 'read' ? records : 0;
  const isChange = records > 0 && call.priority === 'live';
  return {
    ...slots,
    ...(isChange && { demand: { records: demandAt(slots, limits, now) + more, at: now } }),
    underWay: [...slots.underWay, holder],
    hours: withCost(slots.hours, Math.floor(now / hourMs), holder.cost),
  };
}

function withCost(hours: Slots['hours'], hour: number, cost: number): Slots['hours'] {
  const before = hours.find((each) => each.hour === hour)?.cost ?? 0;
  return [...hours.filter((each) => each.hour !== hour), { hour, cost: Math.max(0, before + cost) }];
}

export function ended(slots: Slots, limits: BudgetLimits, id: string, ending: Ending, now: number): Slots {
  const holder = slots.underWay.find((each) => each.id === id);
  const others = slots.underWay.filter((each) => each.id !== id);
  if (holder && ending.did === 'unsent')
    return {
      ...slots,
      underWay: others,
      hours: withCost(slots.hours, Math.floor(now / hourMs), -holder.cost),
    };
  if (holder && ending.did === 'abandoned') return slots;
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
  const calmWindows = Math.floor((now - slots.blockedUntil) / windowMs);
  const grownTo = Math.min(slots.strikes + 1 - calmWindows, mostStrikes);
  const strikes = now >= slots.blockedUntil ? Math.max(1, grownTo) : slots.strikes;
  const grown = Math.min((windowMs / 12) * 2 ** (strikes - 1), 5 * windowMs);
  const pause = strikes > 1 ? Math.max(retryAfterMs ?? 0, grown) : (retryAfterMs ?? grown);
  return {
    ...slots,
    strikes,
    probing: true,
    blockedUntil: Math.max(slots.blockedUntil, now + pause + skewMs),
  };
}
