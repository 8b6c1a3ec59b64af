import { blownSince, fuseNames, mendFuse } from '../../lib/sync/fuses.ts';
import { pauses, resume } from '../../lib/sync/pause.ts';
import { startSweep } from '../../lib/sync/sweep.ts';
import { sweepProgress } from '../../lib/sync/sweep-progress.ts';
import { waitingForNobody } from './check-rest.ts';
import { judge, type Verdict } from './checks.ts';
import type { Dice } from './dice.ts';
import { endingOf } from './ending.ts';
import type { FaultName } from './faults.ts';
import { type Lambda, lambda } from './lambda.ts';
import { operators } from './operators.ts';
import { robots } from './robots.ts';
import { user } from './truth.ts';
import { type Users, users } from './users.ts';
import { makeWorld, type Plant, type World } from './world.ts';

export interface RunOptions {
  readonly seed: number;
  readonly keepTrace?: boolean;
  /** Exactly these faults; unless said, each seed draws its own part of all of them. */
  readonly faults?: readonly FaultName[];
  readonly plant?: Plant;
  /** Many people at few records: what needs them at once happens more often. */
  readonly busy?: boolean;
  /** Operators decide about records; unless said, in a part of the worlds with all faults. */
  readonly decides?: boolean;
}

/** What one seed showed. */
export interface Result extends Verdict {
  readonly seed: number;
  readonly faults: Readonly<Partial<Record<FaultName, number>>>;
  readonly edits: number;
  readonly writes: number;
  readonly creates: number;
  readonly events: number;
  readonly restedAfterMs: number | undefined;
  readonly digest: string;
  readonly trace: readonly string[];
}

const minute = 60_000;
/** How long people work and things go wrong: in some worlds slowly, for longer than what the engine remembers for an hour. */
const activeMs = 60 * minute;
const longActiveMs = 200 * minute;
const longShare = 0.06;
/** In some worlds people have worked for so long before the product was installed; some have typed the same things in both systems. */
const pastMs = 20 * minute;
const pastShare = 0.2;
const operatedShare = 0.25;
const pastActs = 15;
const pastTwins = 4;
/** Until then everything must have come to rest: several settle times, the longest pause, two looks at a deletion. */
const restWithinMs = 150 * minute;
/** A restored table starts paused, as lib/sync/identity.ts has it, until a person has compared everything and says that it may go on. */
const lookedAfterMs = 10 * minute;
/** At rest: nothing was written for so long, and nothing waits. */
const calmMs = 7 * minute;
/** A further pass over everything has ended by then, also where few requests to Wave are allowed. */
const passedMs = 12 * minute;
const tightlyPassedMs = 60 * minute;
/** The last comparison of everything has ended by then. */
const sweptMs = 12 * minute;
/** As long as one finds something, there is another. */
const comparedAgain = 4;

/** One simulated time, from its seed: work and faults, then peace, then every check. */
export async function run({
  seed,
  keepTrace = false,
  faults,
  plant,
  busy = false,
  decides,
}: RunOptions): Promise<Result> {
  const world = makeWorld({ seed, keepTrace, ...(faults && { faults }), ...(plant && { plant }) });
  const functions = lambda(world);
  const { scheduler } = world.wires;
  const isLong = world.dice.fork('length').chance(longShare);
  if (world.dice.fork('past').chance(pastShare)) await past(world);
  world.installedAt = scheduler.now();
  world.store.put({ pk: 'identity', sk: 'stack', startedAt: world.installedAt });
  const peaceAt = world.installedAt + (isLong ? longActiveMs : activeMs);
  schedule(world, functions, peaceAt);
  people(world, peaceAt, { busy, isLong });
  accidents(world, functions);
  const office = world.dice.fork('operators');
  // What a restored table has forgotten of decisions, nobody could tell from what he decided to forget.
  const mayDecide = !world.wires.faults.has('tableRestored');
  if (mayDecide && (decides ?? (faults === undefined && office.chance(operatedShare))))
    operators(world, functions, office, peaceAt - 10 * minute);
  await scheduler.runUntil(peaceAt);
  world.wires.faults.stop();
  world.waveDoor.noRightsUntil = 0;
  world.waveDoor.poisoned = undefined;
  world.trace.note('faults stop');
  // Wave tells nobody of deletions: one more comparison of everything finds them.
  scheduler.after(minute, () => functions.sweep(true));
  const calmAt = await untilRest(world, functions, peaceAt + restWithinMs);
  const restedAt = calmAt && (await compareAgain(world, functions, peaceAt + restWithinMs));
  const writesAtRest = world.truth.engineWrites();
  if (restedAt !== undefined) await fullPass(world, functions);
  const verdict = judge(await endingOf(world, functions, { restedAt, writesAtRest }));
  const happenings = world.truth.all();
  return {
    seed,
    ...verdict,
    faults: world.wires.faults.struck(),
    edits: happenings.filter(({ by }) => by.who === 'user').length,
    writes: world.truth.engineWrites(),
    creates: happenings.filter(({ by, did }) => by.who === 'engine' && did === 'created').length,
    events: scheduler.fired(),
    restedAfterMs: restedAt === undefined ? undefined : restedAt - peaceAt,
    digest: world.trace.digest(),
    trace: world.trace.lines(),
  };
}

