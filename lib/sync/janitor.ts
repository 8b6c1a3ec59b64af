import type { Engine } from './engine.ts';
import type { Intent } from './intents.ts';
import { wakeOverdue } from './parking.ts';

/** Intents that one run rings for. */
const intentLimit = 200;

/** Re-rings what has waited longer than its cause allows, and resumes intents whose outcome stayed unknown. */
export async function tidy(engine: Engine): Promise<{ readonly woken: number; readonly intents: number }> {
  const woken = await wakeOverdue(engine);
  const items = await engine.table.byState(
    'intent',
    engine.clock.now() - 2 * engine.settings.settleMs,
    intentLimit,
  );
  for (const item of items) {
    const { origin } = item.intent as Intent;
    await engine.queues[origin.system].ring([
      { ...origin, eventId: `intent:${engine.newId()}`, at: engine.clock.now() },
    ]);
  }
  return { woken, intents: items.length };
}
