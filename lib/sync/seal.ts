import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import type { FingerprintKey, FingerprintKeys } from '../domain/fingerprint.ts';

const cipherKey = (key: FingerprintKey, purpose: string) =>
  Buffer.from(hkdfSync('sha256', key.secret, '', purpose, 32));

/**
 * Encrypts with AES-256-GCM under a key that is derived from the first fingerprint key and the purpose: `key.iv.tag.text`. What is
 * sealed for one purpose does not open for another.
 */
export function seal([key]: FingerprintKeys, purpose: string, plain: string | Buffer): string {
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', cipherKey(key, purpose), iv);
  const text = Buffer.concat([cipher.update(Buffer.from(plain)), cipher.final()]);
  return [
    key.id,
    iv.toString('base64url'),
    cipher.getAuthTag().toString('base64url'),
    text.toString('base64url'),
  ].join('.');
}

/** Can this be opened with these keys? */
export const isSealedUnder = (keys: FingerprintKeys, sealed: string): boolean =>
  keys.some(({ id }) => sealed.startsWith(`${id}.`));

/** @throws Error when the key is not among these any more, or the text was sealed for another purpose or changed since. */
export const unseal = (keys: FingerprintKeys, purpose: string, sealed: string): string =>
  unsealBytes(keys, purpose, sealed).toString('utf8');

/** As {@link unseal}, for bytes. */
export function unsealBytes(keys: FingerprintKeys, purpose: string, sealed: string): Buffer {
  const [id, iv = '', tag = '', text = ''] = sealed.split('.');
  const key = keys.find((candidate) => candidate.id === id);
  if (!key) throw new Error(`The key ${id} that this value was kept under is not among FINGERPRINT_KEYS`);
  const decipher = createDecipheriv('aes-256-gcm', cipherKey(key, purpose), Buffer.from(iv, 'base64url'), {
    authTagLength: 16,
  });
  decipher.setAuthTag(Buffer.from(tag, 'base64url'));
  return Buffer.concat([decipher.update(Buffer.from(text, 'base64url')), decipher.final()]);
}
