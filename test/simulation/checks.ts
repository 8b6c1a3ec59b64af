import { checkBudget } from './check-budget.ts';
import { checkCreations } from './check-creations.ts';
import { checkFuses } from './check-fuses.ts';
import { checkLag } from './check-lag.ts';
import { checkLinks } from './check-links.ts';
import { checkOrder } from './check-order.ts';
import { checkPromptness } from './check-promptness.ts';
import { checkRest } from './check-rest.ts';
import { checkValues } from './check-values.ts';
import { checkWrites } from './check-writes.ts';
import type { Ending } from './ending.ts';

/** One named invariant: how often it was looked at. */
export interface Check {
  readonly name: string;
  readonly looked: number;
}

export interface Violation {
  readonly check: string;
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
  readonly look: (check: string, wrong?: string) => void;
  readonly except: (name: string) => void;
}

/** Every invariant, at the end of a run. */
export function judge(ending: Ending): Verdict {
  const looked = new Map<string, number>();
  const violations: Violation[] = [];
  const exceptions: Record<string, number> = {};
  const notebook: Notebook = {
    look(check, wrong) {
      looked.set(check, (looked.get(check) ?? 0) + 1);
      if (wrong !== undefined) violations.push({ check, what: wrong });
    },
    except(name) {
      exceptions[name] = (exceptions[name] ?? 0) + 1;
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
    checkPromptness,
    checkBudget,
  ])
    invariant(ending, notebook);
  return { checks: [...looked].map(([name, times]) => ({ name, looked: times })), violations, exceptions };
}
