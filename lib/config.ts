import { Webhook } from 'standardwebhooks';
import * as z from 'zod';
import type { FingerprintKey } from './domain/fingerprint.ts';
import { type ConflictPolicy, conflictPolicies } from './domain/policy.ts';
import { type Pair, pairs } from './domain/record.ts';
import { SettingsError } from './errors.ts';
import { mappings } from './mappings/pairs.ts';

type PolicyOf = (pair: Pair, row: string) => ConflictPolicy;

/** A variable that is set to nothing is not set. */
const given = <T extends z.ZodType>(schema: T) =>
  z.preprocess((value) => (typeof value === 'string' && value.trim() === '' ? undefined : value), schema);
const flag = z.enum(['true', 'false']).transform((value) => value === 'true');
const seconds = (least: number, most: number) => z.coerce.number().int().min(least).max(most);
const secrets = z
  .string()
  .transform((text) =>
    text
      .split(',')
      .map((part) => part.trim())
      .filter(Boolean),
  )
  .refine((list) => list.length > 0, 'at least one secret');

/** One that cannot be read verifies nothing; beside one that can it does no harm. */
function isSigningSecret(secret: string): boolean {
  try {
    return new Webhook(secret) !== undefined;
  } catch {
    return false;
  }
}

/** A poll each minute, and a read and a write of a change: with fewer, what was read is stale before it can be written. */
const leastPerMinute = 3;
/** Every record is noted under each of them. */
const keyLimit = 3;

const fingerprintKeys = z.string().transform((text, context): [FingerprintKey, ...FingerprintKey[]] => {
  const keys = text.split(',').map((part) => {
    const [id = '', secret = ''] = part.trim().split(':');
    return { id, secret: new Uint8Array(Buffer.from(secret, 'base64')) };
  });
  const [first, ...others] = keys;
  if (keys.length > keyLimit) {
    context.addIssue(
      `at most ${keyLimit} keys: "Rotating secrets" in docs/RUNBOOK.md says when the oldest can go`,
    );
    return z.NEVER;
  }
  if (!first || keys.some(({ id, secret }) => !/^[A-Za-z0-9]{1,16}$/.test(id) || secret.length < 16)) {
    context.addIssue(
      'each key is id:base64, the id up to 16 letters and digits, the secret at least 16 bytes; make one with: openssl rand -base64 32',
    );
    return z.NEVER;
  }
  return [first, ...others];
});

/** `latest,product=wave,order.Lines=hold`: one policy for everything, then exceptions for pairs and rows. */
function policies(standard: ConflictPolicy) {
  return z
    .string()
    .default(standard)
    .transform((text, context): PolicyOf => {
      const exceptions = new Map<string, ConflictPolicy>();
      let general = standard;
      for (const part of text.split(',').map((each) => each.trim())) {
        const [name = '', ...value] = part.split('=');
        const policy = conflictPolicies.find((known) => known === (value[0] ?? name));
        const isKnown = value.length === 0 || (value.length === 1 && rowNames.has(name));
        if (!policy || !isKnown)
          context.addIssue(
            `"${part}" is neither one of ${conflictPolicies.join(', ')} nor pair=policy nor pair.Row=policy`,
          );
        else if (value.length === 0) general = policy;
        else exceptions.set(name, policy);
      }
      return (pair, row) => exceptions.get(`${pair}.${row}`) ?? exceptions.get(pair) ?? general;
    });
}

/** Every name that a policy can be given for: the pairs, and their rows. */
const rowNames: ReadonlySet<string> = new Set(
  pairs.flatMap((pair) => [pair, ...mappings[pair].everyRow.map((row) => `${pair}.${row.id}`)]),
);

