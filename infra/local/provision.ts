import { randomUUID } from 'node:crypto';
import {
  CreateTableCommand,
  type CreateTableCommandInput,
  DynamoDBClient,
  ResourceInUseException,
  UpdateTimeToLiveCommand,
} from '@aws-sdk/client-dynamodb';
import {
  CreateQueueCommand,
  GetQueueUrlCommand,
  QueueNameExists,
  SetQueueAttributesCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { dynamoTable } from '../../lib/aws/table.ts';
import { stackId } from '../../lib/sync/registrations.ts';
import { type Known, resolve, resourcesOf, type Template } from './template.ts';

/** The region and account that local resources pretend to be in. */
export const region = 'us-east-1';
const account = '000000000000';
export const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };

export interface Endpoints {
  readonly dynamodb: string;
  readonly sqs: string;
}

/** What this machine stands in for. */
const played = new Set([
  'AWS::ApiGatewayV2::Integration',
  'AWS::ApiGatewayV2::Route',
  'AWS::DynamoDB::Table',
  'AWS::Events::Rule',
  'AWS::Lambda::EventSourceMapping',
  'AWS::Lambda::Function',
  'AWS::SQS::Queue',
]);
/** What has no effect on one machine: rights, logs, alarms, the frame of the API, and that a failed run of a schedule is not tried again. */
const leftOut = new Set([
  'AWS::ApiGatewayV2::Api',
  'AWS::ApiGatewayV2::Stage',
  'AWS::CloudWatch::Alarm',
  'AWS::CloudWatch::Dashboard',
  'AWS::IAM::Role',
  'AWS::Lambda::EventInvokeConfig',
  'AWS::Lambda::Permission',
  'AWS::Logs::LogGroup',
  'AWS::Logs::QueryDefinition',
  'AWS::S3::Bucket',
  'AWS::S3::BucketPolicy',
  'AWS::SNS::Topic',
  'AWS::SNS::Subscription',
]);

/** Names of everything in the template, before anything exists. */
export function namesIn(template: Template, { sqs }: Endpoints): Known {
  const refs: Record<string, string> = {
    'AWS::Region': region,
    'AWS::AccountId': account,
    'AWS::Partition': 'aws',
  };
  const attributes: Record<string, string> = {};
  for (const [id, { Properties }] of resourcesOf(template, 'AWS::SQS::Queue')) {
    const name = String(Properties.QueueName);
    refs[id] = `${sqs}/${account}/${name}`;
    attributes[`${id}.Arn`] = `arn:aws:sqs:${region}:${account}:${name}`;
  }
  for (const [id, { Properties }] of resourcesOf(template, 'AWS::DynamoDB::Table')) {
    refs[id] = String(Properties.TableName);
    attributes[`${id}.Arn`] = `arn:aws:dynamodb:${region}:${account}:table/${refs[id]}`;
  }
  for (const [id, { Properties }] of resourcesOf(template, 'AWS::Lambda::Function')) {
    refs[id] = String(Properties.FunctionName);
    attributes[`${id}.Arn`] = `arn:aws:lambda:${region}:${account}:function:${refs[id]}`;
  }
  for (const [id] of resourcesOf(template, 'AWS::ApiGatewayV2::Integration')) refs[id] = id;
  return { refs, attributes };
}

/**
 * Creates the tables and queues of the template that are not there yet. Safe to repeat.
 * @throws Error for a type of resource that this stack has not decided about
 */
export async function provision(template: Template, known: Known, endpoints: Endpoints): Promise<void> {
  const strange = Object.values(template.Resources).find(
    ({ Type }) => !played.has(Type) && !leftOut.has(Type),
  );
  if (strange) throw new Error(`The local stack neither plays nor leaves out resources of ${strange.Type}`);
  await createTables(template, known, endpoints.dynamodb);
  await createQueues(template, known, endpoints.sqs);
}

async function createTables(template: Template, known: Known, endpoint: string): Promise<void> {
  const client = new DynamoDBClient({ endpoint, region, credentials });
  for (const [, { Properties }] of resourcesOf(template, 'AWS::DynamoDB::Table')) {
    const {
      TimeToLiveSpecification,
      PointInTimeRecoverySpecification: _,
      SSESpecification: __,
      ...table
    } = resolve(Properties, known) as CreateTableCommandInput & Record<string, unknown>;
    const { TableName } = table;
    try {
      await client.send(new CreateTableCommand({ ...table, DeletionProtectionEnabled: false }));
      if (TimeToLiveSpecification)
        await client.send(
          new UpdateTimeToLiveCommand({
            TableName,
            TimeToLiveSpecification: TimeToLiveSpecification as { AttributeName: string; Enabled: boolean },
          }),
        );
    } catch (error) {
      if (!(error instanceof ResourceInUseException)) throw error;
    }
  }
  client.destroy();
}

/** The id by which other stacks know the one of this table, which must be there. */
export function stackIdIn(template: Template, { refs }: Known, { dynamodb }: Endpoints): Promise<string> {
  const [[id] = ['']] = resourcesOf(template, 'AWS::DynamoDB::Table');
  const table = dynamoTable(String(refs[id]), { endpoint: dynamodb, region, credentials });
  return stackId({ table, newId: randomUUID });
}

/** Dead-letter queues first: a redrive policy must find its target. */
async function createQueues(template: Template, known: Known, endpoint: string): Promise<void> {
  const client = new SQSClient({ endpoint, region, credentials });
  const queues = resourcesOf(template, 'AWS::SQS::Queue').map(
    ([, { Properties }]) => resolve(Properties, known) as Record<string, unknown>,
  );
  for (const withRedrive of [false, true]) {
    for (const { QueueName, Tags: _, ...attributes } of queues) {
      if ((attributes.RedrivePolicy !== undefined) !== withRedrive) continue;
      const Attributes = Object.fromEntries(
        Object.entries(attributes).map(([key, value]) => [
          key,
          typeof value === 'object' ? JSON.stringify(value) : String(value),
        ]),
      );
      await createQueue(client, String(QueueName), Attributes);
    }
  }
  client.destroy();
}

/** A queue of an earlier template gets the attributes of this one. */
async function createQueue(
  client: SQSClient,
  QueueName: string,
  Attributes: Record<string, string>,
): Promise<void> {
  try {
    await client.send(new CreateQueueCommand({ QueueName, Attributes }));
  } catch (error) {
    if (!(error instanceof QueueNameExists)) throw error;
    const { FifoQueue: _, ...changeable } = Attributes;
    const { QueueUrl } = await client.send(new GetQueueUrlCommand({ QueueName }));
    await client.send(new SetQueueAttributesCommand({ QueueUrl, Attributes: changeable }));
  }
}
