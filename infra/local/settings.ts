import { loadConfig, settings } from '../../lib/config.ts';
import { ownVariables, templateVariables } from './functions.ts';
import { credentials, type Endpoints, region } from './provision.ts';
import { standInSettings } from './stand-ins.ts';
import type { Known, Template } from './template.ts';

type Variables = Readonly<Record<string, string>>;
type Given = Readonly<Record<string, string | undefined>>;

/**
 * Everything that the functions see. `standard` holds what this stack sets, and `given`, the environment of this start, wins over it.
 * What the shell that packaged had set does not count.
 */
export function environmentOf(
  template: Template,
  known: Known,
  endpoints: Endpoints,
  standard: Variables,
  given: Given,
): Variables {
  const own = ownVariables(template);
  const bare = Object.keys(settings.shape).filter((name) => !own.includes(name));
  return {
    ...templateVariables(template, known),
    ...Object.fromEntries(bare.map((name) => [name, ''])),
    ...standard,
    ...settingsIn(given, own),
    // What Lambda sets. Secrets are in the environment, not in Parameter Store.
    PARAMETERS_PATH: '',
    AWS_REGION: region,
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    AWS_ENDPOINT_URL_DYNAMODB: endpoints.dynamodb,
    AWS_ENDPOINT_URL_SQS: endpoints.sqs,
  };
}

/** Looks at the settings of this start before anything runs. @throws SettingsError that names every fault at once */
export function checkSettings(given: Given, standIns: boolean): void {
  const url = 'http://127.0.0.1';
  const secrets = { CUSTOMCRM_WEBHOOK_SECRET: 'whsec_bG9jYWw=', WAVE_WEBHOOK_SECRET: 'local' };
  loadConfig({
    FINGERPRINT_KEYS: `local:${Buffer.alloc(32).toString('base64')}`,
    ...(standIns && standInSettings(url, url, secrets)),
    ...settingsIn(given, []),
    TABLE_NAME: 'local',
    CUSTOMCRM_CHANGES_QUEUE_URL: url,
    WAVE_CHANGES_QUEUE_URL: url,
    CUSTOMCRM_BACKGROUND_QUEUE_URL: url,
    WAVE_BACKGROUND_QUEUE_URL: url,
  });
}

/** The settings among some variables, but those that name the stack's own resources. */
const settingsIn = (given: Given, own: readonly string[]): Variables =>
  Object.fromEntries(
    Object.entries(given).filter(
      (entry): entry is [string, string] =>
        entry[0] in settings.shape && !own.includes(entry[0]) && Boolean(entry[1]),
    ),
  );
