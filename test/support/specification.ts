import { readFileSync } from 'node:fs';
import type { Pair } from '../../lib/domain/record.ts';

/** One row of a property table of docs/dataflow.md. */
interface SpecifiedRow {
  readonly customcrm: string;
  /** `<->`, `->`, `<-` or `special`. */
  readonly direction: string;
  readonly wave: string;
  /** GraphQL type, such as `[SalesTax!]!`. */
  readonly type: string;
}

const headings: Readonly<Record<string, Pair>> = {
  'Customer <-> Customer': 'customer',
  'Product <-> Product': 'product',
  'Order <-> Invoice': 'order',
};
const isPropertyTable = (header: readonly string[]): boolean =>
  /^Customcrm \w+ Property$/.test(header[0] ?? '');

const cellsOf = (line: string): readonly string[] =>
  line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim());

/** The property tables of docs/dataflow.md, read from its Markdown. */
export function specifiedRows(): Readonly<Record<Pair, readonly SpecifiedRow[]>> {
  const found: Record<Pair, SpecifiedRow[]> = { customer: [], product: [], order: [] };
  let pair: Pair | undefined;
  let inTable = false;
  for (const line of readFileSync('docs/dataflow.md', 'utf8').split('\n')) {
    if (line.startsWith('## ')) pair = headings[line.slice(3).trim()];
    if (!line.startsWith('|')) {
      inTable = false;
      continue;
    }
    const [customcrm = '', direction = '', wave = '', type = ''] = cellsOf(line);
    if (isPropertyTable([customcrm])) inTable = true;
    else if (inTable && pair && !/^[-: ]+$/.test(customcrm))
      found[pair].push({ customcrm, direction, wave, type });
  }
  return found;
}
