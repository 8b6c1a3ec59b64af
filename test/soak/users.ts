import { setTimeout as sleep } from 'node:timers/promises';
import { localBankAccountId, localBusinessId } from '../../infra/local/wave/ids.ts';
import { otherSystem, type Pair, pairs, type System, systems } from '../../lib/domain/record.ts';
import type { Dice } from '../simulation/dice.ts';
import { idOf, isLiving, namesIn, tagOf } from './forms.ts';
import type { Hands, Outcome, Picture } from './hands.ts';
import { countIn, type Ledger, note, type Typed } from './ledger.ts';
import { cellOf, type Fields, formOf, type NameOf, type Row, rowsOf, withCell } from './rows.ts';
import { carriesTag, type Desk, places, typedCell } from './typing.ts';
import { blank, waveInput } from './wave-input.ts';

export interface Office {
  readonly hands: Hands;
  readonly ledger: Ledger;
  readonly dice: Dice;
}

/** How recently a value may have been there so that typing it again cannot be told from not having typed, ms: a record waits no longer before it is looked at. */
const recentMs = 15 * 60_000;
const pathOf = { customer: '/customers', product: '/products', order: '/orders' } as const;
const waveNameOf = { customer: 'customer', product: 'product', order: 'invoice' } as const;

/** One thing that somebody does, at either system or at both. */
export async function act(office: Office): Promise<void> {
  const { dice } = office;
  const picture = await office.hands.picture();
  const chance = dice.next();
  if (chance < 0.3) await create(office, picture, dice.pick(['customer', 'product', 'order', 'order']));
  else if (chance < 0.34) await createTwins(office, picture);
  else if (chance < 0.78) await editOne(office, picture);
  else if (chance < 0.94) await editBoth(office, picture);
  else if (chance < 0.98) await moveOn(office, picture);
  else await remove(office, picture);
}

function deskOf({ dice, ledger }: Office, picture: Picture, system: System, tag: string): Desk {
  const ids = (pair: Pair) =>
    picture.records[system][pair]
      .filter((record) => isLiving(system, record) && record.Active !== false && record.isArchived !== true)
      .filter((record) => {
        const found = tagOf(system, pair, record);
        return found !== undefined && !ledger.removed.has(found);
      })
      .map((record) => idOf(system, record));
  return { dice, fresh: ledger.fresh, tag, products: ids('product'), customers: ids('customer') };
}

/** The values that a create types: what it needs, and some more. */
function creation(pair: Pair, desk: Desk, system: System): readonly Row[] {
  const needed = {
    customer: ['Name', 'Email'],
    product: ['Name', 'UnitPrice'],
    order: ['CustomerId', 'Title', 'Currency', 'OrderDate', 'Lines'],
  }[pair];
  return rowsOf[pair].filter(
    ({ id, kind }) =>
      needed.includes(id) || (kind !== 'number' && desk.dice.chance(system === 'wave' ? 0.2 : 0.25)),
  );
}

interface Draft {
  readonly record: Fields;
  readonly rows: readonly Row[];
}

function fill(pair: Pair, system: System, start: Fields, rows: readonly Row[], desk: Desk): Draft {
  let record = start;
  const filled: Row[] = [];
  const set = (row: Row | undefined, cell: unknown) => {
    if (!row || filled.includes(row)) return;
    record = withCell(row, system, record, cell);
    filled.push(row);
  };
  for (const row of rows) {
    if (row.id.endsWith('Province') || row.id.endsWith('Country')) {
      const prefix = row.id.startsWith('Shipping') ? 'Shipping' : '';
      const [province, country] = desk.dice.pick(places);
      set(
        rowsOf[pair].find(({ id }) => id === `${prefix}Province`),
        province,
      );
      set(
        rowsOf[pair].find(({ id }) => id === `${prefix}Country`),
        country,
      );
      continue;
    }
    const typed = typedCell(row, pair, system, desk);
    if (typed) set(row, typed.cell);
  }
  return { record, rows: filled };
}

async function create(office: Office, picture: Picture, pair: Pair): Promise<void> {
  const system = office.dice.pick(systems);
  const tag = `${pair[0]}${office.ledger.fresh()}`;
  const desk = deskOf(office, picture, system, tag);
  if (pair === 'order' && (desk.customers.length === 0 || desk.products.length === 0))
    return create(office, picture, desk.customers.length === 0 ? 'customer' : 'product');
  const rows = creation(pair, desk, system);
  const draft = fill(pair, system, system === 'wave' ? blank[pair] : {}, rows, desk);
  const outcome = await sendCreate(office, pair, system, tag, draft, namesIn(picture));
  // A person who is not sure types it anew, under another name.
  if (outcome.did !== 'done' && (outcome.did === 'unknown' || outcome.passing) && office.dice.chance(0.7)) {
    office.ledger.sums.retries += 1;
    await sleep(office.dice.between(500, 3_000));
    const anew = `${pair[0]}${office.ledger.fresh()}`;
    const again = fill(
      pair,
      system,
      draft.record,
      draft.rows.filter((row) => carriesTag(row, pair) || row.kind === 'email' || row.id === 'Number'),
      { ...desk, tag: anew },
    );
    await sendCreate(office, pair, system, anew, { ...again, rows: draft.rows }, namesIn(picture));
  }
}

