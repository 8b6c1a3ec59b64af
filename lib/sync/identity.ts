import { SettingsError } from '../errors.ts';
import type { Engine } from './engine.ts';
import { pauseAll } from './pause.ts';
import { aboutOthers, knownStackId, type Registration, whose } from './registrations.ts';

/** What a table of links belongs to. */
export interface Identity {
  readonly customcrmUrl: string;
  readonly waveBusinessId: string;
  /** The table's own id, new after a restore; undefined where the table does not tell. */
  readonly tableId: string | undefined;
}

const key = { pk: 'identity', sk: 'stack' };

/**
 * Makes sure that the links in this table are links between these two systems. A new table starts only where no other stack is active; a
 * restored one starts paused: what happened since the backup is unknown to it.
 * @param registrations asked for a new table only; undefined when Customcrm does not say, which proves nothing.
 * @throws SettingsError when a system is another one than before, or another stack is there already.
 */
export async function ensureIdentity(
  engine: Engine,
  identity: Identity,
  registrations: () => Promise<readonly Registration[] | undefined>,
): Promise<void> {
  const known = await engine.table.get(key);
  if (!known) return begin(engine, identity, (await registrations()) ?? []);
  const changed = (['customcrmUrl', 'waveBusinessId'] as const).filter(
    (name) => known[name] !== identity[name],
  );
  if (changed.length > 0)
    throw new SettingsError(
      `This table links other systems: ${changed.join(' and ')} changed. Deploy another stage for them, or set the old value again.`,
    );
  const isRestored = identity.tableId !== undefined && known.tableId !== identity.tableId;
  if (!isRestored && known.startedAt !== undefined) return;
  if (isRestored)
    await pauseAll(engine, 'the table was restored from a backup: run preview, then resume all');
  const startedAt = known.startedAt ?? engine.clock.now();
  const restoredAt = isRestored ? engine.clock.now() : known.restoredAt;
  await engine.table.write([
    { put: { ...known, ...identity, startedAt, ...(restoredAt !== undefined && { restoredAt }) } },
  ]);
}

/** When this stack was first started, ms since 1970; undefined before that. */
export async function firstStart({ table }: Engine): Promise<number | undefined> {
  const item = await table.get(key);
  return item?.startedAt === undefined ? undefined : Number(item.startedAt);
}

/** When this stack first ran on a table that was restored from a backup, ms since 1970; undefined when none was. */
export async function lastRestore({ table }: Engine): Promise<number | undefined> {
  const item = await table.get(key);
  return item?.restoredAt === undefined ? undefined : Number(item.restoredAt);
}

async function begin(
  engine: Engine,
  identity: Identity,
  registrations: readonly Registration[],
): Promise<void> {
  const { waveBusinessId } = identity;
  const { others } = whose(registrations, { id: await knownStackId(engine), waveBusinessId });
  if (others.length > 0)
    throw new SettingsError(`This stack does not start: ${aboutOthers(others)}, or remove this stack.`);
  const startedAt = engine.clock.now();
  await engine.table.write([{ put: { ...key, ...identity, startedAt }, when: 'absent' }]);
}
