import { type Command, InvalidArgumentError } from 'commander';
import { type Connections, checkIdentity, registrations } from '../app.ts';
import { parametersUnder, putSecret } from '../aws/parameters.ts';
import { webhooksApi } from '../customcrm/webhooks-api.ts';
import { SettingsError } from '../errors.ts';
import type { Engine } from '../sync/engine.ts';
import { lastDelivery } from '../sync/last-delivery.ts';
import { aboutOthers, noteOf, stackId, whose } from '../sync/registrations.ts';
import { columns } from './columns.ts';
import { callNow } from './connect.ts';

/** What the commands need from the program. */
export interface Terminal {
  readonly connected: () => Promise<Connections>;
  readonly say: (data: unknown, text: string) => void;
  readonly confirmed: (question: string) => Promise<boolean>;
}

const secretName = 'CUSTOMCRM_WEBHOOK_SECRET';
/** The new secret and the two before it: deliveries that are under way were signed with the old one. */
const secretLimit = 3;

/** Puts a new secret before the ones that the stage has. Answers its name, or undefined where the stage keeps none in Parameter Store. */
async function storeSecret(secret: string): Promise<string | undefined> {
  const path = process.env.PARAMETERS_PATH;
  if (!path) return undefined;
  const { [secretName]: before = '' } = await parametersUnder(path);
  const secrets = [secret, ...before.split(',').filter(Boolean)].slice(0, secretLimit);
  const name = `${path.replace(/\/$/, '')}/${secretName}`;
  await putSecret(name, secrets.join(','));
  return name;
}

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

/** Wave's webhooks are configured by hand, in the developer portal; these are the steps. */
const waveSteps = (url: string): string =>
  [
    '1. Open https://developer.waveapps.com, Manage Applications, your application.',
    '2. Choose Tools, then Webhooks, then add an endpoint.',
    `3. URL: ${url}`,
    `4. Events: ${waveEvents.join(', ')}`,
    '5. Copy the secret that the portal shows into the setting WAVE_WEBHOOK_SECRET.',
    'Wave only delivers for businesses on the Pro plan whose owner gave this application invoice:read.',
  ].join('\n');

export function addWebhookCommands(program: Command, { connected, say, confirmed }: Terminal): void {
  const group = program
    .command('webhooks')
    .description("Customcrm's webhook subscriptions, and the steps for Wave's");
  const api = async () => webhooksApi((await connected()).customcrm);

  group.command('list').action(async () => {
    const all = await (await api()).all(callNow());
    say(
      all,
      columns(
        ['id', 'status', 'url', 'events'],
        all.map(({ Id, Status, Url, Events }) => [Id, Status, Url, Events.join(' ')]),
      ),
    );
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
      const stack = { id: await stackId(engine), waveBusinessId: config.WAVE_BUSINESS_ID };
      const { others } = whose(await registrations(customcrm, callNow()), stack);
      if (others.length > 0) throw new SettingsError(`Not registered: ${aboutOthers(others)} first.`);
      const webhooks = webhooksApi(customcrm);
      const same = (await webhooks.all(callNow())).find(({ Url }) => Url === url);
      if (same) {
        say(same, `Already registered as ${same.Id}. Remove it first to get a new secret.`);
        return;
      }
      if (!(await confirmed(`Let Customcrm send every change to ${url}?`))) return;
      const { Secret, ...made } = await webhooks.register(url, noteOf(stack), callNow());
      const storedAs = Secret === undefined ? undefined : await storeSecret(Secret);
      if (storedAs !== undefined)
        say(
          { ...made, storedAs },
          `Registered as ${made.Id}. The secret is in Parameter Store as ${storedAs}, in use within five minutes; the ones before it stay valid.`,
        );
      else
        say(
          { ...made, Secret },
          `Registered as ${made.Id}. Set CUSTOMCRM_WEBHOOK_SECRET to:\n${Secret ?? '(not shown)'}`,
        );
    });
  group
    .command('test')
    .description('lets Customcrm send a signed ping')
    .argument('<id>')
    .action(async (id: string) => {
      await (await api()).test(id, callNow());
      say(
        { sent: true },
        'Sent. The log of customcrm-webhook shows `webhook ignored` with type webhook.ping.',
      );
    });
  group
    .command('remove')
    .argument('<id>')
    .action(async (id: string) => {
      if (!(await confirmed(`Remove the subscription ${id}? Changes then arrive by the poll only.`))) return;
      await (await api()).remove(id, callNow());
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
      if (!watch) return say({ url, events: waveEvents }, waveSteps(url));
      process.stderr.write(`${waveSteps(url)}\n\nWaiting ${minutes} minutes for a signed delivery ...\n`);
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
