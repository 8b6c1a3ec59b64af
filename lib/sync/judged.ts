import { createHash } from 'node:crypto';
import { refKey, type Snapshot, type System } from '../domain/record.ts';
import type { Engine } from './engine.ts';

// A poll reads the last minute of its lists again each time, and while many records are written, it is asked for every few seconds. What
// this container has judged and rung for is not judged again: during a first load that would be most of what the table is asked for.

/** By record, the last picture that was judged. */
const judgedBy = new WeakMap<Engine, Map<string, string>>();
/** Records of which a container remembers that, at the most. */
const limit = 5_000;
/** Stamps may be whole seconds: a younger picture may be followed by another one that carries the same, ms. */
const stampGrainMs = 2_000;

/** By system, how far its poll was when this container last began one. */
const revisionsOf = new WeakMap<Engine, Map<System, number>>();

/** A poll that has gone back is that of a table that was restored: it knows nothing of what was judged since. */
export function forgetJudgedBefore(engine: Engine, system: System, revision: number): void {
  const revisions = revisionsOf.get(engine) ?? new Map<System, number>();
  revisionsOf.set(engine, revisions);
  if (revision < (revisions.get(system) ?? 0)) judgedBy.delete(engine);
  revisions.set(system, revision);
}

export const isJudged = (engine: Engine, snapshot: Snapshot): boolean =>
  judgedBy.get(engine)?.get(refKey(snapshot)) === pictureOf(snapshot);

/** To be noted only after the doorbell is in the queue. @param date the time of the system that listed it, ms; of no meaning where records have versions */
export function noteJudged(engine: Engine, snapshot: Snapshot, date: number): void {
  if (snapshot.version === undefined && date - snapshot.modifiedAt < stampGrainMs) return;
  const judged = judgedBy.get(engine) ?? new Map<string, string>();
  judgedBy.set(engine, judged);
  const key = refKey(snapshot);
  judged.delete(key);
  judged.set(key, pictureOf(snapshot));
  for (const oldest of judged.keys()) {
    if (judged.size <= limit) break;
    judged.delete(oldest);
  }
}

const pictureOf = ({ version = '', modifiedAt, body }: Snapshot): string =>
  createHash('sha256')
    .update(`${version}.${modifiedAt}.${JSON.stringify(body)}`)
    .digest('base64url');
