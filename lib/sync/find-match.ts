import { otherSystem, type RecordRef, type Snapshot } from '../domain/record.ts';
import { mappings } from '../mappings/pairs.ts';
import type { Engine } from './engine.ts';
import { gatherFacts } from './facts.ts';
import { type Intent, openIntentsInto } from './intents.ts';
import { holdersOf, keysOf } from './key-index.ts';
import { counterpartOf } from './links.ts';
import type { Call } from './ports.ts';

export type Match =
  | { readonly found: 'none' }
  | { readonly found: 'one'; readonly snapshot: Snapshot }
  /** The matching record may be the result of this create, which is under way. */
  | { readonly found: 'fenced'; readonly by: Intent }
  | { readonly found: 'ambiguous'; readonly reason: string };

/**
 * The record that is this one's counterpart already: unlinked, sharing a match key uniquely in both directions, contradicted by no
 * other key. Keys are tried in order of trust; anything less certain is ambiguous and a person decides.
 */
export async function findMatch(engine: Engine, origin: Snapshot, call: Call): Promise<Match> {
  const target = otherSystem(origin.system);
  for (const key of keysOf(engine, origin)) {
    const there = await unlinkedHolders(engine, { system: target, pair: origin.pair, id: '' }, key);
    if (there.length === 0) continue;
    const here = (await unlinkedHolders(engine, origin, key)).filter((id) => id !== origin.id);
    if (there.length > 1 || here.length > 0)
      return { found: 'ambiguous', reason: `more than one record has the same ${key.name}` };
    const candidate = await confirm(
      engine,
      { system: target, pair: origin.pair, id: there[0] ?? '' },
      origin,
      key.name,
      key.form,
      call,
    );
    if (candidate.found !== 'none') return candidate;
  }
  return { found: 'none' };
}

async function unlinkedHolders(
  engine: Engine,
  of: RecordRef,
  key: { readonly name: string; readonly form: string },
): Promise<readonly string[]> {
  const ids = await holdersOf(engine, of.system, of.pair, key);
  const linked = await Promise.all(ids.map((id) => counterpartOf(engine.table, { ...of, id })));
  return ids.filter((_, index) => linked[index] === undefined);
}

/** The index may lag: only a by-id read says what the candidate holds now. A candidate that may be somebody's create is never taken. */
async function confirm(
  engine: Engine,
  ref: RecordRef,
  origin: Snapshot,
  keyName: string,
  keyForm: string,
  call: Call,
): Promise<Match> {
  const fences = await openIntentsInto(engine, ref.system, ref.pair);
  const reading = await engine.systems[ref.system].read(ref.pair, ref.id, call);
  if (reading.state !== 'living') return { found: 'none' };
  const { snapshot } = reading;
  if (!keysOf(engine, snapshot).some((key) => key.name === keyName && key.form === keyForm))
    return { found: 'none' };
  const by = fences.find((intent) => snapshot.createdAt >= intent.startedAt - engine.settings.fenceMarginMs);
  if (by) return { found: 'fenced', by };
  const [customcrm, wave] = origin.system === 'customcrm' ? [origin, snapshot] : [snapshot, origin];
  const facts = await gatherFacts(engine, ref.pair, { customcrm: customcrm.body, wave: wave.body }, call);
  if (mappings[ref.pair].contradicts(customcrm.body, wave.body, keyName, facts)) {
    return { found: 'ambiguous', reason: `the same ${keyName}, but another key differs` };
  }
  if (mappings[ref.pair].excluded(snapshot, engine.settings.mapping)) return { found: 'none' };
  return { found: 'one', snapshot };
}
