import { type Known, type Resource, resolve, resourcesOf, type Template } from './local/template.ts';

/** One right: an IAM action on one resource, `dynamodb:PutItem arn:aws:dynamodb:...`. */
export type Right = `${string}:${string} ${string}`;

/** The function's name without service and stage, which its zip and its file bear too. */
export const shortName = ({ Properties }: Resource): string =>
  /\/functions\/([a-z-]+)\.handler$/.exec(String(Properties.Handler))?.[1] ?? '';

/** Every function of the template, by its short name. */
export const functionsByName = (template: Template): ReadonlyMap<string, readonly [string, Resource]> =>
  new Map(resourcesOf(template, 'AWS::Lambda::Function').map((entry) => [shortName(entry[1]), entry]));

interface Statement {
  readonly Effect: string;
  readonly Action: readonly string[];
  readonly Resource: string | readonly string[];
}

/** What the policies of a function's role grant. @throws Error for a statement in a form that this does not read */
export function grantedTo(template: Template, known: Known, name: string): ReadonlySet<Right> {
  const role = JSON.stringify(functionsByName(template).get(name)?.[1].Properties.Role);
  const [, id = ''] = /^\{"Fn::GetAtt":\["(\w+)","Arn"\]\}$/.exec(role) ?? [];
  const { Policies, ManagedPolicyArns = [] } = (template.Resources[id]?.Properties ?? {}) as {
    readonly Policies?: unknown;
    readonly ManagedPolicyArns?: readonly unknown[];
  };
  const policies = resolve(Policies, known) as readonly {
    readonly PolicyDocument: { readonly Statement: readonly Statement[] };
  }[];
  const statements = policies.flatMap(({ PolicyDocument }) => PolicyDocument.Statement);
  if (ManagedPolicyArns.length > 0 || statements.some(({ Effect }) => Effect !== 'Allow'))
    throw new Error(`The role of ${name} grants in a way that nobody looks at`);
  return new Set(
    statements.flatMap(({ Action, Resource }) =>
      Action.flatMap((action) =>
        [Resource].flat().map((resource): Right => `${action} ${resource}` as Right),
      ),
    ),
  );
}

/**
 * What AWS itself does in a function's name, reviewed by hand; no test can see these calls without AWS.
 *
 * - Lambda writes its log lines. The log group is in the template, so it need not be created.
 *   https://docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html
 * - Lambda sends traces, on no resource that could be named. https://docs.aws.amazon.com/lambda/latest/dg/services-xray.html
 * - An event source mapping receives and deletes messages. https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
 * - KMS needs nothing: SecureStrings are under `aws/ssm` and the table under `aws/dynamodb`, whose policies let everybody in who may use
 *   Parameter Store or the table; the queues' keys are SQS's own. https://docs.aws.amazon.com/kms/latest/developerguide/services-parameter-store.html
 */
export function impliedFor(template: Template, known: Known, name: string): ReadonlySet<Right> {
  const [id = '', found] = functionsByName(template).get(name) ?? [];
  const { FunctionName, TracingConfig } = (found?.Properties ?? {}) as {
    readonly FunctionName?: unknown;
    readonly TracingConfig?: { readonly Mode?: string };
  };
  const { 'AWS::Region': region, 'AWS::AccountId': account } = known.refs;
  const logs = `arn:aws:logs:${region}:${account}:log-group:/aws/lambda/${FunctionName}:*`;
  const rights: Right[] = [`logs:CreateLogStream ${logs}`, `logs:PutLogEvents ${logs}`];
  if (TracingConfig?.Mode === 'Active') rights.push('xray:PutTraceSegments *', 'xray:PutTelemetryRecords *');
  for (const [, { Properties }] of resourcesOf(template, 'AWS::Lambda::EventSourceMapping')) {
    if (!JSON.stringify(Properties.FunctionName).includes(`"${id}"`)) continue;
    const queue = resolve(Properties.EventSourceArn, known) as string;
    for (const action of ['ReceiveMessage', 'DeleteMessage', 'GetQueueAttributes'])
      rights.push(`sqs:${action} ${queue}` as Right);
  }
  return new Set(rights);
}
