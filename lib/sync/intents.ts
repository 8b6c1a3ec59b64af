import type { RowPrints } from '../domain/link.ts';
import {
  otherSystem,
  type Pair,
  parseRef,
  type RecordRef,
  refKey,
  type Snapshot,
  type System,
} from '../domain/record.ts';
import { RemoteUnavailableError } from '../errors.ts';
import type { Cause, Engine } from './engine.ts';
import { linkKey } from './keys.ts';
import { type Lease, stillHeld } from './leases.ts';
import type { Item, Key, Table, Write } from './ports.ts';

/** Intents of one system and pair that one look considers, and how many it reads at a time. */
const intentLimit = 10_000;
const intentPage = 1000;
/** Pages that one look reads at the most: the table deletes what has expired days later. */
const pageLimit = 100;
/** Closed intents are kept this long to recognise a create that the target executed much later, ms. */
const closedKeptMs = 30 * 24 * 3600 * 1000;
/** Those that are only doubted because of a restore are as many as records are created after it: kept for a shorter time, ms. */
const forgottenKeptMs = 3600 * 1000;

/** "A counterpart for this record may be under way": stays open only while the outcome is unknown. */
export interface Intent {
  readonly origin: RecordRef;
  /** The Idempotency-Key; a new one after every definite refusal. */
  readonly opId: string;
  readonly bodyHash: string;
  /** When the first attempt under this op id began: what the fence counts from (ms). */
  readonly startedAt: number;
  /** The target's clock less ours at that time, ms: its stamps are by its own. Absent in intents of older code. */
  readonly clockAheadMs?: number;
  /** When the last attempt was sent (ms). */
  readonly sentAt: number;
  readonly attempts: number;
  /** The table was restored not long ago, and its origin is older: there may have been attempts that the table does not know of. */
  readonly forgets?: true;
  /** When a look-up last found nothing since `sentAt` (ms). */
  readonly lookedUpAt?: number;
  /** Its only attempt was found with all that was sent: another result is not to be expected. */
  readonly foundAll?: true;
  /** The records that may be the result, when more than one may: from then on only they are fenced, until a person decides. */
  readonly suspects?: readonly string[];
  /** An ambiguity may end by itself: looked at again then (ms). */
  readonly lookAgainAt?: number;
  /** Hashes of the match keys that are locked. */
  readonly keys: readonly string[];
  /** Keyed hashes of the values of the last attempt, by row. */
  readonly sent: RowPrints;
}

const partition = (target: System, pair: Pair): string => `intent#${target}#${pair}`;
const keyOf = (origin: RecordRef): Key => ({
  pk: partition(otherSystem(origin.system), origin.pair),
  sk: refKey(origin),
});
const lockKey = (origin: RecordRef, hash: string): Key => ({
  pk: `lock#${otherSystem(origin.system)}#${origin.pair}#${hash}`,
  sk: 'lock',
});

/** The cause key under which records wait for this intent to close. */
export const fenceKey = (origin: RecordRef): string => `fence#${refKey(origin)}`;

/** The open intents whose result would appear in this system and pair. To be read *before* the link of a record there. */
export async function openIntentsInto(
  { table }: Engine,
  target: System,
  pair: Pair,
): Promise<readonly Intent[]> {
  return everyIntent(table, target, partition(target, pair));
}

/** @throws RemoteUnavailableError when there are too many: who asks waits until creates have told their outcome. */
async function everyIntent(
  table: Table,
  target: System,
  pk: string,
  counts: (item: Item) => boolean = () => true,
): Promise<readonly Intent[]> {
  const intents: Intent[] = [];
  let after: string | undefined;
  for (let pages = 0; pages < pageLimit && intents.length < intentLimit; pages++) {
    const page = await table.query(pk, { ...(after !== undefined && { after }), limit: intentPage });
    intents.push(...page.filter(counts).map((item) => item.intent as Intent));
    if (page.length < intentPage) return intents;
    after = page.at(-1)?.sk;
  }
  throw new RemoteUnavailableError(target, `the outcome of ${intentLimit} creates or more is in doubt`);
}

