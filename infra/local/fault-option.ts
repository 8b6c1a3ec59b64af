import { SettingsError } from '../../lib/errors.ts';
import { type FaultKind, type FaultRates, faultKinds } from './faults.ts';

/** `lostAnswer=0.05,lag=0.1,seed=7`: what the stand-ins do wrong, how often, and the seed of the draw. @throws SettingsError */
export function faultsOf(text: string): { readonly seed: number; readonly rates: FaultRates } {
  let seed = 1;
  const rates: FaultRates = {};
  for (const part of text.split(',').filter(Boolean)) {
    const [name = '', value = ''] = part.split('=').map((each) => each.trim());
    const kind = faultKinds.find((known): known is FaultKind => known === name);
    const number = value === '' ? Number.NaN : Number(value);
    if (name === 'seed' && Number.isSafeInteger(number)) seed = number;
    else if (kind && number >= 0 && number <= 1) rates[kind] = number;
    else
      throw new SettingsError(
        `--faults: "${part}" is neither seed=N nor one of ${faultKinds.join(', ')} with a rate from 0 to 1`,
      );
  }
  return { seed, rates };
}
