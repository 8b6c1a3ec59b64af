import { type Link, refOf } from '../domain/link.ts';
import { otherSystem, type RecordRef, refKey, type Snapshot, systems } from '../domain/record.ts';
import { mappings } from '../mappings/pairs.ts';
import type { Engine, Handled } from './engine.ts';
import { exclusionOf, exclusionWrite, removeExclusion } from './exclusions.ts';
import { handleDoorbell } from './handle-doorbell.ts';
import { closeWrites, findIntent, type Intent, openIntentsInto } from './intents.ts';
import { indexKeys } from './key-index.ts';
import { linkKey } from './keys.ts';
import { type Lease, leaseCause, releaseLease, stillHeld, takeLease } from './leases.ts';
import { matchedLink, wakeBehind } from './link-up.ts';
import {
  BrokenLinkError,
  counterpartOf,
  directoryEntry,
  endLinkWrites,
  findLink,
  newLinkWrites,
  remainsWrites,
} from './links.ts';
import { fenceOf } from './look-up.ts';
import { parkedNow, unpark, unparkWrites, wake } from './parking.ts';
import type { Call, Doorbell, Write } from './ports.ts';
import { deniedOf, deniedWrite, ownWrite, recordStateOf, removeOwn, stateWrite } from './record-state.ts';
import { removeTombstone, tombstoneOf } from './tombstones.ts';

// What a person decides about records for which the rules have no answer. Nothing is written to either system here: a doorbell does.

/** What a decision came to, or why it could not be carried out. Nothing was changed then. */
export type Decided =
  | { readonly done: true; readonly handled?: Handled }
  | { readonly done: false; readonly because: string };

const refused = (because: string): Refused => ({ done: false, because });
const workerIsThere = refused('a worker is at this record right now; say it again');

/** These two records are one: they are linked, and the first plan says what flows. @throws RangeError, and SyncError when a system does not answer. */
export async function linkRecords(
  engine: Engine,
  customcrm: RecordRef,
  wave: RecordRef,
  call: Call,
): Promise<Decided> {
  const both = await readBoth(engine, customcrm, wave, call);
  if ('done' in both) return both;
  const linked = await underLeases(engine, [customcrm, wave], call, async (leases) => {
    for (const ref of [customcrm, wave]) {
      const other = await counterpartOf(engine.table, ref);
      if (other !== undefined) return refused(`${refKey(ref)} is linked with ${other} already: relink`);
    }
    const intents = await closable(engine, both, call);
    if ('done' in intents) return intents;
    return linkUnder(
      engine,
      both,
      await matchedLink(engine, both.origin, both.counterpart, call),
      intents,
      leases,
    );
  });
  return linked.done ? firstPlan(engine, both, call) : linked;
}

type Refused = Extract<Decided, { done: false }>;
interface Both {
  readonly origin: Snapshot;
  readonly counterpart: Snapshot;
}

/** Creates under way that may make a record of this kind, those of a person's own choice aside. */
async function underWayInto(engine: Engine, ref: RecordRef, own?: RecordRef): Promise<readonly Intent[]> {
  const open = await openIntentsInto(engine, ref.system, ref.pair);
  return open.filter(
    ({ origin, lookAgainAt }) => lookAgainAt === undefined && (!own || refKey(origin) !== refKey(own)),
  );
}

/** A refusal while this record may be the result of one of these creates: to be found by that, it must stay free. */
async function maybeResult(
  engine: Engine,
  record: Snapshot,
  open: readonly Intent[],
  call: Call,
): Promise<Refused | undefined> {
  const by = await fenceOf(engine, open, record, call);
  return (
    by &&
    refused(`${refKey(record)} may be the result of the create for ${refKey(by.origin)}, which is under way`)
  );
}

/** The creates that are open for these; a refusal while the outcome of one is not known. */
async function closable(
  engine: Engine,
  { origin, counterpart }: Both,
  call: Call,
): Promise<readonly Intent[] | Refused> {
  const fenced =
    (await maybeResult(engine, origin, await underWayInto(engine, origin, counterpart), call)) ??
    (await maybeResult(engine, counterpart, await underWayInto(engine, counterpart, origin), call));
  if (fenced) return fenced;
  const found = await Promise.all([origin, counterpart].map((ref) => findIntent(engine, ref)));
  const intents = found.filter((intent) => intent !== undefined);
  const open = intents.find(({ lookAgainAt }) => lookAgainAt === undefined);
  return open
    ? refused(`a counterpart for ${refKey(open.origin)} is being created, and its outcome is not known yet`)
    : intents;
}

