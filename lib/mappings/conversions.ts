import { Big } from 'big.js';
import type { RecordRef } from '../domain/record.ts';
import { type Conversion, canonical, type Facts, type Put, type Value } from './mapping.ts';

type Text = string | null;

/** Texts: blanks are empty, surrounding blanks and line-ending styles do not make a difference. Written as typed. */
export const text: Conversion<Text, Text> = textLike((typed) => typed);

/** E-mail addresses are compared without regard to case and written as typed. */
export const email: Conversion<Text, Text> = textLike((typed) => typed.toLowerCase());

/** ISO codes (currency, country, province): upper case on both sides. */
export const code: Conversion<Text, Text> = {
  ...textLike((typed) => typed.toUpperCase()),
  isCommon: true,
};

/** Calendar dates, `yyyy-MM-dd` on both sides. */
export const date: Conversion<Text, Text> = { ...text, isCommon: true };

function textLike(comparable: (typed: string) => string): Conversion<Text, Text> {
  const form = (value: Value) =>
    value === null ? '' : comparable(String(value).normalize('NFC').replaceAll('\r\n', '\n').trim());
  const put = (value: Value): Put => ({ cell: value });
  return { fromCustomcrm: blankToNull, fromWave: blankToNull, toCustomcrm: put, toWave: put, form };
}

export function blankToNull(cell: Text): Text {
  return cell === null || cell.trim() === '' ? null : cell;
}

/** Decimal strings. Wave keeps `places` decimals, ties away from zero; a value that rounds to Wave's is equal to it. */
export function decimal(places: number): Conversion<string | null, string | null> {
  const rounded = (value: Value) => (value === null ? null : roundedTo(String(value), places));
  const from = (cell: string | null): Value => (cell === '' ? null : cell);
  const keep = (value: Value, current: string | null | undefined): Put => ({
    cell: current != null && rounded(current) === rounded(value) ? current : rounded(value),
  });
  return {
    fromCustomcrm: from,
    fromWave: from,
    toCustomcrm: keep,
    toWave: keep,
    form: (value) => (value === null ? '' : plain(String(value))),
    same: (customcrm, wave) => rounded(customcrm) === rounded(wave),
  };
}

/** Canonical decimal text: no exponent, no trailing zeros, no negative zero. */
export function plain(typed: string): string {
  const number = new Big(typed.replaceAll(',', ''));
  return number.eq(0) ? '0' : number.toFixed();
}

/** Ties away from zero, as Wave rounds. */
export const roundedTo = (typed: string, places: number): string =>
  plain(new Big(typed.replaceAll(',', '')).round(places, Big.roundHalfUp).toFixed());

interface Money {
  readonly minorUnitValue: string;
  readonly currency: { readonly exponent: number };
}

/** What Wave computed, as a decimal string with the currency's own number of decimals. Wave -> Customcrm only. */
export const money: Conversion<string | null, Money | null> = {
  fromCustomcrm: (cell) => cell,
  fromWave: (cell) => (cell === null ? null : decimalOf(cell)),
  toCustomcrm: (value) => ({ cell: value }),
  toWave: () => ({ blocked: 'Wave computes its own totals' }),
  form: (value) => formOfNumber(value),
};

const formOfNumber = (value: Value): string => (value === null || value === '' ? '' : plain(String(value)));

/** `{ minorUnitValue: '1500', exponent: 2 }` -> `15.00`. */
export const decimalOf = ({ minorUnitValue, currency }: Money): string =>
  new Big(minorUnitValue).div(new Big(10).pow(currency.exponent)).toFixed(currency.exponent);

/** Customcrm's `Active` is the inverse of Wave's `isArchived`. Wave's API archives, and cannot undo it. */
export const active: Conversion<boolean | null, boolean | null> = {
  isCommon: true,
  fromCustomcrm: (cell) => cell,
  fromWave: (cell) => !cell,
  toCustomcrm: (value) => ({ cell: value }),
  toWave: (value, current) =>
    value === true && current === true
      ? { blocked: 'Wave cannot un-archive a product through its API: do it in the web app' }
      : { cell: value === false },
};

/** Where an order stands. Customcrm's later steps and Wave's delivery and payment states are one `issued` here. */
export const lifeCycle: Conversion<string | null, string | null> = {
  isCommon: true,
  fromCustomcrm: (cell) => (cell === 'draft' || cell === 'cancelled' ? cell : 'issued'),
  fromWave: (cell) => (cell === 'DRAFT' ? 'draft' : 'issued'),
  toCustomcrm: (value, current) =>
    value === 'draft'
      ? { cell: 'draft' }
      : { cell: current == null || current === 'draft' ? 'confirmed' : current },
  toWave: (value, current) =>
    value === 'draft'
      ? { cell: 'DRAFT' }
      : { cell: current == null || current === 'DRAFT' ? 'SAVED' : current },
  form: (value) => String(value),
};

