import { type Pair, pairs, type RecordRef, refKey, type Snapshot, systems } from '../domain/record.ts';
import type { Engine } from './engine.ts';
import type { Reading, Records, WaveFeed } from './ports.ts';
import { rehearsalTable } from './rehearsal-table.ts';
import { isStarted } from './started-pairs.ts';

/** A write that a worker would have sent. */
export interface Rehearsed {
  readonly did: 'create' | 'update' | 'remove';
  /** Dotted, in the system's own shape. */
  readonly paths: readonly string[];
}

/** The live engine with two pretended systems and a pretended table: whatever is done with it reaches nothing and nobody. */
export interface Rehearsal {
  readonly engine: Engine;
  /** What by-id reads answer from now on; everything else is read from the real system. */
  readonly note: (ref: RecordRef, reading: Reading) => void;
  readonly known: (ref: RecordRef) => Reading | undefined;
  /** What was sent to this record, or made of it. */
  readonly sentTo: (ref: RecordRef) => Rehearsed | undefined;
}

/** Ids of records that would be created begin so. No system has such ids. */
const newPrefix = 'new:';
export const isNew = (id: string): boolean => id.startsWith(newPrefix);

/** Sets up a rehearsal in which `assumed` are started. Nothing waits for polls: what the lists show is noted before. */
export async function rehearse(engine: Engine, assumed: readonly Pair[]): Promise<Rehearsal> {
  const started = new Set<Pair>(assumed);
  for (const pair of pairs) if (await isStarted(engine, pair)) started.add(pair);
  const readings = new Map<string, Reading>();
  const sent = new Map<string, Rehearsed>();
  const note: Rehearsal['note'] = (ref, reading) => void readings.set(refKey(ref), reading);
  const known: Rehearsal['known'] = (ref) => readings.get(refKey(ref));
  const write = (ref: RecordRef, rehearsed: Rehearsed, reading: Reading) => {
    sent.set(refKey(ref), rehearsed);
    note(ref, reading);
  };
  const table = rehearsalTable(engine.table);
  for (const system of systems)
    await table.write([
      {
        put: {
          pk: `cursor#${system}`,
          sk: 'poll',
          progress: { revision: 1, positions: {}, completeAt: Number.MAX_SAFE_INTEGER },
        },
      },
    ]);
  const pretended = (real: Records) => pretendedRecords(engine, real, known, write);
  const silent = { ring: async () => undefined };
  return {
    note,
    known,
    sentTo: (ref) => sent.get(refKey(ref)),
    engine: {
      ...engine,
      table,
      systems: { customcrm: pretended(engine.systems.customcrm), wave: pretended(engine.systems.wave) },
      feed: pretendedFeed(engine.feed, known),
      queues: { customcrm: silent, wave: silent },
      report: () => undefined,
      settings: { ...engine.settings, startedPairs: (pair) => started.has(pair) },
    },
  };
}

type Known = Rehearsal['known'];
type Send = (ref: RecordRef, rehearsed: Rehearsed, reading: Reading) => void;

/** A system that keeps what it is sent. What it would fill in or compute is absent from its answers, which means unknown. */
function pretendedRecords({ clock }: Engine, real: Records, known: Known, send: Send): Records {
  const { system } = real;
  let made = 0;
  const answer = (snapshot: Snapshot, did: Rehearsed['did'], paths: readonly string[]) => {
    send(snapshot, { did, paths }, { state: 'living', snapshot });
    return snapshot;
  };
  return {
    system,
    read: async (pair, id, call) => known({ system, pair, id }) ?? real.read(pair, id, call),
    async create(pair, body) {
      real.refuse?.(pair, body);
      const id = `${newPrefix}${system}#${pair}#${++made}`;
      const now = clock.now();
      return answer({ system, pair, id, body, createdAt: now, modifiedAt: now }, 'create', Object.keys(body));
    },
    async update(pair, current, next, paths) {
      real.refuse?.(pair, next, paths);
      return answer({ ...current, body: next, modifiedAt: clock.now() }, 'update', paths);
    },
    async remove(_pair, current) {
      send(current, { did: 'remove', paths: [] }, { state: 'deleted' });
    },
    changedSince: (pair, since, cursor, call) => real.changedSince(pair, since, cursor, call),
  };
}

const pretendedFeed = (real: WaveFeed, known: Known): WaveFeed => ({
  changes: (from, call) => real.changes(from, call),
  listAll: (pair, cursor, call) => real.listAll(pair, cursor, call),
  async readTogether(refs, call) {
    const unknown = refs.filter((ref) => !known(ref));
    const read = unknown.length > 0 ? await real.readTogether(unknown, call) : [];
    return refs.map((ref) => known(ref) ?? read[unknown.indexOf(ref)] ?? { state: 'not-found' });
  },
});
