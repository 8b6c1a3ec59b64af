import { Big } from 'big.js';

/** Ties away from zero, without trailing zeros, as Wave stores decimals. */
export const rounded = (value: string | number, places: number): string =>
  new Big(value).round(places, Big.roundHalfUp).toFixed();

/** Currencies whose minor unit is not a hundredth, as far as the stand-in needs them. */
const exponents: Readonly<Record<string, number>> = { JPY: 0, KRW: 0, CLP: 0, KWD: 3, BHD: 3, TND: 3 };
export const exponentOf = (code: string): number => exponents[code] ?? 2;

export const currency = (code: string) => ({
  code,
  symbol: code === 'EUR' ? '€' : '$',
  name: code,
  plural: code,
  exponent: exponentOf(code),
});

/** An amount in major units as Wave's `Money`: `value` has thousands separators, `minorUnitValue` is exact. */
export function money(amount: Big, code: string) {
  const exponent = exponentOf(code);
  const [whole = '0', fraction] = amount.abs().toFixed(exponent).split('.');
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ',');
  const minor = amount.times(new Big(10).pow(exponent)).toFixed(0);
  return {
    value: `${amount.lt(0) ? '-' : ''}${grouped}${fraction === undefined ? '' : `.${fraction}`}`,
    minorUnitValue: minor,
    raw: Number(minor),
    currency: currency(code),
  };
}

/** Rounds an amount to the minor unit of its currency. */
export const toMinor = (amount: Big, code: string): Big => amount.round(exponentOf(code), Big.roundHalfUp);
