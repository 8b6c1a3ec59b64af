import { setTimeout as sleep } from 'node:timers/promises';
import type { Engine } from '../../lib/sync/engine.ts';
import { pending, readBook } from './bookkeeping.ts';
import type { Verdict } from './case.ts';
import { idOf, tagOf } from './forms.ts';
import type { Hands, Picture } from './hands.ts';
import type { Ledger } from './ledger.ts';
import { judge } from './verdict.ts';

/** Nobody writes for this long: quiet, ms. */
const quietMs = 20_000;
/** A message that a killed worker held comes back after five minutes, and what waits looks again after fifteen; somewhat later, what still differs will stay so, ms. */
const hopeMs = 18 * 60_000;
const lookEveryMs = 5_000;

export interface Rest {
  readonly verdict: Verdict;
  readonly restless: string | undefined;
  readonly seconds: number;
}

/**
 * Waits until nothing is open, nobody writes and everything is as promised, `limitMs` at most. What is wrong may still become right
 * while messages of killed workers come back, so a violation counts only when it stays.
 */
export async function comeToRest(
  parts: {
    readonly hands: Hands;
    readonly engine: Engine;
    readonly ledger: Ledger;
    readonly say: (text: string) => void;
  },
  limitMs: number,
): Promise<Rest> {
  const { hands, engine, ledger, say } = parts;
  const startedAt = Date.now();
  const seconds = () => Math.round((Date.now() - startedAt) / 1000);
  let writes = -1;
  let quietSince = startedAt;
  let told = '';
  for (;;) {
    const picture = await hands.picture();
    if (picture.writes !== writes) quietSince = Date.now();
    writes = picture.writes;
    const open = await openThings(engine, picture, ledger);
    const isQuiet = Date.now() - quietSince >= quietMs;
    const isLate = Date.now() - startedAt > limitMs;
    if (isLate || (open === undefined && isQuiet)) {
      const verdict = await judge(picture, await readBook(engine), ledger);
      const isHopeless = Date.now() - quietSince > hopeMs;
      const restless = open ?? (isQuiet ? undefined : 'the service is still writing');
      if (isLate || isHopeless || verdict.findings.length === 0)
        return { verdict, restless, seconds: seconds() };
      const [first] = verdict.findings;
      const now = `${verdict.findings.length} findings may still pass, the first one: ${first?.what.slice(0, 200)}`;
      if (now !== told) say(`  ${seconds()} s  ${now}`);
      told = now;
    } else if (open !== undefined && open !== told) {
      say(`  ${seconds()} s  ${open}`);
      told = open;
    }
    await sleep(lookEveryMs);
  }
}

/** What is not decided yet, in words; what a removal leaves waiting for proof does not count. */
async function openThings(engine: Engine, picture: Picture, ledger: Ledger): Promise<string | undefined> {
  const { intents, waiting } = await pending(engine);
  const counts = new Map<string, number>();
  for (const { ref, cause } of waiting) {
    const record = picture.records[ref.system][ref.pair].find((each) => idOf(ref.system, each) === ref.id);
    const tag = record && tagOf(ref.system, ref.pair, record);
    if (tag === undefined || !ledger.removed.has(tag)) counts.set(cause, (counts.get(cause) ?? 0) + 1);
  }
  const causes = [...counts].map(([cause, count]) => `${count} wait for ${cause}`);
  const all = [...(intents > 0 ? [`${intents} open creates`] : []), ...causes];
  return all.length > 0 ? all.join(', ') : undefined;
}
