import { type Connections, registrations } from '../app.ts';
import { alarmSubscribers } from '../aws/alarm-topic.ts';
import { awsFailure } from '../aws/failure.ts';
import { type Pair, pairs, type System, systems } from '../domain/record.ts';
import { ReconnectNeededError, SyncError } from '../errors.ts';
import { getPath } from '../mappings/mapping.ts';
import { mappings } from '../mappings/pairs.ts';
import { progressOf } from '../sync/poll-progress.ts';
import type { Call } from '../sync/ports.ts';
import { aboutOthers, knownStackId, whose } from '../sync/registrations.ts';
import { fallbackProduct, waveHealth } from '../wave/health.ts';
import { alarmTopicOf } from './connect.ts';

/** One line of the check: fine, or what to do. */
export interface Finding {
  readonly what: string;
  readonly ok: boolean;
  readonly say: string;
}

type Part = (connections: Connections, call: Call) => Promise<readonly Finding[]>;

/** Clocks that differ by more make signed webhooks stale and fences wrong, ms. */
const clockLimitMs = 60_000;

/** Looks at everything that must be right before records flow. Reads only. @param stage undefined for the local stack */
export async function check(
  connections: Connections,
  stage: string | undefined,
  call: Call,
): Promise<readonly Finding[]> {
  const parts: readonly (readonly [string, Part])[] = [
    ['settings', checkSettings],
    ['table', checkTable],
    ['queues', checkQueues],
    ...(stage === undefined ? [] : [['alarms', () => checkAlarms(stage)] as const]),
    ['Customcrm', checkCustomcrm],
    ['Wave', checkWave],
  ];
  const findings = await Promise.all(
    parts.map(([what, part]) =>
      part(connections, call).catch((error: unknown) => [failed(connections, what, error)]),
    ),
  );
  return findings.flat();
}

/** What is wrong with a part, once, and what to do about it. */
function failed({ config }: Connections, what: string, error: unknown): Finding {
  const message = error instanceof Error ? error.message : 'unknown error';
  if (!(error instanceof SyncError)) return { what, ok: false, say: awsFailure(error)?.message ?? message };
  // A wrong client secret says itself what to do.
  const saysHow = message.includes('WAVE_CLIENT_SECRET');
  if (saysHow || !(error instanceof ReconnectNeededError)) return { what, ok: false, say: message };
  const where = process.env.PARAMETERS_PATH ? 'Parameter Store' : 'the environment of the local stack';
  const cure =
    error.system === 'customcrm'
      ? `put a token that is good into ${where} as CUSTOMCRM_API_TOKEN`
      : config.WAVE_CLIENT_ID === undefined
        ? `put a token that is good into ${where} as WAVE_ACCESS_TOKEN`
        : 'log in with: wave login';
  return { what, ok: false, say: `${message}: ${cure}` };
}

const checkSettings: Part = async ({ config }) => {
  const access = config.WAVE_CLIENT_ID === undefined ? 'a full-access token' : 'an application with a login';
  const [first, ...older] = config.FINGERPRINT_KEYS;
  const keys = older.length === 0 ? '' : `, and recognises ${older.map(({ id }) => id).join(' and ')}`;
  return [
    {
      what: 'settings',
      ok: true,
      say: `complete; Wave by ${access}; fingerprint key ${first.id} writes${keys}`,
    },
  ];
};

const checkTable: Part = async ({ engine }) => {
  const { completeAt } = await progressOf(engine, 'wave');
  const say = completeAt ? 'answers; Wave was read before' : 'answers; Wave was not read yet';
  return [{ what: 'table', ok: true, say }];
};

const checkQueues: Part = async ({ engine }) => {
  const depths = await Promise.all(systems.map((system) => engine.queues[system].depth?.()));
  const waiting = depths.reduce((sum, depth) => sum + (depth?.live ?? 0) + (depth?.background ?? 0), 0);
  return [{ what: 'queues', ok: true, say: `answer; ${waiting} changes are in them` }];
};

async function checkAlarms(stage: string): Promise<readonly Finding[]> {
  const { confirmed, pending } = await alarmSubscribers(await alarmTopicOf(stage));
  const say =
    confirmed > 0
      ? `${confirmed} subscribed`
      : pending > 0
        ? 'nobody hears them yet: confirm the subscription in the e-mail that AWS sent'
        : 'nobody hears them: deploy with ALARM_EMAIL, or subscribe to the topic of the stack';
  return [{ what: 'alarms', ok: confirmed > 0, say }];
}