/** What a comparison found may have ended an ambiguity; those are looked at again by that of the next day. */
async function compareAgain(world: World, functions: Lambda, by: number): Promise<number | undefined> {
  let restedAt: number | undefined;
  for (let day = 1; day <= comparedAgain; day++) {
    const before = world.truth.engineWrites();
    functions.sweep(true);
    restedAt = await untilRest(world, functions, by + day * (sweptMs + calmMs));
    if (restedAt === undefined || world.truth.engineWrites() === before) break;
  }
  return restedAt;
}

function schedule(world: World, functions: Lambda, peaceAt: number): void {
  const { scheduler } = world.wires;
  const every = (ms: number, run: () => void): void => {
    scheduler.after(ms, () => {
      run();
      every(ms, run);
    });
  };
  every(minute, functions.wavePoll);
  every(minute, functions.janitor);
  every(5 * minute, functions.customcrmPoll);
  every(2 * minute, () => functions.sweep(false));
  every(25 * minute, () => functions.sweep(scheduler.now() < peaceAt));
  every(10 * minute, () => {
    for (const name of fuseNames)
      functions.run(`mend ${name}`, async (engine) => {
        if ((await blownSince(engine, name)) === undefined) return;
        world.mended.push(scheduler.now());
        await mendFuse(engine, name, true);
      });
    if (scheduler.now() > (world.restored?.until ?? Number.POSITIVE_INFINITY))
      functions.run('resume again', (engine) => resume(engine, 'all'));
    if (scheduler.now() > peaceAt && world.decided.length > 0)
      functions.run('resume everything', async (engine) => {
        for (const { scope } of await pauses(engine)) await resume(engine, scope);
      });
    functions.run('confirm the sweep', async (engine) => {
      const progress = await sweepProgress(engine);
      if (progress?.stopped !== undefined) await startSweep(engine, { confirmed: true });
    });
  });
}

async function past(world: World): Promise<void> {
  const { scheduler } = world.wires;
  const until = scheduler.now() + pastMs;
  const staff = staffOf(world, world.dice.fork('past users'), until, false);
  for (let acts = 0; acts < pastActs; acts++) staff.act();
  for (let twins = 0; twins < pastTwins; twins++) staff.meet();
  await scheduler.runUntil(until);
  world.trace.note('the product is installed');
}

function people(
  world: World,
  until: number,
  { busy, isLong }: { readonly busy: boolean; readonly isLong: boolean },
): void {
  const dice = world.dice.fork('users');
  const { scheduler } = world.wires;
  const staff = staffOf(world, dice, until, busy);
  const meanMs = (busy ? 10_000 : dice.pick([20_000, 60_000, 120_000])) * (isLong ? 3 : 1);
  const next = (): void => {
    if (scheduler.now() > until) return;
    staff.act();
    scheduler.after(dice.next() * 2 * meanMs, next);
  };
  scheduler.after(1_000, next);
}

function staffOf(world: World, dice: Dice, until: number, busy: boolean): Users {
  const { scheduler } = world.wires;
  const fallbackProduct = world.settings.mapping.waveFallbackProductId;
  return users({
    dice,
    customcrm: world.customcrm,
    wave: world.wave,
    truth: world.truth,
    counterpartOf: world.counterpartOf,
    hidden: world.hidden,
    fallbackProduct,
    deletes: dice.chance(0.4),
    lifeCycle: dice.chance(0.6),
    crowded: dice.chance(0.3) || busy,
    twins: (both) => world.twins.push(both),
    later: (ms, act) => scheduler.after(Math.min(ms, Math.max(0, until - scheduler.now())), act),
  });
}

