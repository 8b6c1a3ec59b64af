import { connect } from '../../lib/cli/connect.ts';
import type { Link } from '../../lib/domain/link.ts';
import { otherSystem, type Pair, pairs, type RecordRef, refKey, systems } from '../../lib/domain/record.ts';
import { type Loser, losersOf } from '../../lib/sync/conflict-log.ts';
import type { Engine } from '../../lib/sync/engine.ts';
import { type Intent, openIntentsInto } from '../../lib/sync/intents.ts';
import { BrokenLinkError, findLink, linkedIds } from '../../lib/sync/links.ts';
import {
  overview,
  recordsIn,
  type ShownRecord,
  shownStates,
  waitingRecords,
} from '../../lib/sync/overview.ts';
import { recordStateOf } from '../../lib/sync/record-state.ts';

/** Losers of one record that are looked at; a record of a soak has fewer. */
const loserLimit = 1_000;
const linkLimit = 5_000;

/** What the service itself has written down about the records. */
export interface Book {
  readonly links: readonly Link[];
  /** Links whose halves or whose entry in the directory do not fit. */
  readonly broken: readonly string[];
  /** What each record without a link shows, by `system#pair#id`. */
  readonly shown: ReadonlyMap<string, string>;
  readonly losers: (link: Link) => Promise<readonly Loser[]>;
}

export async function engineOf(state: string): Promise<Engine> {
  const { engine } = await connect({ state });
  return engine;
}

/** Creates whose outcome is open, sent before a time (ms). */
export async function intentsBefore(engine: Engine, time: number): Promise<readonly Intent[]> {
  const found = await Promise.all(
    systems.flatMap((system) => pairs.map((pair) => openIntentsInto(engine, otherSystem(system), pair))),
  );
  return found.flat().filter(({ sentAt }) => sentAt <= time);
}

/** What is still to come: open creates, and the records that wait, with what they wait for. What a person must decide does not count. */
export async function pending(engine: Engine): Promise<{
  readonly intents: number;
  readonly waiting: readonly (ShownRecord & { readonly cause: string })[];
}> {
  const { intents } = await overview(engine);
  const waiting = await waitingRecords(engine);
  const forAPerson = await Promise.all(waiting.map((record) => waitsForAPerson(engine, record)));
  return { intents: intents.open, waiting: waiting.filter((_, index) => !forAPerson[index]) };
}

/** Behind a create that ended ambiguous, or below a parent that is gone: shown on the record, or on its link. */
async function waitsForAPerson(
  engine: Engine,
  { ref, cause }: ShownRecord & { readonly cause: string },
): Promise<boolean> {
  if (cause !== 'parent' && cause !== 'fence') return false;
  const shown = await recordStateOf(engine, ref);
  if (shown?.state === 'ambiguous' || shown?.state === 'blocked') return true;
  return (await findLink(engine.table, ref))?.state === 'blocked';
}

export async function readBook(engine: Engine): Promise<Book> {
  const links: Link[] = [];
  const broken: string[] = [];
  for (const pair of pairs)
    for (const { customcrmId, waveId } of await linkedIds(engine.table, pair, { limit: linkLimit })) {
      const found = await halves(engine, pair, customcrmId, waveId);
      if (typeof found === 'string') broken.push(found);
      else links.push(found);
    }
  const shown = new Map<string, string>();
  for (const state of shownStates)
    for (const { ref, reasons } of await recordsIn(engine, state))
      shown.set(refKey(ref), `${state}: ${reasons.join('; ')}`);
  return {
    links,
    broken,
    shown,
    losers(link) {
      const ref: RecordRef = { system: 'customcrm', pair: link.pair, id: link.customcrmId };
      return losersOf(engine.table, engine.settings.keys, ref, Date.now(), { limit: loserLimit });
    },
  };
}

/** A link as both of its halves tell it, or what is wrong. */
async function halves(
  engine: Engine,
  pair: Pair,
  customcrmId: string,
  waveId: string,
): Promise<Link | string> {
  const name = `${pair} ${customcrmId} and ${waveId}`;
  try {
    const fromCustomcrm = await findLink(engine.table, { system: 'customcrm', pair, id: customcrmId });
    const fromWave = await findLink(engine.table, { system: 'wave', pair, id: waveId });
    if (!fromCustomcrm || !fromWave) return `${name}: a half is missing`;
    return fromCustomcrm.id === fromWave.id && fromCustomcrm.waveId === waveId
      ? fromCustomcrm
      : `${name}: two links`;
  } catch (error) {
    if (error instanceof BrokenLinkError) return `${name}: ${error.message}`;
    throw error;
  }
}
