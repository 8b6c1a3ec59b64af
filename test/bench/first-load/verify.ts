import { type Pair, pairs, type System } from '../../../lib/domain/record.ts';
import type { Engine } from '../../../lib/sync/engine.ts';
import { findLink, linkedIds } from '../../../lib/sync/links.ts';
import { recordsIn } from '../../../lib/sync/overview.ts';
import type { PreviewAction, PreviewEntry } from '../../../lib/sync/preview-entry.ts';
import type { Json, Outside } from './outside.ts';
import type { Fate, Seeded } from './seed.ts';

// What came of it, by what both systems and the table hold in the end. Every fault is one line.

/** Everything there is when the load is over. */
export interface Aftermath {
  readonly customcrm: Readonly<Record<Pair, ReadonlyMap<string, Json>>>;
  readonly wave: Readonly<Record<Pair, ReadonlyMap<string, Json>>>;
  /** Wave's id by Customcrm's. */
  readonly links: Readonly<Record<Pair, ReadonlyMap<string, string>>>;
  /** What was written where right after the link, by the Customcrm id. */
  readonly firstRows: Readonly<Record<Pair, ReadonlyMap<string, readonly string[]>>>;
  readonly ambiguous: ReadonlySet<string>;
  readonly held: ReadonlySet<string>;
}

const all = 100_000;
/** Links that are read at a time. */
const together = 500;
const lists = {
  customer: { customcrm: 'customers', wave: 'customers' },
  product: { customcrm: 'products', wave: 'products' },
  order: { customcrm: 'orders', wave: 'invoices' },
} as const;

export async function aftermathOf(outside: Outside, engine: Engine): Promise<Aftermath> {
  const [customcrm, wave] = await Promise.all([
    outside.control('customcrm', 'state'),
    outside.control('wave', 'state'),
  ]);
  const links = {
    customer: await linksOf(engine, 'customer'),
    product: await linksOf(engine, 'product'),
    order: await linksOf(engine, 'order'),
  };
  const idsIn = async (state: 'ambiguous' | 'held') =>
    new Set((await recordsIn(engine, state, all)).map(({ ref }) => ref.id));
  return {
    customcrm: each((pair) => byId(customcrm[lists[pair].customcrm], 'Id')),
    wave: each((pair) => byId(wave[lists[pair].wave], 'id')),
    links,
    firstRows: {
      customer: await firstRowsOf(engine, 'customer', links.customer),
      product: await firstRowsOf(engine, 'product', links.product),
      order: await firstRowsOf(engine, 'order', links.order),
    },
    ambiguous: await idsIn('ambiguous'),
    held: await idsIn('held'),
  };
}

const each = <T>(make: (pair: Pair) => T): Record<Pair, T> => ({
  customer: make('customer'),
  product: make('product'),
  order: make('order'),
});

const byId = (rows: unknown, id: string): ReadonlyMap<string, Json> =>
  new Map((rows as readonly Json[]).map((row) => [String(row[id]), row]));

async function linksOf({ table }: Engine, pair: Pair): Promise<ReadonlyMap<string, string>> {
  const found = await linkedIds(table, pair, { limit: all });
  return new Map(found.map(({ customcrmId, waveId }) => [customcrmId, waveId]));
}

async function firstRowsOf({ table }: Engine, pair: Pair, links: ReadonlyMap<string, string>) {
  const rows = new Map<string, readonly string[]>();
  const ids = [...links.keys()];
  for (let first = 0; first < ids.length; first += together) {
    const some = ids.slice(first, first + together);
    const found = await Promise.all(some.map((id) => findLink(table, { system: 'customcrm', pair, id })));
    for (const link of found) {
      const applied = link?.history.findLast(({ did }) => did === 'applied');
      if (link && applied) rows.set(link.customcrmId, applied.rows);
    }
  }
  return rows;
}

/** What each fate must look like in a preview. */
const actionOf: Readonly<Record<Fate, PreviewAction>> = {
  equal: 'link',
  fills: 'link',
  differs: 'link',
  twins: 'ambiguous',
  'only in Customcrm': 'create',
  'only in Wave': 'create',
};