/** The earliest stamp that the result can carry, ms: what was measured of its system's clock is only about right. */
export const earliestResult = (
  { settings }: Engine,
  { startedAt, clockAheadMs = 0 }: Pick<Intent, 'startedAt' | 'clockAheadMs'>,
): number => startedAt + clockAheadMs - settings.fenceMarginMs;

/** Could this create have made a record of that time? What was not answered within the settle time is over. */
export const mayBeResultOf = (
  engine: Engine,
  intent: Intent,
  { id, createdAt }: Pick<Snapshot, 'id' | 'createdAt'>,
): boolean =>
  intent.suspects?.includes(id) ??
  (createdAt >= earliestResult(engine, intent) && createdAt <= latestResult(engine, intent));

const latestResult = ({ settings }: Engine, { sentAt, clockAheadMs = 0 }: Intent): number =>
  sentAt + clockAheadMs + settings.settleMs + settings.fenceMarginMs;

/** To be part of a write that links a record otherwise than by its own create. */
export const noOpenIntent = (origin: RecordRef): Write => ({ check: keyOf(origin), when: 'absent' });

export async function findIntent({ table }: Engine, origin: RecordRef): Promise<Intent | undefined> {
  return (await table.get(keyOf(origin)))?.intent as Intent | undefined;
}

/**
 * Opens the intent, if the origin is unlinked and nobody else creates under one of its keys.
 * @param stands what the decision to create is based on, and may have changed: a link may have come and gone since
 */
export async function openIntent(
  engine: Engine,
  intent: Intent,
  lease: Lease,
  stands: readonly Write[] = [],
): Promise<{ readonly opened: true } | { readonly opened: false; readonly blockedBy?: RecordRef }> {
  const before: Write[] = [
    stillHeld(lease),
    { check: linkKey(intent.origin), when: 'absent' },
    { put: itemOf(intent), when: 'absent' },
    ...stands,
  ];
  const result = await engine.table.write([...before, ...lockWrites(intent, intent.keys)]);
  if (result.done) return { opened: true };
  const blockedBy = holderOfLock(result.failed, before.length);
  return { opened: false, ...(blockedBy && { blockedBy }) };
}

/** One create at a time for each of these keys. */
const lockWrites = ({ origin }: Intent, keys: readonly string[]): readonly Write[] =>
  keys.map((hash) => ({
    put: { ...lockKey(origin, hash), origin: refKey(origin), heldUntil: Number.MAX_SAFE_INTEGER },
    // Older code left its locks behind as a memory, let go at once.
    when: { absentOrExpired: { attribute: 'heldUntil', before: 1, or: { origin: refKey(origin) } } },
  }));

/** The origin whose create has one of the locks that stand from this position on. */
function holderOfLock(failed: ReadonlyMap<number, Item | undefined>, from: number): RecordRef | undefined {
  const lock = [...failed].find(([position]) => position >= from)?.[1];
  return lock && parseRef(String(lock.origin));
}

/**
 * Notes another attempt, or a look-up that found nothing. What is sent now under other keys locks those as well. Answers false when the
 * intent is not ours any more, or another create has one of the keys.
 */
export async function updateIntent(
  { table }: Engine,
  before: Intent,
  after: Intent,
  lease: Lease,
): Promise<boolean> {
  const result = await table.write([
    stillHeld(lease),
    { put: itemOf(after), when: { equals: { opId: before.opId, sentAt: before.sentAt } } },
    ...lockWrites(
      after,
      after.keys.filter((hash) => !before.keys.includes(hash)),
    ),
  ]);
  return result.done;
}

const closedPartition = (target: System, pair: Pair): string => `closed#${target}#${pair}`;

