import type { RecordRef } from '../domain/record.ts';
import { blankToNull, plain, reference, roundedTo } from './conversions.ts';
import { type Conversion, canonical, type Facts, type Put, type Value } from './mapping.ts';
import { asCodes, asFormerly, codeNames, codesOf, idsOf } from './taxes.ts';

/** Wave keeps this many decimals of a line's quantity and price. */
const lineDecimals = 8;

interface CustomcrmLine {
  readonly Id?: string | undefined;
  readonly ProductId?: string | null | undefined;
  readonly Description?: string | null | undefined;
  readonly Quantity: string;
  readonly UnitPrice: string;
  readonly TaxCodes?: readonly string[] | undefined;
}
interface WaveItem {
  readonly product: { readonly id: string };
  readonly description: string | null;
  readonly quantity: string;
  readonly unitPrice: string;
  /** Absent only in a body that is yet to be sent: Wave then applies the product's default taxes. */
  readonly taxes?: readonly { readonly salesTax: { readonly id: string } }[] | undefined;
}

/** One line in the common language. `product` is `customcrm#id`, `wave#id` or null; `taxes` are codes or Wave's ids, unknown when absent. */
interface Line {
  readonly product: string | null;
  readonly description: string | null;
  readonly quantity: string;
  readonly unitPrice: string;
  readonly taxes?: readonly string[];
}

const product = reference('product');

/** All lines are one property: Wave replaces its items as a whole. An unchanged cell keeps its own spelling on the way back. */
export const lines: Conversion<readonly CustomcrmLine[] | null, readonly WaveItem[] | null> = {
  fromCustomcrm: (cell) => (cell ?? []).map(fromCustomcrm) as unknown as Value,
  fromWave: (cell, facts) => (cell ?? []).map((item) => fromWave(item, facts)) as unknown as Value,
  toCustomcrm(value, current, facts) {
    const there = ownLinesFor(linesOf(value), current ?? [], facts);
    return collect(linesOf(value), (line, index) => toCustomcrm(line, there[index], facts));
  },
  toWave(value, current, facts) {
    const there = itemsFor(linesOf(value), current ?? [], facts);
    return collect(linesOf(value), (line, index) => toWave(line, there[index], facts));
  },
  form: (value, facts) => listForm(linesOf(value).map(lineForm), facts),
  same: (customcrm, wave, facts) =>
    listForm(
      linesOf(customcrm).map((line) => commonForm(line, facts)),
      facts,
    ) ===
    listForm(
      linesOf(wave).map((line) => commonForm(line, facts)),
      facts,
    ),
  formerly: (value, facts) =>
    linesOf(value).map(({ taxes, ...line }) => ({
      ...line,
      ...(taxes && { taxes: asFormerly(taxes, facts) }),
    })) as unknown as Value,
  withoutFilled: (value) => linesOf(value).map(({ taxes: _taxes, ...line }) => line) as unknown as Value,
  partial: (value) => linesOf(value ?? []).some((line) => line.taxes === undefined),
};

const linesOf = (value: Value): readonly Line[] => value as unknown as readonly Line[];

/** Whether Wave keeps the order of items is unconfirmed: unless it does, order makes no difference. */
const listForm = (forms: readonly string[], { settings }: Facts): string =>
  (settings.waveKeepsLineOrder ? forms : [...forms].sort()).join('\n');

const fromCustomcrm = (line: CustomcrmLine): Line => ({
  product: line.ProductId ? `customcrm#${line.ProductId}` : null,
  description: blankToNull(line.Description ?? null),
  quantity: plain(line.Quantity),
  unitPrice: plain(line.UnitPrice),
  ...(line.TaxCodes && { taxes: codeNames(line.TaxCodes) }),
});

const fromWave = (item: WaveItem, { settings }: Facts): Line => ({
  product: item.product.id === settings.waveFallbackProductId ? null : `wave#${item.product.id}`,
  description: blankToNull(item.description),
  quantity: plain(item.quantity),
  unitPrice: plain(item.unitPrice),
  ...(item.taxes && { taxes: item.taxes.map((tax) => tax.salesTax.id).sort() }),
});

