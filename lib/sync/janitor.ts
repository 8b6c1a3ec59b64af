import { systems } from '../domain/record.ts';
import type { Engine } from './engine.ts';
import { firstStart } from './identity.ts';
import type { Intent } from './intents.ts';
import { wakeOverdue } from './parking.ts';
import { isPaused, pauses } from './pause.ts';
import { progressOf } from './poll-progress.ts';
import { stepsOf, storedRun } from './sweep-run.ts';

/** Intents of each kind that one run rings for. */
const intentLimit = 200;

export interface Tidied {
  readonly woken: number;
  /** Creates that were rung for because their outcome stayed unknown. */
  readonly intents: number;
  readonly oldestIntentMs: number;
  /** How long ago each system was last read completely; since the first start, where it never was. */
  readonly pollAgesMs: readonly number[];
  /** How long ago a run of the sweep had last compared everything, or has been at it; undefined where there never was one, or a pause lets it wait. */
  readonly sweepAgeMs: number | undefined;
  /** Scopes that stand still by somebody's command. */
  readonly paused: number;
}

/** Re-rings what has waited longer than its cause allows, and resumes intents whose outcome stayed unknown. */
export async function tidy(engine: Engine): Promise<Tidied> {
  const woken = await wakeOverdue(engine);
  const overdue = engine.clock.now() - 2 * engine.settings.settleMs;
  const open = await engine.table.byState('intent', overdue, intentLimit);
  const held = await engine.table.byState('held-intent', engine.clock.now(), intentLimit);
  const items = [...open, ...held];
  for (const item of items) {
    const { origin } = item.intent as Intent;
    await engine.queues[origin.system].ring([
      { ...origin, eventId: `intent:${engine.newId()}`, at: engine.clock.now() },
    ]);
  }
  const now = engine.clock.now();
  const [oldest] = await engine.table.byState('intent', now, 1);
  const startedAt = await firstStart(engine);
  const polled = await Promise.all(
    systems.map(async (system) => (await progressOf(engine, system)).completeAt || startedAt),
  );
  return {
    woken,
    intents: items.length,
    oldestIntentMs: oldest ? now - (oldest.intent as Intent).startedAt : 0,
    pollAgesMs: polled.filter((at) => at !== undefined).map((at) => now - at),
    sweepAgeMs: await sweepAge(engine, now),
    paused: (await pauses(engine)).length,
  };
}

/** A run that rings is counted from when it had compared everything: a first load rings for days, and a pause may keep one from it. */
async function sweepAge(engine: Engine, now: number): Promise<number | undefined> {
  const run = (await storedRun(engine))?.run;
  if (!run) return undefined;
  const hasYetToRing = run.ringingSince === undefined && stepsOf(run)[run.step]?.phase === 'ring';
  if (hasYetToRing && (await isPaused(engine, 'all'))) return undefined;
  return now - (run.finishedAt ?? run.ringingSince ?? run.startedAt);
}
