import { type Command, InvalidArgumentError } from 'commander';
import { asRegistration, checkIdentity } from '../app.ts';
import { awsFailure } from '../aws/failure.ts';
import { parametersUnder, putSecret } from '../aws/parameters.ts';
import { webhooksApi } from '../customcrm/webhooks-api.ts';
import { RemoteMissingError, SettingsError } from '../errors.ts';
import type { Engine } from '../sync/engine.ts';
import { lastDelivery } from '../sync/last-delivery.ts';
import {
  aboutOthers,
  knownStackId,
  noteOf,
  type Registration,
  stackId,
  whose,
} from '../sync/registrations.ts';
import { columns } from './columns.ts';
import { callNow } from './connect.ts';
import type { Terminal } from './terminal.ts';

const secretName = 'CUSTOMCRM_WEBHOOK_SECRET';
/** The new secret and the two before it: deliveries that are under way were signed with the old one. */
const secretLimit = 3;

/** Puts a new secret before the ones that the stage has. Answers its name, or undefined where the stage keeps none in Parameter Store. */
async function storeSecret(secret: string): Promise<{ readonly name: string } | undefined> {
  const path = process.env.PARAMETERS_PATH;
  if (!path) return undefined;
  const { [secretName]: before = '' } = await parametersUnder(path);
  const secrets = [secret, ...before.split(',').filter(Boolean)].slice(0, secretLimit);
  const name = `${path.replace(/\/$/, '')}/${secretName}`;
  await putSecret(name, secrets.join(','));
  return { name };
}

const reasonOf = (error: unknown): string =>
  awsFailure(error)?.message ?? (error instanceof Error ? error.message : 'unknown');

const isAmong = (registrations: readonly Registration[], id: string): boolean =>
  registrations.some((each) => each.id === id);

/** What the other side of a request for one subscription throws when there is none. */
const orNotFound =
  (id: string) =>
  (error: unknown): never => {
    if (error instanceof RemoteMissingError) throw new SettingsError(`Not found: the subscription ${id}.`);
    throw error;
  };

/** How often a delivery is looked for, ms. */
const lookEveryMs = 2_000;

const waveEvents = [
  'invoice.approved',
  'invoice.sent',
  'invoice.viewed',
  'invoice.paid',
  'invoice.partially_paid',
  'invoice.overpaid',
  'invoice.overdue',
];

/** Where the secret of Wave's webhooks belongs: a deployed stage reads it from Parameter Store alone. */
const waveSecretStep = (stage: string | undefined): string =>
  stage === undefined
    ? 'Copy the secret that the portal shows into the setting WAVE_WEBHOOK_SECRET.'
    : `Put the secret that the portal shows into Parameter Store, and wait five minutes until it is in use:
   aws ssm put-parameter --type SecureString --overwrite --name /customcrm-wave-sync/${stage}/WAVE_WEBHOOK_SECRET --value '...'`;

/** Wave's webhooks are configured by hand, in the developer portal; these are the steps. */
const waveSteps = (url: string, stage: string | undefined): string =>
  [
    '1. Open https://developer.waveapps.com, Manage Applications, your application.',
    '2. Choose Tools, then Webhooks, then add an endpoint.',
    `3. URL: ${url}`,
    `4. Events: ${waveEvents.join(', ')}`,
    `5. ${waveSecretStep(stage)}`,
    'Wave only delivers for businesses on the Pro plan whose owner gave this application invoice:read.',
  ].join('\n');