/** The writes that close an intent. It stays as a memory when the outcome was ever in doubt: see {@link closedIntentsInto}. */
export function closeWrites({ clock }: Engine, intent: Intent): readonly Write[] {
  const { origin } = intent;
  // Where a person had to say which record it was, it may be another one all the same.
  const isDoubtful = intent.attempts > 1 || intent.lookedUpAt !== undefined || intent.suspects !== undefined;
  const expiresAt = Math.ceil((clock.now() + (isDoubtful ? closedKeptMs : forgottenKeptMs)) / 1000);
  const memory: Write = {
    put: {
      pk: closedPartition(otherSystem(origin.system), origin.pair),
      sk: memoryName(intent),
      intent,
      expiresAt,
    },
  };
  return [
    { delete: keyOf(origin), when: { equals: { opId: intent.opId } } },
    ...intent.keys.map((hash): Write => ({ delete: lockKey(origin, hash) })),
    ...(isDoubtful || intent.forgets ? [memory] : []),
  ];
}

/** One that is kept for a shorter time never takes the place of another. */
const memoryName = ({ origin, forgets }: Intent): string =>
  forgets ? `${refKey(origin)}#forgotten` : refKey(origin);

/** A closed intent is remembered for as long as a record is held that may be its late result. */
export async function rememberClosed({ table, clock }: Engine, intent: Intent): Promise<void> {
  const expiresAt = Math.ceil((clock.now() + closedKeptMs) / 1000);
  const pk = closedPartition(otherSystem(intent.origin.system), intent.origin.pair);
  await table.write([{ put: { pk, sk: memoryName(intent), intent, expiresAt }, when: 'present' }]);
}

/** Doubtful creates into this system and pair of the last 30 days: the target may execute one much later than anybody waited. */
export async function closedIntentsInto(
  { table, clock }: Engine,
  target: System,
  pair: Pair,
): Promise<readonly Intent[]> {
  const now = clock.now() / 1000;
  return everyIntent(
    table,
    target,
    closedPartition(target, pair),
    ({ expiresAt }) => Number(expiresAt) > now,
  );
}

const itemOf = (intent: Intent): Item => ({
  ...keyOf(intent.origin),
  opId: intent.opId,
  sentAt: intent.sentAt,
  ...(intent.lookAgainAt === undefined
    ? { state: 'intent', due: intent.sentAt }
    : { state: 'held-intent', due: intent.lookAgainAt }),
  intent,
});

const alikeKey = (intent: Intent) => `alike#${refKey(intent.origin)}`;
/** Look-alikes that one create may have; more are ambiguous anyway. */
const alikeLimit = 20;

/** Remembers how a fenced record looked when it was seen: its user may edit it before the look-up. */
export async function noteAlike(engine: Engine, intent: Intent, id: string, likeness: Alike): Promise<void> {
  if (likeness !== 'all' && (await alikesOf(engine, intent)).get(id) === 'all') return;
  const expiresAt = Math.ceil((engine.clock.now() + closedKeptMs) / 1000);
  await engine.table.write([
    { put: { pk: alikeKey(intent), sk: id, opId: intent.opId, likeness, expiresAt } },
  ]);
}

/** The records that once held everything that was sent, a match key of it, or some of it. */
export async function alikesOf({ table }: Engine, intent: Intent): Promise<ReadonlyMap<string, Alike>> {
  const items = await table.query(alikeKey(intent), { limit: alikeLimit });
  return new Map(
    items.filter(({ opId }) => opId === intent.opId).map(({ sk, likeness }) => [sk, likeness as Alike]),
  );
}

type Alike = 'all' | 'key' | 'some';

/** What its origin waits for until the outcome of an unanswered create may be concluded. */
export const settling = ({ settings }: Engine, { origin, sentAt }: Intent): Cause => ({
  name: 'settle',
  key: `settle#${refKey(origin)}`,
  due: sentAt + settings.settleMs,
});
