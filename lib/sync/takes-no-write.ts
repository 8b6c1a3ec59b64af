import type { Link } from '../domain/link.ts';
import type { Handled } from './engine.ts';
import { grownPause, timesParked } from './parking.ts';
import type { Work } from './work.ts';

/** So often such a record waits before a person is told. */
const untoldLimit = 3;

/**
 * A record shows, and a write is told that it is not there: a lagging replica shows one that is deleted, or the token may read it, and not
 * write to it. It is tried again with growing pauses.
 */
export async function takesNoWrite({ engine, doorbell }: Work, link: Pick<Link, 'id'>): Promise<Handled> {
  const key = `no-write#${link.id}`;
  const times = await timesParked(engine, doorbell, key);
  const shows = 'it shows, but a write is told that it is not there: may the token write it?';
  return {
    did: 'parked',
    cause: {
      name: 'not-found',
      key,
      due: engine.clock.now() + grownPause(times),
      ...(times >= untoldLimit && { shows }),
    },
  };
}