export function addWebhookCommands(program: Command, { connected, say, confirmed, stage }: Terminal): void {
  const group = program
    .command('webhooks')
    .description("Customcrm's webhook subscriptions, and the steps for Wave's");
  group
    .command('list')
    .description('every subscription, and whose it is')
    .action(async () => {
      const { config, engine, customcrm } = await connected();
      const stack = { id: await knownStackId(engine), waveBusinessId: config.WAVE_BUSINESS_ID };
      const all = await webhooksApi(customcrm).all(callNow());
      const { own, others } = whose(all.map(asRegistration), stack);
      const found = all.map((each) => ({
        ...each,
        stack: isAmong(own, each.Id) ? 'this stack' : isAmong(others, each.Id) ? 'another stack' : '-',
      }));
      const rows = found.map(({ Id, Status, stack: owner, Url, Events }) => [
        Id,
        Status,
        owner,
        Url,
        Events.join(' '),
      ]);
      say(found, rows.length === 0 ? 'None.' : columns(['id', 'status', 'of', 'url', 'events'], rows));
    });
  group
    .command('register')
    .description(
      'subscribes in Customcrm to every event; a deployed stage stores the secret, the local stack prints it once',
    )
    .argument('<url>', 'the deployed URL that ends in /webhooks/customcrm')
    .action(async (url: string) => {
      const connections = await connected();
      const { config, engine, customcrm } = connections;
      await checkIdentity(connections);
      const self = { id: await stackId(engine), waveBusinessId: config.WAVE_BUSINESS_ID };
      const webhooks = webhooksApi(customcrm);
      const all = await webhooks.all(callNow());
      const { own, others } = whose(all.map(asRegistration), self);
      if (others.length > 0) throw new SettingsError(`Not registered: ${aboutOthers(others)} first.`);
      const same = all.find(({ Url }) => Url === url);
      if (same) {
        const anew = `webhooks remove ${same.Id}, and say this again`;
        if (!isAmong(own, same.Id))
          throw new SettingsError(
            `Not registered: the subscription ${same.Id} has this URL, but it is ${same.Status} or was not made by this stack: ${anew}.`,
          );
        return say(same, `Already registered as ${same.Id}. To get a new secret: ${anew}.`);
      }
      if (!(await confirmed(`Let Customcrm send every change to ${url}?`))) return;
      const { Secret, ...made } = await webhooks.register(url, noteOf(self), callNow());
      if (Secret === undefined) throw new SettingsError(`Registered as ${made.Id}, but no secret was shown.`);
      const stored = await storeSecret(Secret).catch((error: unknown) => ({ failed: reasonOf(error) }));
      if (stored !== undefined && 'name' in stored)
        return say(
          { ...made, storedAs: stored.name },
          `Registered as ${made.Id}. The secret is in Parameter Store as ${stored.name}, in use within five minutes; the ones before it stay valid.`,
        );
      const why = stored === undefined ? '' : `The secret could not be stored: ${stored.failed}\n`;
      if (stored !== undefined) process.exitCode = 1;
      say(
        { ...made, Secret, ...stored },
        `Registered as ${made.Id}. ${why}It is shown this once. Set ${secretName} to:\n${Secret}`,
      );
    });
  group
    .command('test')
    .description('lets Customcrm send a signed ping')
    .argument('<id>')
    .action(async (id: string) => {
      const { customcrm } = await connected();
      if (!(await confirmed(`Let Customcrm send a ping to the subscription ${id}?`))) return;
      await webhooksApi(customcrm).test(id, callNow()).catch(orNotFound(id));
      say(
        { sent: true },
        'Sent. The log of customcrm-webhook shows `webhook ignored` with type webhook.ping.',
      );
    });
  group
    .command('remove')
    .description('ends a subscription')
    .argument('<id>')
    .action(async (id: string) => {
      const { customcrm } = await connected();
      if (!(await confirmed(`Remove the subscription ${id}? Changes then arrive by the poll only.`))) return;
      await webhooksApi(customcrm).remove(id, callNow()).catch(orNotFound(id));
      say({ removed: id }, 'Removed.');
    });
  group
    .command('wave')
    .description(
      "the steps that register our URL in Wave's developer portal; then waits for the first delivery",
    )
    .argument('<url>', 'the deployed URL that ends in /webhooks/wave')
    .option('--no-watch', 'print the steps only')
    .option('--minutes <n>', 'wait this long', minutesOf, 15)
    .action(async (url: string, { watch, minutes }: { watch: boolean; minutes: number }) => {
      const steps = waveSteps(url, stage());
      if (!watch) return say({ url, events: waveEvents }, steps);
      process.stderr.write(`${steps}\n\nWaiting for a signed delivery, at the most ${minutes} min ...\n`);
      const heardAt = await firstDelivery((await connected()).engine, minutes * 60_000);
      if (heardAt === undefined) process.exitCode = 1;
      say(
        { url, events: waveEvents, heardAt: heardAt ?? null },
        heardAt === undefined
          ? 'None came. Approve an invoice in Wave, and ask again. If the log of wave-webhook shows `webhook refused`, the secret is another one; if it shows nothing, the URL is.'
          : 'Wave was heard: its webhooks arrive, and their signature is right.',
      );
    });
}

function minutesOf(text: string): number {
  const minutes = Number(text);
  if (!(minutes > 0 && minutes <= 60)) throw new InvalidArgumentError('Say a number of minutes up to 60.');
  return minutes;
}

/** Answers when it came, ms since 1970; undefined when none came within that time. */
async function firstDelivery(engine: Engine, patienceMs: number): Promise<number | undefined> {
  const { clock } = engine;
  const before = await lastDelivery(engine, 'wave');
  const end = clock.now() + patienceMs;
  for (;;) {
    const heardAt = await lastDelivery(engine, 'wave');
    if (heardAt !== undefined && heardAt !== before) return heardAt;
    if (clock.now() >= end) return undefined;
    await clock.sleep(lookEveryMs);
  }
}
