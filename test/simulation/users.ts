import {
  type Body,
  otherSystem,
  type Pair,
  pairs,
  type RecordRef,
  type System,
  systems,
} from '../../lib/domain/record.ts';
import { type Row, setPath } from '../../lib/mappings/mapping.ts';
import { customerInput, invoiceInput, productInput } from '../../lib/wave/inputs.ts';
import { type Customcrm, Refusal } from './customcrm.ts';
import type { Dice } from './dice.ts';
import { type Truth, user } from './truth.ts';
import { type Choices, typedValue } from './values.ts';
import { type Wave, WaveRefusal } from './wave.ts';

/** The people who work in both systems, and know nothing of one another. */
export interface Users {
  /** One random thing that somebody does. */
  readonly act: () => void;
  /** The same customer or product is typed in both systems, within a few minutes. */
  readonly meet: () => void;
}

export interface UsersOptions {
  readonly dice: Dice;
  readonly customcrm: Customcrm;
  readonly wave: Wave;
  readonly truth: Truth;
  readonly counterpartOf: (ref: RecordRef) => string | undefined;
  /** Properties that the CRM does not show, not even to its users. */
  readonly hidden: ReadonlySet<string>;
  readonly fallbackProduct: string | undefined;
  /** How often, of a hundred acts, each thing is done. */
  readonly deletes: boolean;
  readonly lifeCycle: boolean;
  /** Everybody works on the same few records and properties. */
  readonly crowded: boolean;
  readonly later: (ms: number, run: () => void) => void;
  /** Told of two records that are one. */
  readonly twins: (both: readonly RecordRef[]) => void;
}

export function users(options: UsersOptions): Users {
  const { dice } = options;
  let count = 0;
  const fresh = () => ++count;
  const acts: readonly (readonly [weight: number, act: () => void])[] = [
    [
      24,
      () =>
        create(
          options,
          fresh,
          dice.pick(systems),
          dice.pick(['customer', 'customer', 'product', 'order', 'order']),
        ),
    ],
    [34, () => editAny(options, fresh)],
    [14, () => editBoth(options, fresh)],
    [14, () => editAgain(options, fresh)],
    [4, () => createTwins(options, fresh)],
    [options.lifeCycle ? 8 : 0, () => moveOn(options)],
    [options.deletes ? 5 : 0, () => removeAny(options)],
  ];
  const total = acts.reduce((sum, [weight]) => sum + weight, 0);
  return {
    meet: () => refusable(() => createTwins(options, fresh)),
    act() {
      let left = dice.next() * total;
      for (const [weight, act] of acts) {
        left -= weight;
        if (left < 0) return refusable(act);
      }
    },
  };
}

/** Systems refuse their users too. */
function refusable(act: () => void): void {
  try {
    act();
  } catch (error) {
    if (!(error instanceof Refusal) && !(error instanceof WaveRefusal)) throw error;
  }
}

const idsIn = (
  { customcrm, wave, fallbackProduct }: UsersOptions,
  system: System,
  pair: Pair,
): readonly string[] =>
  system === 'customcrm'
    ? customcrm.living(pair).map(({ Id }) => String(Id))
    : wave
        .living(pair)
        .map(({ id }) => String(id))
        .filter((id) => id !== fallbackProduct);

const choicesIn = (options: UsersOptions, fresh: () => number, system: System): Choices => ({
  dice: options.dice,
  fresh,
  products: idsIn(options, system, 'product'),
  customers: idsIn(options, system, 'customer'),
});

/** Rows that a user of this system may type into. */
const typable = ({ truth, hidden }: UsersOptions, pair: Pair, system: System): readonly Row[] =>
  truth.rowsOf(pair).filter((row) => !(system === 'customcrm' && hidden.has(row.customcrm)));

/** A new record with some of its rows filled in. Answers its id. */
function create(
  options: UsersOptions,
  fresh: () => number,
  system: System,
  pair: Pair,
  given: Body = {},
): string | undefined {
  const choices = choicesIn(options, fresh, system);
  if (pair === 'order' && choices.customers.length === 0) return undefined;
  let body: Body = given;
  for (const row of typable(options, pair, system)) {
    const path = row[system];
    const needed = row.rules.required || row.rules.emptyInWave === 'block' || row.id === 'Lines';
    const isGiven = path.split('.')[0] !== undefined && (path.split('.')[0] as string) in given;
    if (isGiven || row.direction === (system === 'customcrm' ? 'toCustomcrm' : 'toWave')) continue;
    if (path === 'poNumber' || row.id === 'Active' || (!needed && !options.dice.chance(0.4))) continue;
    const typed = typedValue(row, system, choices);
    if (typed) body = setPath(body, path, typed.cell);
  }
  const made =
    system === 'customcrm'
      ? options.customcrm.create(pair, body, user).Id
      : options.wave.create(pair, waveInput(pair, body, new Set(Object.keys(body))), user).id;
  return String(made);
}

/** The input that makes Wave hold these top-level properties. */
function waveInput(pair: Pair, body: Body, changed: ReadonlySet<string>): Body {
  if (pair === 'customer') return customerInput(body, changed) as Body;
  return (pair === 'product' ? productInput(body, changed) : invoiceInput(body, changed)) as Body;
}

