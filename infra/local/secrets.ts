import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';

/** What the local stack makes up for itself, once. */
export interface LocalSecrets {
  readonly CUSTOMCRM_WEBHOOK_SECRET: string;
  readonly WAVE_WEBHOOK_SECRET: string;
  readonly FINGERPRINT_KEYS: string;
}

/** The secrets of this state directory, kept for its owner only. */
export async function localSecrets(path: string): Promise<LocalSecrets> {
  const kept = await readFile(path, 'utf8').catch(() => undefined);
  if (kept !== undefined) return JSON.parse(kept) as LocalSecrets;
  const secrets = {
    CUSTOMCRM_WEBHOOK_SECRET: `whsec_${randomBytes(24).toString('base64')}`,
    WAVE_WEBHOOK_SECRET: randomBytes(16).toString('hex'),
    FINGERPRINT_KEYS: `k1:${randomBytes(32).toString('base64')}`,
  };
  await writeFile(path, JSON.stringify(secrets, null, 2), { mode: 0o600 });
  return secrets;
}
