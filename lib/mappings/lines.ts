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

/** All lines are one property: Wave replaces its items as a whole. An unchanged line keeps its own spelling on the way back. */
export const lines: Conversion<readonly CustomcrmLine[] | null, readonly WaveItem[] | null> = {
  fromCustomcrm: (cell) => (cell ?? []).map(fromCustomcrm) as unknown as Value,
  fromWave: (cell, facts) => (cell ?? []).map((item) => fromWave(item, facts)) as unknown as Value,
  toCustomcrm(value, current, facts) {
    // Each line that is there is kept once: two equal lines are two lines.
    const left = [...(current ?? [])];
    return collect(linesOf(value), (line) => toCustomcrm(line, left, facts));
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

/** @param left the lines that are there and not taken yet; an unchanged one is taken out and keeps its own spelling. */
function toCustomcrm(line: Line, left: CustomcrmLine[], facts: Facts): Put {
  const form = commonForm(line, facts);
  const at = left.findIndex((own) => commonForm(fromCustomcrm(own), facts) === form);
  if (at >= 0) return { cell: left.splice(at, 1)[0] };
  const link = product.toCustomcrm(line.product, undefined, facts);
  const codes = line.taxes && codesOf(line.taxes, facts);
  if (!('cell' in link)) return link;
  if (codes && !('cell' in codes)) return codes;
  return {
    cell: {
      ProductId: link.cell,
      Description: line.description,
      Quantity: line.quantity,
      UnitPrice: line.unitPrice,
      ...(codes && { TaxCodes: codes.cell }),
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

/**
 * Which of the items that are there each line was, each of them once: the one that says just the same, else of the same product with the
 * same description, else in the same place, else any of that product. What is left of a product is like its others: a line that was split.
 * Lines without a product have only the fallback in common, which says nothing of their taxes.
 */
function itemsFor(
  all: readonly Line[],
  current: readonly WaveItem[],
  facts: Facts,
): readonly (WaveItem | undefined)[] {
  const sayings = (line: Line, id: string | undefined) => {
    const { taxes: _taxes, ...rest } = line;
    return {
      form: commonForm(rest, facts),
      id,
      description: line.description,
      hasProduct: line.product !== null,
    };
  };
  const items = current.map((item) => ({ item, ...sayings(fromWave(item, facts), item.product.id) }));
  const wanted = all.map((line) => {
    const put = waveProduct(line, facts);
    return sayings(line, 'cell' in put ? String(put.cell) : undefined);
  });
  const left = new Set(items);
  const found: (WaveItem | undefined)[] = all.map(() => undefined);
  type Saying = ReturnType<typeof sayings>;
  const isFor = (item: Saying, line: Saying) => item.id === line.id;
  const ways: readonly ((item: Saying, line: Saying, index: number) => boolean)[] = [
    (item, line) => item.form === line.form,
    (item, line) => isFor(item, line) && item.description === line.description,
    (item, line, index) => isFor(item, line) && item === items[index],
    (item, line) => isFor(item, line) && line.hasProduct,
  ];
  for (const isIt of ways)
    for (const [index, line] of wanted.entries()) {
      const known = found[index] ? undefined : [...left].find((each) => isIt(each, line, index));
      if (!known) continue;
      left.delete(known);
      found[index] = known.item;
    }
  return found.map((item, index) => {
    const line = wanted[index];
    return item ?? (line?.hasProduct ? items.find(({ id }) => id === line.id)?.item : undefined);
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
