import type { RecordRef } from '../domain/record.ts';
import { blankToNull, codesOf, plain, reference, roundedTo, taxIds, unknownTax } from './conversions.ts';
import { type Conversion, canonical, type Facts, type Put, type Value } from './mapping.ts';

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

/** One line in the common language. `product` is `customcrm#id`, `wave#id` or null; absent `taxes` are unknown. */
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
  fromCustomcrm: (cell, facts) => (cell ?? []).map((line) => fromCustomcrm(line, facts)) as unknown as Value,
  fromWave: (cell, facts) => (cell ?? []).map((item) => fromWave(item, facts)) as unknown as Value,
  toCustomcrm(value, current, facts) {
    // Each line that is there is kept once: two equal lines are two lines.
    const left = [...(current ?? [])];
    return collect(linesOf(value), (line) => toCustomcrm(line, left, facts));
  },
  toWave: (value, current, facts) =>
    collect(linesOf(value), (line, index) => toWave(line, current ?? [], index, facts)),
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
  withoutFilled: (value) => linesOf(value).map(({ taxes: _taxes, ...line }) => line) as unknown as Value,
  partial: (value) => linesOf(value ?? []).some((line) => line.taxes === undefined),
};

const linesOf = (value: Value): readonly Line[] => value as unknown as readonly Line[];

/** Whether Wave keeps the order of items is unconfirmed: unless it does, order makes no difference. */
const listForm = (forms: readonly string[], { settings }: Facts): string =>
  (settings.waveKeepsLineOrder ? forms : [...forms].sort()).join('\n');

const fromCustomcrm = (line: CustomcrmLine, facts: Facts): Line => ({
  product: line.ProductId ? `customcrm#${line.ProductId}` : null,
  description: blankToNull(line.Description ?? null),
  quantity: plain(line.Quantity),
  unitPrice: plain(line.UnitPrice),
  ...(line.TaxCodes && { taxes: taxIds(line.TaxCodes, facts) }),
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

/** The form in Wave's terms: products through their links, numbers as Wave rounds them. Unlinked products stay apart. */
function commonForm(line: Line, facts: Facts): string {
  const there = line.product === null ? undefined : product.toWave(line.product, undefined, facts);
  const resolved = there && 'cell' in there ? `wave#${there.cell}` : line.product;
  return lineForm({
    ...line,
    product: resolved,
    quantity: roundedTo(line.quantity, lineDecimals),
    unitPrice: roundedTo(line.unitPrice, lineDecimals),
  });
}

/** @param left the lines that are there and not taken yet; an unchanged one is taken out and keeps its own spelling. */
function toCustomcrm(line: Line, left: CustomcrmLine[], facts: Facts): Put {
  const form = commonForm(line, facts);
  const at = left.findIndex((own) => commonForm(fromCustomcrm(own, facts), facts) === form);
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

function toWave(line: Line, current: readonly WaveItem[], index: number, facts: Facts): Put {
  const link = waveProduct(line, facts);
  if (!('cell' in link)) return link;
  const unknown = line.taxes?.find((id) => id.startsWith('code:'));
  if (unknown) return unknownTax(unknown);
  const taxes = line.taxes ?? taxesThere(link.cell as string, current, index);
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

/** Customcrm does not say: an item that is there for the same product keeps its taxes; a new one takes the product's defaults. */
function taxesThere(
  productId: string,
  current: readonly WaveItem[],
  index: number,
): readonly string[] | undefined {
  const same =
    current[index]?.product.id === productId
      ? current[index]
      : current.find((item) => item.product.id === productId);
  return same?.taxes?.map((tax) => tax.salesTax.id);
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
