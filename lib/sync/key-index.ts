import { keyedHash } from '../domain/fingerprint.ts';
import { type Pair, type RecordRef, refKey, type Snapshot, type System } from '../domain/record.ts';
import type { MatchKey } from '../mappings/mapping.ts';
import { mappings } from '../mappings/pairs.ts';
import type { Engine } from './engine.ts';
import type { Write } from './ports.ts';

/** More holders of one key than this are for a person to sort out. */
const holderLimit = 200;
/** Tries against other workers that note the same record. */
const tries = 5;

/**
 * The index entries of a match key: keyed hashes, so that no name or address rests in the clear. One for each key that is known: while
 * keys rotate, a container that knows only the old one must find what a container with both has noted, and the other way round.
 */
export const hashesOf = ({ settings }: Engine, key: MatchKey): readonly string[] =>
  settings.keys.map(({ secret }) => keyedHash(secret, `${key.name}\u0000${key.form}`));

const entryKey = (system: System, pair: Pair, hash: string) => `key#${system}#${pair}#${hash}`;

export const keysOf = (engine: Engine, snapshot: Snapshot): readonly MatchKey[] =>
  mappings[snapshot.pair].matchKeys(snapshot, engine.settings.mapping);

/** Notes under which keys a record can be found, linked or not, and forgets the keys that it no longer has. */
export const indexKeys = (engine: Engine, snapshot: Snapshot): Promise<void> =>
  replaceKeys(
    engine,
    snapshot,
    keysOf(engine, snapshot).flatMap((key) => hashesOf(engine, key)),
    snapshot.modifiedAt,
  );

/** A deleted record matches nothing. */
export const forgetKeys = (engine: Engine, ref: RecordRef): Promise<void> =>
  replaceKeys(engine, ref, [], undefined);

/** An older picture of the record never replaces a newer one: lists lag, and poll and worker note the same record at once. */
async function replaceKeys(
  { table }: Engine,
  ref: RecordRef,
  hashes: readonly string[],
  modifiedAt: number | undefined,
): Promise<void> {
  const own = { pk: refKey(ref), sk: 'keys' };
  const entry = (hash: string) => ({ pk: entryKey(ref.system, ref.pair, hash), sk: ref.id });
  for (let attempt = 0; attempt < tries; attempt++) {
    const noted = await table.get(own);
    const before = (noted?.hashes ?? []) as readonly string[];
    if (modifiedAt !== undefined && Number(noted?.modifiedAt ?? 0) > modifiedAt) return;
    const writes: Write[] = [
      ...hashes.filter((hash) => !before.includes(hash)).map((hash): Write => ({ put: entry(hash) })),
      ...before.filter((hash) => !hashes.includes(hash)).map((hash): Write => ({ delete: entry(hash) })),
    ];
    // Also when only the stamp is newer: a picture from in between may still come.
    const isNewer =
      noted !== undefined && modifiedAt !== undefined && modifiedAt > Number(noted.modifiedAt ?? 0);
    if (writes.length === 0 && !isNewer) return;
    const revision = Number(noted?.revision ?? 0);
    const after = { ...own, hashes, modifiedAt: modifiedAt ?? noted?.modifiedAt, revision: revision + 1 };
    const when = noted ? { equals: { revision } } : ('absent' as const);
    if ((await table.write([...writes, { put: after, when }])).done) return;
  }
  throw new Error(
    `The match keys of ${refKey(ref)} could not be noted: another worker was faster ${tries} times`,
  );
}

/** The ids of all records of one system that have this key, linked ones included; undefined when they are too many to look at. */
export async function holdersOf(
  engine: Engine,
  system: System,
  pair: Pair,
  key: MatchKey,
): Promise<readonly string[] | undefined> {
  const found = await Promise.all(
    hashesOf(engine, key).map((hash) =>
      engine.table.query(entryKey(system, pair, hash), { limit: holderLimit }),
    ),
  );
  if (found.some((items) => items.length >= holderLimit)) return undefined;
  return [...new Set(found.flat().map((item) => item.sk))];
}
