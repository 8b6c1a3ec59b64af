import { type Body, otherSystem, type Pair, type RecordRef, refKey, type System } from '../domain/record.ts';
import type { Facts } from '../mappings/mapping.ts';
import { mappings } from '../mappings/pairs.ts';
import type { Engine } from './engine.ts';
import { counterpartOf } from './links.ts';
import type { Call, Tax } from './ports.ts';

/** Gathers what planning may know beside the two bodies: the links of every record that they name, and the sales taxes. */
export async function gatherFacts(
  engine: Engine,
  pair: Pair,
  bodies: Readonly<Partial<Record<System, Body>>>,
  call: Call,
): Promise<Facts> {
  const named = parentsOf(engine, pair, bodies);
  const found = new Map<string, string | undefined>();
  await Promise.all(named.map(async (ref) => found.set(refKey(ref), await counterpartOf(engine.table, ref))));
  // Also what the other side will name once this is written there.
  for (const ref of named) {
    const id = found.get(refKey(ref));
    const other =
      id === undefined ? undefined : refKey({ system: otherSystem(ref.system), pair: ref.pair, id });
    if (other !== undefined && !found.has(other)) found.set(other, ref.id);
  }
  const customcrmIdOf = (of: Pair, waveId: string) =>
    found.get(refKey({ system: 'wave', pair: of, id: waveId }));
  return {
    settings: engine.settings.mapping,
    taxes: pair === 'customer' ? [] : await taxesFor(engine, bodies, call),
    customcrmIdOf,
    waveIdOf: (of, customcrmId) => found.get(refKey({ system: 'customcrm', pair: of, id: customcrmId })),
  };
}

/** The records named by either body, parents of the child. */
function parentsOf(
  engine: Engine,
  pair: Pair,
  bodies: Readonly<Partial<Record<System, Body>>>,
): readonly RecordRef[] {
  return (['customcrm', 'wave'] as const).flatMap((system) => {
    const body = bodies[system];
    return body ? mappings[pair].parents(system, body, engine.settings.mapping) : [];
  });
}

/** The catalogue, read again when a body names a code that it does not hold, or an id: that is proof that it has become old. */
async function taxesFor(
  engine: Engine,
  bodies: Readonly<Partial<Record<System, Body>>>,
  call: Call,
): Promise<readonly Tax[]> {
  const since = engine.clock.now();
  const taxes = await engine.taxes.taxes(call);
  const known = new Set(taxes.flatMap((tax) => [tax.id, tax.abbreviation.trim().toUpperCase()]));
  const isKnown = (name: string) => known.has(name);
  const missing = taxIdsOf(bodies.wave).filter((id) => !known.has(id));
  if (missing.length > 0) return engine.taxes.taxes(call, { missing, since });
  return taxNamesOf(bodies.customcrm).every(isKnown) ? taxes : engine.taxes.taxes(call, { fresh: true });
}

const listOf = (cell: unknown): readonly Body[] => (Array.isArray(cell) ? (cell as readonly Body[]) : []);

const taxNamesOf = (body: Body | undefined): readonly string[] =>
  [body?.TaxCodes, ...listOf(body?.Lines).map((line) => line.TaxCodes)]
    .flatMap((codes) => (Array.isArray(codes) ? codes : []))
    .map((code) => String(code).trim().toUpperCase());

const taxIdsOf = (body: Body | undefined): readonly string[] => [
  ...listOf(body?.defaultSalesTaxes).map((tax) => String(tax.id)),
  ...listOf(body?.items).flatMap((item) =>
    listOf(item.taxes).map((tax) => String((tax.salesTax as Body | undefined)?.id)),
  ),
];
