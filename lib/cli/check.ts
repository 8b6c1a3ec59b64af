import { type Connections, registrations } from '../app.ts';
import { type Pair, pairs } from '../domain/record.ts';
import { SyncError } from '../errors.ts';
import { mappings } from '../mappings/pairs.ts';
import { progressOf } from '../sync/poll-progress.ts';
import type { Call } from '../sync/ports.ts';
import { aboutOthers, knownStackId, whose } from '../sync/registrations.ts';
import { fallbackProduct, waveHealth } from '../wave/health.ts';

/** One line of the check: fine, or what to do. */
export interface Finding {
  readonly what: string;
  readonly ok: boolean;
  readonly say: string;
}

/** Clocks that differ by more make signed webhooks stale and fences wrong, ms. */
const clockLimitMs = 60_000;

/** Looks at everything that must be right before records flow. Reads only. */
export async function check(connections: Connections, call: Call): Promise<readonly Finding[]> {
  const parts = [checkTable, checkCustomcrm, checkWebhooks, checkWave, checkFallback];
  const findings = await Promise.all(parts.map((part) => part(connections, call).catch(asFinding)));
  return findings.flat();
}

const asFinding = (error: unknown): readonly Finding[] => [
  {
    what: error instanceof SyncError ? 'connection' : 'check',
    ok: false,
    say: error instanceof Error ? error.message : 'unknown error',
  },
];

async function checkTable({ engine }: Connections): Promise<readonly Finding[]> {
  const { completeAt } = await progressOf(engine, 'wave');
  return [
    {
      what: 'table',
      ok: true,
      say: completeAt ? 'answers; Wave was read before' : 'answers; Wave was not read yet',
    },
  ];
}

async function checkCustomcrm({ engine }: Connections, call: Call): Promise<readonly Finding[]> {
  const findings: Finding[] = [{ what: 'Customcrm', ok: true, say: 'answers, and the token is good' }];
  for (const pair of pairs) {
    const { changes } = await engine.systems.customcrm.changedSince(pair, 0, undefined, call);
    const shown = changes.find((change) => change.state === 'living');
    const absent = shown?.state === 'living' ? absentProperties(pair, shown.snapshot.body) : [];
    findings.push({
      what: `Customcrm ${pair}`,
      ok: absent.length === 0,
      say:
        absent.length === 0
          ? shown
            ? 'shows every property'
            : 'has no record yet'
          : `does not show ${absent.join(', ')}: these stay as they are on both sides until it does`,
    });
  }
  return findings;
}

const absentProperties = (pair: Pair, body: Readonly<Record<string, unknown>>): readonly string[] =>
  mappings[pair].everyRow.map((row) => row.customcrm).filter((property) => body[property] === undefined);

async function checkWebhooks(
  { engine, config, customcrm }: Connections,
  call: Call,
): Promise<readonly Finding[]> {
  const stack = { id: await knownStackId(engine), waveBusinessId: config.WAVE_BUSINESS_ID };
  const { own, others } = whose(await registrations(customcrm, call), stack);
  const ids = own.map(({ id }) => id).join(', ');
  const say =
    own.length === 1
      ? `registered as ${ids}`
      : own.length === 0
        ? 'not registered by this stack: run `webhooks register`; until then changes arrive by the poll'
        : `registered ${own.length} times: webhooks remove all but one of ${ids}`;
  return [
    { what: 'Customcrm webhook', ok: own.length === 1, say },
    {
      what: 'other stacks',
      ok: others.length === 0,
      say: others.length === 0 ? 'none is active on this pair of systems' : aboutOthers(others),
    },
  ];
}

async function checkWave(
  { wave, waveOptions, config }: Connections,
  call: Call,
): Promise<readonly Finding[]> {
  const { business, incomeAccounts, clockAheadMs } = await waveHealth(wave, waveOptions, call);
  const account = incomeAccounts.find(({ id }) => id === config.WAVE_INCOME_ACCOUNT_ID);
  const [only, ...others] = incomeAccounts;
  const proposal =
    only && others.length === 0
      ? `set WAVE_INCOME_ACCOUNT_ID=${only.id} (${only.name})`
      : `choose WAVE_INCOME_ACCOUNT_ID among: ${incomeAccounts.map(({ id, name }) => `${name} ${id}`).join('; ')}`;
  return [
    {
      what: 'Wave business',
      ok: business !== undefined && !business.archived,
      say: business
        ? `${business.name}, ${business.currency}${business.archived ? ', archived' : ''}`
        : 'not found: check WAVE_BUSINESS_ID and what the token may reach',
    },
    { what: 'Wave income account', ok: account !== undefined, say: account ? account.name : proposal },
    {
      what: 'clocks',
      ok: Math.abs(clockAheadMs) < clockLimitMs,
      say: `Wave is ${Math.round(clockAheadMs / 1000)} s ahead of this machine`,
    },
  ];
}

async function checkFallback(
  { wave, waveOptions, config }: Connections,
  call: Call,
): Promise<readonly Finding[]> {
  const id = config.WAVE_FALLBACK_PRODUCT_ID;
  const what = 'Wave fallback product';
  if (id === undefined)
    return [{ what, ok: true, say: 'not set: order lines without a product will be `blocked`' }];
  const found = await fallbackProduct(wave, waveOptions, id, call);
  if (!found) return [{ what, ok: false, say: 'not found: check WAVE_FALLBACK_PRODUCT_ID' }];
  return [
    {
      what,
      ok: found.usable,
      say: found.usable ? found.name : `${found.name} is archived or not sold: invoices cannot use it`,
    },
  ];
}