/** Where the preview says other things than whoever made the records knows. */
export function previewFaults(
  seeded: readonly Seeded[],
  entries: readonly PreviewEntry[],
): readonly string[] {
  const said = new Map(entries.map((entry) => [`${entry.system} ${entry.pair} ${entry.id}`, entry]));
  return seeded.flatMap(({ pair, fate, customcrmId, waveIds }) => {
    const key = customcrmId === undefined ? `wave ${pair} ${waveIds[0]}` : `customcrm ${pair} ${customcrmId}`;
    const entry = said.get(key);
    const isRight =
      entry?.action === actionOf[fate] && (entry.action !== 'link' || entry.counterpart === waveIds[0]);
    return isRight ? [] : [`${key} is ${fate}, and the preview says ${JSON.stringify(entry)}`];
  });
}

/** Writes that may be under way when our part is killed, at the most: some requests at once, some records in each. */
const underWayAtKill = 100;

/**
 * Where the load did something else than the preview said, or something that it did not speak of.
 * @param kills what was written just before one of them is in no history; that it arrived is seen by comparing both sides
 */
export function applyFaults(
  seeded: readonly Seeded[],
  entries: readonly PreviewEntry[],
  aftermath: Aftermath,
  kills = 0,
): readonly string[] {
  const { links, ambiguous } = aftermath;
  const known = new Set(seeded.flatMap(({ customcrmId, waveIds }) => [customcrmId ?? '', ...waveIds]));
  const reversed = each(
    (pair) => new Map([...links[pair]].map(([customcrmId, waveId]) => [waveId, customcrmId])),
  );
  const untold = entries.filter((entry) => entry.action === 'link' && isUntold(entry, aftermath));
  const excused = new Set(untold.slice(0, kills * underWayAtKill));
  const isAsSaid = (entry: PreviewEntry): boolean => {
    const { action, pair, system, id, counterpart } = entry;
    const partner = (system === 'customcrm' ? links : reversed)[pair].get(id);
    if (action === 'link')
      return (
        partner !== undefined &&
        partner === counterpart &&
        (excused.has(entry) || isWrittenAsSaid(entry, aftermath))
      );
    if (action === 'create')
      return partner !== undefined && !known.has(partner) && isMadeAsSaid(entry, partner, aftermath);
    if (action === 'ambiguous') return partner === undefined && ambiguous.has(id);
    return action === 'excluded' ? partner === undefined : action === 'nothing';
  };
  return [
    ...entries.filter((entry) => !isAsSaid(entry)).map((entry) => `not done: ${JSON.stringify(entry)}`),
    ...totalFaults(seeded, entries, aftermath),
  ];
}

/** Users give some customers another phone while the load runs; those that were seeded begin with a plus. */
const isEdited = ({ Phone = '+' }: Json = {}): boolean => !String(Phone).startsWith('+');
const withoutPhone = (rows: readonly string[]) => rows.filter((row) => row !== 'Phone->wave');

function isWrittenAsSaid(
  { pair, id, rows: said }: PreviewEntry,
  { customcrm, firstRows }: Aftermath,
): boolean {
  const written = firstRows[pair].get(id) ?? [];
  const [one, other] = isEdited(customcrm[pair].get(id))
    ? [said, written].map(withoutPhone)
    : [said, written];
  return String(one) === String(other);
}

/** Something was to be written, and no history says that it was. */
const isUntold = (entry: PreviewEntry, aftermath: Aftermath): boolean =>
  (aftermath.firstRows[entry.pair].get(entry.id) ?? []).length === 0 && !isWrittenAsSaid(entry, aftermath);

/** Where the files of the Wave stand-in keep what a create sends. */
const keptIn: Readonly<Record<Pair, Readonly<Record<string, (body: Json) => unknown>>>> = {
  customer: {
    name: (body) => body.name,
    currency: (body) => body.currency,
    address: (body) => body.address,
    ...Object.fromEntries(
      ['displayId', 'email', 'phone', 'mobile', 'website', 'internalNotes'].map((name) => [
        name,
        (body: Json) => (body.fields as Json)[name],
      ]),
    ),
  },
  product: {
    name: (body) => body.name,
    description: (body) => body.description,
    unitPrice: (body) => body.unitPrice,
    defaultSalesTaxes: (body) => body.taxIds,
  },
  order: {
    customer: (body) => body.customerId,
    poNumber: (body) => (body.texts as Json).poNumber,
    invoiceDate: (body) => body.invoiceDate,
    dueDate: (body) => body.dueDate,
    currency: (body) => body.currency,
    title: (body) => body.title,
    items: (body) => body.items,
  },
};
const ofCustomcrmItself = new Set(['Id', 'Version', 'CreatedAt', 'UpdatedAt', 'DeletedAt']);
const isEmpty = (value: unknown): boolean => value == null || value === '';