async function linkUnder(
  engine: Engine,
  { origin, counterpart }: Both,
  link: Link,
  intents: readonly Intent[],
  leases: readonly Lease[],
): Promise<Decided> {
  // Before: who is killed after the write leaves no link whose first plan nobody makes. The doorbell waits for the leases.
  await engine.queues[origin.system].ring([doorbellOf(engine, origin)]);
  const written = await engine.table.write([
    ...newLinkWrites(link),
    ...leases.map(stillHeld),
    ...[origin, counterpart].flatMap((ref) => [removeTombstone(ref), removeExclusion(ref), removeOwn(ref)]),
    ...intents.flatMap((intent) => closeWrites(engine, intent)),
  ]);
  return written.done ? { done: true } : workerIsThere;
}

/** What a new link means for those that wait, and for the two themselves. */
async function firstPlan(engine: Engine, { origin, counterpart }: Both, call: Call): Promise<Decided> {
  for (const record of [origin, counterpart]) {
    await indexKeys(engine, record);
    await unpark(engine, record);
  }
  await wakeBehind(engine, [origin, counterpart]);
  return { done: true, handled: await handleDoorbell(engine, doorbellOf(engine, origin), call) };
}

/** Both as they are now. @throws RangeError when they cannot be a link. */
async function readBoth(
  engine: Engine,
  customcrm: RecordRef,
  wave: RecordRef,
  call: Call,
): Promise<Both | Refused> {
  if (customcrm.system !== 'customcrm' || wave.system !== 'wave' || customcrm.pair !== wave.pair)
    throw new RangeError('Name a record of Customcrm and one of Wave, both of the same pair.');
  const [here, there] = await Promise.all([
    engine.systems.customcrm.read(customcrm.pair, customcrm.id, call),
    engine.systems.wave.read(wave.pair, wave.id, call),
  ]);
  if (here.state !== 'living') return refused(`${refKey(customcrm)} is ${here.state}`);
  if (there.state !== 'living') return refused(`${refKey(wave)} is ${there.state}`);
  if (mappings[customcrm.pair].givenUp(here.snapshot.body))
    return refused(`${refKey(customcrm)} is cancelled, and a draft that is linked with it would be deleted`);
  if (mappings[wave.pair].excluded(there.snapshot, engine.settings.mapping) !== undefined)
    return refused(
      `the settings leave ${refKey(wave)} out: what becomes of its counterpart must not happen to it`,
    );
  return { origin: here.snapshot, counterpart: there.snapshot };
}

/** The link ends, both records stay as they are, and neither gets another counterpart until a person says so. Mends a broken link too. */
export async function unlinkRecords(engine: Engine, ref: RecordRef, call: Call): Promise<Decided> {
  const linked = await linkedBy(engine, ref);
  return underLeases(engine, recordsOf(linked), call, (leases) => endUnder(engine, [linked], leases));
}

/** A record and its link; without one when it is broken, and what is left of it stands by itself. */
interface Linked {
  readonly ref: RecordRef;
  readonly link: Link | undefined;
}

async function linkedBy({ table }: Engine, ref: RecordRef): Promise<Linked> {
  try {
    return { ref, link: await findLink(table, ref) };
  } catch (error) {
    if (error instanceof BrokenLinkError) return { ref, link: undefined };
    throw error;
  }
}

/** Both, though the lease of a link is that of its Customcrm record: a worker that began before they were linked has that of the other one. */
const recordsOf = ({ link, ref }: Linked): readonly RecordRef[] =>
  link ? systems.map((system) => refOf(link, system)) : [ref];

/** All of them or none. */
async function endUnder(
  engine: Engine,
  linked: readonly Linked[],
  leases: readonly Lease[],
): Promise<Decided> {
  const endings = await Promise.all(
    linked.map(({ link, ref }) => (link ? endingOf(engine, link) : remainsOf(engine, ref))),
  );
  if (endings.some((ending) => ending === undefined)) return refused('it is not linked');
  const ended = endings.flatMap((ending) => ending?.records ?? []);
  const excluded = await Promise.all(ended.map((record) => exclude(engine, record, byAPerson.unlinked)));
  const written = await engine.table.write([
    ...endings.flatMap((ending) => ending?.writes ?? []),
    ...leases.map(stillHeld),
    ...excluded.flat(),
  ]);
  return written.done ? { done: true } : workerIsThere;
}

/** What is written to end a link, and the records that have none afterwards. */
interface LinkEnding {
  readonly writes: readonly Write[];
  readonly records: readonly RecordRef[];
}

