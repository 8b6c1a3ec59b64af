import { type Pair, pairs, parseRef, type RecordRef, refKey } from '../domain/record.ts';
import type { Engine, Handled } from './engine.ts';
import { wake } from './parking.ts';
import type { Write } from './ports.ts';

/** Everything, a pair, or one record by its {@link refKey}. */
export type PauseScope = 'all' | Pair | string;

const partition = 'paused';
/** Pauses of single records that are looked at; more than that is a pause of the pair. */
const pauseLimit = 1000;
/** A container may go on this long after a pause was set, ms. */
const cachedMs = 3_000;

const cache = new WeakMap<Engine, { readonly scopes: ReadonlySet<string>; readonly at: number }>();

/** These are asked for by name: among very many records they might not be found. */
const wideScopes: readonly string[] = ['all', ...pairs];

/** What stands still, by whose command. */
export async function pauses({
  table,
}: Engine): Promise<readonly { readonly scope: string; readonly reason: string }[]> {
  const [records, ...wide] = await Promise.all([
    table.query(partition, { limit: pauseLimit }),
    ...wideScopes.map((sk) => table.get({ pk: partition, sk })),
  ]);
  const items = [
    ...wide.filter((item) => item !== undefined),
    ...records.filter(({ sk }) => !wideScopes.includes(sk)),
  ];
  return items.map((item) => ({ scope: item.sk, reason: String(item.reason) }));
}

/** The scope that holds this record back, or undefined. */
const pausedBy = (engine: Engine, ref: RecordRef): Promise<string | undefined> =>
  firstPaused(engine, ['all', ref.pair, refKey(ref)]);

/** Whether one of these stands still. */
export const isPaused = async (engine: Engine, ...scopes: readonly PauseScope[]): Promise<boolean> =>
  (await firstPaused(engine, scopes)) !== undefined;

async function firstPaused(engine: Engine, scopes: readonly string[]): Promise<string | undefined> {
  const now = engine.clock.now();
  let known = cache.get(engine);
  if (!known || now - known.at >= cachedMs) {
    known = { scopes: new Set((await pauses(engine)).map(({ scope }) => scope)), at: now };
    cache.set(engine, known);
  }
  return scopes.find((scope) => known.scopes.has(scope));
}

/** The cause key under which records wait for this scope to go on. */
const pauseCause = (scope: string): string => `pause#${scope}`;

/** Holds while the scope is paused: a container that has not heard of the resume yet parks nothing any more, and looks again. */
function stillPaused(engine: Engine, scope: string): Write {
  cache.delete(engine);
  return { check: { pk: partition, sk: scope }, when: 'present' };
}

/** A paused record is looked at again this much later, should the resume have missed it, ms. */
const pauseLookMs = 3600_000;

/** What this record waits for while a person holds it back; undefined when nobody does. */
export async function standsStill(engine: Engine, ref: RecordRef): Promise<Handled | undefined> {
  const scope = await pausedBy(engine, ref);
  if (scope === undefined) return undefined;
  const due = engine.clock.now() + pauseLookMs;
  return {
    did: 'parked',
    cause: { name: 'pause', key: pauseCause(scope), due, while: stillPaused(engine, scope) },
  };
}

/** Whether a text is a {@link PauseScope}. */
export function isScope(text: string): boolean {
  if (text === 'all' || pairs.some((pair) => pair === text)) return true;
  try {
    return parseRef(text).id !== '';
  } catch {
    return false;
  }
}

/** From now on what is in the scope waits. @throws RangeError for a scope that is none. */
export async function pause(engine: Engine, scope: PauseScope, reason: string): Promise<void> {
  if (!isScope(scope)) throw new RangeError(`${scope} is neither all, nor a pair, nor a record`);
  await engine.table.write([{ put: { pk: partition, sk: scope, reason, since: engine.clock.now() } }]);
  cache.delete(engine);
}

/** The stack itself stops everything. A reason that it stopped for before stays beside the new one. */
export async function pauseAll(engine: Engine, reason: string): Promise<void> {
  const before = (await pauses(engine)).find(({ scope }) => scope === 'all')?.reason;
  if (before?.includes(reason)) return;
  await pause(engine, 'all', before === undefined ? reason : `${before}; ${reason}`);
}

/** What waited goes on. Answers for how many records was rung at once; the janitor rings for the others. Undefined: it was not paused. */
export async function resume(engine: Engine, scope: PauseScope): Promise<number | undefined> {
  const { done } = await engine.table.write([{ delete: { pk: partition, sk: scope }, when: 'present' }]);
  cache.delete(engine);
  if (!done) return undefined;
  return wake(engine, pauseCause(scope));
}
