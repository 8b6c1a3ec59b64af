import { execFile } from 'node:child_process';
import { cp, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { copyPackage, packaged } from '../../infra/local/package.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const osls = join(root, 'node_modules', '.bin', 'osls');
/** One command of the serverless CLI takes no longer than this, ms. */
const commandLimitMs = 180_000;
/** The parts of the service that the emulator refuses, with their resource types. They are not deployed. */
export const leftOut = { files: ['infra/queries.yml'], types: ['AWS::Logs::QueryDefinition'] };

/** What the serverless CLI said about a deployment. */
export interface Deployed {
  /** Logical ids, each with its type, that were created or updated. */
  readonly resources: ReadonlyMap<string, string>;
  readonly outputs: Readonly<Record<string, string>>;
}

/**
 * Copies the packaged service into an empty folder and makes it a service directory, so that a deployment neither disturbs nor sees
 * what others package in this checkout. Without the parts that the emulator refuses.
 */
export async function copyService(folder: string): Promise<void> {
  await packaged((text) => void process.stdout.write(`${text}\n`));
  await copyPackage(folder);
  await mkdir(join(folder, 'infra'));
  const files = (await readdir(join(root, 'infra'))).filter((name) => name.endsWith('.yml'));
  for (const name of files) await cp(join(root, 'infra', name), join(folder, 'infra', name));
  await cp(join(root, 'package.json'), join(folder, 'package.json'));
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  const service = (await readFile(join(root, 'serverless.yml'), 'utf8')).split('\n');
  const kept = service.filter((line) => !leftOut.files.some((file) => line.includes(file)));
  if (kept.length !== service.length - leftOut.files.length)
    throw new Error('serverless.yml no longer includes what the emulator refuses');
  await writeFile(join(folder, 'serverless.yml'), kept.join('\n'));
}

/** `osls deploy` in a service directory. @throws Error with what the CLI said */
export async function deploy(folder: string, stage: string, env: NodeJS.ProcessEnv): Promise<Deployed> {
  const said = await runOsls(folder, ['deploy', '--verbose', '--stage', stage], env);
  const resources = [...said.matchAll(/(?:CREATE|UPDATE)_COMPLETE - (AWS::\S+) - (\S+)/g)];
  const [, outputs = ''] = said.split('Stack Outputs:');
  return {
    resources: new Map(
      resources.flatMap(([, type = '', id = '']) => (type === 'AWS::CloudFormation::Stack' ? [] : [[id, type]])),
    ),
    outputs: Object.fromEntries([...outputs.matchAll(/^\s+(\w+): (\S+)$/gm)].map(([, name, value]) => [name, value])),
  };
}

/** `osls remove`. @throws Error with what the CLI said */
export const remove = (folder: string, stage: string, env: NodeJS.ProcessEnv): Promise<string> =>
  runOsls(folder, ['remove', '--verbose', '--stage', stage], env);

async function runOsls(folder: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<string> {
  try {
    const { stdout, stderr } = await promisify(execFile)(osls, args, {
      cwd: folder,
      env: { ...env, SLS_NOTIFICATIONS_MODE: 'off', SLS_TELEMETRY_DISABLED: '1' },
      timeout: commandLimitMs,
      maxBuffer: 10_000_000,
    });
    return `${stdout}\n${stderr}`;
  } catch (error) {
    const { stdout = '', stderr = '', message } = error as { stdout?: string; stderr?: string; message: string };
    throw new Error(`osls ${args.join(' ')}: ${message}\n${stdout}\n${stderr}`.slice(0, 10_000));
  }
}
