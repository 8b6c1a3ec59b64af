import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { packaged } from '../../infra/local/package.ts';
import { type Resource, readTemplate, resourcesOf, type Template } from '../../infra/local/template.ts';

// What a deployment promises and nothing else would notice if it were gone. The packaged template is that of the stage dev.
await packaged(() => undefined);
const root = fileURLToPath(new URL('../..', import.meta.url));
const template: Template & { readonly Outputs: Readonly<Record<string, { readonly Value: unknown }>> } =
  (await readTemplate(`${root}/.serverless/cloudformation-template-update-stack.json`)) as never;
const { workersFor, backgroundWorkersFor, runbookAt } = createRequire(import.meta.url)(
  '../../infra/values.cjs',
) as {
  readonly workersFor: (inFlight: string | undefined) => number;
  readonly backgroundWorkersFor: (inFlight: string | undefined) => number;
  readonly runbookAt: (repository: unknown) => string;
};

const byId = (type: string): Readonly<Record<string, Resource>> =>
  Object.fromEntries(resourcesOf(template, type));
function propertiesOf(id: string): Resource['Properties'] {
  const resource = template.Resources[id];
  assert.ok(resource, id);
  return resource.Properties;
}
/** The configuration of a stage, as the serverless CLI understands it. */
async function printed(stage: string): Promise<{
  readonly provider: {
    readonly logRetentionInDays: number;
    readonly tags: object;
    readonly stackTags: object;
  };
  readonly resources: Template;
}> {
  const osls = `${root}/node_modules/.bin/osls`;
  const { stdout } = await promisify(execFile)(osls, ['print', '--stage', stage, '--format', 'json'], {
    cwd: root,
    maxBuffer: 10_000_000,
  });
  return JSON.parse(stdout) as Awaited<ReturnType<typeof printed>>;
}

test('the table forgets what expires, is encrypted, and outlives its replacement too', () => {
  const { LinksTable: table } = byId('AWS::DynamoDB::Table');
  assert.deepEqual(table?.Properties.TimeToLiveSpecification, { AttributeName: 'expiresAt', Enabled: true });
  assert.deepEqual(table?.Properties.SSESpecification, { SSEEnabled: true });
  assert.equal((table as unknown as { UpdateReplacePolicy: string }).UpdateReplacePolicy, 'Retain');
});

test('prod keeps its logs for longer than other stages, and nobody deletes its table by mistake', async () => {
  const prod = await printed('prod');
  assert.equal(prod.provider.logRetentionInDays, 90);
  assert.equal(prod.resources.Resources.LinksTable?.Properties.DeletionProtectionEnabled, true);
  const groups = Object.values(byId('AWS::Logs::LogGroup'));
  assert.equal(groups.length, resourcesOf(template, 'AWS::Lambda::Function').length + 1);
  for (const { Properties } of groups) assert.equal(Properties.RetentionInDays, 14);
  assert.equal(byId('AWS::DynamoDB::Table').LinksTable?.Properties.DeletionProtectionEnabled, false);
});

test('everything that can have tags has those of its stage', async () => {
  const { provider } = await printed('prod');
  assert.deepEqual(provider.stackTags, { service: 'customcrm-wave-sync', stage: 'prod' });
  assert.deepEqual(provider.tags, provider.stackTags);
});

test('queues are encrypted', () => {
  for (const [id, { Properties }] of resourcesOf(template, 'AWS::SQS::Queue'))
    assert.equal(Properties.SqsManagedSseEnabled, true, id);
});

test('the API is throttled, and its log says whether deliveries arrive and nothing about who sends them', () => {
  const { DefaultRouteSettings, AccessLogSettings } = propertiesOf('HttpApiStage') as {
    readonly DefaultRouteSettings: Readonly<Record<string, number>>;
    readonly AccessLogSettings: { readonly Format: string };
  };
  const { ThrottlingRateLimit, ThrottlingBurstLimit } = DefaultRouteSettings;
  assert.deepEqual([ThrottlingRateLimit, ThrottlingBurstLimit], [50, 100]);
  assert.deepEqual(JSON.parse(AccessLogSettings.Format), {
    requestId: '$context.requestId',
    route: '$context.routeKey',
    status: '$context.status',
    ms: '$context.responseLatency',
  });
});

test('the outputs are what a person needs next: two URLs, the table, and the topic of the alarms', () => {
  const { CustomcrmWebhookUrl, WaveWebhookUrl, TableName, AlarmTopic } = template.Outputs;
  const url = (system: string) => ({ 'Fn::Sub': `\${HttpApi.ApiEndpoint}/webhooks/${system}` });
  assert.deepEqual(
    [CustomcrmWebhookUrl?.Value, WaveWebhookUrl?.Value, TableName?.Value, AlarmTopic?.Value],
    [url('customcrm'), url('wave'), { Ref: 'LinksTable' }, { Ref: 'AlarmTopic' }],
  );
});

