import { noteOf } from '../../lib/sync/registrations.ts';
import { startCustomcrm } from './customcrm/server.ts';
import type { FaultRates } from './faults.ts';
import type { LocalSecrets } from './secrets.ts';
import { localBusinessId, localFallbackProductId, localIncomeAccountId, startWave } from './wave/server.ts';

/** The token of both stand-ins. */
export const localToken = 'local';

/** How the functions reach the stand-ins, as settings: quick polls, and pairs that start by themselves. */
export const standInSettings = (
  customcrmUrl: string,
  waveUrl: string,
  secrets: Pick<LocalSecrets, 'CUSTOMCRM_WEBHOOK_SECRET' | 'WAVE_WEBHOOK_SECRET'>,
) => ({
  CUSTOMCRM_API_URL: customcrmUrl,
  CUSTOMCRM_API_TOKEN: localToken,
  CUSTOMCRM_WEBHOOK_SECRET: secrets.CUSTOMCRM_WEBHOOK_SECRET,
  WAVE_API_URL: waveUrl,
  WAVE_ACCESS_TOKEN: localToken,
  WAVE_WEBHOOK_SECRET: secrets.WAVE_WEBHOOK_SECRET,
  WAVE_BUSINESS_ID: localBusinessId,
  WAVE_INCOME_ACCOUNT_ID: localIncomeAccountId,
  WAVE_FALLBACK_PRODUCT_ID: localFallbackProductId,
  PAIRS_STARTED: 'true',
  WAVE_POLL_INTERVAL_SECONDS: '2',
  CUSTOMCRM_POLL_INTERVAL_SECONDS: '2',
  // The stand-in has no limits, and a poll every two seconds alone would use half of the standard budget.
  WAVE_MAX_REQUESTS_PER_MINUTE: '6000',
  WAVE_MAX_IN_FLIGHT: '20',
  WAVE_MAX_REQUESTS_PER_DAY: '1000000',
});

export interface StandIns {
  readonly customcrm: string;
  readonly wave: string;
  readonly settings: Readonly<Record<string, string>>;
}

/**
 * Starts both stand-ins; what was started is added to `closers` at once. They send their webhooks to `frontUrl`, Customcrm as if the stack
 * of this id had registered there.
 */
export async function startStandIns(
  options: {
    /** Of Customcrm; Wave gets the next one. 0: any free ports. */
    readonly port: number;
    readonly file: (name: string) => string;
    readonly sample: boolean;
    readonly faults: { readonly seed: number; readonly rates: FaultRates } | undefined;
  },
  frontUrl: string,
  stackId: string,
  secrets: LocalSecrets,
  closers: (() => Promise<unknown>)[],
): Promise<StandIns> {
  const { port, file, sample, faults } = options;
  const customcrm = await startCustomcrm({
    port,
    path: file('customcrm.sqlite'),
    token: localToken,
    sample,
    faults,
    webhook: {
      url: `${frontUrl}/webhooks/customcrm`,
      secret: secrets.CUSTOMCRM_WEBHOOK_SECRET,
      description: noteOf({ id: stackId, waveBusinessId: localBusinessId }),
    },
  });
  closers.push(customcrm.close);
  const wave = await startWave({
    port: port && port + 1,
    path: file('wave.sqlite'),
    token: localToken,
    sample,
    faults,
    webhook: { url: `${frontUrl}/webhooks/wave`, secret: secrets.WAVE_WEBHOOK_SECRET },
  });
  closers.push(wave.close);
  return {
    customcrm: customcrm.url,
    wave: wave.url,
    settings: standInSettings(customcrm.url, wave.url, secrets),
  };
}

/** Where the two systems are and how to talk to them: with stand-ins, none of it may come from a shell that knows the real ones. */
export const standInConnections: readonly string[] = [
  'CUSTOMCRM_API_URL',
  'CUSTOMCRM_API_TOKEN',
  'CUSTOMCRM_WEBHOOK_SECRET',
  'WAVE_API_URL',
  'WAVE_ACCESS_TOKEN',
  'WAVE_CLIENT_ID',
  'WAVE_CLIENT_SECRET',
  'WAVE_TOKEN_URL',
  'WAVE_REDIRECT_URI',
  'WAVE_WEBHOOK_SECRET',
  'WAVE_BUSINESS_ID',
  'WAVE_INCOME_ACCOUNT_ID',
  'WAVE_FALLBACK_PRODUCT_ID',
];
