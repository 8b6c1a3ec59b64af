import { checkBudget } from './check-budget.ts';
import { checkCreations } from './check-creations.ts';
import { checkFuses } from './check-fuses.ts';
import { checkLag } from './check-lag.ts';
import { checkLinks } from './check-links.ts';
import { checkOrder } from './check-order.ts';
import { checkPeople } from './check-people.ts';
import { checkPromptness } from './check-promptness.ts';
import { checkRest } from './check-rest.ts';
import { checkValues } from './check-values.ts';
import { checkWrites } from './check-writes.ts';
import type { Ending } from './ending.ts';

/** One named invariant: how often it was looked at. */
export interface Check {
  readonly name: CheckName;
  readonly looked: number;
}

export interface Violation {
  readonly check: CheckName;
  readonly what: string;
}

export interface Verdict {
  readonly checks: readonly Check[];
  readonly violations: readonly Violation[];
  /** The limits that design admits, by name; each determined from what truly happened. */
  readonly exceptions: Readonly<Record<string, number>>;
}

/** What each invariant tells its findings to. */
export interface Notebook {
  /** Looked at one case; a text says what is wrong with it. */
  readonly look: (check: CheckName, wrong?: string) => void;
  /** One case of a limit that is admitted; what it is stands in the trace. */
  readonly except: (name: string, what: string) => void;
}

/** Every name that is looked at in some world: a batch that never looked at one proves nothing of it. */
export const checkNames = [
  'comes to rest',
  'nothing waits at rest',
  'liveness',
  'quiet',
  'ports are used as promised',
  'only ports fail',
  'links mirror',
  'links one to one',
  'links are listed',
  'no commit is lost',
  'linked or shown',
  'deletions are true',
  'creates have an intent',
  'zero duplicates',
  'no resurrection',
  'parents first',
  'writes are justified',
  'no own echo',
  'locks',
  'no ping-pong',
  'convergence',
  'money to the cent',
  'losers were typed',
  'no silent loss',
  'disjoint edits both live',
  'isolation',
  'nothing is missed',
  'fuses hold',
  'order freedom',
  'loss freedom',
  'no edit sleeps',
  'request budget',
  'twins meet',
  'an edit beats a deletion',
  'policies decide',
  'loops stop',
] as const;
export type CheckName = (typeof checkNames)[number];

/** Every invariant, at the end of a run. */
export function judge(ending: Ending): Verdict {
  const looked = new Map<CheckName, number>();
  const violations: Violation[] = [];
  const exceptions: Record<string, number> = {};
  const notebook: Notebook = {
    look(check, wrong) {
      looked.set(check, (looked.get(check) ?? 0) + 1);
      if (wrong !== undefined) violations.push({ check, what: wrong });
    },
    except(name, what) {
      exceptions[name] = (exceptions[name] ?? 0) + 1;
      ending.world.trace.note(`admitted: ${name}: ${what}`);
    },
  };
  for (const invariant of [
    checkRest,
    checkLinks,
    checkCreations,
    checkWrites,
    checkValues,
    checkLag,
    checkFuses,
    checkOrder,
    checkPeople,
    checkPromptness,
    checkBudget,
  ])
    invariant(ending, notebook);
  return { checks: [...looked].map(([name, times]) => ({ name, looked: times })), violations, exceptions };
}
