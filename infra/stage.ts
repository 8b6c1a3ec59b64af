import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { awsFailure } from '../lib/aws/failure.ts';
import { SettingsError } from '../lib/errors.ts';
import packageJson from '../package.json' with { type: 'json' };

const root = fileURLToPath(new URL('..', import.meta.url));
const osls = join(root, 'node_modules', '.bin', 'osls');

/** What `npm run deploy`, `remove` and `adopt` are told. */
export interface Target {
  readonly stage: string;
  readonly region: string;
  /** Of the stack, and of its table. */
  readonly name: string;
}

/**
 * Reads `--stage NAME [--region NAME] [anything else of the serverless CLI]`, and the settings of the stage from `.env.NAME`, where there
 * is one; what the shell has set wins. @throws SettingsError
 */
export function targetOf(args: readonly string[]): Target {
  const { values } = parseArgs({
    args: [...args],
    options: { stage: { type: 'string', short: 's' }, region: { type: 'string', short: 'r' } },
    strict: false,
  });
  const { stage, region } = values;
  if (typeof stage !== 'string' || !/^[a-z][a-z0-9-]*$/.test(stage))
    throw new SettingsError(
      'Say which stage, such as: --stage prod (small letters, digits and hyphens). Each stage is a stack of its own.',
    );
  const settings = join(root, `.env.${stage}`);
  if (existsSync(settings)) process.loadEnvFile(settings);
  const chosen = typeof region === 'string' ? region : process.env.AWS_REGION;
  // A standard would make a second stack where nobody looks, from a shell that was not told.
  if (!chosen)
    throw new SettingsError(
      `Say in which region: AWS_REGION=... in .env.${stage} or in the shell, or --region NAME.`,
    );
  return {
    stage,
    region: chosen,
    name: `${packageJson.name}-${stage}`,
  };
}

/** Runs the serverless CLI in the open. @throws SettingsError when it does not end well; it has said why */
export async function runOsls(...args: readonly string[]): Promise<void> {
  const child = spawn(osls, args, { cwd: root, stdio: 'inherit' });
  const code = await new Promise((resolve, reject) => {
    child.once('exit', resolve).once('error', reject);
  });
  if (code !== 0) throw new SettingsError(`osls ${args[0]} ended with ${code}.`);
}

/** Runs a command, and says in one line what is wrong when the fault is one that its user can mend. */
export async function inOneLine(run: () => Promise<void>): Promise<void> {
  await run().catch((error: unknown) => {
    const known = error instanceof SettingsError ? error : awsFailure(error);
    if (!known) throw error;
    process.stderr.write(`${known.message}\n`);
    process.exitCode = 1;
  });
}
