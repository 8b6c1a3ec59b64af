import { type Pair, pairs } from '../../../lib/domain/record.ts';
import type { Engine } from '../../../lib/sync/engine.ts';
import { linkedIds } from '../../../lib/sync/links.ts';
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
  readonly ambiguous: ReadonlySet<string>;
  readonly held: ReadonlySet<string>;
}

const all = 100_000;
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
  const idsIn = async (state: 'ambiguous' | 'held') =>
    new Set((await recordsIn(engine, state, all)).map(({ ref }) => ref.id));
  return {
    customcrm: each((pair) => byId(customcrm[lists[pair].customcrm], 'Id')),
    wave: each((pair) => byId(wave[lists[pair].wave], 'id')),
    links: {
      customer: await linksOf(engine, 'customer'),
      product: await linksOf(engine, 'product'),
      order: await linksOf(engine, 'order'),
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

/** Where the load did something else than the preview said. */
export function applyFaults(
  seeded: readonly Seeded[],
  entries: readonly PreviewEntry[],
  { links, ambiguous }: Aftermath,
): readonly string[] {
  const known = new Set(seeded.flatMap(({ customcrmId, waveIds }) => [customcrmId ?? '', ...waveIds]));
  const reversed = each(
    (pair) => new Map([...links[pair]].map(([customcrmId, waveId]) => [waveId, customcrmId])),
  );
  const isAsSaid = ({ action, pair, system, id, counterpart }: PreviewEntry): boolean => {
    const partner = (system === 'customcrm' ? links : reversed)[pair].get(id);
    if (action === 'link') return partner !== undefined && partner === counterpart;
    if (action === 'create') return partner !== undefined && !known.has(partner);
    if (action === 'ambiguous') return partner === undefined && ambiguous.has(id);
    return action === 'excluded' ? partner === undefined : action === 'nothing';
  };
  return entries.filter((entry) => !isAsSaid(entry)).map((entry) => `not done: ${JSON.stringify(entry)}`);
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