const lineForm = (line: Line): string =>
  canonical({
    ...line,
    description: line.description?.normalize('NFC').replaceAll('\r\n', '\n').trim() ?? null,
  });

/** The form in common terms: products through their links, taxes as codes, numbers as Wave rounds them. Unlinked products stay apart. */
function commonForm(line: Line, facts: Facts): string {
  const there = line.product === null ? undefined : product.toWave(line.product, undefined, facts);
  const resolved = there && 'cell' in there ? `wave#${there.cell}` : line.product;
  return lineForm({
    ...line,
    ...(line.taxes && { taxes: asCodes(line.taxes, facts) }),
    product: resolved,
    quantity: roundedTo(line.quantity, lineDecimals),
    unitPrice: roundedTo(line.unitPrice, lineDecimals),
  });
}

/** Whether two lists of lines ask for the same, whatever they call it: quantities, prices, and taxes where both sides say them. */
export function sameAmounts(customcrm: Value, wave: Value, facts: Facts): boolean {
  const both = [linesOf(customcrm), linesOf(wave)] as const;
  const saysTaxes = both.every((side) => side.every(({ taxes }) => taxes !== undefined));
  const [here, there] = both.map((side) =>
    side
      .map(({ quantity, unitPrice, taxes = [] }) =>
        canonical([
          roundedTo(quantity, lineDecimals),
          roundedTo(unitPrice, lineDecimals),
          saysTaxes ? asCodes(taxes, facts) : [],
        ] as unknown as Value),
      )
      .sort()
      .join(),
  );
  return here === there;
}

/** @param own the line that it was, as far as that can be told: its id stays, and what has not changed in it */
function toCustomcrm(line: Line, own: CustomcrmLine | undefined, facts: Facts): Put {
  const before = own && fromCustomcrm(own);
  if (before && commonForm(before, facts) === commonForm(line, facts)) return { cell: own };
  const link = product.toCustomcrm(line.product, undefined, facts);
  const codes = line.taxes && codesOf(line.taxes, facts);
  if (!('cell' in link)) return link;
  if (codes && !('cell' in codes)) return codes;
  const isSame = (name: 'description' | 'quantity' | 'unitPrice' | 'taxes') =>
    before?.[name] !== undefined &&
    commonForm({ ...line, [name]: before[name] }, facts) === commonForm(line, facts);
  return {
    cell: {
      ...own,
      ProductId: link.cell,
      Description: isSame('description') ? own?.Description : line.description,
      Quantity: isSame('quantity') ? own?.Quantity : line.quantity,
      UnitPrice: isSame('unitPrice') ? own?.UnitPrice : line.unitPrice,
      ...(codes && { TaxCodes: isSame('taxes') ? own?.TaxCodes : codes.cell }),
    },
  };
}

/** @param there the item that it was, as far as that can be told; where Customcrm does not say its taxes, they stay, and those of a new one are the product's */
function toWave(line: Line, there: WaveItem | undefined, facts: Facts): Put {
  const link = waveProduct(line, facts);
  if (!('cell' in link)) return link;
  const now = there?.taxes?.map((tax) => tax.salesTax.id);
  const put = line.taxes && idsOf(line.taxes, now ?? [], facts);
  if (put && !('cell' in put)) return put;
  const taxes = put ? (put.cell as readonly string[]) : now;
  return {
    cell: {
      product: { id: link.cell },
      description: line.description,
      quantity: roundedTo(line.quantity, lineDecimals),
      unitPrice: roundedTo(line.unitPrice, lineDecimals),
      ...(taxes && { taxes: taxes.map((id) => ({ salesTax: { id } })) }),
    },
  };
}

function waveProduct(line: Line, facts: Facts): Put {
  if (line.product !== null) return product.toWave(line.product, undefined, facts);
  const fallback = facts.settings.waveFallbackProductId;
  return fallback
    ? { cell: fallback }
    : { blocked: 'a line without product needs the setting WAVE_FALLBACK_PRODUCT_ID' };
}

