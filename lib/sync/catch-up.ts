import type { System } from '../domain/record.ts';
import type { Engine } from './engine.ts';
import { pollCustomcrm } from './poll-customcrm.ts';
import { pollHasPassed } from './poll-progress.ts';
import { pollWave } from './poll-wave.ts';
import type { Call } from './ports.ts';

/** Runs that are under way in this container: one serves a whole batch. */
const underWay = new WeakMap<Engine, Map<System, Promise<unknown>>>();
/** A run that began before the doorbell proves nothing about it; the next one does. */
const runs = 2;

/** Whether everything in a system up to this time is known, reading what is new when it is not. */
export async function caughtUp(engine: Engine, system: System, at: number, call: Call): Promise<boolean> {
  for (let run = 0; run < runs; run++) {
    if (await pollHasPassed(engine, system, at)) return true;
    await sharedRun(engine, system, call);
  }
  return pollHasPassed(engine, system, at);
}

async function sharedRun(engine: Engine, system: System, call: Call): Promise<void> {
  const ofEngine = underWay.get(engine) ?? new Map<System, Promise<unknown>>();
  underWay.set(engine, ofEngine);
  const known = ofEngine.get(system);
  if (known) {
    await known.catch(() => undefined);
    return;
  }
  const run = system === 'wave' ? pollWave(engine, call) : pollCustomcrm(engine, call);
  ofEngine.set(system, run);
  await run.finally(() => ofEngine.delete(system));
}
