import type { Link } from '../../lib/domain/link.ts';
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
  const waiting = waitingForNobody(world, world.wires.scheduler.now());
  look(
    'comes to rest',
    restedAt === undefined
      ? `queues ${Object.values(world.queues).map((queue) => queue.size())}, ${functions.running()} running`
      : undefined,
  );
  look('nothing waits at rest');
  for (const { pk, sk, name } of waiting) look('nothing waits at rest', `${sk} waits: ${name ?? ''} ${pk}`);
  for (const wrong of world.store.parkings()) look('liveness', wrong);
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

/** Shown, and for a person to decide: what may be the result of an ambiguous create, and the child of such a record. */
const forAPerson = new Set(['ambiguous', 'blocked']);
/** Such a link asks a person as well; its record waits with that for a parent that is for a person itself. */
const asksAPerson = new Set(['held', 'conflict']);

/** Between the two looks at something that is not found, with the minutes of a poll and a janitor, ms. */
const secondLookMs = 13 * 60_000;

/** The second look is still to come; or there is no other linked record by which Wave could show that it sees anything. */
const mayBeUnproven = (store: World['store'], { since }: Item, now: number): boolean =>
  now - Number(since) < secondLookMs ||
  store.all().filter(({ sk, link }) => sk === 'link' && link).length <= 1;

/** What waits although no person is asked for anything: open creates, and parked records whose cause shows nothing. */
export const waitingForNobody = (
  { store }: Pick<World, 'store'>,
  now = Number.POSITIVE_INFINITY,
): readonly Item[] =>
  store.all().filter((item) => {
    const linkOf = (key: string): Link | undefined => {
      const half = store.item({ pk: key, sk: 'link' });
      const whole =
        half?.customcrmId === undefined
          ? half
          : store.item({ pk: `customcrm#${key.split('#')[1]}#${half.customcrmId}`, sk: 'link' });
      return whole?.link as Link | undefined;
    };
    const shows = (key: string) => String(store.item({ pk: key, sk: 'state' })?.state ?? linkOf(key)?.state);
    if (item.state === 'intent') return true;
    if (item.state === 'held-intent') return shows(item.sk) !== 'ambiguous';
    const isStuck = store.item({ pk: item.sk, sk: 'parked' })?.shows !== undefined;
    const isShown =
      forAPerson.has(shows(item.sk)) ||
      (item.name === 'parent' && isStuck && asksAPerson.has(shows(item.sk)));
    const isForAPerson = (item.name === 'parent' || item.name === 'fence') && isShown;
    if (item.state === 'parked' && item.name === 'not-found') return !mayBeUnproven(store, item, now);
    return item.state === 'parked' && !isForAPerson;
  });