/** Every setting, in the order in which the README lists them. Descriptions end up there. */
export const settings = z.object({
  CUSTOMCRM_API_URL: given(z.url()).describe(
    'Base URL of the CRM that keeps the contract, such as `https://crm.example.com/api/v1`',
  ),
  CUSTOMCRM_API_TOKEN: given(z.string()).describe('Bearer token for it'),
  CUSTOMCRM_WEBHOOK_SECRET: given(
    secrets.refine(
      (list) => list.length === 0 || list.some(isSigningSecret),
      '`whsec_` and base64, as Customcrm shows it',
    ),
  ).describe('Webhook secrets, `whsec_...`, comma-separated during a rotation'),
  WAVE_WEBHOOK_SECRET: given(secrets).describe(
    "Webhook secrets as Wave's developer portal shows them, comma-separated",
  ),
  WAVE_API_URL: given(z.url().default('https://gql.waveapps.com/graphql/public')).describe(
    "Wave's GraphQL endpoint",
  ),
  WAVE_ACCESS_TOKEN: given(z.string().optional()).describe(
    'Full-access token of the Wave user; either this, or an application to log in with',
  ),
  WAVE_CLIENT_ID: given(z.string().optional()).describe(
    "Client id of the OAuth application, from Wave's developer portal",
  ),
  WAVE_CLIENT_SECRET: given(z.string().optional()).describe('Client secret of it'),
  WAVE_TOKEN_URL: given(z.url().default('https://api.waveapps.com/oauth2/token/')).describe(
    "Wave's token endpoint; the login page lies beside it",
  ),
  WAVE_REDIRECT_URI: given(z.url().optional()).describe(
    'Where Wave sends the browser after a login; without it, the first one that is registered',
  ),
  WAVE_BUSINESS_ID: given(z.string()).describe('Global id of the business, base64 of `Business:<uuid>`'),
  WAVE_INCOME_ACCOUNT_ID: given(z.string().optional()).describe(
    'Income account of products that are created in Wave; without it they are `blocked`',
  ),
  WAVE_FALLBACK_PRODUCT_ID: given(z.string().optional()).describe(
    'Wave product that stands for order lines without a product',
  ),
  WAVE_POLL_INTERVAL_SECONDS: given(seconds(1, 60).default(60)).describe(
    'How often Wave is asked what changed, within each minute',
  ),
  CUSTOMCRM_POLL_INTERVAL_SECONDS: given(seconds(1, 300).default(300)).describe(
    'How often Customcrm is asked what its webhooks may have lost',
  ),
  WAVE_MAX_REQUESTS_PER_MINUTE: given(
    z.coerce.number().int().min(leastPerMinute).max(100_000).default(60),
  ).describe(
    'Requests to Wave in any 60 seconds, by all functions together, at least 3; Wave publishes no limit',
  ),
  WAVE_MAX_IN_FLIGHT: given(z.coerce.number().int().min(1).max(100).default(2)).describe(
    'Requests to Wave at once, by all functions together',
  ),
  WAVE_MAX_REQUESTS_PER_DAY: given(z.coerce.number().int().min(1).max(10_000_000).default(5_000)).describe(
    'Requests to Wave in any 24 hours; Wave publishes no limit, and 5,000 is the only one that anybody claims: a poll each minute takes 1,440, a first load 0.6 of one a record',
  ),
  WAVE_COUNTS_FIELDS: given(flag.default(false)).describe(
    'Whether Wave counts each record that a document reads or writes as a request (unconfirmed)',
  ),
  WAVE_OPERATIONS_PER_DOCUMENT: given(z.coerce.number().int().min(1).max(25).default(10)).describe(
    'Records that one request to Wave reads or writes at the most; fewer once Wave refuses so many',
  ),
  CONFLICT_POLICY: given(policies('latest')).describe(
    'Who wins when both sides changed the same property: `latest`, `customcrm`, `wave` or `hold`; exceptions follow, such as `latest,product=wave,order.Lines=hold`',
  ),
  FIRST_LINK_POLICY: given(policies('hold')).describe(
    'Who wins where two records differ when they are first linked; written alike',
  ),
  FINGERPRINT_KEYS: given(fingerprintKeys).describe(
    '`id:base64` keys of the fingerprints, the first one writes, older ones still recognise',
  ),
  CREATE_INVOICES_FROM: given(z.enum(['draft', 'confirmed']).default('draft')).describe(
    'From which status on an order gets an invoice',
  ),
  PO_NUMBER_FROM: given(z.enum(['OrderNumber', 'PurchaseOrderNumber']).default('OrderNumber')).describe(
    "What Wave's `poNumber` holds",
  ),
  APPROVE_INVOICES: given(z.enum(['never', 'on-confirm']).default('never')).describe(
    'Whether confirming an order approves its invoice',
  ),
  EDIT_ISSUED_INVOICES: given(flag.default(false)).describe(
    'Whether lines, customer, currency and date may change after an invoice was issued',
  ),
  WAVE_PERCENTAGE: given(z.enum(['percent', 'fraction']).default('percent')).describe(
    "Unit of Wave's discount percentage: 10 or 0.10 (unconfirmed)",
  ),
  WAVE_KEEPS_LINE_ORDER: given(flag.default(false)).describe(
    'Whether Wave keeps the order of invoice items (unconfirmed)',
  ),
  SETTLE_SECONDS: given(seconds(30, 900).default(120)).describe(
    'How long an unanswered write may still be executed',
  ),
  // What an hour counted is one item, by record, and an item has 400 KB; whoever waits behind a blown fuse has items of his own.
  FUSE_LIMIT: given(z.coerce.number().int().min(1).max(1_000).default(20)).describe(
    'Deletions, or values going empty, within an hour, after which everything of the kind waits for a person',
  ),
  PAIRS_STARTED: given(flag.default(false)).describe(
    'Whether every pair is started from the beginning; otherwise a pair starts with `start <pair>`, after its preview',
  ),
  TABLE_NAME: given(z.string()).describe('Set by the deployment'),
  CUSTOMCRM_CHANGES_QUEUE_URL: given(z.url()).describe('Set by the deployment'),
  WAVE_CHANGES_QUEUE_URL: given(z.url()).describe('Set by the deployment'),
  CUSTOMCRM_BACKGROUND_QUEUE_URL: given(z.url()).describe('Set by the deployment'),
  WAVE_BACKGROUND_QUEUE_URL: given(z.url()).describe('Set by the deployment'),
});

