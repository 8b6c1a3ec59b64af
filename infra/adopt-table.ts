import { setTimeout as sleep } from 'node:timers/promises';
import {
  ChangeSetStatus,
  CloudFormationClient,
  CloudFormationServiceException,
  CreateChangeSetCommand,
  DescribeChangeSetCommand,
  DescribeStackResourceCommand,
  DescribeStacksCommand,
  ExecuteChangeSetCommand,
  GetTemplateCommand,
  StackStatus,
  TemplateStage,
} from '@aws-sdk/client-cloudformation';
import { DescribeTableCommand, DynamoDBClient, ResourceNotFoundException } from '@aws-sdk/client-dynamodb';
import { SettingsError } from '../lib/errors.ts';
import { buildFunctions } from './build.ts';
import { type Resource, readTemplate } from './local/template.ts';
import { inOneLine, runOsls, targetOf } from './stage.ts';

const template = new URL('../.serverless/cloudformation-template-update-stack.json', import.meta.url);
/** CloudFormation takes no longer than this for one step, and is asked so often, ms. */
const patienceMs = 5 * 60_000;
const lookMs = 2_000;

const help = `npm run adopt -- --stage NAME

Gives the table that a removed stack has left behind to a stack of the same name, so that \`npm run deploy\` goes on with its links.
It is what CloudFormation calls an import: nothing of the table is changed.`;

/** The table's logical id in infra/table.yml. */
const tableId = 'LinksTable';

/** The table of a stage is there, but it belongs to no stack: a deployment would fail because its name is taken. */
export const isOrphan = async (region: string, name: string): Promise<boolean> =>
  (await tableIsThere(region, name)) && !(await ownsTable(cloudFormationIn(region), name));

const cloudFormationIn = (region: string): CloudFormationClient => new CloudFormationClient({ region });

async function tableIsThere(region: string, TableName: string): Promise<boolean> {
  const client = new DynamoDBClient({ region });
  try {
    await client.send(new DescribeTableCommand({ TableName }));
    return true;
  } catch (error) {
    if (error instanceof ResourceNotFoundException) return false;
    throw error;
  } finally {
    client.destroy();
  }
}

async function ownsTable(client: CloudFormationClient, stack: string): Promise<boolean> {
  try {
    const { StackResourceDetail } = await client.send(
      new DescribeStackResourceCommand({ StackName: stack, LogicalResourceId: tableId }),
    );
    // What a deployment has tried in vain to create stays listed.
    return !/^DELETE_|^CREATE_FAILED$/.test(StackResourceDetail?.ResourceStatus ?? '');
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

/** CloudFormation has no name of its own for what does not exist. */
const isMissing = (error: unknown): boolean =>
  error instanceof CloudFormationServiceException &&
  error.name === 'ValidationError' &&
  /does not exist/.test(error.message);

/**
 * Imports the table of this name into the stack of this name, which is made when it is not there: then it holds nothing but the table, and
 * the next deployment adds the rest. @throws SettingsError
 */
export async function adoptTable(region: string, name: string, table: Resource): Promise<void> {
  const client = cloudFormationIn(region);
  if (!(await tableIsThere(region, name)))
    throw new SettingsError(`There is no table ${name} in ${region}: nothing is to be adopted.`);
  if (await ownsTable(client, name))
    throw new SettingsError(`The stack ${name} has its table already: go on with npm run deploy.`);
  const before = await templateOf(client, name);
  // An attempt that failed leaves its change set behind.
  const set = { StackName: name, ChangeSetName: `adopt-table-${Date.now()}` };
  const TemplateBody = JSON.stringify({ ...before, Resources: { ...before.Resources, [tableId]: table } });
  await client.send(
    new CreateChangeSetCommand({
      ...set,
      ChangeSetType: 'IMPORT',
      TemplateBody,
      ResourcesToImport: [
        {
          ResourceType: table.Type,
          LogicalResourceId: tableId,
          ResourceIdentifier: { TableName: name },
        },
      ],
    }),
  );
  await until(`the change set of ${name}`, [ChangeSetStatus.CREATE_COMPLETE], async () => {
    const { Status, StatusReason } = await client.send(new DescribeChangeSetCommand(set));
    return [Status, StatusReason];
  });
  await client.send(new ExecuteChangeSetCommand(set));
  await until(`the import into ${name}`, [StackStatus.IMPORT_COMPLETE], async () => {
    const { Stacks } = await client.send(new DescribeStacksCommand({ StackName: name }));
    return [Stacks?.[0]?.StackStatus, Stacks?.[0]?.StackStatusReason];
  });
}

/** What a stack consists of now; nothing when it is not there. */
async function templateOf(
  client: CloudFormationClient,
  StackName: string,
): Promise<{ readonly Resources?: Readonly<Record<string, unknown>> }> {
  // CloudFormation keeps the templates of removed stacks, and of change sets that came to nothing.
  const status = await statusOf(client, StackName);
  if (status === undefined || status === StackStatus.REVIEW_IN_PROGRESS) return {};
  const { TemplateBody = '{}' } = await client.send(
    new GetTemplateCommand({ StackName, TemplateStage: TemplateStage.Original }),
  );
  return JSON.parse(TemplateBody) as object;
}

/** Undefined when there is no such stack. */
async function statusOf(client: CloudFormationClient, StackName: string): Promise<string | undefined> {
  try {
    const { Stacks } = await client.send(new DescribeStacksCommand({ StackName }));
    return Stacks?.[0]?.StackStatus;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** @throws SettingsError when it fails, or takes too long */
async function until(
  what: string,
  good: readonly string[],
  look: () => Promise<readonly [string | undefined, string | undefined]>,
): Promise<void> {
  const end = Date.now() + patienceMs;
  for (;;) {
    const [status = '', reason = ''] = await look();
    if (good.includes(status)) return;
    if (/FAILED$|^IMPORT_ROLLBACK/.test(status)) throw new SettingsError(`${what}: ${status} ${reason}`);
    if (Date.now() > end) throw new SettingsError(`${what} is still ${status}; look into CloudFormation.`);
    await sleep(lookMs);
  }
}

/** The table as the packaged template has it. */
async function packagedTable(): Promise<Resource> {
  const table = (await readTemplate(template.pathname)).Resources[tableId];
  if (!table) throw new Error(`The template has no ${tableId}`);
  return table;
}

async function main(): Promise<void> {
  const args = process.argv.slice(2);
  if (args.includes('--help')) return void process.stdout.write(`${help}\n`);
  const { stage, region, name } = targetOf(args);
  await buildFunctions();
  await runOsls('package', ...args);
  await adoptTable(region, name, await packagedTable());
  process.stdout.write(
    `The stack ${name} has its table again. Go on with: npm run deploy -- --stage ${stage}\n`,
  );
}

if (import.meta.main) await inOneLine(main);
