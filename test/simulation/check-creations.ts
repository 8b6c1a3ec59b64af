import { type RecordRef, refKey } from '../../lib/domain/record.ts';
import { mappings } from '../../lib/mappings/pairs.ts';
import type { Notebook } from './checks.ts';
import { type Ending, sideOf } from './ending.ts';
import { describe, type Happening, setOut } from './truth.ts';

/** Each record gets at most one counterpart, after its parents, and never because of what we made ourselves. */
export function checkCreations(ending: Ending, { look, except }: Notebook): void {
  const { world } = ending;
  const made = new Map<string, Happening[]>();
  for (const happening of world.truth.all()) {
    if (happening.did !== 'created' || happening.by.who !== 'engine') continue;
    const origin = happening.by.attempt?.origin;
    if (!origin) {
      look('creates have an intent', describe(happening));
      continue;
    }
    look('creates have an intent');
    const all = [...(made.get(refKey(origin)) ?? []), happening];
    made.set(refKey(origin), all);
    look(
      'zero duplicates',
      !isAskedFor(ending, origin, happening) && isSecond(ending, origin, all, except)
        ? `${refKey(origin)} got ${all.map(describe).join(' and ')}`
        : undefined,
    );
    look(
      'zero duplicates',
      !isAskedFor(ending, origin, happening) && isEcho(ending, origin, happening, except)
        ? `${refKey(origin)} is our own, and got ${describe(happening)}`
        : undefined,
    );
    const gone = [setOut(happening) - 120_000, setOut(happening)].every(
      (at) => world.truth.lastAt(origin, at)?.did === 'deleted',
    );
    look(
      'no resurrection',
      gone ? `${refKey(origin)} was deleted, and got ${describe(happening)}` : undefined,
    );
    for (const parent of parentsOf(ending, happening))
      look(
        'parents first',
        parentWasLinked(ending, parent)
          ? undefined
          : `${refKey(parent)} had no link when ${describe(happening)}`,
      );
  }
}

/** A person has said since that the record, or what it was made for, is on its own, or takes part again. */
function isAskedFor({ world }: Ending, origin: RecordRef, made: Happening): boolean {
  const [first] = world.truth.of(origin);
  const madeFor = first?.by.who === 'engine' ? first.by.attempt?.origin : undefined;
  const keys = [origin, ...(madeFor ? [madeFor] : [])].map(refKey);
  return world.decided.some(
    ({ what, about, at }) =>
      (what === 'include' || what === 'recreate') && at <= made.at && keys.some((key) => about.includes(key)),
  );
}

/** An earlier counterpart was still there, or nobody had brought the record itself back to life since it went. */
function isSecond(
  ending: Ending,
  origin: RecordRef,
  made: readonly Happening[],
  except: Notebook['except'],
): boolean {
  const { world } = ending;
  const latest = made.at(-1);
  return made.slice(0, -1).some((earlier) => {
    if (latest && isHeldAsLate(ending, origin, [earlier, latest])) {
      except('lateCreateHeld', `${describe(earlier)} and ${describe(latest)}`);
      return false;
    }
    if (latest && isForgottenLate(ending, origin, latest)) {
      except('forgottenByRestore', describe(latest));
      return false;
    }
    // A person has said what that one is.
    if (world.decided.some(({ about, at }) => about.includes(refKey(earlier)) && at <= (latest?.at ?? 0)))
      return false;
    const gone = world.truth
      .of(earlier)
      .find(({ did, order }) => did === 'deleted' && order < (latest?.order ?? 0));
    if (!gone) return !isUnrecognisable(ending, earlier, origin, latest?.at ?? 0, except);
    // The answer of its create was lost, and its user deleted it before the look-up could see it.
    const links = world.store.linksOf(refKey(earlier)).filter(({ madeAt }) => madeAt < gone.at);
    const wasLinked = links.some(({ madeAt }) => !isInForgottenTime(ending, madeAt, gone.at));
    const wasUnseen = gone.by.who === 'user' && !wasLinked;
    if (wasUnseen) except('deletedUnseen', describe(earlier));
    if (wasUnseen || isForgotten(ending, earlier, origin, gone, except)) return false;
    // What was not linked any more may go without a word: who lives again since their link ended gets a new one.
    const apartSince = links.at(-1)?.endedAt ?? gone.at;
    return !revivedSince(ending, origin, cancelledAt(ending, origin, gone) ?? Math.min(apartSince, gone.at));
  });
}

/** One of the two was executed later than anybody could wait for; it is nobody's counterpart, and shown. */
function isHeldAsLate(ending: Ending, origin: RecordRef, made: readonly Happening[]): boolean {
  return made.some((late) => {
    if (late.at - setOut(late) <= ending.world.settings.settleMs) return false;
    const standing = ending.standingOf(late);
    const linked = ending.linkOf(late);
    const isAlone =
      (!linked && (!standing.isLiving || ending.shownOf(late) !== undefined)) ||
      // Or a person has said that it is on its own.
      ending.world.decided.some(({ about }) => about.includes(refKey(late)));
    return isAlone || (linked && refKey(sideOf(linked, origin.system).ref) === refKey(origin));
  });
}

