import type { LinkState } from '../domain/link.ts';
import { type Pair, pairs, parseRef, type RecordRef, type System, systems } from '../domain/record.ts';
import type { Engine } from './engine.ts';
import { blownSince, type FuseName, fuseNames } from './fuses.ts';
import type { Intent } from './intents.ts';
import { lastDelivery } from './last-delivery.ts';
import { linkedIds } from './links.ts';
import { pauses } from './pause.ts';
import { progressOf } from './poll-progress.ts';
import type { Item } from './ports.ts';
import type { RecordState } from './record-state.ts';

/** Items that one look at a state considers: so many are that many or more. */
export const stateLimit = 1000;
/** Records that show one state, where all are meant. */
export const everyLimit = 100_000;
const directoryPage = 1000;

/** The states in which something waits for a person, or was decided against. */
export const shownStates = [
  'conflict',
  'held',
  'blocked',
  'ambiguous',
  'deletion-suspected',
  'unlinked',
  'excluded',
  'failed',
] as const satisfies readonly (LinkState | RecordState)[];
export type ShownState = (typeof shownStates)[number];

/** One record, or one link by its Customcrm half, that shows a state. */
export interface ShownRecord {
  readonly ref: RecordRef;
  readonly counterpart?: string;
  readonly reasons: readonly string[];
  /** ms since 1970. */
  readonly since: number;
}

export interface Overview {
  readonly linked: Readonly<Record<Pair, number>>;
  readonly states: Readonly<Record<ShownState, number>>;
  /** Records that wait, by cause. */
  readonly waiting: Readonly<Record<string, number>>;
  /** Creates whose outcome is not known yet. */
  readonly intents: { readonly open: number; readonly oldestMs: number };
  /** How long ago each system was last read completely, ms; undefined when it never was. */
  readonly polledAgoMs: Readonly<Record<System, number | undefined>>;
  /** How long ago a signed webhook of each system was last heard, ms; undefined when none ever was. */
  readonly heardAgoMs: Readonly<Record<System, number | undefined>>;
  readonly blownFuses: readonly FuseName[];
  readonly paused: readonly { readonly scope: string; readonly reason: string }[];
}

/** How everything stands. Reads the table only; counts of the index of states may lag by a second. */
export async function overview(engine: Engine): Promise<Overview> {
  const now = engine.clock.now();
  const waiting = await engine.table.byState('parked', Number.MAX_SAFE_INTEGER, stateLimit);
  const intents = await engine.table.byState('intent', Number.MAX_SAFE_INTEGER, stateLimit);
  const startedAt = intents.map((item) => (item.intent as Intent).startedAt);
  const polled = await each(systems, async (system) => (await progressOf(engine, system)).completeAt);
  const heard = await each(systems, (system) => lastDelivery(engine, system));
  return {
    linked: await each(pairs, (pair) => countLinks(engine, pair)),
    states: await each(shownStates, async (state) => (await recordsIn(engine, state)).length),
    waiting: countBy(waiting, (item) => String(item.name)),
    intents: { open: intents.length, oldestMs: startedAt.length > 0 ? now - Math.min(...startedAt) : 0 },
    polledAgoMs: {
      customcrm: polled.customcrm ? now - polled.customcrm : undefined,
      wave: polled.wave ? now - polled.wave : undefined,
    },
    heardAgoMs: {
      customcrm: heard.customcrm ? now - heard.customcrm : undefined,
      wave: heard.wave ? now - heard.wave : undefined,
    },
    blownFuses: await blownFuses(engine),
    paused: await pauses(engine),
  };
}

async function each<K extends string, V>(
  keys: readonly K[],
  make: (key: K) => Promise<V>,
): Promise<Record<K, V>> {
  const entries = await Promise.all(keys.map(async (key) => [key, await make(key)] as const));
  return Object.fromEntries(entries) as Record<K, V>;
}

async function countLinks({ table }: Engine, pair: Pair): Promise<number> {
  let count = 0;
  let after: string | undefined;
  for (;;) {
    const page = await linkedIds(table, pair, {
      ...(after !== undefined && { after }),
      limit: directoryPage,
    });
    count += page.length;
    after = page.at(-1)?.customcrmId;
    if (page.length < directoryPage || after === undefined) return count;
  }
}

function countBy(items: readonly Item[], nameOf: (item: Item) => string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const item of items) counts[nameOf(item)] = (counts[nameOf(item)] ?? 0) + 1;
  return counts;
}

async function blownFuses(engine: Engine): Promise<readonly FuseName[]> {
  const blown = await each(fuseNames, (name) => blownSince(engine, name));
  return fuseNames.filter((name) => blown[name] !== undefined);
}

/** The records that show this state, oldest first. */
export async function recordsIn(
  { table }: Engine,
  state: ShownState,
  limit = stateLimit,
): Promise<readonly ShownRecord[]> {
  const items = await table.byState(state, Number.MAX_SAFE_INTEGER, limit);
  return items.map((item) => {
    const link = item.link as { readonly reasons: readonly string[] } | undefined;
    return {
      ref: parseRef(item.pk),
      ...(item.waveId !== undefined && { counterpart: String(item.waveId) }),
      reasons: link?.reasons ?? [String(item.reason ?? '')],
      since: Number(item.due),
    };
  });
}

/** The records that wait, longest first. */
export async function waitingRecords(
  { table }: Engine,
  limit = stateLimit,
): Promise<readonly (ShownRecord & { readonly cause: string })[]> {
  const items = await table.byState('parked', Number.MAX_SAFE_INTEGER, limit);
  return items.map((item) => ({
    ref: parseRef(item.sk),
    cause: String(item.name),
    reasons: [String(item.pk).replace('parked#', '')],
    since: Number(item.since),
  }));
}
