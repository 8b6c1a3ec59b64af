import type { System } from './record.ts';

/** The writes of one row: what each side was last sent, and how often that was sent again. */
export interface Turn {
  readonly sent: Readonly<Partial<Record<System, string>>>;
  readonly count: number;
}
/** By row id. */
export type Turns = Readonly<Record<string, Turn>>;

/** A row written this often with no value that is new is a loop: another program undoes what we do. */
export const loopLimit = 4;

/** Notes one write of a row. A value that this side was not sent before is a user's, and starts the count again. */
export function nextTurn(before: Turn | undefined, to: System, print: string): Turn {
  const sent = { ...before?.sent, [to]: print };
  return { sent, count: before?.sent[to] === print ? before.count + 1 : 0 };
}