async function sendCreate(
  { hands, ledger }: Office,
  pair: Pair,
  system: System,
  tag: string,
  { record, rows }: Draft,
  nameOf: NameOf,
): Promise<Outcome> {
  const end = note(ledger, valuesOf(pair, system, tag, record, rows, nameOf));
  const outcome =
    system === 'customcrm'
      ? await hands.customcrm('POST', pathOf[pair], record)
      : await hands.wave(`${waveNameOf[pair]}Create`, {
          businessId: localBusinessId,
          ...(pair === 'product' && { incomeAccountId: record.incomeAccountId }),
          ...waveInput(pair, record, new Set(rows.map(({ input }) => input))),
        });
  finish(ledger, outcome, end);
  if (outcome.did !== 'refused') countIn(ledger.made, `${system} ${tag}`);
  ledger.sums.creates += 1;
  return outcome;
}

const valuesOf = (
  pair: Pair,
  system: System,
  tag: string,
  record: Fields,
  rows: readonly Row[],
  nameOf: NameOf,
): readonly Omit<Typed, 'from' | 'to' | 'sure'>[] =>
  rows.map((row) => {
    const form = formOf(row, system, record, nameOf);
    // What a create leaves empty was never typed.
    return { tag, pair, system, row: row.id, form, weak: form === '' };
  });

function finish(ledger: Ledger, outcome: Outcome, end: ReturnType<typeof note>): void {
  end(outcome.did);
  if (outcome.did === 'unknown') ledger.sums.unknown += 1;
  if (outcome.did === 'refused' && !outcome.passing) countIn(ledger.refusals, outcome.why.slice(0, 160));
}

/** Somebody enters the same customer or product on both sides at about the same time. */
async function createTwins(office: Office, picture: Picture): Promise<void> {
  const { dice, ledger } = office;
  const pair = dice.pick(['customer', 'product'] as const);
  const tag = `t${ledger.fresh()}`;
  const ids = pair === 'customer' ? ['Name', 'Email', 'Phone', 'City'] : ['Name', 'UnitPrice', 'Description'];
  const rows = rowsOf[pair].filter(({ id }) => ids.includes(id));
  const first = dice.pick(systems);
  const draft = fill(
    pair,
    first,
    first === 'wave' ? blank[pair] : {},
    rows,
    deskOf(office, picture, first, tag),
  );
  const second = otherSystem(first);
  let twin: Fields = second === 'wave' ? blank[pair] : {};
  for (const row of rows) twin = withCell(row, second, twin, cellOf(row, first, draft.record));
  const gapMs = dice.pick([0, 200, 1_000, 3_000, 8_000]);
  await Promise.all([
    sendCreate(office, pair, first, tag, draft, namesIn(picture)),
    sleep(gapMs).then(() => sendCreate(office, pair, second, tag, { record: twin, rows }, namesIn(picture))),
  ]);
}

interface Target {
  readonly system: System;
  readonly pair: Pair;
  readonly tag: string;
  readonly record: Fields;
}

/** The living records that people may work on. */
function targetsIn({ ledger }: Office, picture: Picture, only?: Pair): readonly Target[] {
  return systems.flatMap((system) =>
    pairs
      .filter((pair) => only === undefined || pair === only)
      .flatMap((pair) =>
        picture.records[system][pair].flatMap((record) => {
          const tag = tagOf(system, pair, record);
          const isOpen = tag !== undefined && !ledger.removed.has(tag) && isLiving(system, record);
          return isOpen ? [{ system, pair, tag, record }] : [];
        }),
      ),
  );
}

const someRows = ({ dice }: Office, pair: Pair): readonly Row[] =>
  Array.from({ length: dice.between(1, 3) }, () => dice.pick(rowsOf[pair]));

async function editOne(office: Office, picture: Picture): Promise<void> {
  const targets = targetsIn(office, picture);
  if (targets.length === 0) return;
  const target = office.dice.pick(targets);
  await edit(office, picture, target, someRows(office, target.pair));
}