const checkCustomcrm: Part = async (connections, call) => {
  const { engine, customcrm } = connections;
  const { date } = await customcrm({ method: 'GET', path: 'customers', query: { limit: 1 } }, call);
  const shown = await Promise.all(
    pairs.map((pair) =>
      pairFinding('customcrm', pair, async () => {
        const { changes } = await engine.systems.customcrm.changedSince(pair, 0, undefined, call);
        return changes.flatMap((change) => (change.state === 'living' ? [change.snapshot.body] : []))[0];
      }),
    ),
  );
  return [
    { what: 'Customcrm', ok: true, say: 'answers, and the token is good' },
    clockFinding('Customcrm', date - Date.now()),
    ...shown,
    ...(await checkWebhooks(connections, call)),
  ];
};

const checkWebhooks: Part = async ({ engine, config, customcrm }, call) => {
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
};

const checkWave: Part = async (connections, call) => {
  const { engine, wave, waveOptions } = connections;
  const { business, incomeAccounts, clockAheadMs } = await waveHealth(wave, waveOptions, call);
  const clock = clockFinding('Wave', clockAheadMs);
  if (!business) {
    const say = 'not found: check WAVE_BUSINESS_ID, and which businesses the token may reach';
    return [{ what: 'Wave business', ok: false, say }, clock];
  }
  const shown = await Promise.all(
    pairs.map((pair) =>
      pairFinding('wave', pair, async () => {
        const { snapshots } = await engine.feed.listAll(pair, undefined, call);
        return snapshots[0]?.body;
      }),
    ),
  );
  return [
    {
      what: 'Wave business',
      ok: !business.archived,
      say: `${business.name}, ${business.currency}${business.archived ? ', archived' : ''}`,
    },
    clock,
    ...shown,
    accountFinding(connections, incomeAccounts),
    ...(await checkFallback(connections, call)),
  ];
};

function accountFinding(
  { config }: Connections,
  accounts: readonly { readonly id: string; readonly name: string }[],
): Finding {
  const what = 'Wave income account';
  const account = accounts.find(({ id }) => id === config.WAVE_INCOME_ACCOUNT_ID);
  if (account) return { what, ok: true, say: account.name };
  const [only, ...others] = accounts;
  const say = !only
    ? 'this business shows none: make one in Wave, or let the token read accounts; until then new products are `blocked`'
    : others.length === 0
      ? `set WAVE_INCOME_ACCOUNT_ID=${only.id} (${only.name})`
      : `choose WAVE_INCOME_ACCOUNT_ID among: ${accounts.map(({ id, name }) => `${name} ${id}`).join('; ')}`;
  return { what, ok: false, say };
}

const checkFallback: Part = async ({ wave, waveOptions, config }, call) => {
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
};

/** Whether a system lets us read its records of a pair, and all that we map of them. That it lets us write shows with the first write. */
async function pairFinding(
  system: System,
  pair: Pair,
  read: () => Promise<Readonly<Record<string, unknown>> | undefined>,
): Promise<Finding> {
  const what = `${system === 'wave' ? 'Wave' : 'Customcrm'} ${pair}`;
  try {
    const body = await read();
    if (!body) return { what, ok: true, say: 'can be read; there is none yet' };
    const paths = mappings[pair].everyRow.map((row) => row[system]);
    const absent = paths.filter((path) => getPath(body, path) === undefined);
    const say = `does not show ${absent.join(', ')}: these stay as they are on both sides until it does`;
    return { what, ok: absent.length === 0, say: absent.length === 0 ? 'shows every property' : say };
  } catch (error) {
    if (!(error instanceof SyncError)) throw error;
    const right = system === 'wave' ? `the scope ${scopeOf[pair]}:read` : `the right to read each ${pair}`;
    return { what, ok: false, say: `cannot be read (${error.message}): the token needs ${right}` };
  }
}

const scopeOf: Readonly<Record<Pair, string>> = {
  customer: 'customer',
  product: 'product',
  order: 'invoice',
};

function clockFinding(name: string, aheadMs: number): Finding {
  const what = `${name} clock`;
  const seconds = Math.round(aheadMs / 1000);
  if (Math.abs(aheadMs) < clockLimitMs) return { what, ok: true, say: `${seconds} s ahead of this machine` };
  return {
    what,
    ok: false,
    say: `${seconds} s ahead of this machine: signed webhooks are refused, and creates wait too long or too little. Set the clock that is wrong`,
  };
}
