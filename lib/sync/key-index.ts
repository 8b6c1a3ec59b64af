import { keyedHash } from '../domain/fingerprint.ts';
import { type Pair, type RecordRef, refKey, type Snapshot, type System } from '../domain/record.ts';
import type { MatchKey } from '../mappings/mapping.ts';
import { mappings } from '../mappings/pairs.ts';
import type { Engine } from './engine.ts';
import type { Write } from './ports.ts';

/** More holders of one key than this are ambiguous anyway. */
const holderLimit = 10;

/** The index entry of a match key: a keyed hash, so that no name or address rests in the clear. */
export const hashOf = ({ settings }: Engine, key: MatchKey): string =>
  keyedHash(settings.keys[0].secret, `${key.name}\u0000${key.form}`);

const entryKey = (system: System, pair: Pair, hash: string) => `key#${system}#${pair}#${hash}`;

export const keysOf = (engine: Engine, snapshot: Snapshot): readonly MatchKey[] =>
  mappings[snapshot.pair].matchKeys(snapshot, engine.settings.mapping);

/** Notes under which keys a record can be found, linked or not, and forgets the keys that it no longer has. */
export async function indexKeys(engine: Engine, snapshot: Snapshot): Promise<void> {
  await replaceKeys(
    engine,
    snapshot,
    keysOf(engine, snapshot).map((key) => hashOf(engine, key)),
  );
}

/** A deleted record matches nothing. */
export const forgetKeys = (engine: Engine, ref: RecordRef): Promise<void> => replaceKeys(engine, ref, []);

async function replaceKeys({ table }: Engine, ref: RecordRef, hashes: readonly string[]): Promise<void> {
  const own = { pk: refKey(ref), sk: 'keys' };
  const before = ((await table.get(own))?.hashes ?? []) as readonly string[];
  const entry = (hash: string) => ({ pk: entryKey(ref.system, ref.pair, hash), sk: ref.id });
  const writes: Write[] = [
    ...hashes.filter((hash) => !before.includes(hash)).map((hash): Write => ({ put: entry(hash) })),
    ...before.filter((hash) => !hashes.includes(hash)).map((hash): Write => ({ delete: entry(hash) })),
  ];
  if (writes.length > 0) await table.write([...writes, { put: { ...own, hashes } }]);
}

/** The ids of all records of one system that have this key. */
export async function holdersOf(
  engine: Engine,
  system: System,
  pair: Pair,
  key: MatchKey,
): Promise<readonly string[]> {
  const items = await engine.table.query(entryKey(system, pair, hashOf(engine, key)), { limit: holderLimit });
  return items.map((item) => item.sk);
}
