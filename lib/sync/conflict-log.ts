import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import type { FingerprintKey, FingerprintKeys } from '../domain/fingerprint.ts';
import { type RecordRef, refKey, type System } from '../domain/record.ts';
import type { Engine } from './engine.ts';
import type { Table, Write } from './ports.ts';

/** How long the loser of a conflict can be put back, ms. */
const keptMs = 90 * 24 * 3600 * 1000;

/** A value that lost a conflict: kept, and can be put back. */
export interface Loser {
  readonly row: string;
  readonly system: System;
  readonly value: unknown;
  /** ms since 1970. */
  readonly at: number;
}

/** The writes that keep the losers, to be part of the write-ahead: nothing is replaced before its old value is safe. */
export function keepLosers(
  { clock, settings, newId }: Engine,
  ref: RecordRef,
  lost: readonly Omit<Loser, 'at'>[],
): readonly Write[] {
  const at = clock.now();
  return lost.map((loser) => ({
    put: {
      pk: refKey(ref),
      sk: `loser#${String(at).padStart(15, '0')}#${newId()}`,
      secret: encrypt(settings.keys[0], JSON.stringify({ ...loser, at })),
      expiresAt: Math.ceil((at + keptMs) / 1000),
    },
  }));
}

/** The values that lost, newest last; those past their time are left out even while the table still holds them. */
export async function losersOf(
  table: Table,
  keys: FingerprintKeys,
  ref: RecordRef,
  now: number,
  limit = 100,
): Promise<readonly Loser[]> {
  const items = await table.query(refKey(ref), { prefix: 'loser#', limit });
  return items
    .filter((item) => Number(item.expiresAt) * 1000 > now)
    .map((item) => JSON.parse(decrypt(keys, String(item.secret))) as Loser);
}

const cipherKey = (key: FingerprintKey) =>
  Buffer.from(hkdfSync('sha256', key.secret, '', 'conflict-log', 32));

/** AES-256-GCM, as `key.iv.tag.text`. */
function encrypt(key: FingerprintKey, plain: string): string {
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', cipherKey(key), iv);
  const text = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);
  return [
    key.id,
    iv.toString('base64url'),
    cipher.getAuthTag().toString('base64url'),
    text.toString('base64url'),
  ].join('.');
}

function decrypt(keys: FingerprintKeys, stored: string): string {
  const [id, iv = '', tag = '', text = ''] = stored.split('.');
  const key = keys.find((candidate) => candidate.id === id);
  if (!key) throw new Error(`The key ${id} that this value was kept under is not among FINGERPRINT_KEYS`);
  const decipher = createDecipheriv('aes-256-gcm', cipherKey(key), Buffer.from(iv, 'base64url'));
  decipher.setAuthTag(Buffer.from(tag, 'base64url'));
  return Buffer.concat([decipher.update(Buffer.from(text, 'base64url')), decipher.final()]).toString('utf8');
}
