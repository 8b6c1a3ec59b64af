import { relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { SettingsError } from '../../lib/errors.ts';
import { faultsOf } from './fault-option.ts';
import { guide } from './guide.ts';
import { readable } from './outcome-lines.ts';
import { packaged } from './package.ts';
import { type Stack, startStack } from './stack.ts';
import { standInConnections } from './stand-ins.ts';

const help = `Runs the whole synchronisation on this machine: functions, queue, table, and stand-ins for Customcrm and Wave.

  npm start -- [options]

  --port N          functions listen on N, Customcrm on N+1, Wave on N+2 (standard: 4000; 0: any free ports)
  --no-stand-ins    only our part; CUSTOMCRM_API_URL, WAVE_ACCESS_TOKEN and the other settings come from the environment
  --reset           begin with nothing; otherwise the state of the last run goes on
  --state DIR       where the state lives (standard: .local)
  --faults LIST     what the stand-ins do wrong and how often, such as lostAnswer=0.05,lag=0.1,seed=7 (standard: nothing)
  --json            print the functions' log lines as they are, and everything else to the standard error
  --help            this text

Other settings, such as CONFLICT_POLICY, are taken from the environment. DYNAMODB_ENDPOINT replaces the embedded DynamoDB.`;

/** npm passes on a Ctrl-C that the terminal has sent to us as well: a second one within this time is the first, ms. */
const sameSignalMs = 500;

interface Options {
  readonly port: number;
  readonly statePath: string;
  readonly standIns: boolean;
  readonly reset: boolean;
  readonly faults: ReturnType<typeof faultsOf> | undefined;
  readonly json: boolean;
}

const print = (text: string) => void process.stdout.write(`${text}\n`);

/** The options, or undefined when only the help is wanted. @throws SettingsError */
function optionsOf(): Options | undefined {
  const { values } = parsed();
  if (values.help) return undefined;
  const port = Number(values.port);
  if (!/^\d+$/.test(values.port) || port > 65_533)
    throw new SettingsError(`--port must be a number from 0 to 65533, not ${values.port}`);
  return {
    port,
    statePath: resolve(values.state),
    standIns: !values['no-stand-ins'],
    reset: values.reset,
    faults: values.faults === undefined ? undefined : faultsOf(values.faults),
    json: values.json,
  };
}

function parsed() {
  try {
    return parseArgs({
      options: {
        port: { type: 'string', default: '4000' },
        'no-stand-ins': { type: 'boolean', default: false },
        reset: { type: 'boolean', default: false },
        state: { type: 'string', default: '.local' },
        faults: { type: 'string' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    throw new SettingsError(`${error instanceof Error ? error.message : error}\n\n${help}`);
  }
}

async function main(): Promise<void> {
  const options = optionsOf();
  if (!options) return print(help);
  const { json, ...where } = options;
  const say = json ? (text: string) => void process.stderr.write(`${text}\n`) : print;
  const stack = startAll(where, say, (line) => {
    const text = json ? line : readable(line, new Date());
    if (text !== undefined) print(text);
  });
  stopOnSignal(stack, say);
  const state = relative('', options.statePath);
  say(guide(await stack, state === '.local' ? undefined : state));
}

async function startAll(
  { standIns, faults, ...options }: Omit<Options, 'json'>,
  say: (text: string) => void,
  onLine: (line: string) => void,
): Promise<Stack> {
  const env = { ...process.env };
  const unused = standIns ? standInConnections.filter((name) => env[name]) : [];
  for (const name of unused) delete env[name];
  if (unused.length > 0)
    say(`Not used, because this run has stand-ins: ${unused.join(', ')}. Real systems need --no-stand-ins.`);
  await packaged(say);
  return startStack({ ...options, standIns, sample: true, ...(faults && { faults }), env, say, onLine });
}

/** The first signal stops everything in order, a second one at once. */
function stopOnSignal(stack: Promise<Stack>, say: (text: string) => void): void {
  let since: number | undefined;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => {
      if (since !== undefined && Date.now() - since > sameSignalMs) process.exit(1);
      if (since !== undefined) return;
      since = Date.now();
      say('Stopping; once more stops at once.');
      stack
        .then(({ close }) => close())
        .then(
          () => process.exit(0),
          () => process.exit(1),
        );
    });
}

main().catch((error: NodeJS.ErrnoException & { port?: number }) => {
  const text =
    error.code === 'EADDRINUSE'
      ? `Port ${error.port} is in use. Choose another one with: npm start -- --port N`
      : error instanceof SettingsError
        ? error.message
        : error.stack;
  process.stderr.write(`${text}\n`);
  process.exit(1);
});
