import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { Command } from 'commander';
import { waveApplication } from '../app.ts';
import { pairs } from '../domain/record.ts';
import { SettingsError } from '../errors.ts';
import { linkedIds } from '../sync/links.ts';
import { wake } from '../sync/parking.ts';
import { waveHealth } from '../wave/health.ts';
import { authorizeUrl, exchangeCode } from '../wave/oauth.ts';
import { saveLogin, tokenState } from '../wave/tokens.ts';
import { callNow } from './connect.ts';
import { connection } from './print.ts';
import { openDesk } from './probe/desk.ts';
import { probe } from './probe/probe.ts';
import { probeText, settingsFrom } from './probe/say.ts';
import type { Terminal } from './terminal.ts';

/** How long a login may take, ms. Wave's code is good for ten minutes. */
const patienceMs = 10 * 60_000;

export function addWaveCommands(program: Command, terminal: Terminal): void {
  const { connected, say, confirmed } = terminal;
  const group = program.command('wave').description('the connection to Wave');
  addProbe(group, terminal);

  group
    .command('login')
    .description('connects with OAuth: prints the address to open, and takes the answer')
    .option(
      '--code <code>',
      'the code from the address that the browser ended at, when nothing can listen here',
    )
    .action(async ({ code: pasted }: { code?: string }) => {
      const { config, engine } = await connected();
      const application = waveApplication(config);
      if (!application)
        throw new SettingsError(
          'Set WAVE_CLIENT_ID and WAVE_CLIENT_SECRET first; a full-access token needs no login.',
        );
      if (!(await confirmed('Log in to Wave? A login that stands is replaced.'))) return;
      const state = randomBytes(16).toString('hex');
      const url = authorizeUrl(application, { state, businessId: config.WAVE_BUSINESS_ID });
      if (pasted === undefined) process.stderr.write(`Open this address, and allow the access:\n${url}\n`);
      const code = pasted ?? (await answerAt(application.redirectUri, state));
      const pair = await exchangeCode(application, code);
      const { table, clock, newId } = engine;
      await saveLogin({ table, clock, newId, keys: config.FINGERPRINT_KEYS }, pair, config.WAVE_BUSINESS_ID);
      const woken = await wake(engine, 'reconnect');
      say({ connected: true, woken }, `Connected. ${woken} waiting records go on.`);
    });

  group
    .command('status')
    .description('whether the connection stands')
    .action(async () => {
      const { config, engine } = await connected();
      const state = await tokenState(engine.table);
      say(state, `Wave connection: ${connection(config.WAVE_CLIENT_ID === undefined ? undefined : state)}`);
    });
}

function addProbe(group: Command, { connected, say, confirmed }: Terminal): void {
  group
    .command('probe')
    .description('finds out what is unconfirmed about Wave, with records of its own in a business for tests')
    .requiredOption('--business <id>', 'global id of a business for tests, never one that is in use')
    .requiredOption('--income-account <id>', 'an income account of it, for the product of the probe')
    .action(async ({ business, incomeAccount }: { business: string; incomeAccount: string }) => {
      const { config, engine, wave, waveOptions } = await connected();
      const links = await Promise.all(pairs.map((pair) => linkedIds(engine.table, pair, { limit: 1 })));
      if (business === config.WAVE_BUSINESS_ID && links.some((some) => some.length > 0))
        throw new SettingsError('This business is kept in sync: the probe needs one that nobody uses.');
      const { business: found } = await waveHealth(wave, { ...waveOptions, businessId: business }, callNow());
      if (!found)
        throw new SettingsError('This business was not found: check its id, and what the token may reach.');
      const warning = `The probe makes customers, products and invoices in "${found.name}", and not all can be removed.`;
      if (!(await confirmed(`${warning} Is it a business for tests?`))) return;
      const { desk, clear } = await openDesk({
        client: wave,
        business,
        incomeAccountId: incomeAccount,
        callNow: () => callNow('live'),
        sleep: engine.clock.sleep,
        mark: `Probe ${engine.newId().slice(0, 8)}`,
      });
      try {
        const answers = await probe(desk, (question) => void process.stderr.write(`${question}\n`));
        say({ answers, settings: settingsFrom(answers) }, probeText(answers));
      } finally {
        const left = await clear();
        if (left.length > 0) process.stderr.write(`Wave keeps what the probe made: ${left.join(', ')}\n`);
      }
    });
}

/** Listens at the redirect address on this machine until the browser comes back. @throws SettingsError */
async function answerAt(redirectUri: string | undefined, state: string): Promise<string> {
  const address = redirectUri === undefined ? undefined : new URL(redirectUri);
  if (!address || !['localhost', '127.0.0.1'].includes(address.hostname))
    throw new SettingsError(
      'Nothing can listen at WAVE_REDIRECT_URI from here: copy the code from the browser, and say --code CODE.',
    );
  return new Promise((resolve, reject) => {
    const server = createServer((request, response) => {
      const { searchParams } = new URL(request.url ?? '/', address);
      const code = searchParams.get('code');
      const fits = code !== null && searchParams.get('state') === state;
      response.end(
        fits ? 'Connected; you can close this page.' : 'This is not the answer to the login that waits.',
      );
      if (!fits) return;
      clearTimeout(timer);
      server.close();
      server.closeAllConnections();
      resolve(code);
    });
    const timer = setTimeout(() => {
      server.close();
      reject(new SettingsError('Nobody logged in within ten minutes.'));
    }, patienceMs);
    server.listen(Number(address.port || 80), address.hostname).once('error', reject);
  });
}
