import { Big } from 'big.js';
import { type Cell, canonical } from '../../lib/mappings/mapping.ts';
import type { Store } from './table.ts';

interface Line {
  readonly product: string | null;
  readonly description: string | null;
  readonly quantity: string;
  readonly unitPrice: string;
  readonly taxes?: readonly string[];
}

const lineDecimals = 8;
const linesOf = ({ value }: Cell): readonly Line[] => value as unknown as readonly Line[];

/** The same lines in any order, in Wave's precision; a line that leaves its taxes open agrees with any. */
export function sameLines(store: Store, a: Cell, b: Cell): boolean {
  const left = linesOf(b).map((line) => ({ form: formOf(store, line), taxes: line.taxes }));
  const wanted = [...linesOf(a)].sort(
    (x, y) => Number(x.taxes === undefined) - Number(y.taxes === undefined),
  );
  if (left.length !== wanted.length) return false;
  return wanted.every((line) => {
    const form = formOf(store, line);
    const at = left.findIndex((other) => other.form === form && sameTaxes(line.taxes, other.taxes));
    if (at >= 0) left.splice(at, 1);
    return at >= 0;
  });
}

const sameTaxes = (a: readonly string[] | undefined, b: readonly string[] | undefined): boolean =>
  a === undefined || b === undefined || a.join() === b.join();

function formOf(store: Store, { product, description, quantity, unitPrice }: Line): string {
  const rounded = (typed: string) => new Big(typed).round(lineDecimals, Big.roundHalfUp).toFixed();
  return canonical({
    product: product && waveProductOf(store, product),
    description: description?.normalize('NFC').replaceAll('\r\n', '\n').trim() ?? null,
    quantity: rounded(quantity),
    unitPrice: rounded(unitPrice),
  });
}

/** `customcrm#pro_1` by the product that it is, or was, linked with. */
function waveProductOf(store: Store, product: string): string {
  const [system, id] = product.split('#');
  if (system === 'wave') return product;
  const other = store.everLinkedWith(`customcrm#product#${id}`).at(-1);
  return other === undefined ? product : `wave#${other}`;
}
