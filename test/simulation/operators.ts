import { otherSystem, pairs, parseRef, type RecordRef, refKey, systems } from '../../lib/domain/record.ts';
import {
  accept,
  excludeRecord,
  includeRecord,
  linkRecords,
  recreate,
  relink,
  unlinkRecords,
} from '../../lib/sync/decisions.ts';
import { retry } from '../../lib/sync/operate.ts';
import { pause, resume } from '../../lib/sync/pause.ts';
import type { Dice } from './dice.ts';
import type { Lambda } from './lambda.ts';
import type { World } from './world.ts';

/** Whoever runs the product from the command line: decides what the rules cannot, and at times what nobody asked about. */
export function operators(world: World, functions: Lambda, dice: Dice, until: number): void {
  const { scheduler } = world.wires;
  const next = (): void => {
    if (scheduler.now() > until) return;
    dice.pick(acts)({ world, functions, dice });
    scheduler.after(dice.between(10_000, 300_000), next);
  };
  scheduler.after(dice.between(60_000, 600_000), next);
}

interface Desk {
  readonly world: World;
  readonly functions: Lambda;
  readonly dice: Dice;
}

const minute = 60_000;

/** Noted before it is done: who is killed at it may have done it. */
function decide(
  { world, functions }: Desk,
  what: string,
  refs: readonly RecordRef[],
  run: Parameters<Lambda['run']>[1],
): void {
  const about = refs.map(refKey);
  world.decided.push({ what, about, at: world.wires.scheduler.now() });
  functions.run(`${what} ${about.join(' ')}`, run);
}

const oneOf = <T>(dice: Dice, all: readonly T[]): T | undefined =>
  all.length > 0 ? dice.pick(all) : undefined;

const living = ({ customcrm, wave, settings }: World, system: RecordRef['system']): readonly RecordRef[] =>
  pairs.flatMap((pair) => {
    const ids =
      system === 'customcrm'
        ? customcrm.living(pair).map(({ Id }) => Id)
        : wave.living(pair).map(({ id }) => id);
    return ids
      .filter((id) => id !== settings.mapping.waveFallbackProductId)
      .map((id): RecordRef => ({ system, pair, id: String(id) }));
  });

const unlinked = (world: World, system: RecordRef['system']): readonly RecordRef[] =>
  living(world, system).filter((ref) => world.counterpartOf(ref) === undefined);

const linked = (world: World): readonly RecordRef[] =>
  living(world, 'customcrm').filter((ref) => world.counterpartOf(ref) !== undefined);

const withItem = (world: World, sk: string): readonly RecordRef[] =>
  world.store
    .all()
    .filter((item) => item.sk === sk)
    .map(({ pk }) => parseRef(pk));

/** Records that show this to a person. */
const shown = (world: World, state: string): readonly RecordRef[] =>
  world.store
    .all()
    .filter((item) => item.sk === 'state' && item.state === state)
    .map(({ pk }) => parseRef(pk));

function exclude(desk: Desk): void {
  const ref = oneOf(desk.dice, unlinked(desk.world, desk.dice.pick(systems)));
  if (ref) decide(desk, 'exclude', [ref], (engine, call) => excludeRecord(engine, ref, call));
}

function include(desk: Desk): void {
  const ref = oneOf(desk.dice, withItem(desk.world, 'exclusion'));
  if (ref) decide(desk, 'include', [ref], (engine) => includeRecord(engine, ref));
}

function unlink(desk: Desk): void {
  const ref = oneOf(desk.dice, linked(desk.world));
  const other = ref && desk.world.counterpartOf(ref);
  if (!ref || other === undefined) return;
  const both = [ref, { ...ref, system: otherSystem(ref.system), id: other }];
  decide(desk, 'unlink', both, (engine, call) => unlinkRecords(engine, ref, call));
}

/** Two that are alone, or wait for a person. */
function link(desk: Desk): void {
  const { world, dice } = desk;
  const asked = shown(world, 'ambiguous');
  const here = oneOf(
    dice,
    asked.some(({ system }) => system === 'customcrm')
      ? asked.filter(({ system }) => system === 'customcrm')
      : unlinked(world, 'customcrm'),
  );
  const there =
    here &&
    oneOf(
      dice,
      unlinked(world, 'wave').filter(({ pair }) => pair === here.pair),
    );
  if (here && there)
    decide(desk, 'link', [here, there], (engine, call) => linkRecords(engine, here, there, call));
}

function linkOtherwise(desk: Desk): void {
  const { world, dice } = desk;
  const here = oneOf(dice, linked(world));
  const before = here && world.counterpartOf(here);
  const there = oneOf(
    dice,
    living(world, 'wave').filter(({ pair, id }) => pair === here?.pair && id !== before),
  );
  if (!here || !there || before === undefined) return;
  const other = world.counterpartOf(there);
  const about: RecordRef[] = [here, there, { ...there, id: before }];
  if (other !== undefined) about.push({ ...here, id: other });
  decide(desk, 'relink', about, (engine, call) => relink(engine, here, there, call));
}

function makeAnew(desk: Desk): void {
  const ref = oneOf(desk.dice, [...shown(desk.world, 'ambiguous'), ...shown(desk.world, 'unlinked')]);
  if (ref) decide(desk, 'recreate', [ref], (engine) => recreate(engine, ref));
}

function letGo(desk: Desk): void {
  const ref = oneOf(desk.dice, shown(desk.world, 'unlinked'));
  if (ref) decide(desk, 'accept', [ref], (engine, call) => accept(engine, ref, call));
}

function again(desk: Desk): void {
  const ref = oneOf(desk.dice, living(desk.world, desk.dice.pick(systems)));
  if (ref) decide(desk, 'retry', [], (engine) => retry(engine, ref));
}

function standStill(desk: Desk): void {
  const { world, functions, dice } = desk;
  const ref = oneOf(dice, living(world, dice.pick(systems)));
  const scope = dice.pick(['all', ...pairs, ...(ref ? [refKey(ref)] : [])]);
  decide(desk, `pause ${scope}`, [], (engine) => pause(engine, scope, 'by an operator'));
  world.wires.scheduler.after(dice.between(1, 8) * minute, () =>
    functions.run(`resume ${scope}`, (engine) => resume(engine, scope)),
  );
}

const acts: readonly ((desk: Desk) => void)[] = [
  exclude,
  include,
  unlink,
  link,
  link,
  linkOtherwise,
  makeAnew,
  letGo,
  again,
  standStill,
];
