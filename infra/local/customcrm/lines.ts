import { isDeepStrictEqual } from 'node:util';
import type { Fields } from './contract.ts';
import { refusedField } from './problem.ts';

/**
 * The lines of an order, each with its Id. A line keeps the Id it names, or that of an equal line of `before`; all others
 * get a new one, also the second line that names the same Id.
 * @throws ProblemError 422 for an Id that the order does not hold.
 */
export function identified(
  lines: readonly Fields[],
  before: readonly Fields[],
  newId: () => string,
): readonly Fields[] {
  const free = new Set(before.map((line) => line.Id));
  const named = lines.map((line, index) => {
    if (line.Id === undefined) return line;
    if (!before.some(({ Id }) => Id === line.Id))
      throw refusedField(`Lines[${index}].Id`, 'read-only', 'is no line of this order; ids are given here');
    return free.delete(line.Id) ? line : { ...line, Id: undefined };
  });
  return named.map((line) => {
    if (line.Id !== undefined) return line;
    const same = before.find((old) => free.has(old.Id) && isDeepStrictEqual(content(old), content(line)));
    if (same) free.delete(same.Id);
    return { ...line, Id: same?.Id ?? newId() };
  });
}

const content = (line: Fields): Fields => ({ ...line, Id: undefined });
