import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';

/** Version of the canonical forms. Raise it when a form changes: rows agreed under another version count as never agreed. */
const formVersion = 1;

/** Keys for keyed hashes: the first one writes, all of them recognise. Ids are short labels, secrets at least 128 bits. */
export type FingerprintKeys = readonly [FingerprintKey, ...FingerprintKey[]];
export interface FingerprintKey {
  readonly id: string;
  readonly secret: Uint8Array;
}

/** Makes and recognises the keyed hashes of one link's cells. */
export interface Fingerprints {
  of(row: string, form: string): string;
  /** `none` when nothing was agreed, or under a key or form version that is unknown here. */
  compare(stored: string | undefined, row: string, form: string): 'same' | 'changed' | 'none';
  /** Whether it was made with the key that writes. */
  isCurrent(stored: string): boolean;
}

/** 96 bits of HMAC-SHA-256, as `key.version.hash`. Scoped, so that equal values of two records do not show as equal. */
export function fingerprints(keys: FingerprintKeys, scope: string): Fingerprints {
  /** A plan compares the same cell several times; hashing is most of its work. */
  const made = new Map<string, string>();
  function make(key: FingerprintKey, row: string, form: string): string {
    const name = `${key.id}\u0000${row}\u0000${form}`;
    const print =
      made.get(name) ??
      `${key.id}.${formVersion}.${keyedHash(key.secret, `${scope}\u0000${row}\u0000${form}`)}`;
    made.set(name, print);
    return print;
  }
  return {
    of: (row, form) => make(keys[0], row, form),
    isCurrent: (stored) => stored.startsWith(`${keys[0].id}.`),
    compare(stored, row, form) {
      if (stored === undefined) return 'none';
      const key = keys.find((candidate) => stored.startsWith(`${candidate.id}.${formVersion}.`));
      if (!key) return 'none';
      return stored === make(key, row, form) ? 'same' : 'changed';
    },
  };
}

/** Keyed hash for index entries (match keys): the same for equal forms, under the writing key. */
export const keyedHash = (secret: Uint8Array, text: string): string =>
  createHmac('sha256', keyObject(secret)).update(text).digest('base64url').slice(0, 16);

/** Made once for each secret: most of the time of a hash would go into it. */
const keyObjects = new WeakMap<Uint8Array, KeyObject>();
function keyObject(secret: Uint8Array): KeyObject {
  const known = keyObjects.get(secret) ?? createSecretKey(secret);
  keyObjects.set(secret, known);
  return known;
}
