import { localGstId, localHstId } from './ids.ts';

/** The sales taxes of the business. Rates are fractions: 0.13 is 13 %. */
export const salesTaxes = [
  { id: localHstId, name: 'Harmonised sales tax', abbreviation: 'HST', rate: '0.13' },
  { id: localGstId, name: 'Goods and services tax', abbreviation: 'GST', rate: '0.05' },
] as const;

export const rateOf = (id: string): string => salesTaxes.find((tax) => tax.id === id)?.rate ?? '0';
