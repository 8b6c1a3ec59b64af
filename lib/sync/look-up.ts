import { otherSystem, type Snapshot } from '../domain/record.ts';
import { type Facts, formOf, type PairMapping, type Row, readCell, type Value } from '../mappings/mapping.ts';
import { externalIdOf } from '../mappings/match-keys.ts';
import { mappings } from '../mappings/pairs.ts';
import { composeCreate } from '../mappings/record-plan.ts';
import type { Engine } from './engine.ts';
import { gatherFacts } from './facts.ts';
import { alikesOf, type Intent } from './intents.ts';
import { hashOf, keysOf } from './key-index.ts';
import { counterpartOf } from './links.ts';
import type { Call } from './ports.ts';

/** A look-up reads at most this many pages; more changes than that since one create began is not to be expected. */
const pageLimit = 50;

export type Found =
  | { readonly found: 'none' }
  | { readonly found: 'one'; readonly snapshot: Snapshot; readonly rows: readonly string[] }
  | { readonly found: 'ambiguous'; readonly reason: string; readonly suspects: readonly string[] };

/**
 * Looks for the result of a create that never told its outcome: any unlinked record made since it began whose marker, match key, or
 * all sent values agree. Exactly one is ours; anything less certain is for a person to say.
 */
export async function lookUp(engine: Engine, origin: Snapshot, intent: Intent, call: Call): Promise<Found> {
  const target = otherSystem(origin.system);
  const facts = await gatherFacts(engine, origin.pair, { [origin.system]: origin.body }, call);
  const mapping = mappings[origin.pair];
  const creation = composeCreate(mapping, origin.system, origin.body, facts);
  const sent = 'body' in creation ? creation : undefined;
  const originKeys = keysOf(engine, origin);
  const isAlike = (snapshot: Snapshot) =>
    // The origin may have been renamed since: the intent knows the keys that it was sent under.
    keysOf(engine, snapshot).some((key) => intent.keys.includes(hashOf(engine, key))) ||
    keysOf(engine, snapshot).some((key) =>
      originKeys.some((own) => own.name === key.name && own.form === key.form),
    ) ||
    (sent !== undefined && holdsAll(mapping, target, snapshot, sent, facts));
  const found = await theOne(engine, intent, isAlike, [], call);
  if (found.found !== 'one' || !sent) return found;
  return { ...found, rows: heldRows(mapping, target, found.snapshot, sent, facts) };
}

/** The same, when the origin was deleted meanwhile: all that is left of it is its marker and the hashes of its match keys. */
export const lookUpByKeys = (engine: Engine, intent: Intent, call: Call): Promise<Found> =>
  theOne(
    engine,
    intent,
    (snapshot) => keysOf(engine, snapshot).some((key) => intent.keys.includes(hashOf(engine, key))),
    [],
    call,
  );

/** Exactly one unlinked record, made since the create began, that carries the marker or is alike. */
async function theOne(
  engine: Engine,
  intent: Intent,
  isAlike: (snapshot: Snapshot) => boolean,
  rows: readonly string[],
  call: Call,
): Promise<Found> {
  const since = intent.startedAt - engine.settings.fenceMarginMs;
  const marker = externalIdOf(intent.origin.id);
  const alikes = await alikesOf(engine, intent);
  const candidates = new Map<string, Snapshot>();
  let cursor: string | undefined;
  for (let page = 0; page < pageLimit; page++) {
    const { changes, next } = await engine.systems[otherSystem(intent.origin.system)].changedSince(
      intent.origin.pair,
      since,
      cursor,
      call,
    );
    for (const change of changes) {
      if (change.state !== 'living' || change.snapshot.createdAt < since) continue;
      const { snapshot } = change;
      const mayBeOurs = snapshot.body.ExternalId === marker || alikes.has(snapshot.id) || isAlike(snapshot);
      if (mayBeOurs && (await counterpartOf(engine.table, snapshot)) === undefined)
        candidates.set(snapshot.id, snapshot);
    }
    cursor = next;
    if (cursor === undefined) break;
  }
  if (cursor !== undefined)
    return {
      found: 'ambiguous',
      reason: 'too many records changed since the create to look through',
      suspects: [],
    };
  const [only, ...others] = candidates.values();
  if (!only) return { found: 'none' };
  if (others.length > 0)
    return {
      found: 'ambiguous',
      reason: 'more than one record may be the result of the create',
      suspects: [...candidates.keys()].sort(),
    };
  return { found: 'one', snapshot: only, rows };
}

/**
 * The sent rows that the record found still holds: only they are agreed. The others were edited meanwhile, or it is somebody else's
 * record after all: the rules of a first link decide.
 */
const heldRows = (
  mapping: PairMapping,
  target: Snapshot['system'],
  snapshot: Snapshot,
  sent: Sent,
  facts: Facts,
): readonly string[] =>
  mapping
    .rows(facts.settings)
    .filter((row) => sent.rows.includes(row.id) && holds(row, target, snapshot, sent, facts))
    .map(({ id }) => id);

const holdsAll = (
  mapping: PairMapping,
  target: Snapshot['system'],
  snapshot: Snapshot,
  sent: Sent,
  facts: Facts,
): boolean => heldRows(mapping, target, snapshot, sent, facts).length === sent.rows.length;

/** What the system fills in by itself (a line's taxes, when none were sent) makes no difference. */
function holds(row: Row, target: Snapshot['system'], snapshot: Snapshot, sent: Sent, facts: Facts): boolean {
  const { partial, withoutFilled = same } = row.conversion;
  const asSent = readCell(row, target, sent.body, facts);
  const found = readCell(row, target, snapshot.body, facts);
  if (!asSent || !found) return asSent === found;
  if (asSent.form === found.form) return true;
  const form = (value: Value) => formOf(row, withoutFilled(value), facts);
  return partial?.(asSent.value) === true && form(asSent.value) === form(found.value);
}

const same = (value: Value): Value => value;

interface Sent {
  readonly body: Snapshot['body'];
  readonly rows: readonly string[];
}
