import { Command } from 'commander';
import type { Connections } from '../app.ts';
import { addActions } from './act.ts';
import { connect, type Place } from './connect.ts';
import { addFirstLoadCommands } from './first-load.ts';
import { addLooks } from './look.ts';
import { askPerson, type Terminal } from './terminal.ts';
import { addWaveCommands } from './wave.ts';
import { addWebhookCommands } from './webhooks.ts';

interface GlobalOptions extends Place {
  readonly json?: boolean;
  readonly yes?: boolean;
}

/** Every command of the operator's. */
export const program = new Command('sync')
  .description('Looks into, and steers, the synchronisation of Customcrm and Wave.')
  .option('--stage <name>', 'a deployed stage; without it, the local stack')
  .option('--state <dir>', 'state directory of the local stack', '.local')
  .option('--json', 'print JSON, with npm as: npm run -s sync -- --json ...')
  .option('--yes', 'do not ask before writing')
  .addHelpText(
    'after',
    `
Ends with 0 when it was done, or nothing is wrong; with 1 when it was not done, something was not found, the command was not
understood, or \`check\` found something to do. Nothing is written without a yes, or --yes.`,
  )
  .showHelpAfterError();

const options = (): GlobalOptions => program.opts<GlobalOptions>();

const terminal: Terminal = {
  connected: (): Promise<Connections> => connect(options()),
  stage: () => options().stage,
  say(data, text) {
    process.stdout.write(`${options().json ? JSON.stringify(data, null, 2) : text}\n`);
  },
  confirmed: async (question) => (options().yes ? true : askPerson(question)),
};

addLooks(program, terminal);
addActions(program, terminal);
addFirstLoadCommands(program, terminal);
addWebhookCommands(program, terminal);
addWaveCommands(program, terminal);