export type Config = z.infer<typeof settings>;

/** @throws SettingsError that names every fault at once and shows no value. */
export function loadConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const parsed = settings.safeParse(env);
  const access = accessFaults(env);
  if (parsed.success && access.length === 0) return parsed.data;
  const faults = (parsed.error?.issues ?? []).map(({ path, code, message }) => {
    const name = String(path[0]);
    const missing = code === 'invalid_type' && !env[name]?.trim();
    return `  ${name}: ${missing ? 'is not set' : message}`;
  });
  faults.push(...access);
  throw new SettingsError(`These settings need attention:\n${faults.join('\n')}`);
}

/** Wave is reached with a full-access token, or with an application that somebody logs in with: never both. */
function accessFaults(env: Readonly<Record<string, string | undefined>>): string[] {
  const isSet = (name: string) => Boolean(env[name]?.trim());
  const ofApplication = ['WAVE_CLIENT_ID', 'WAVE_CLIENT_SECRET'];
  const [first] = ofApplication.filter(isSet);
  if (first === undefined)
    return isSet('WAVE_ACCESS_TOKEN')
      ? []
      : ['  WAVE_ACCESS_TOKEN: is not set, nor are WAVE_CLIENT_ID and WAVE_CLIENT_SECRET in its place'];
  const both = isSet('WAVE_ACCESS_TOKEN')
    ? [`  WAVE_ACCESS_TOKEN: is set beside ${first}: only one way to reach Wave may be`]
    : [];
  const missing = ofApplication.filter((name) => !isSet(name)).map((name) => `  ${name}: is not set`);
  return [...both, ...missing];
}
