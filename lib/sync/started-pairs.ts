import { type Pair, pairs, type RecordRef, refKey } from '../domain/record.ts';
import type { Engine } from './engine.ts';

const partition = 'pairs';
const early = (pair: Pair): string => `early#${pair}`;
/** A container may go on this long without knowing that a pair was started, ms: polls look back further. */
const cachedMs = 3_000;
/** Records that rang too early are counted up to this many. */
const countLimit = 1000;
/** How long a record that rang too early stays in the count, ms. */
const countedMs = 30 * 24 * 3600 * 1000;

const cache = new WeakMap<Engine, { readonly started: ReadonlyMap<Pair, number>; readonly at: number }>();

/** Whether unlinked records of this pair get a counterpart. Linked records are kept in sync either way. */
export async function isStarted(engine: Engine, pair: Pair): Promise<boolean> {
  return engine.settings.startedPairs(pair) || (await startedAt(engine, pair)) !== undefined;
}

/** The same, by what the table says now: before a change is dropped that a poll or a sweep may have rung for. */
export function isStartedNow(engine: Engine, pair: Pair): Promise<boolean> {
  cache.delete(engine);
  return isStarted(engine, pair);
}

/** When a person started the pair, ms; undefined when nobody did. */
export async function startedAt(engine: Engine, pair: Pair): Promise<number | undefined> {
  const now = engine.clock.now();
  let known = cache.get(engine);
  if (!known || now - known.at >= cachedMs) {
    const items = await engine.table.query(partition, { limit: pairs.length });
    known = { started: new Map(items.map((item) => [item.sk as Pair, Number(item.startedAt)])), at: now };
    cache.set(engine, known);
  }
  return known.started.get(pair);
}

/**
 * From now on unlinked records of these pairs get a counterpart. @throws RangeError for orders before their parents, or without them: each
 * one would wait. Nothing is started then.
 */
export async function markStarted(engine: Engine, ...chosen: readonly Pair[]): Promise<void> {
  if (chosen.includes('order'))
    for (const parent of pairs)
      if (!chosen.includes(parent) && !(await isStarted(engine, parent)))
        throw new RangeError(`Start the pair ${parent} first: an order needs its customer and its products.`);
  const startedAt = engine.clock.now();
  for (const pair of chosen)
    await engine.table.write([{ put: { pk: partition, sk: pair, startedAt }, when: 'absent' }]);
  cache.delete(engine);
}

/** A change of an unlinked record before the start is dropped: the start looks at every record. It is counted, so that nothing is silent. */
export async function noteEarly({ table, clock }: Engine, ref: RecordRef): Promise<void> {
  const expiresAt = Math.ceil((clock.now() + countedMs) / 1000);
  await table.write([{ put: { pk: early(ref.pair), sk: refKey(ref), expiresAt } }]);
}

export interface PairState {
  readonly pair: Pair;
  readonly started: boolean;
  /** ms since 1970; undefined for a pair that the settings start, and before the start. */
  readonly startedAt: number | undefined;
  /** Unlinked records of which webhooks told before the start in the last 30 days; at least so many from 1000 on. */
  readonly changedEarly: number;
}

/** Which pairs are started, in the order in which they can be. */
export async function pairStates(engine: Engine): Promise<readonly PairState[]> {
  cache.delete(engine);
  const now = engine.clock.now() / 1000;
  return Promise.all(
    pairs.map(async (pair) => {
      const started = await isStarted(engine, pair);
      const items = started ? [] : await engine.table.query(early(pair), { limit: countLimit });
      return {
        pair,
        started,
        startedAt: await startedAt(engine, pair),
        changedEarly: items.filter((item) => Number(item.expiresAt) > now).length,
      };
    }),
  );
}
