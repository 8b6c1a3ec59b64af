import type { Pair } from '../domain/record.ts';
import type { Engine } from './engine.ts';
import { isPaused } from './pause.ts';
import { outstanding } from './sweep-ring.ts';
import { type Phase, stepsOf, storedRun } from './sweep-run.ts';

/** How far a sweep, or a first load, has come, for whoever watches. */
export interface SweepProgress {
  readonly startedAt: number;
  readonly finishedAt: number | undefined;
  readonly pairs: readonly Pair[];
  readonly phase: Phase | 'finished' | 'stopped';
  readonly pair: Pair | undefined;
  /** It waits until a person says `resume all`. */
  readonly paused: boolean;
  /** Why a guard stopped the run; nothing was rung. */
  readonly stopped: string | undefined;
  /** Rows of both lists compared so far. */
  readonly compared: number;
  /** Records that differ, are not linked, or are suspects; final once phase is `ring`. */
  readonly total: number;
  /** Of these: settled by the workers, or by somebody else before it was their turn. An estimate within {@link outstanding}. */
  readonly done: number;
  /** Doorbells and records that wait for the workers right now, live ones included. */
  readonly outstanding: number;
  readonly repairs: number;
  /** Links of which something stood under an older fingerprint key when they were compared; they were rung for. */
  readonly underOlderKeys: number;
  /** The pace so far, which is that of the request budget; undefined before there is one. */
  readonly perMinute: number | undefined;
  /** At that pace, or as long as the requests of a day take if that is longer. */
  readonly leftMs: number | undefined;
}

/** Measured by the bench of the first load, 0.6: a sweep that only repairs takes more for each, and has few. */
const requestsARecord = 0.6;
const dayMs = 86_400_000;

/**
 * How far the last run has come; undefined when there never was one.
 * @param requestsADay that background work may make
 */
export async function sweepProgress(
  engine: Engine,
  requestsADay = Number.POSITIVE_INFINITY,
): Promise<SweepProgress | undefined> {
  const stored = await storedRun(engine);
  if (!stored) return undefined;
  const { run } = stored;
  const step = run.finishedAt === undefined ? stepsOf(run)[run.step] : undefined;
  const open = (await outstanding(engine)) ?? 0;
  const done = run.settled + Math.max(0, run.rung - open);
  const minutes = run.ringingSince === undefined ? 0 : (engine.clock.now() - run.ringingSince) / 60_000;
  const perMinute = minutes > 0 && done > run.settled ? (done - run.settled) / minutes : undefined;
  const left = run.found - done;
  const days = (left * requestsARecord) / requestsADay;
  const compared = Object.values(run.seen).reduce(
    (sum, { customcrm, wave }) => sum + customcrm.rows + wave.rows,
    0,
  );
  return {
    startedAt: run.startedAt,
    finishedAt: run.finishedAt,
    pairs: run.pairs,
    phase: step?.phase ?? (run.stopped === undefined ? 'finished' : 'stopped'),
    pair: step?.pair,
    paused: step?.phase === 'ring' && (await isPaused(engine, 'all')),
    stopped: run.stopped,
    compared,
    total: run.found,
    done,
    outstanding: open,
    repairs: run.repairs,
    underOlderKeys: Object.values(run.seen).reduce(
      (sum, { customcrm, wave }) => sum + Math.max(customcrm.older ?? 0, wave.older ?? 0),
      0,
    ),
    perMinute,
    leftMs:
      perMinute && step?.phase === 'ring'
        ? Math.max((left / perMinute) * 60_000, days > 1 ? days * dayMs : 0)
        : undefined,
  };
}
