import type { Pair, System } from '../domain/record.ts';
import type { Engine } from './engine.ts';
import type { FuseName } from './fuses.ts';
import { countLinks, hadLinks, type Marks } from './sweep-links.ts';
import { type SweepRun, seenOf } from './sweep-run.ts';

/** All rows of a list differ at once: more than this share of them, and more than the fuse allows. */
const nearlyAll = 0.9;

/** Why a run must not ring for what it found: the fuse to blow, and what a person reads. */
export interface Alarm {
  readonly fuse: FuseName;
  readonly system: System;
  readonly reason: string;
}

/**
 * A list that is empty although records are linked, or of which nearly every linked row changed, is not believed. The deletion of an
 * only record needs no guard: its worker looks for a witness.
 */
export async function listAlarm(
  engine: Engine,
  run: SweepRun,
  pair: Pair,
  system: System,
): Promise<Alarm | undefined> {
  const { rows, linked, changed } = seenOf(run, pair)[system];
  if (rows === 0 && (await hadLinks(engine, run, pair)))
    return {
      fuse: 'deletions',
      system,
      reason: `the list of every ${pair} in ${system} is empty, but records are linked`,
    };
  return isNearlyAll(engine, changed, linked)
    ? {
        fuse: 'changed',
        system,
        reason: `${changed} of ${linked} linked records of ${pair} changed in ${system} at once`,
      }
    : undefined;
}

const isNearlyAll = ({ settings }: Engine, some: number, all: number): boolean =>
  some > settings.fuseLimit && some > nearlyAll * all;

/** Nearly all links of a pair cannot have lost the same side at once. */
export async function directoryAlarm(
  engine: Engine,
  run: SweepRun,
  pair: Pair,
  marks: Marks,
): Promise<Alarm | undefined> {
  const { linked, unseen, old } = await countLinks(engine, run, pair, marks);
  const system = (['customcrm', 'wave'] as const).find(
    (each) => old[each] > engine.settings.fuseLimit && isNearlyAll(engine, unseen[each], linked),
  );
  return (
    system && {
      fuse: 'deletions',
      system,
      reason: `${unseen[system]} of ${linked} linked records of ${pair} are missing in ${system}`,
    }
  );
}
