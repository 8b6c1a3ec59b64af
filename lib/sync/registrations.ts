import { createHash } from 'node:crypto';
import type { Engine } from './engine.ts';
import { pauseAll } from './pause.ts';

// Two stacks on one pair of systems would undo each other, and neither sees the other's table. What both see are the webhook
// subscriptions in Customcrm: each stack says in its own whose it is.

/** A webhook subscription in Customcrm, as far as it says whose it is. */
export interface Registration {
  readonly id: string;
  readonly isActive: boolean;
  /** The text that {@link noteOf} made, or anything else for a subscription that is not ours. */
  readonly note: string;
}

/** The stack that asks, and the business in Wave that it keeps equal with this Customcrm. */
export interface Stack {
  readonly id: string;
  readonly waveBusinessId: string;
}

const idKey = { pk: 'identity', sk: 'id' };

/** The id by which other stacks know this one: made up once for a table, and in it. */
export async function stackId(engine: Pick<Engine, 'table' | 'newId'>): Promise<string> {
  const known = await knownStackId(engine);
  if (known !== undefined) return known;
  const made = engine.newId();
  const written = await engine.table.write([{ put: { ...idKey, stackId: made }, when: 'absent' }]);
  return written.done ? made : String(written.failed.get(0)?.stackId);
}

/** The same, where nothing may be written; undefined before there is one. */
export async function knownStackId({ table }: Pick<Engine, 'table'>): Promise<string | undefined> {
  const item = await table.get(idKey);
  return item && String(item.stackId);
}

/** Who may read subscriptions in Customcrm need not learn the id of the business. */
const hashOf = (businessId: string): string =>
  createHash('sha256').update(businessId).digest('hex').slice(0, 16);

/** What a stack writes on its subscription. */
export const noteOf = ({ id, waveBusinessId }: Stack): string =>
  `Customcrm-Wave sync, stack ${id}, business ${hashOf(waveBusinessId)}`;

const notePattern = /^Customcrm-Wave sync, stack (\S+), business ([0-9a-f]{16})$/;

/** The active subscriptions for this business: those of the stack itself, and those of others. `id` undefined: it has none yet. */
export function whose(
  registrations: readonly Registration[],
  { id, waveBusinessId }: { readonly id: string | undefined; readonly waveBusinessId: string },
): { readonly own: readonly Registration[]; readonly others: readonly Registration[] } {
  const ofBusiness = registrations.flatMap((registration) => {
    const [, owner, business] = notePattern.exec(registration.note) ?? [];
    return registration.isActive && business === hashOf(waveBusinessId) ? [{ registration, owner }] : [];
  });
  const of = (isOwn: boolean) =>
    ofBusiness.filter(({ owner }) => (owner === id) === isOwn).map(({ registration }) => registration);
  return { own: of(true), others: of(false) };
}

/** What is to be done about other stacks, for people. */
export const aboutOthers = (others: readonly Registration[]): string =>
  `another stack on this Customcrm and this Wave business is active: webhooks remove ${others.map(({ id }) => id).join(', ')}`;

/**
 * Stops everything while another stack is active on the same pair of systems; of two that are registered, each stops itself. Answers
 * whether there is one. @param registrations undefined when Customcrm did not say, which proves nothing
 */
export async function stopBesideOthers(
  engine: Engine,
  waveBusinessId: string,
  registrations: readonly Registration[] | undefined,
): Promise<boolean> {
  if (!registrations) return false;
  const { others } = whose(registrations, { id: await knownStackId(engine), waveBusinessId });
  if (others.length === 0) return false;
  await pauseAll(engine, `${aboutOthers(others)}, then resume all`);
  return true;
}
