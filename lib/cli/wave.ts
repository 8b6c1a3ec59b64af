import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { Command } from 'commander';
import { waveAccess, waveApplication } from '../app.ts';
import { RemoteUnavailableError, SettingsError } from '../errors.ts';
import type { Engine } from '../sync/engine.ts';
import { wake } from '../sync/parking.ts';
import { waveHealth } from '../wave/health.ts';
import { expectedState, expectLogin, loginAnswer, loginPatienceMs } from '../wave/login.ts';
import { authorizeUrl, exchangeCode, type OAuthApplication } from '../wave/oauth.ts';
import { connectionState } from '../wave/refusals.ts';
import { saveLogin } from '../wave/tokens.ts';
import { callNow } from './connect.ts';
import { connection } from './print.ts';
import { NotAskedError, openDesk } from './probe/desk.ts';
import { probe } from './probe/probe.ts';
import { probeText, settingsFrom } from './probe/say.ts';
import type { Terminal } from './terminal.ts';

export function addWaveCommands(program: Command, terminal: Terminal): void {
  const { connected, say, confirmed } = terminal;
  const group = program.command('wave').description('the connection to Wave');
  addProbe(group, terminal);

  group
    .command('login')
    .description('connects with OAuth: prints the address to open, and takes the answer')
    .option(
      '--code <address>',
      'the address that the browser ended at, or the code in it, when nothing can listen here',
    )
    .action(async ({ code: pasted }: { code?: string }) => {
      const { config, engine, waveWith, waveOptions } = await connected();
      const application = waveApplication(config);
      if (!application)
        throw new SettingsError(
          'Set WAVE_CLIENT_ID and WAVE_CLIENT_SECRET first; a full-access token needs no login.',
        );
      if (!(await confirmed('Log in to Wave? A login that stands is replaced.'))) return;
      const code =
        pasted === undefined
          ? await codeFromBrowser(engine, application, config.WAVE_BUSINESS_ID)
          : codeIn(pasted, await expectedState(engine));
      const pair = await exchangeCode(application, code);
      // Consent may be given for another business; what stood before is better than that.
      const found = await waveHealth(waveWith(pair.accessToken), waveOptions, callNow('live')).catch(
        (error: unknown) => {
          // A code is good for once: a login that cannot be looked at now is kept.
          if (error instanceof RemoteUnavailableError) return undefined;
          throw error;
        },
      );
      if (found && !found.business)
        throw new SettingsError(
          'This login does not reach the business of WAVE_BUSINESS_ID: choose that one when you allow the access. Nothing has changed.',
        );
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
      const state = await connectionState(engine.table, waveAccess(config));
      say(state, `Wave connection: ${connection(state)}`);
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
      const { business: found } = await waveHealth(wave, { ...waveOptions, businessId: business }, callNow());
      if (!found)
        throw new SettingsError('This business was not found: check its id, and what the token may reach.');
      if (found.id === config.WAVE_BUSINESS_ID)
        throw new SettingsError(
          'This is WAVE_BUSINESS_ID, whose records are, or will be, kept in sync: the probe needs a business that nobody uses.',
        );
      const warning = `The probe makes customers, products and invoices in "${found.name}", and not all can be removed.`;
      if (!(await confirmed(`${warning} Is it a business for tests?`))) return;
      const { desk, clear } = await openDesk({
        client: wave,
        business,
        incomeAccountId: incomeAccount,
        callNow: () => callNow('live'),
        sleep: engine.clock.sleep,
        mark: `Probe ${engine.newId().slice(0, 8)}`,
      }).catch((error: unknown) => {
        throw error instanceof NotAskedError ? new SettingsError(error.message) : error;
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

/** Prints where to go, and waits until the browser comes back. @throws SettingsError */
async function codeFromBrowser(
  engine: Engine,
  application: OAuthApplication,
  businessId: string,
): Promise<string> {
  const state = randomBytes(16).toString('hex');
  await expectLogin(engine, state);
  const url = authorizeUrl(application, { state, businessId });
  process.stderr.write(`Open this address, and allow the access:\n${url}\n`);
  return answerAt(application.redirectUri, state);
}

/** A bare code is taken as it is. @throws SettingsError */
function codeIn(pasted: string, state: string | undefined): string {
  if (!pasted.includes('?')) return pasted.trim();
  const answer = loginAnswer(pasted, state);
  if (answer.is === 'allowed') return answer.code;
  if (answer.is === 'refused') throw notAllowed(answer.because);
  throw new SettingsError(
    'This address is not the answer to the last `wave login`, or came too late: run it again, and open the address that it prints.',
  );
}

const notAllowed = (because: string): SettingsError =>
  new SettingsError(`The access was not allowed (${because}); nothing has changed.`);

/** Listens at the redirect address on this machine until the browser comes back. @throws SettingsError */
async function answerAt(redirectUri: string | undefined, state: string): Promise<string> {
  const address = redirectUri === undefined ? undefined : new URL(redirectUri);
  if (!address || !['localhost', '127.0.0.1'].includes(address.hostname))
    throw new SettingsError(
      'Nothing can listen at WAVE_REDIRECT_URI from here: copy the address that the browser ends at, and say --code ADDRESS.',
    );
  return new Promise((resolve, reject) => {
    const server = createServer((request, response) => {
      const answer = loginAnswer(request.url ?? '/', state);
      response.end(pages[answer.is]);
      if (answer.is === 'strange') return;
      clearTimeout(timer);
      response.once('close', () => server.closeAllConnections());
      server.close();
      if (answer.is === 'allowed') resolve(answer.code);
      else reject(notAllowed(answer.because));
    });
    const timer = setTimeout(() => {
      server.close();
      server.closeAllConnections();
      reject(new SettingsError('Nobody logged in within ten minutes.'));
    }, loginPatienceMs);
    server.listen(Number(address.port || 80), address.hostname).once('error', reject);
  });
}

/** What the person sees in the browser. */
const pages = {
  allowed: 'Connected; you can close this page.',
  refused: 'The access was not allowed; you can close this page.',
  strange: 'This is not the answer to the login that waits.',
};
