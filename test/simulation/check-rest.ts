import type { Item } from '../../lib/sync/ports.ts';
import type { Notebook } from './checks.ts';
import type { Ending } from './ending.ts';
import type { World } from './world.ts';

/** Errors of ports that the engine may let through: its message comes again. */
const expectedFailures = [
  /The table did not answer/,
  /Another transaction is under way/,
  /The queue did not answer/,
  /is unavailable/,
  /needs a new connection/,
];

/** The world comes to rest, stays there, and nothing waits for nobody. */
export function checkRest({ world, functions, restedAt, writesAtRest }: Ending, { look }: Notebook): void {
  const waiting = waitingForNobody(world);
  look(
    'comes to rest',
    restedAt === undefined
      ? `queues ${world.queues.customcrm.size()} and ${world.queues.wave.size()}, ${functions.running()} running`
      : undefined,
  );
  look('nothing waits at rest');
  for (const { pk, sk, name } of waiting) look('nothing waits at rest', `${sk} waits: ${name ?? ''} ${pk}`);
  const more = world.truth.engineWrites() - writesAtRest;
  const late = world.truth
    .all()
    .filter(({ by }) => by.who === 'engine')
    .slice(-more || Number.POSITIVE_INFINITY);
  if (restedAt !== undefined)
    look(
      'quiet',
      more > 0
        ? `a further pass wrote ${more} times: ${late.map(({ system, pair, id, rows }) => `${system}#${pair}#${id} ${rows}`).join('; ')}`
        : undefined,
    );
  look('ports are used as promised');
  for (const what of world.broken) look('ports are used as promised', what);
  look('only ports fail');
  for (const [what, times] of Object.entries(functions.failures()))
    if (!expectedFailures.some((expected) => expected.test(what)))
      look('only ports fail', `${times} times ${what}`);
}

/** Shown, and for a person to decide: a child of such a record waits for that. */
const forAPerson = new Set(['ambiguous', 'blocked', 'unlinked']);

/** What waits although no person is asked for anything: open creates, and parked records whose cause shows nothing. */
export const waitingForNobody = ({ store }: Pick<World, 'store'>): readonly Item[] =>
  store.all().filter((item) => {
    const shows = (key: string) => String(store.item({ pk: key, sk: 'state' })?.state);
    if (item.state === 'intent') return shows(item.sk) !== 'ambiguous';
    if (item.state !== 'parked') return false;
    const cause = item.pk.replace(/^parked#(parent|fence)#/, '');
    if (item.name === 'parent') return !forAPerson.has(shows(cause)) && shows(item.sk) !== 'blocked';
    return !(item.name === 'fence' && shows(cause) === 'ambiguous' && shareKey({ store }, cause, item.sk));
  });

/** A create that ended ambiguous holds back what may be its result, and nothing else. */
function shareKey({ store }: Pick<World, 'store'>, a: string, b: string): boolean {
  const keys = (key: string) => (store.item({ pk: key, sk: 'keys' })?.hashes ?? []) as readonly string[];
  return keys(a).some((hash) => keys(b).includes(hash));
}
