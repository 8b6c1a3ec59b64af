import { refKey } from '../../lib/domain/record.ts';
import type { OutcomeLine } from '../../lib/sync/engine.ts';
import type { Notebook } from './checks.ts';
import type { Ending } from './ending.ts';
import { type FaultName, isOnly, themes } from './faults.ts';

/** With nothing but one poisoned record in the world, every other change arrives within this time, ms. */
const isolatedMs = 20 * 60_000;
/** Faults after which webhook and poll may rightly have missed something, or seen it late. */
const lossy: readonly FaultName[] = [
  'webhookDropped',
  'pollFails',
  'noRights',
  'listLag',
  'readLag',
  'tableRestored',
  'queueFailsBefore',
  'messageLost',
  'absentKeys',
  ...themes.isolation,
];

/** What a record waits for by its own rules, or for a person. */
const holdsBack = ({ message, because = '' }: OutcomeLine): boolean =>
  message === 'record waits'
    ? ['parent', 'fence', 'fuse'].includes(because)
    : shown.has(message) || ['conflict', 'held', 'blocked'].includes(because);
const shown = new Set(['record blocked', 'record ambiguous', 'record unlinked', 'record excluded']);
const arrived = new Set(['change applied', 'counterpart created', 'records linked']);

/** One record that fails, or kills whoever reads it, delays no other; and while nothing is lost, no sweep is needed. */
export function checkLag({ world }: Ending, { look }: Notebook): void {
  // What a person left out, or let stand still, waits for him.
  if (world.decided.length > 0) return;
  const { faults } = world.wires;
  const isAlone = faults.on.size > 0 && isOnly(faults.on, 'isolation');
  const isLossless = lossy.every((name) => !faults.has(name));
  const held = new Set(
    world.outcomes
      .filter((line) => holdsBack(line))
      .map(({ system, pair, id }) => refKey({ system, pair, id })),
  );
  const lastArrival = new Map<string, number>();
  for (const { message, system, pair, id, counterpart, at, lagMs = 0 } of world.outcomes) {
    const key = refKey({ system, pair, id });
    // A doorbell that comes again tells of a change that had arrived: what arrives with it now came since.
    const sinceMs = Math.min(lagMs, at - (lastArrival.get(key) ?? 0));
    if (arrived.has(message)) lastArrival.set(key, at);
    const line = `${key} after ${Math.round(sinceMs / 1000)} s`;
    const isPoisoned = world.poisoned.has(id) || world.poisoned.has(counterpart ?? '');
    const waited = held.has(key);
    if (isAlone && arrived.has(message) && !isPoisoned && !waited)
      look('isolation', sinceMs > isolatedMs ? line : undefined);
    if (isLossless && message === 'missed change found') look('nothing is missed', line);
  }
  if (isLossless) look('nothing is missed');
}