/** A Wave half that belongs to another link stays, and so does its record. */
async function endingOf({ table }: Engine, link: Link): Promise<LinkEnding> {
  const wave = refOf(link, 'wave');
  const half = await table.get(linkKey(wave));
  const isForeign = half !== undefined && half.linkId !== link.id;
  if (!isForeign)
    return { writes: endLinkWrites(link), records: systems.map((system) => refOf(link, system)) };
  return {
    writes: endLinkWrites(link).filter(
      (write) => !('delete' in write && write.delete.pk === linkKey(wave).pk),
    ),
    records: [refOf(link, 'customcrm')],
  };
}

/** A half without its other half, or an entry of the directory without a link. */
async function remainsOf({ table }: Engine, ref: RecordRef): Promise<LinkEnding | undefined> {
  const half = await table.get(linkKey(ref));
  const entry = ref.system === 'customcrm' ? await directoryEntry(table, ref.pair, ref.id) : undefined;
  return half || entry !== undefined ? { writes: remainsWrites(ref), records: [ref] } : undefined;
}

/** Why a person keeps a record without a counterpart. */
const byAPerson = { unlinked: 'unlinked by a person', excluded: 'excluded by a person' } as const;

/** Nor does it wait for anything from then on. */
const exclude = async (engine: Engine, ref: RecordRef, reason: string): Promise<readonly Write[]> => [
  exclusionWrite(ref, reason),
  stateWrite(engine, ref, 'excluded', reason),
  ...unparkWrites(ref, await parkedNow(engine, ref)),
];

/** These two belong together, whatever each was linked with before; what that was stays without counterpart until a person says otherwise. */
export async function relink(
  engine: Engine,
  customcrm: RecordRef,
  wave: RecordRef,
  call: Call,
): Promise<Decided> {
  const both = await readBoth(engine, customcrm, wave, call);
  if ('done' in both) return both;
  if ((await counterpartOf(engine.table, customcrm)) === wave.id) return refused('they are linked already');
  const linked: Linked[] = [];
  for (const ref of [customcrm, wave])
    if ((await counterpartOf(engine.table, ref)) !== undefined) linked.push(await linkedBy(engine, ref));
  // Nothing ends before everything is ours: the records, and whatever they are linked with.
  const refs = [customcrm, wave, ...linked.flatMap(recordsOf)];
  const distinct = [...new Map(refs.map((ref) => [refKey(ref), ref])).values()];
  const done = await underLeases(engine, distinct, call, async (leases) => {
    const intents = await closable(engine, both, call);
    if ('done' in intents) return intents;
    const link = await matchedLink(engine, both.origin, both.counterpart, call);
    const ended: Decided = linked.length > 0 ? await endUnder(engine, linked, leases) : { done: true };
    if (!ended.done) return ended;
    return linkUnder(engine, both, link, intents, leases);
  });
  return done.done ? firstPlan(engine, both, call) : done;
}

/** This record never gets a counterpart, and is never taken for one, until {@link includeRecord}. */
export async function excludeRecord(engine: Engine, ref: RecordRef, call: Call): Promise<Decided> {
  return underLeases(engine, [ref], call, async (leases) => {
    if ((await counterpartOf(engine.table, ref)) !== undefined)
      return refused('it is linked: unlink it instead');
    if (await findIntent(engine, ref))
      return refused('its counterpart is being created, and the outcome is not known yet');
    const open = await underWayInto(engine, ref);
    // Nothing is asked of its system without need: it may be excluded because that does not answer.
    const reading =
      open.length > 0 ? await engine.systems[ref.system].read(ref.pair, ref.id, call) : undefined;
    const fenced =
      reading?.state === 'living' ? await maybeResult(engine, reading.snapshot, open, call) : undefined;
    if (fenced) return fenced;
    const written = await engine.table.write([
      ...(await exclude(engine, ref, byAPerson.excluded)),
      ...leases.map(stillHeld),
      { check: linkKey(ref), when: 'absent' },
    ]);
    return written.done ? { done: true } : workerIsThere;
  });
}

/** Takes an exclusion back: the record is looked at as if it were new. Said again when the queue did not answer, it rings again. */
export async function includeRecord(engine: Engine, ref: RecordRef): Promise<Decided> {
  const shown = await recordStateOf(engine, ref);
  const isShown = shown?.state === 'excluded' && Object.values<string>(byAPerson).includes(shown.reason);
  if (!isShown && (await exclusionOf(engine.table, ref)) === undefined)
    return refused('no person excluded it');
  await engine.table.write([removeExclusion(ref)]);
  return lookAgain(engine, ref);
}

