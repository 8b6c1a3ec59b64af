import { SettingsError } from '../lib/errors.ts';
import { isOrphan } from './adopt-table.ts';
import { buildFunctions } from './build.ts';
import { inOneLine, runOsls, targetOf } from './stage.ts';

const help = `npm run deploy -- --stage NAME [options of osls deploy]
npm run remove -- --stage NAME [options of osls remove]

Settings come from the shell, or from the file .env.NAME. Secrets come from Parameter Store, and are none of this.`;

/** Without them a function that starts says what is missing; here it is said before anything is replaced. */
const needed = ['CUSTOMCRM_API_URL', 'WAVE_BUSINESS_ID'];

async function main(): Promise<void> {
  const [command, ...args] = process.argv.slice(2);
  if (args.includes('--help')) return void process.stdout.write(`${help}\n`);
  const { stage, region, name } = targetOf(args);
  if (command === 'remove') return runOsls('remove', ...args);
  const missing = needed.filter((setting) => !process.env[setting]?.trim());
  if (missing.length > 0)
    throw new SettingsError(
      `${missing.join(' and ')} must be set, in the shell or in .env.${stage}: a deployment replaces every setting.`,
    );
  if (await isOrphan(region, name))
    throw new SettingsError(
      `The table ${name} is there, but belongs to no stack. Adopt it first: npm run adopt -- --stage ${stage}`,
    );
  await buildFunctions();
  await runOsls('deploy', ...args);
}

await inOneLine(main);
