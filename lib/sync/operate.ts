import type { Link } from '../domain/link.ts';
import type { ConflictPolicy } from '../domain/policy.ts';
import type { Pair, RecordRef, Snapshot, System } from '../domain/record.ts';
import { RemoteRejectedError } from '../errors.ts';
import { type Facts, putCell, type Row, setPath } from '../mappings/mapping.ts';
import { mappings } from '../mappings/pairs.ts';
import { forgetLosers, losersOf } from './conflict-log.ts';
import type { Engine, Handled } from './engine.ts';
import { gatherFacts } from './facts.ts';
import { handleDoorbell } from './handle-doorbell.ts';
import { BrokenLinkError, findLink, linkWrite } from './links.ts';
import type { Call, Doorbell } from './ports.ts';

// What a person does about one record from the command line. Everything goes the way that a doorbell goes.

const doorbellOf = ({ clock, newId }: Engine, { system, pair, id }: RecordRef): Doorbell => ({
  system,
  pair,
  id,
  eventId: `operator:${newId()}`,
  at: clock.now(),
});

/** Tries of a person's decision while a worker is at the record, and the pause between them, ms. */
const decisionTries = 20;
const decisionPauseMs = 1_000;

/**
 * A person says which side's value stays, for one row or for all that are held or in conflict; of this record, and not of a parent that is
 * linked on the way. Waits for a worker that is at it.
 */
export async function resolve(
  engine: Engine,
  ref: RecordRef,
  keep: System,
  row: string | undefined,
  call: Call,
): Promise<Handled> {
  const decided =
    (otherwise: Engine['settings']['conflict']): Engine['settings']['conflict'] =>
    (pair, id): ConflictPolicy =>
      pair === ref.pair && (row === undefined || row === id) ? keep : otherwise(pair, id);
  const { conflict, firstLink } = engine.settings;
  const settings = { ...engine.settings, conflict: decided(conflict), firstLink: decided(firstLink) };
  const deciding = { ...engine, settings };
  for (let attempt = 1; ; attempt++) {
    const handled = await handleDoorbell(deciding, doorbellOf(engine, ref), call);
    const isTaken =
      handled.did === 'parked' && (handled.cause.name === 'lease' || handled.cause.name === 'busy');
    if (!isTaken || attempt === decisionTries) return handled;
    await engine.clock.sleep(decisionPauseMs);
  }
}

/** Tries of a change of a link while workers write to it as well. */
const linkTries = 10;

/** Changes a link, if there is one, as it stands. False: workers were faster every time. */
async function changeLink(
  { table }: Engine,
  ref: RecordRef,
  change: (link: Link) => Omit<Link, 'revision'>,
): Promise<boolean> {
  for (let attempt = 0; attempt < linkTries; attempt++) {
    const link = await findLink(table, ref);
    if (!link || (await table.write([linkWrite(link, change(link))])).done) return true;
  }
  return false;
}

/** Tries again what was refused or failed, although nothing changed. What the record shows stays until a worker knows better. */
export async function retry(engine: Engine, ref: RecordRef): Promise<void> {
  const link = await findLink(engine.table, ref).catch((error: unknown) => {
    // Its worker says so again, and no other record waits for that.
    if (error instanceof BrokenLinkError) return undefined;
    throw error;
  });
  if (link?.refusals) await changeLink(engine, ref, ({ refusals: _, ...open }) => open);
  await engine.queues[ref.system].ring([doorbellOf(engine, ref)]);
}

/** Puts a value that lost a conflict back into its own system, as an edit made now: it then arrives on the other side. */
export async function restoreLoser(
  engine: Engine,
  ref: RecordRef,
  at: number,
  row: string,
  call: Call,
): Promise<'restored' | 'not found'> {
  const link = await findLink(engine.table, ref);
  if (!link) return 'not found';
  const main: RecordRef = { system: 'customcrm', pair: ref.pair, id: link.customcrmId };
  const losers = await losersOf(engine.table, engine.settings.keys, main, engine.clock.now(), { at });
  const loser = losers.find((each) => each.row === row);
  const rule = mappings[ref.pair].rows(engine.settings.mapping).find(({ id }) => id === row);
  if (!loser || !rule) return 'not found';
  const id = loser.system === 'customcrm' ? link.customcrmId : link.waveId;
  const reading = await engine.systems[loser.system].read(ref.pair, id, call);
  if (reading.state !== 'living') return 'not found';
  const { snapshot } = reading;
  const facts = await gatherFacts(engine, ref.pair, { [loser.system]: snapshot.body }, call);
  const refusal = whyNotRestored(ref.pair, rule, loser.system, snapshot, facts);
  if (refusal !== undefined) throw new RemoteRejectedError(loser.system, refusal);
  const put = putCell(rule, loser.system, loser.value as never, snapshot.body, facts);
  if (!('cell' in put))
    throw new RemoteRejectedError(loser.system, 'blocked' in put ? put.blocked : 'a parent is not linked');
  const next = setPath(snapshot.body, rule[loser.system], put.cell);
  await engine.systems[loser.system].update(ref.pair, snapshot, next, [rule[loser.system]], call);
  await engine.queues[loser.system].ring([doorbellOf(engine, { system: loser.system, pair: ref.pair, id })]);
  return 'restored';
}

/** What is locked stays locked for a person's command as well, and what cannot be undone is not done by one. */
function whyNotRestored(
  pair: Pair,
  row: Row,
  system: System,
  { body }: Snapshot,
  { settings }: Facts,
): string | undefined {
  if (row.rules.irreversible) return `${row.id} cannot be undone by us: change it in ${system} itself`;
  return system === 'wave' ? mappings[pair].locked(row.id, body, settings) : undefined;
}

/**
 * Everything about one record that could be personal, gone: lost values and history. The link itself stays. Answers how many values;
 * undefined when workers kept writing to the link: its history is still there.
 */
export async function forget(engine: Engine, ref: RecordRef): Promise<number | undefined> {
  const link = await findLink(engine.table, ref);
  const main = link ? { ...ref, system: 'customcrm' as const, id: link.customcrmId } : ref;
  const losers = await forgetLosers(engine, main);
  const isDone = await changeLink(engine, ref, (stored) => ({ ...stored, history: [] }));
  return isDone ? losers : undefined;
}
