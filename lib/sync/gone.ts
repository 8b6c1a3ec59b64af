import { type Link, refOf } from '../domain/link.ts';
import type { System } from '../domain/record.ts';
import type { Work } from './apply-change.ts';
import type { Handled } from './engine.ts';
import { forgetKeys } from './key-index.ts';
import { stillHeld } from './leases.ts';
import { saveLink, withOutcome } from './links.ts';
import type { Reading } from './ports.ts';

/** One side did not show its record. Said deleted: the link is undone. Not found: only suspected, nothing is concluded. */
export async function handleGone(
  work: Work,
  link: Link,
  readings: Readonly<Record<System, Reading>>,
): Promise<Handled> {
  const { engine, doorbell } = work;
  const deleted = (['customcrm', 'wave'] as const).filter((system) => readings[system].state === 'deleted');
  const missing = (['customcrm', 'wave'] as const).filter((system) => readings[system].state === 'not-found');
  const because =
    deleted.length > 0 ? `deleted in ${deleted.join(' and ')}` : `not found in ${missing.join(' and ')}`;
  const state = deleted.length > 0 ? 'unlinked' : 'deletion-suspected';
  for (const system of deleted) await forgetKeys(engine, refOf(link, system));
  if (link.state === state && link.reasons[0] === because)
    return { did: 'finished', message: 'nothing to do', because };
  const history = withOutcome(link, {
    at: engine.clock.now(),
    eventId: doorbell.eventId,
    did: because,
    rows: [],
  });
  await saveLink(engine.table, link, { ...link, state, reasons: [because], history }, stillHeld(work.lease));
  return {
    did: 'finished',
    message: state === 'unlinked' ? 'counterpart kept' : 'deletion suspected',
    because,
  };
}