/**
 * A restored table does not know the link: and one of the two has its former one again, takes no part any more, was given another
 * counterpart while the other one was deleted, or users have changed everything by which they could be matched. Or it does not know the create, which was executed much too late, when its origin had the
 * result of another attempt again.
 */
function isUnrecognisable(
  ending: Ending,
  made: Happening,
  origin: RecordRef,
  at: number,
  except: Notebook['except'],
): boolean {
  const { restored, truth, settings, store } = ending.world;
  if (!restored || made.at < restored.from || setOut(made) > restored.at) return false;
  const both = [made, origin].map((ref) => {
    const body = truth.lastAt(ref, at)?.after ?? {};
    return { ...ref, body, createdAt: 0, modifiedAt: 0 };
  });
  const [own, other] = both.map((snapshot) =>
    mappings[snapshot.pair].matchKeys(snapshot, settings.mapping).map(({ name, form }) => `${name} ${form}`),
  );
  const takesNoPart = both.some(
    (snapshot) => mappings[snapshot.pair].excluded(snapshot, settings.mapping) !== undefined,
  );
  const hasFormerLink = [made, origin].some((ref) => store.revivedLink(refKey(ref)) !== undefined);
  const wasGivenAway = store
    .linksOf(refKey(made))
    .some(
      ({ other, madeAt }) =>
        other !== origin.id &&
        madeAt > restored.at &&
        madeAt < at &&
        truth.lastAt(origin, madeAt)?.did === 'deleted',
    );
  const isForgotten =
    hasFormerLink ||
    takesNoPart ||
    wasGivenAway ||
    isForgottenLate(ending, origin, made) ||
    (own !== undefined && !own.some((key) => other?.includes(key)));
  if (isForgotten) except('forgottenByRestore', describe(made));
  return isForgotten;
}

/** Executed much too late, by a create that a restored table has forgotten, whose origin is linked with the result of another attempt. */
const isForgottenLate = (
  { world: { restored, store, settings } }: Ending,
  origin: RecordRef,
  made: Happening,
): boolean =>
  restored !== undefined &&
  setOut(made) <= restored.at &&
  made.at >= restored.from &&
  made.at - setOut(made) > settings.settleMs &&
  store.linksOf(refKey(origin)).some(({ other }) => other !== made.id);

/** Made in the time that a restored table has forgotten, and deleted before it was linked with its origin again: what is left of the link looks new. */
function isForgotten(
  { world: { restored, store } }: Ending,
  made: Happening,
  origin: RecordRef,
  gone: Happening,
  except: Notebook['except'],
): boolean {
  if (!restored || made.at < restored.from || setOut(made) > restored.at) return false;
  const forgotten = !store
    .linksOf(refKey(made))
    .some(({ other, madeAt }) => other === origin.id && madeAt > restored.at && madeAt < gone.at);
  if (forgotten) except('forgottenByRestore', describe(made));
  return forgotten;
}

/** Done between the copy of the table and its return: at a later time the table knew nothing of it. */
const isInForgottenTime = ({ world: { restored } }: Ending, done: number, at: number): boolean =>
  restored !== undefined && done >= restored.from && done < restored.at && at >= restored.at;

/** Its user may take a cancellation back before the invoice is deleted because of it. */
const cancelledAt = ({ world }: Ending, origin: RecordRef, gone: Happening): number | undefined =>
  gone.by.who === 'engine'
    ? world.truth
        .of(origin)
        .findLast(
          ({ order, rows, after }) =>
            order < gone.order && rows.includes('Status') && after.Status === 'cancelled',
        )?.at
    : undefined;

/** Its own user brought the record back to life: took the delete back, or the cancellation of an order. */
const revivedSince = ({ world }: Ending, origin: RecordRef, at: number): boolean =>
  world.truth
    .of(origin)
    .some(
      (happening) =>
        happening.at > at &&
        happening.by.who === 'user' &&
        (happening.did === 'restored' || happening.rows.includes('Status')),
    );

/** A record of ours is nobody's new record, unless its user brought it back to life. */
function isEcho(ending: Ending, origin: RecordRef, made: Happening, except: Notebook['except']): boolean {
  const [first] = ending.world.truth.of(origin);
  if (first?.by.who !== 'engine' || revivedSince(ending, origin, first.at)) return false;
  const madeFor = first.by.attempt?.origin;
  const gone =
    madeFor &&
    ending.world.truth.of(madeFor).findLast(({ did, order }) => did === 'deleted' && order < made.order);
  if (gone) return !isForgotten(ending, first, madeFor, gone, except);
  return !madeFor || !isUnrecognisable(ending, first, madeFor, made.at, except);
}

const parentsOf = ({ world }: Ending, { system, pair, after }: Happening): readonly RecordRef[] =>
  mappings[pair].parents(system, after, world.settings.mapping);

/** Linked now, or by a link that has ended since. */
const parentWasLinked = ({ world }: Ending, parent: RecordRef): boolean =>
  world.store.everLinkedWith(refKey(parent)).length > 0;