/** What happens at times of its own: a record that nobody can read for a while, a table that is restored to what it was. */
function accidents(world: World, functions: Lambda): void {
  const { dice, wires, waveDoor, wave, poisoned, store, killAll } = world;
  const { scheduler, faults, trace } = wires;
  const own = dice.fork('accidents');
  if (faults.has('poisoned'))
    scheduler.after(own.between(5, 25) * minute, () => {
      const orders = wave.living('order');
      if (orders.length === 0) return;
      waveDoor.poisoned = String(own.pick(orders).id);
      poisoned.add(waveDoor.poisoned);
      trace.note(`nobody can read ${waveDoor.poisoned} any more`);
    });
  if (faults.has('massDeletion'))
    scheduler.after(own.between(15, 50) * minute, () => massDeletion(world, own));
  if (faults.has('robots')) robots(world);
  if (!faults.has('tableRestored')) return;
  const backupAt = own.between(5, 35) * minute;
  scheduler.after(backupAt, () => {
    const backup = store.snapshot();
    const from = scheduler.now();
    scheduler.after(own.between(2, 20) * minute, () => {
      faults.note('tableRestored');
      trace.note('the table is restored to an earlier time');
      killAll();
      world.restored = { from, at: scheduler.now(), until: scheduler.now() + lookedAfterMs };
      store.restore(backup);
      store.put({ pk: 'identity', sk: 'stack', restoredAt: scheduler.now() });
      store.put({ pk: 'paused', sk: 'all', reason: 'the table was restored', since: scheduler.now() });
      scheduler.after(minute, () => functions.sweep(true));
      scheduler.after(lookedAfterMs, () => functions.run('resume', (engine) => resume(engine, 'all')));
    });
  });
}

/** Somebody deletes most of what one system has of one kind. */
function massDeletion({ customcrm, wave, wires: { faults, trace } }: World, dice: Dice): void {
  const pair = dice.pick(['product', 'order'] as const);
  faults.note('massDeletion');
  trace.note(`somebody deletes most of one kind: ${pair}`);
  const inCustomcrm = dice.chance(0.5);
  const ids = inCustomcrm
    ? customcrm.living(pair).map(({ Id }) => String(Id))
    : wave.living(pair).map(({ id }) => String(id));
  for (const id of ids.filter(() => dice.chance(0.7))) {
    if (inCustomcrm) customcrm.remove(pair, id, user);
    else if (pair === 'product') wave.archive(id, user);
    else if (wave.find(pair, id)?.status === 'DRAFT') wave.remove(pair, id, user);
  }
}

/** Lets time pass until nothing moves any more. Answers when, or undefined. */
async function untilRest(world: World, functions: Lambda, latest: number): Promise<number | undefined> {
  const { scheduler } = world.wires;
  await scheduler.runUntil(scheduler.now() + sweptMs);
  while (scheduler.now() < latest) {
    await scheduler.runUntil(scheduler.now() + minute - 1_500);
    if (isCalm(world, functions)) return scheduler.now();
    await scheduler.runUntil(scheduler.now() + 1_500);
  }
  return undefined;
}

function isCalm({ truth, queues, store, wires: { scheduler } }: World, functions: Lambda): boolean {
  const lastChange = truth.all().at(-1)?.at ?? 0;
  return (
    scheduler.now() - lastChange > calmMs &&
    functions.running() === 0 &&
    Object.values(queues).every((queue) => queue.size() === 0) &&
    waitingForNobody({ store }).length === 0
  );
}

/** Rings once more for every record there is, and lets the polls look at everything. */
async function fullPass(world: World, functions: Lambda): Promise<void> {
  const { scheduler } = world.wires;
  functions.run('full pass', async (engine) => {
    const at = engine.clock.now();
    for (const pair of ['customer', 'product', 'order'] as const) {
      const crm = world.customcrm
        .all(pair)
        .map(({ Id }) => ({ system: 'customcrm' as const, pair, id: String(Id) }));
      const wave = world.wave
        .living(pair)
        .map(({ id }) => ({ system: 'wave' as const, pair, id: String(id) }));
      await engine.queues.customcrm.ring(crm.map((ref) => ({ ...ref, eventId: 'full pass', at })));
      await engine.queues.wave.ring(wave.map((ref) => ({ ...ref, eventId: 'full pass', at })));
    }
  });
  const patience = world.waveDoor.perMinute === undefined ? passedMs : tightlyPassedMs;
  await scheduler.runUntil(scheduler.now() + patience);
}
