import { Big } from 'big.js';
import { type Cell, canonical } from '../../lib/mappings/mapping.ts';
import type { Store } from './table.ts';
import { taxes } from './wave.ts';

interface Line {
  readonly product: string | null;
  readonly description: string | null;
  readonly quantity: string;
  readonly unitPrice: string;
  readonly taxes?: readonly string[];
}

const lineDecimals = 8;
const linesOf = ({ value }: Cell): readonly Line[] => value as unknown as readonly Line[];

/** The same lines in any order, in Wave's precision; a line that leaves its taxes open agrees with any. `ever`: by links that have ended, too. */
export function sameLines(store: Store, a: Cell, b: Cell, links: 'last' | 'ever' = 'last'): boolean {
  const left = linesOf(b).map((line) => ({ line, taxes: line.taxes }));
  const wanted = [...linesOf(a)].sort(
    (x, y) => Number(x.taxes === undefined) - Number(y.taxes === undefined),
  );
  if (left.length !== wanted.length) return false;
  return wanted.every((line) => {
    const at = left.findIndex(
      (other) =>
        formOf(line) === formOf(other.line) &&
        sameProduct(store, line.product, other.line.product, links) &&
        sameTaxes(line.taxes, other.taxes),
    );
    if (at >= 0) left.splice(at, 1);
    return at >= 0;
  });
}

const sameTaxes = (a: readonly string[] | undefined, b: readonly string[] | undefined): boolean =>
  a === undefined || b === undefined || named(a) === named(b);

/** Customcrm's codes, or Wave's ids, by abbreviation. */
const named = (names: readonly string[]): string =>
  names
    .map((name) => taxes.find(({ id }) => id === name)?.abbreviation ?? name.replace('code:', ''))
    .sort()
    .join();

function formOf({ description, quantity, unitPrice }: Line): string {
  const rounded = (typed: string) => new Big(typed).round(lineDecimals, Big.roundHalfUp).toFixed();
  return canonical({
    description: description?.normalize('NFC').replaceAll('\r\n', '\n').trim() ?? null,
    quantity: rounded(quantity),
    unitPrice: rounded(unitPrice),
  });
}

function sameProduct(store: Store, a: string | null, b: string | null, links: 'last' | 'ever'): boolean {
  if (a === b || a === null || b === null) return a === b;
  const [mine, theirs] = [productsOf(store, a, links), productsOf(store, b, links)];
  return mine.some((product) => theirs.includes(product));
}

/** `customcrm#pro_1` by the Wave products that it is, or was, linked with. */
function productsOf(store: Store, product: string, links: 'last' | 'ever'): readonly string[] {
  const [system, id] = product.split('#');
  if (system === 'wave') return [product];
  const others = store.everLinkedWith(`customcrm#product#${id}`);
  const shown = links === 'last' ? others.slice(-1) : others;
  return shown.length === 0 ? [product] : shown.map((other) => `wave#${other}`);
}