/** The record that was made holds what the preview named, and nothing else. */
function isMadeAsSaid(
  { pair, system, rows: said }: PreviewEntry,
  madeId: string,
  { customcrm, wave }: Aftermath,
): boolean {
  const made = (system === 'customcrm' ? wave : customcrm)[pair].get(madeId);
  if (!made) return false;
  const held =
    system === 'customcrm'
      ? Object.entries(keptIn[pair]).flatMap(([name, read]) => (isEmpty(read(made)) ? [] : [name]))
      : Object.keys(made).filter((name) => !ofCustomcrmItself.has(name) && !isEmpty(made[name]));
  return String([...said].sort()) === String(held.sort());
}

/** A double that was imported is linked like any other record: only the numbers tell. */
function totalFaults(
  seeded: readonly Seeded[],
  entries: readonly PreviewEntry[],
  { customcrm, wave, links }: Aftermath,
): readonly string[] {
  return pairs.flatMap((pair) => {
    const own = seeded.filter((record) => record.pair === pair);
    const said = (action: PreviewAction, system?: System) =>
      entries.filter(
        (entry) =>
          entry.pair === pair && entry.action === action && (system ?? entry.system) === entry.system,
      ).length;
    const numbers: readonly [string, number, number][] = [
      [
        'in Customcrm',
        own.filter(({ customcrmId }) => customcrmId !== undefined).length + said('create', 'wave'),
        customcrm[pair].size,
      ],
      [
        'in Wave',
        // What is left out was there before, and nobody seeded it: the fallback product.
        own.flatMap(({ waveIds }) => waveIds).length + said('create', 'customcrm') + said('excluded', 'wave'),
        wave[pair].size,
      ],
      ['linked', said('link') + said('create'), links[pair].size],
    ];
    return numbers.flatMap(([what, expected, found]) =>
      expected === found ? [] : [`${found} records of ${pair} are ${what}, and ${expected} should be`],
    );
  });
}

/** Records without a counterpart that nobody is asked about, and such as are on two links: what a second create leaves behind. */
export function duplicateFaults(
  { customcrm, wave, links, ambiguous }: Aftermath,
  known: ReadonlySet<string>,
) {
  return pairs.flatMap((pair) => {
    const linkedInWave = [...links[pair].values()];
    const twice = linkedInWave.length - new Set(linkedInWave).size;
    const alone = [
      ...[...customcrm[pair].keys()].filter((id) => !links[pair].has(id)),
      ...[...wave[pair].keys()].filter((id) => !new Set(linkedInWave).has(id)),
    ].filter((id) => !ambiguous.has(id) && !known.has(id));
    return [
      ...(twice > 0 ? [`${twice} of ${pair} in Wave are on two links`] : []),
      ...alone.map((id) => `${pair} ${id} has no counterpart`),
    ];
  });
}

/** What a second preview would still do: nothing, but for what waits for a person. */
export function leftFaults(seeded: readonly Seeded[], entries: readonly PreviewEntry[]): readonly string[] {
  const asked: Readonly<Record<string, PreviewAction>> = Object.fromEntries(
    seeded.flatMap(({ fate, customcrmId, waveIds }): [string, PreviewAction][] => {
      if (fate === 'twins') return [customcrmId ?? '', ...waveIds].map((id) => [id, 'ambiguous']);
      return fate === 'differs' ? [[customcrmId ?? '', 'hold']] : [];
    }),
  );
  return entries
    .filter(({ id, action }) => action !== (asked[id] ?? 'nothing') && action !== 'excluded')
    .map((entry) => `left to do: ${JSON.stringify(entry)}`);
}
