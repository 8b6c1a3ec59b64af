import { SettingsError } from '../errors.ts';
import type { Engine } from './engine.ts';
import { pause } from './pause.ts';

/** What a table of links belongs to. */
export interface Identity {
  readonly customcrmUrl: string;
  readonly waveBusinessId: string;
  /** The table's own id, new after a restore; undefined where the table does not tell. */
  readonly tableId: string | undefined;
}

const key = { pk: 'identity', sk: 'stack' };

/**
 * Makes sure that the links in this table are links between these two systems. A restored table starts paused: what happened since
 * the backup is unknown to it. @throws SettingsError when a system is another one than before.
 */
export async function ensureIdentity(engine: Engine, identity: Identity): Promise<void> {
  const known = await engine.table.get(key);
  if (!known) {
    await engine.table.write([{ put: { ...key, ...identity }, when: 'absent' }]);
    return;
  }
  const changed = (['customcrmUrl', 'waveBusinessId'] as const).filter(
    (name) => known[name] !== identity[name],
  );
  if (changed.length > 0)
    throw new SettingsError(
      `This table links other systems: ${changed.join(' and ')} changed. Deploy another stage for them, or set the old value again.`,
    );
  if (identity.tableId === undefined || known.tableId === identity.tableId) return;
  await pause(engine, 'all', 'the table was restored from a backup: run a sweep preview, then resume');
  await engine.table.write([{ put: { ...key, ...identity } }]);
}