/** A reference to a record of a pair, through that record's link. The own id is the value; links decide equality. */
export function reference(pair: 'customer' | 'product'): Conversion<Text, Text> {
  return {
    isCommon: true,
    fromCustomcrm: (cell) => (cell === null || cell === '' ? null : `customcrm#${cell}`),
    fromWave: (cell) => (cell === null ? null : `wave#${cell}`),
    toCustomcrm: (value, _current, facts) => resolved(facts, pair, 'customcrm', value),
    toWave: (value, _current, facts) => resolved(facts, pair, 'wave', value),
    same: (customcrm, wave, facts) => {
      const there = resolved(facts, pair, 'wave', customcrm);
      return 'cell' in there && `wave#${there.cell}` === wave;
    },
  };
}

function resolved(facts: Facts, pair: 'customer' | 'product', to: 'customcrm' | 'wave', value: Value): Put {
  if (value === null) return { cell: null };
  const [system, ...rest] = String(value).split('#');
  const id = rest.join('#');
  if (system === to) return { cell: id };
  const counterpart = to === 'wave' ? facts.waveIdOf(pair, id) : facts.customcrmIdOf(pair, id);
  if (counterpart === undefined)
    return { waitFor: { system: system === 'wave' ? 'wave' : 'customcrm', pair, id } satisfies RecordRef };
  return { cell: counterpart };
}

interface CustomcrmDiscount {
  readonly Type: 'fixed' | 'percentage';
  readonly Value: string;
  readonly Name?: string | null | undefined;
}
interface WaveDiscount {
  readonly __typename?: string | undefined;
  readonly name: string | null;
  readonly amount?: string | null;
  readonly percentage?: string | null;
}

/** In percent; or as Wave spells it, in the unit that the setting `wavePercentage` names: 10 or 0.10. */
interface Discount {
  readonly type: string;
  readonly value: string;
  readonly name: Value;
  readonly isWaves?: true;
}

/**
 * The one discount of an invoice. What Wave shows stands as it is spelled there: nothing seems edited because somebody has corrected the
 * setting.
 */
export const discount: Conversion<CustomcrmDiscount | null, readonly WaveDiscount[] | null> = {
  fromCustomcrm: (cell) =>
    cell === null
      ? null
      : { type: cell.Type, value: plain(cell.Value), name: blankToNull(cell.Name ?? null) },
  fromWave: (cell) => {
    const [only] = cell ?? [];
    if (!only) return null;
    const name = blankToNull(only.name);
    return only.__typename === 'FixedInvoiceDiscount'
      ? { type: 'fixed', value: plain(only.amount ?? '0'), name }
      : { type: 'percentage', value: plain(only.percentage ?? '0'), name, isWaves: true };
  },
  toCustomcrm: (value, current, facts) => {
    if (current && sameDiscount(discount.fromCustomcrm(current, facts), value, facts))
      return { cell: current };
    const put = inPercent(value, facts);
    return { cell: put && { Type: put.type, Value: put.value, Name: put.name } };
  },
  toWave: (value, current, facts) => {
    if (current && sameDiscount(discount.fromWave(current, facts), value, facts)) return { cell: current };
    const put = inPercent(value, facts);
    if (!put) return { cell: [] };
    const { type, value: amount, name } = put;
    return type === 'fixed'
      ? { cell: [{ __typename: 'FixedInvoiceDiscount', name, amount }] }
      : {
          cell: [{ __typename: 'PercentageInvoiceDiscount', name, percentage: percentToWave(amount, facts) }],
        };
  },
  formerly: (value, facts) => inPercent(value, facts) as unknown as Value,
  same: (customcrm, wave, facts) => sameDiscount(customcrm, wave, facts),
};

const sameDiscount = (some: Value, other: Value, facts: Facts): boolean =>
  canonical(inPercent(some, facts) as unknown as Value) ===
  canonical(inPercent(other, facts) as unknown as Value);

/** Whether two discounts take off the same, whatever they are called. */
export const sameReduction = (some: Value, other: Value, facts: Facts): boolean => {
  const [one, two] = [some, other].map((value) => inPercent(value, facts));
  return one?.type === two?.type && one?.value === two?.value;
};

function inPercent(value: Value, facts: Facts): Discount | null {
  const known = value as unknown as Discount | null;
  if (!known?.isWaves) return known;
  const { isWaves: _isWaves, ...shown } = known;
  return { ...shown, value: percentFromWave(shown.value, facts) };
}

const percentFromWave = (typed: string, { settings }: Facts) =>
  plain(settings.wavePercentage === 'fraction' ? new Big(typed).times(100).toFixed() : typed);
const percentToWave = (typed: string, { settings }: Facts) =>
  plain(settings.wavePercentage === 'fraction' ? new Big(typed).div(100).toFixed() : typed);
