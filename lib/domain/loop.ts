import type { System } from './record.ts';

/** The last writes of one row: where the latest went, what each side was last sent, and how often the same two values took turns. */
export interface Turn {
  readonly to: System;
  readonly sent: Readonly<Partial<Record<System, string>>>;
  readonly count: number;
}
/** By row id. */
export type Turns = Readonly<Record<string, Turn>>;

/** A row written to and fro this often, with no value that is new, is a loop: another program undoes what we do. */
export const loopLimit = 4;

/** Notes one write of a row. A value that this side was not sent before is a user's, and starts the count again. */
export function nextTurn(before: Turn | undefined, to: System, print: string): Turn {
  const sent = { ...before?.sent, [to]: print };
  const repeats = before !== undefined && before.to !== to && before.sent[to] === print;
  return { to, sent, count: repeats ? before.count + 1 : 0 };
}