/** The same customer or product, typed by two people: in both systems, where they are one, or twice in one, where they are two. */
function createTwins(options: UsersOptions, fresh: () => number): void {
  const { dice } = options;
  const name = `Twin ${fresh()}`;
  const first = dice.pick(systems);
  const second = dice.chance(0.3) ? first : otherSystem(first);
  const gap = dice.between(0, second === first ? 60_000 : 600_000);
  const mail = `twin.${fresh()}@example.com`;
  const given: Readonly<Record<System, Body>> = dice.chance(0.5)
    ? { customcrm: { Name: name, Email: mail }, wave: { name, email: mail.toUpperCase() } }
    : { customcrm: { Name: name }, wave: { name } };
  const pair = 'Email' in given.customcrm ? 'customer' : 'product';
  const one = create(options, fresh, first, pair, given[first]);
  options.later(gap, () =>
    refusable(() => {
      const other = create(options, fresh, second, pair, given[second]);
      if (one !== undefined && other !== undefined && second !== first)
        options.twins([
          { system: first, pair, id: one },
          { system: second, pair, id: other },
        ]);
    }),
  );
}

function anyRecord(options: UsersOptions): RecordRef | undefined {
  const { dice } = options;
  const system = dice.pick(systems);
  const pair = dice.pick(pairs);
  const all = idsIn(options, system, pair);
  const ids = options.crowded ? all.slice(0, 2) : all;
  return ids.length > 0 ? { system, pair, id: dice.pick(ids) } : undefined;
}

function editAny(options: UsersOptions, fresh: () => number): void {
  const ref = anyRecord(options);
  if (ref) edit(options, fresh, ref, rowsToEdit(options, ref));
}

function rowsToEdit(options: UsersOptions, { pair, system }: RecordRef): readonly Row[] {
  const { dice } = options;
  const all = typable(options, pair, system);
  const rows = options.crowded ? all.slice(0, 3) : all;
  return Array.from({ length: dice.pick([1, 1, 2, 3]) }, () => dice.pick(rows));
}

/** Two people at once, at the same row or at different ones. */
function editBoth(options: UsersOptions, fresh: () => number): void {
  const { dice } = options;
  const ref = anyRecord(options);
  const id = ref && options.counterpartOf(ref);
  if (!ref || id === undefined) return;
  const other = { ...ref, system: otherSystem(ref.system), id };
  const rows = rowsToEdit(options, ref);
  edit(options, fresh, ref, rows);
  const theirs = dice.chance(0.5) ? rows : rowsToEdit(options, other);
  options.later(dice.pick([0, 400, 800, 1_200, 3_000, 9_000, 40_000]), () =>
    refusable(() => edit(options, fresh, other, theirs)),
  );
}

/** What the engine has just written is edited again, there or where it came from. */
function editAgain(options: UsersOptions, fresh: () => number): void {
  const { dice, truth } = options;
  const written = truth
    .all()
    .slice(-20)
    .filter(({ by, did }) => by.who === 'engine' && did === 'edited');
  if (written.length === 0) return;
  const { system, pair, id, rows } = dice.pick(written);
  const there = options.counterpartOf({ system, pair, id });
  const ref =
    there !== undefined && dice.chance(0.6)
      ? { system: otherSystem(system), pair, id: there }
      : { system, pair, id };
  const same = typable(options, pair, ref.system).filter((row) => rows.includes(row.id));
  if (same.length > 0) edit(options, fresh, ref, [dice.pick(same)]);
}

function edit(options: UsersOptions, fresh: () => number, ref: RecordRef, rows: readonly Row[]): void {
  const { customcrm, wave } = options;
  const { system, pair, id } = ref;
  const body = system === 'customcrm' ? customcrm.find(pair, id) : wave.find(pair, id);
  if (!body || (system === 'customcrm' && body.DeletedAt !== null)) return;
  const choices = choicesIn(options, fresh, system);
  let next = body;
  const changed = new Set<string>();
  for (const row of rows) {
    const typed = typable(options, pair, system).includes(row) ? typedValue(row, system, choices) : undefined;
    if (!typed || (system === 'wave' && row.direction === 'toCustomcrm' && row.wave !== 'poNumber')) continue;
    next = setPath(next, row[system], typed.cell);
    changed.add(row[system].split('.')[0] ?? row[system]);
  }
  if (changed.size === 0) return;
  if (system === 'customcrm') {
    customcrm.patch(pair, id, Object.fromEntries([...changed].map((name) => [name, next[name]])), user);
    return;
  }
  const archives = changed.delete('isArchived');
  if (changed.size > 0) wave.patch(pair, id, waveInput(pair, next, changed), user);
  if (archives && next.isArchived === true) wave.archive(id, user);
  if (archives && next.isArchived === false) wave.unarchive(id);
}

/** Orders and invoices go their way. */
function moveOn(options: UsersOptions): void {
  const { dice, customcrm, wave } = options;
  if (dice.chance(0.5)) {
    const ids = idsIn(options, 'customcrm', 'order');
    const statuses = options.deletes
      ? ['confirmed', 'confirmed', 'fulfilled', 'cancelled']
      : ['confirmed', 'fulfilled'];
    if (ids.length > 0) customcrm.patch('order', dice.pick(ids), { Status: dice.pick(statuses) }, user);
    return;
  }
  const ids = idsIn(options, 'wave', 'order');
  if (ids.length === 0) return;
  const id = dice.pick(ids);
  if (wave.find('order', id)?.status === 'DRAFT') wave.approve(id, user);
  else wave.pay(id, dice.pick(['part', 'all']));
}

function removeAny(options: UsersOptions): void {
  const { customcrm, wave, dice } = options;
  const ref = anyRecord(options);
  if (!ref) return;
  const { system, pair, id } = ref;
  if (system === 'wave') {
    if (pair === 'product') wave.archive(id, user);
    else wave.remove(pair, id, user);
    return;
  }
  customcrm.remove(pair, id, user);
  if (dice.chance(0.2)) options.later(dice.between(10_000, 1_800_000), () => customcrm.restore(pair, id));
}
