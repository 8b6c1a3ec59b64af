import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { Command } from 'commander';
import { waveApplication } from '../app.ts';
import { SettingsError } from '../errors.ts';
import { wake } from '../sync/parking.ts';
import { authorizeUrl, exchangeCode } from '../wave/oauth.ts';
import { saveLogin, tokenState } from '../wave/tokens.ts';
import type { Terminal } from './webhooks.ts';

/** How long a login may take, ms. Wave's code is good for ten minutes. */
const patienceMs = 10 * 60_000;

export function addWaveCommands(program: Command, { connected, say }: Terminal): void {
  const group = program.command('wave').description('the connection to Wave');

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
      const state = await tokenState((await connected()).engine.table);
      say(state, JSON.stringify(state));
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