test('a live queue has as many workers as requests may be under way at Wave, and never fewer than two', () => {
  const given = [undefined, '', '1', '2', '7', '100'];
  assert.deepEqual(given.map(workersFor), [2, 2, 2, 2, 7, 100]);
});

test('a background queue has half as many, and dead-letter queues have two each', () => {
  assert.deepEqual([undefined, '1', '2', '7', '100'].map(backgroundWorkersFor), [2, 2, 2, 4, 50]);
  const workers = resourcesOf(template, 'AWS::Lambda::EventSourceMapping').map(([, { Properties }]) => [
    (Properties.EventSourceArn as { 'Fn::GetAtt': string[] })['Fn::GetAtt'][0],
    (Properties.ScalingConfig as { MaximumConcurrency: number } | undefined)?.MaximumConcurrency,
  ]);
  const live = workersFor(process.env.WAVE_MAX_IN_FLIGHT);
  const background = backgroundWorkersFor(process.env.WAVE_MAX_IN_FLIGHT);
  assert.deepEqual(Object.fromEntries(workers), {
    CustomcrmChanges: live,
    WaveChanges: live,
    CustomcrmBackground: background,
    WaveBackground: background,
    CustomcrmChangesDead: 2,
    WaveChangesDead: 2,
  });
});

test('a killed worker’s messages come again only after six times its time-out', () => {
  const { CustomcrmChanges } = byId('AWS::SQS::Queue');
  for (const [id, { Properties }] of resourcesOf(template, 'AWS::Lambda::Function'))
    assert.ok(Number(Properties.Timeout) <= 58, id);
  const { ApplyDashtoDashwaveLambdaFunction: worker } = byId('AWS::Lambda::Function');
  assert.equal(
    Number(CustomcrmChanges?.Properties.VisibilityTimeout),
    6 * Number(worker?.Properties.Timeout),
  );
});

test('alarms of what can end tell its end', () => {
  const single = ['FuseAlarm', 'MissedAlarm'];
  for (const [id, { Properties }] of resourcesOf(template, 'AWS::CloudWatch::Alarm'))
    assert.deepEqual(Properties.OKActions, single.includes(id) ? undefined : [{ Ref: 'AlarmTopic' }], id);
});

test('the alarm about failing functions hears all of them, and those about queues the right ones', () => {
  interface Curve {
    readonly MetricStat?: {
      readonly Metric: {
        readonly MetricName: string;
        readonly Dimensions: readonly { readonly Value: unknown }[];
      };
    };
  }
  const heard = (id: string) =>
    (propertiesOf(id).Metrics as readonly Curve[]).flatMap(({ MetricStat }) => {
      if (!MetricStat) return [];
      const { MetricName, Dimensions } = MetricStat.Metric;
      return [`${MetricName} ${JSON.stringify(Dimensions[0]?.Value)}`];
    });
  assert.deepEqual(
    heard('ErrorsAlarm').sort(),
    Object.keys(byId('AWS::Lambda::Function'))
      .map((id) => `Errors {"Ref":"${id}"}`)
      .sort(),
  );
  const queues = (metric: string, ids: readonly string[]) =>
    ids.map((id) => `${metric} {"Fn::GetAtt":["${id}","QueueName"]}`);
  assert.deepEqual(
    heard('DeadAlarm'),
    ['CustomcrmChangesDead', 'WaveChangesDead'].flatMap((id) => [
      ...queues('ApproximateNumberOfMessagesVisible', [id]),
      ...queues('ApproximateNumberOfMessagesNotVisible', [id]),
    ]),
  );
  assert.deepEqual(
    heard('QueueAlarm'),
    queues('ApproximateAgeOfOldestMessage', ['CustomcrmChanges', 'WaveChanges']),
  );
});

test('an e-mail address is subscribed to the alarms when one was set', async () => {
  const { AlarmEmail } = byId('AWS::SNS::Subscription');
  assert.equal((AlarmEmail as unknown as { Condition: string }).Condition, 'HasAlarmEmail');
  assert.deepEqual(AlarmEmail?.Properties.TopicArn, { Ref: 'AlarmTopic' });
});

test('an alarm leads to the runbook on the web where the sources say where they live', () => {
  assert.equal(runbookAt(undefined), 'docs/RUNBOOK.md');
  const expected = 'https://git.example/a/b/blob/main/docs/RUNBOOK.md';
  assert.equal(runbookAt({ type: 'git', url: 'git+https://git.example/a/b.git' }), expected);
  assert.equal(runbookAt('https://git.example/a/b'), expected);
});

test('saved queries look into the log of every function', () => {
  const groups = Object.values(byId('AWS::Lambda::Function')).map((each) => {
    const [id] = (each as unknown as { DependsOn: string[] }).DependsOn;
    return { Ref: id };
  });
  for (const [id, { Properties }] of resourcesOf(template, 'AWS::Logs::QueryDefinition'))
    assert.deepEqual(Properties.LogGroupNames, groups, id);
});