/** What a line says, with its taxes and without. `id` is that of its product, in the system that it goes to. */
interface Saying {
  readonly whole: string;
  readonly form: string;
  readonly id: string | undefined;
  readonly description: string | null;
  readonly hasProduct: boolean;
}

function sayingOf(line: Line, id: string | undefined, facts: Facts): Saying {
  const { taxes: _taxes, ...rest } = line;
  const { description, product: named } = line;
  const hasProduct = named !== null;
  return { whole: commonForm(line, facts), form: commonForm(rest, facts), id, description, hasProduct };
}

/**
 * Which of those that are there each line was, each of them once: the one that says just the same, else but for its taxes, else of the same
 * product with the same description, first of all in the same place, else in that place, else any of that product. Lines without a product have only that in common.
 */
function placesFor(wanted: readonly Saying[], there: readonly Saying[]): readonly (number | undefined)[] {
  const isFor = (one: Saying, line: Saying) => one.id === line.id;
  const ways: readonly ((one: Saying, line: Saying, isAtItsPlace: boolean) => boolean)[] = [
    (one, line) => one.whole === line.whole,
    (one, line) => one.form === line.form,
    (one, line, isAtItsPlace) => isFor(one, line) && isAtItsPlace && one.description === line.description,
    (one, line) => isFor(one, line) && one.description === line.description,
    (one, line, isAtItsPlace) => isFor(one, line) && isAtItsPlace,
    (one, line) => isFor(one, line) && line.hasProduct,
  ];
  const left = new Set(there.keys());
  const found: (number | undefined)[] = wanted.map(() => undefined);
  for (const isIt of ways)
    for (const [index, line] of wanted.entries()) {
      if (found[index] !== undefined) continue;
      const at = [...left].find((each) => isIt(there[each] as Saying, line, each === index));
      if (at === undefined) continue;
      left.delete(at);
      found[index] = at;
    }
  return found;
}

function ownLinesFor(
  all: readonly Line[],
  current: readonly CustomcrmLine[],
  facts: Facts,
): readonly (CustomcrmLine | undefined)[] {
  const wanted = all.map((line) => {
    const put = product.toCustomcrm(line.product, undefined, facts);
    return sayingOf(line, 'cell' in put ? String(put.cell) : undefined, facts);
  });
  const own = current.map((each) => sayingOf(fromCustomcrm(each), String(each.ProductId || null), facts));
  return placesFor(wanted, own).map((at) => (at === undefined ? undefined : current[at]));
}

/** What is left of a product is like its others: a line that was split. */
function itemsFor(
  all: readonly Line[],
  current: readonly WaveItem[],
  facts: Facts,
): readonly (WaveItem | undefined)[] {
  const wanted = all.map((line) => {
    const put = waveProduct(line, facts);
    return sayingOf(line, 'cell' in put ? String(put.cell) : undefined, facts);
  });
  const items = current.map((item) => sayingOf(fromWave(item, facts), item.product.id, facts));
  return placesFor(wanted, items).map((at, index) => {
    if (at !== undefined) return current[at];
    const line = wanted[index];
    return line?.hasProduct ? current.find((item) => item.product.id === line.id) : undefined;
  });
}

/** Puts every line, or gives the first reason why one cannot be put. */
function collect(all: readonly Line[], put: (line: Line, index: number) => Put): Put {
  const cells: unknown[] = [];
  for (const [index, line] of all.entries()) {
    const answer = put(line, index);
    if (!('cell' in answer)) return answer;
    cells.push(answer.cell);
  }
  return { cell: cells };
}

/** The products that these cells name, as references. */
export function productsOf(
  system: RecordRef['system'],
  cell: unknown,
  fallback: string | undefined,
): readonly RecordRef[] {
  const ids = ((cell ?? []) as readonly { ProductId?: string | null; product?: { id: string } }[])
    .map((line) => (system === 'customcrm' ? line.ProductId : line.product?.id))
    .filter((id): id is string => typeof id === 'string' && id !== '' && id !== fallback);
  return [...new Set(ids)].sort().map((id) => ({ system, pair: 'product', id }));
}