/**
 * The survivor of a deletion gets a new counterpart, and what was ambiguous one of its own: none of the records that may be the result of
 * its create is, and it is not the result of any.
 */
export async function recreate(engine: Engine, ref: RecordRef): Promise<Decided> {
  const shown = (await recordStateOf(engine, ref))?.state;
  // Said again, when the queue did not answer: it shows what it showed until a worker knows better.
  const isSurvivor = shown === 'unlinked' || (await tombstoneOf(engine.table, ref))?.kind === 'survivor';
  const isHeld = shown === 'ambiguous';
  if (!isSurvivor && !isHeld) return refused(`${noSurvivor}, and it is not ambiguous`);
  const intent = await findIntent(engine, ref);
  if (intent && !intent.suspects)
    return refused('what came of its create is not known yet: say it again later');
  const suspects = suspectsOf(intent);
  if (suspects.length > suspectLimit)
    return refused('very many records may be its counterpart: recreate or link those that are not first');
  const waiting = (await openIntentsInto(engine, ref.system, ref.pair)).filter(({ suspects: ids }) =>
    ids?.includes(ref.id),
  );
  const others = await suspectsOfOthers(engine, intent);
  const nobodys = suspects.filter(({ id }) => !others.has(id));
  const denied = new Set([...(await deniedOf(engine, ref)), ...suspects.map(({ id }) => id)]);
  await engine.table.write([
    removeTombstone(ref),
    removeExclusion(ref),
    ...(isHeld ? [ref, ...nobodys].map(ownWrite) : []),
    ...(suspects.length > 0 ? [deniedWrite(ref, [...denied])] : []),
  ]);
  for (const other of [...suspects, ...waiting.map(({ origin }) => origin)])
    await engine.queues[other.system].ring([doorbellOf(engine, other)]);
  return lookAgain(engine, ref);
}

/** What may be the result of another create as well: about that one nothing was said. */
async function suspectsOfOthers(engine: Engine, intent: Intent | undefined): Promise<ReadonlySet<string>> {
  if (!intent?.suspects) return new Set();
  const { origin } = intent;
  const open = await openIntentsInto(engine, otherSystem(origin.system), origin.pair);
  const rivals = open.filter((each) => refKey(each.origin) !== refKey(origin));
  return new Set(rivals.flatMap(({ suspects }) => suspects ?? []));
}

/** As many as one transaction holds. */
const suspectLimit = 90;

const suspectsOf = (intent: Intent | undefined): readonly RecordRef[] =>
  (intent?.suspects ?? []).map((id) => ({
    system: otherSystem((intent as Intent).origin.system),
    pair: (intent as Intent).origin.pair,
    id,
  }));

/** The survivor of a deletion stays alone. Should the deleted record live again, their link does too. */
export async function accept(engine: Engine, ref: RecordRef, call: Call): Promise<Decided> {
  if ((await tombstoneOf(engine.table, ref))?.kind !== 'survivor') return refused(noSurvivor);
  return excludeRecord(engine, ref, call);
}

const noSurvivor = 'its counterpart was not deleted';

/** What it shows stays until a worker knows better: a doorbell that the queue does not take, or loses, leaves nothing that nobody sees. */
async function lookAgain(engine: Engine, ref: RecordRef): Promise<Decided> {
  await engine.queues[ref.system].ring([doorbellOf(engine, ref)]);
  return { done: true };
}

const doorbellOf = ({ clock, newId }: Engine, { system, pair, id }: RecordRef): Doorbell => ({
  system,
  pair,
  id,
  eventId: `operator:${newId()}`,
  at: clock.now(),
});

/** Keeps the workers away meanwhile; whoever waits for a lease is rung for. */
async function underLeases(
  engine: Engine,
  refs: readonly RecordRef[],
  call: Call,
  run: (leases: readonly Lease[]) => Promise<Decided>,
): Promise<Decided> {
  const held: Lease[] = [];
  try {
    for (const { system, pair, id } of refs) {
      const until = call.deadline + engine.settings.leaseReserveMs;
      const lease: Lease = { ref: { system, pair, id }, owner: engine.newId(), until };
      if (!(await takeLease(engine.table, lease, engine.clock.now())).taken) return workerIsThere;
      held.push(lease);
    }
    return await run(held);
  } finally {
    for (const lease of held) {
      await releaseLease(engine.table, lease);
      await wake(engine, leaseCause(lease.ref));
    }
  }
}
