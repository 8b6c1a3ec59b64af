import { type Door, type Outside, sum } from './outside.ts';

/** What a piece of work cost. */
export interface Measured<T> {
  readonly result: T;
  readonly seconds: number;
  /** To Wave. */
  readonly requests: number;
  readonly tableOperations: number;
  /** Of these, by name. */
  readonly byName: Readonly<Record<string, number>>;
}

/** Does a piece of work and counts what went by meanwhile, whoever it was from. */
export async function measured<T>(outside: Outside, work: () => Promise<T>): Promise<Measured<T>> {
  const startedAt = Date.now();
  const door: Door = await outside.door();
  const operations = outside.tableOperations();
  const result = await work();
  const byName = Object.fromEntries(
    Object.entries(outside.tableOperations()).map(([name, count]) => [name, count - (operations[name] ?? 0)]),
  );
  return {
    result,
    seconds: Math.round((Date.now() - startedAt) / 1000),
    requests: (await outside.door()).requests - door.requests,
    tableOperations: sum(byName),
    byName,
  };
}
