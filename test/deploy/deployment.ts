import { execFile } from 'node:child_process';
import { cp, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { copyPackage, packaged } from '../../infra/local/package.ts';
import type { Resource } from '../../infra/local/template.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** One command takes no longer than this, ms. */
const commandLimitMs = 180_000;
/** The emulator refuses templates with these; they are not deployed. */
export const isLeftOut = ({ Type, Properties }: Resource): boolean =>
  Type === 'AWS::Logs::QueryDefinition' || (Type === 'AWS::CloudWatch::Alarm' && 'Metrics' in Properties);

/** What the serverless CLI said about a deployment. */
export interface Deployed {
  /** Logical ids, each with its type, that were created or updated. */
  readonly resources: ReadonlyMap<string, string>;
  readonly outputs: Readonly<Record<string, string>>;
}

/**
 * Copies the service and its sources into an empty folder, so that a deployment neither disturbs nor sees what others package in this
 * checkout; the template that was packaged here lies beside them. With the changes below.
 */
export async function copyService(folder: string): Promise<void> {
  await packaged((text) => void process.stdout.write(`${text}\n`));
  await copyPackage(folder);
  for (const name of ['package.json', 'functions', 'lib', 'infra'])
    await cp(join(root, name), join(folder, name), { recursive: true });
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  const parts = (await readdir(join(root, 'infra'))).filter((name) => name.endsWith('.yml'));
  for (const name of ['serverless.yml', ...parts.map((part) => `infra/${part}`)]) {
    const text = await readFile(join(root, name), 'utf8');
    await writeFile(join(folder, name), changes[name]?.(text) ?? text);
  }
}

/** What is deployed differently, because the emulator could not do it. Everything else is deployed as it is. */
const changes: Readonly<Record<string, (text: string) => string>> = {
  'serverless.yml': (text) =>
    replaced(replaced(text, /^.*infra\/queries\.yml.*\n/gm, ''), /^.*infra\/alarms-of-aws\.yml.*\n/gm, ''),
  'infra/roles.yml': (text) =>
    replaced(
      // AWS looks at the path that ssm:GetParametersByPath is asked for, the emulator at `*`.
      replaced(text, /Resource: \{ 'Fn::Sub': 'arn:[^']*:ssm:[^']*' \}/g, "Resource: '*'"),
      // For AWS a batch is as many times sqs:SendMessage, for the emulator an action of its own.
      /'sqs:SendMessage'/g,
      "'sqs:SendMessage', 'sqs:SendMessageBatch'",
    ),
};

function replaced(text: string, pattern: RegExp, by: string): string {
  const changed = text.replace(pattern, () => by);
  if (changed === text) throw new Error(`The service no longer has ${pattern}, which the emulator cannot do`);
  return changed;
}

/** `npm run deploy` in a service directory. @throws Error with what it said */
export async function deploy(folder: string, stage: string, env: NodeJS.ProcessEnv): Promise<Deployed> {
  const said = await run(folder, 'deploy', stage, env, '--verbose');
  const resources = [...said.matchAll(/(?:CREATE|UPDATE)_COMPLETE - (AWS::\S+) - (\S+)/g)];
  const [, outputs = ''] = said.split('Stack Outputs:');
  return {
    resources: new Map(
      resources.flatMap(([, type = '', id = '']) =>
        type === 'AWS::CloudFormation::Stack' ? [] : [[id, type]],
      ),
    ),
    outputs: Object.fromEntries(
      [...outputs.matchAll(/^\s+(\w+): (\S+)$/gm)].map(([, name, value]) => [name, value]),
    ),
  };
}

/** `npm run remove` or `npm run adopt`, or any other script that takes a stage. @throws Error with what it said */
export async function run(
  folder: string,
  script: string,
  stage: string,
  env: NodeJS.ProcessEnv,
  ...args: readonly string[]
): Promise<string> {
  try {
    const { stdout, stderr } = await promisify(execFile)(
      'npm',
      ['run', '--silent', script, '--', '--stage', stage, ...args],
      {
        cwd: folder,
        env: { ...env, SLS_NOTIFICATIONS_MODE: 'off', SLS_TELEMETRY_DISABLED: '1' },
        timeout: commandLimitMs,
        maxBuffer: 10_000_000,
      },
    );
    return `${stdout}\n${stderr}`;
  } catch (error) {
    const {
      stdout = '',
      stderr = '',
      message,
    } = error as { stdout?: string; stderr?: string; message: string };
    // The end says why.
    throw new Error(`npm run ${script}: ${message}\n${`${stdout}\n${stderr}`.slice(-5_000)}`);
  }
}