/** Two people at the same record, one at each system; half of the time at the same properties. */
async function editBoth(office: Office, picture: Picture): Promise<void> {
  const { dice } = office;
  const targets = targetsIn(office, picture);
  const both = targets.filter(({ system, tag }) =>
    targets.some((each) => each.tag === tag && each.system !== system),
  );
  if (both.length === 0) return;
  const one = dice.pick(both);
  const other = both.find(({ tag, system }) => tag === one.tag && system !== one.system);
  if (!other) return;
  const rows = someRows(office, one.pair);
  const theirs = dice.chance(0.5) ? rows : someRows(office, one.pair);
  const gapMs = dice.pick([0, 0, 300, 1_500, 6_000]);
  await Promise.all([
    edit(office, picture, one, rows),
    sleep(gapMs).then(async () => {
      const seen = gapMs > 0 ? await office.hands.picture().catch(() => picture) : picture;
      const again = targetsIn(office, seen).find(
        ({ tag, system }) => tag === other.tag && system === other.system,
      );
      if (again) await edit(office, seen, again, theirs);
    }),
  ]);
}

async function edit(office: Office, picture: Picture, target: Target, rows: readonly Row[]): Promise<void> {
  const { ledger, dice } = office;
  const { system, pair, tag, record } = target;
  const nameOf = namesIn(picture);
  const draft = fill(pair, system, record, rows, deskOf(office, picture, system, tag));
  const { rows: typed } = draft;
  if (typed.length === 0) return;
  const sentToo =
    system === 'wave' ? rowsOf[pair].filter(({ input }) => typed.some((row) => row.input === input)) : typed;
  const values = sentToo.map((row) => {
    const form = formOf(row, system, draft.record, nameOf);
    const weak =
      !typed.includes(row) ||
      form === formOf(row, system, record, nameOf) ||
      wasThere(ledger, tag, row.id, form);
    return { tag, pair, system, row: row.id, form, weak };
  });
  for (let tries = 1; tries <= 2; tries++) {
    const end = note(ledger, values);
    const outcome = await sendEdit(office, target, draft.record, typed);
    finish(ledger, outcome, end);
    ledger.sums.edits += 1;
    const retries = outcome.did === 'unknown' || (outcome.did === 'refused' && outcome.passing);
    if (!retries || dice.chance(0.3)) return;
    ledger.sums.retries += 1;
    await sleep(dice.between(500, 3_000));
  }
}

/** Whether this value was there a short while ago: then nobody who only reads can know that it was typed again. */
function wasThere({ typed }: Ledger, tag: string, row: string, form: string): boolean {
  const own = typed.filter((each) => each.tag === tag && each.row === row && each.sure !== false);
  const since = Date.now() - recentMs;
  const before = own.findLast(({ to }) => to < since);
  const held = before ? before.form : '';
  return held === form || own.some((each) => each.to >= since && each.form === form);
}

function sendEdit({ hands }: Office, target: Target, next: Fields, rows: readonly Row[]): Promise<Outcome> {
  const { system, pair, record } = target;
  const id = idOf(system, record);
  return system === 'customcrm'
    ? hands.customcrm(
        'PATCH',
        `${pathOf[pair]}/${id}`,
        Object.fromEntries(rows.map((row) => [row.id, next[row.id]])),
      )
    : hands.wave(`${waveNameOf[pair]}Patch`, {
        id,
        ...waveInput(pair, next, new Set(rows.map(({ input }) => input))),
      });
}

/** Orders are confirmed and fulfilled, invoices approved and paid in part. */
async function moveOn(office: Office, picture: Picture): Promise<void> {
  const { dice, hands, ledger } = office;
  const targets = targetsIn(office, picture, 'order');
  if (targets.length === 0) return;
  const { system, record } = dice.pick(targets);
  const id = idOf(system, record);
  if (system === 'customcrm') {
    const Status = record.Status === 'draft' ? 'confirmed' : 'fulfilled';
    finish(ledger, await hands.customcrm('PATCH', `/orders/${id}`, { Status }), () => undefined);
  } else if (record.approved !== true) {
    finish(ledger, await hands.wave('invoiceApprove', { invoiceId: id }), () => undefined);
  } else {
    const payment = {
      invoiceId: id,
      paymentAccountId: localBankAccountId,
      amount: '1',
      paymentDate: '2026-11-20',
      paymentMethod: 'CASH',
      exchangeRate: '1',
    };
    finish(ledger, await hands.wave('invoicePaymentCreateManual', payment), () => undefined);
  }
}

/** Now and then something goes: an order anywhere, or a product that is archived for good. */
async function remove(office: Office, picture: Picture): Promise<void> {
  const { dice, hands, ledger } = office;
  const targets = targetsIn(office, picture, dice.pick(['order', 'product']));
  if (targets.length === 0) return;
  const { system, pair, tag, record } = dice.pick(targets);
  const id = idOf(system, record);
  if (pair === 'order') ledger.removed.add(tag);
  const send = () => {
    if (pair === 'product')
      return system === 'wave'
        ? hands.wave('productArchive', { id })
        : hands.customcrm('PATCH', `/products/${id}`, { Active: false });
    return system === 'wave'
      ? hands.wave('invoiceDelete', { invoiceId: id })
      : hands.customcrm('DELETE', `/orders/${id}`);
  };
  finish(ledger, await send(), () => undefined);
}
