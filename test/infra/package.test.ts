import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { inflateRawSync } from 'node:zlib';
import { buildFunctions } from '../../infra/build.ts';
import { packaged } from '../../infra/local/package.ts';
import { type Resource, readTemplate, resourcesOf, type Template } from '../../infra/local/template.ts';
import { settings } from '../../lib/config.ts';
import { logFields } from '../../lib/log.ts';
import { metricUnits } from '../../lib/metrics.ts';
import { outcomeMessages } from '../../lib/sync/engine.ts';
import { recordStates } from '../../lib/sync/record-state.ts';
import { alarmMetrics, dashboardMetrics, queried } from '../support/named-in-template.ts';

// What `npm run package` makes.
await packaged(() => undefined);
const file = (path: string) => new URL(`../../${path}`, import.meta.url);
const template: Template = await readTemplate(
  file('.serverless/cloudformation-template-update-stack.json').pathname,
);
const functions = resourcesOf(template, 'AWS::Lambda::Function');
const nameOf = ({ Properties }: Resource) =>
  String(Properties.FunctionName).replace('customcrm-wave-sync-dev-', '');

/** The files of a zip, by name. Enough of the format for what the serverless CLI writes. */
function unzip(zip: Buffer): ReadonlyMap<string, Buffer> {
  const files = new Map<string, Buffer>();
  let at = zip.readUInt32LE(zip.length - 6);
  while (zip.readUInt32LE(at) === 0x02014b50) {
    const [method, size, nameLength, extra, comment, start] = [
      zip.readUInt16LE(at + 10),
      zip.readUInt32LE(at + 20),
      zip.readUInt16LE(at + 28),
      zip.readUInt16LE(at + 30),
      zip.readUInt16LE(at + 32),
      zip.readUInt32LE(at + 42),
    ];
    const data = start + 30 + zip.readUInt16LE(start + 26) + zip.readUInt16LE(start + 28);
    const packed = zip.subarray(data, data + size);
    files.set(
      zip.toString('utf8', at + 46, at + 46 + nameLength),
      method === 0 ? packed : inflateRawSync(packed),
    );
    at += 46 + nameLength + extra + comment;
  }
  return files;
}

test('there is a function for every file in functions/', () => {
  const files = readdirSync(file('functions')).map((name) => name.replace('.ts', ''));
  assert.deepEqual(functions.map(([, each]) => nameOf(each)).sort(), files.sort());
});

test('every zip holds exactly its own bundle, the one that the local stack runs, and it loads', () => {
  for (const [, each] of functions) {
    const name = nameOf(each);
    const files = unzip(readFileSync(file(`.serverless/${name}.zip`)));
    assert.deepEqual([...files.keys()].sort(), [
      `.build/functions/${name}.cjs`,
      `.build/functions/${name}.cjs.map`,
    ]);
    const bundle = file(`.build/functions/${name}.cjs`);
    const hash = (data: Buffer) => createHash('sha256').update(data).digest('hex');
    assert.equal(
      hash(files.get(`.build/functions/${name}.cjs`) ?? Buffer.alloc(0)),
      hash(readFileSync(bundle)),
    );
    const { handler } = createRequire(import.meta.url)(bundle.pathname) as { handler: unknown };
    assert.equal(typeof handler, 'function', name);
  }
});

test('the same sources make the same bytes', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'build-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  for (const name of await buildFunctions(folder)) {
    const again = readFileSync(join(folder, `${name}.cjs`));
    assert.ok(again.equals(readFileSync(file(`.build/functions/${name}.cjs`))), name);
  }
});

test('a function sees every setting, but secrets only by the path where they are kept', () => {
  const secrets = [
    'CUSTOMCRM_API_TOKEN',
    'CUSTOMCRM_WEBHOOK_SECRET',
    'WAVE_WEBHOOK_SECRET',
    'WAVE_ACCESS_TOKEN',
    'WAVE_CLIENT_SECRET',
    'FINGERPRINT_KEYS',
  ];
  for (const [, { Properties }] of functions) {
    const { Variables } = Properties.Environment as { Variables: Record<string, unknown> };
    const expected = Object.keys(settings.shape).filter((name) => !secrets.includes(name));
    const own = ['PARAMETERS_PATH', 'STAGE', 'NODE_OPTIONS'];
    assert.deepEqual(Object.keys(Variables).sort(), [...expected, ...own].sort());
  }
});

test('queues outlive their workers: visibility above the time-out, FIFO dead-letter queues, partial failures', () => {
  const queues = Object.fromEntries(resourcesOf(template, 'AWS::SQS::Queue'));
  for (const { Properties } of Object.values(queues)) {
    assert.equal(Properties.FifoQueue, true);
    assert.equal(Properties.MessageRetentionPeriod, 14 * 24 * 3600);
    // High throughput: a limit for each record, not for the queue.
    assert.equal(Properties.DeduplicationScope, 'messageGroup');
    assert.equal(Properties.FifoThroughputLimit, 'perMessageGroupId');
  }
  const redrives = Object.entries(queues).flatMap(([id, { Properties }]) =>
    Properties.RedrivePolicy ? [[id, Properties.RedrivePolicy]] : [],
  );
  const toDead = (id: string) => ({
    deadLetterTargetArn: { 'Fn::GetAtt': [id, 'Arn'] },
    maxReceiveCount: 20,
  });
  assert.deepEqual(Object.fromEntries(redrives), {
    CustomcrmChanges: toDead('CustomcrmChangesDead'),
    WaveChanges: toDead('WaveChangesDead'),
    CustomcrmBackground: toDead('CustomcrmChangesDead'),
    WaveBackground: toDead('WaveChangesDead'),
  });
  for (const [id, { Properties }] of Object.entries(queues))
    if (Properties.RedrivePolicy) {
      const { deadLetterTargetArn } = Properties.RedrivePolicy as {
        deadLetterTargetArn: { 'Fn::GetAtt': string[] };
      };
      const dead = queues[deadLetterTargetArn['Fn::GetAtt'][0] ?? '']?.Properties.RedriveAllowPolicy;
      assert.match(JSON.stringify(dead), new RegExp(`:${Properties.QueueName}"`), id);
    }
  for (const [, { Properties }] of resourcesOf(template, 'AWS::Lambda::EventSourceMapping')) {
    assert.deepEqual(Properties.FunctionResponseTypes, ['ReportBatchItemFailures']);
    const [queue] = (Properties.EventSourceArn as { 'Fn::GetAtt': string[] })['Fn::GetAtt'];
    const [target] = (Properties.FunctionName as { 'Fn::GetAtt': string[] })['Fn::GetAtt'];
    const visibility = Number(queues[queue ?? '']?.Properties.VisibilityTimeout);
    assert.ok(visibility > Number(template.Resources[target ?? '']?.Properties.Timeout));
  }
});

test('each function has a role of its own, and no role may do everything', () => {
  const roles = functions.map(([, { Properties }]) => JSON.stringify(Properties.Role));
  assert.equal(new Set(roles).size, functions.length);
  for (const [id, { Properties }] of resourcesOf(template, 'AWS::IAM::Role')) {
    const policies = Properties.Policies as {
      PolicyDocument: { Statement: { Action: string[]; Resource: unknown }[] };
    }[];
    for (const { Action, Resource } of policies.flatMap(({ PolicyDocument }) => PolicyDocument.Statement)) {
      assert.ok(
        Action.every((action) => !action.includes('*')),
        id,
      );
      // X-Ray knows no resources.
      if (Resource === '*')
        assert.ok(
          Action.every((action) => action.startsWith('xray:')),
          id,
        );
    }
  }
});

test('the table outlives the stack, and can be restored', () => {
  const [[, table] = []] = resourcesOf(template, 'AWS::DynamoDB::Table');
  assert.equal((table as unknown as { DeletionPolicy: string }).DeletionPolicy, 'Retain');
  assert.deepEqual(table?.Properties.PointInTimeRecoverySpecification, { PointInTimeRecoveryEnabled: true });
});

/** Every metric that the code counts somewhere, by the calls that do. */
const counted: ReadonlySet<string> = new Set(
  ['lib/app.ts', 'lib/metrics.ts']
    .flatMap((path) => [
      ...readFileSync(file(path), 'utf8').matchAll(/(?:count\(|addMetric\(|: )'([A-Z]\w+)'/g),
    ])
    .map(([, name = '']) => name),
);

test('every metric is counted somewhere, and alarms and dashboard name no other', () => {
  assert.deepEqual([...counted].sort(), Object.keys(metricUnits).sort());
  for (const [id, name] of alarmMetrics(template)) assert.ok(counted.has(name), id);
  assert.deepEqual([...dashboardMetrics(template)].sort(), Object.keys(metricUnits).sort());
});

test('every alarm leads to its own paragraph of the runbook, and no paragraph is of an alarm that is gone', () => {
  const alarms = resourcesOf(template, 'AWS::CloudWatch::Alarm').map(([id, { Properties }]) => {
    const [, name] = /docs\/RUNBOOK\.md#([a-z]+)$/.exec(String(Properties.AlarmDescription)) ?? [];
    assert.ok(String(Properties.AlarmName).endsWith(`-${name}`), id);
    assert.deepEqual(Properties.AlarmActions, [{ Ref: 'AlarmTopic' }], id);
    return name;
  });
  const [, section = ''] = readFileSync(file('docs/RUNBOOK.md'), 'utf8').split('\n## Alarms\n');
  const paragraphs = [...(section.split('\n## ')[0] ?? '').matchAll(/^### (.+)$/gm)].map(([, name]) => name);
  assert.deepEqual(paragraphs.sort(), alarms.sort());
});

test('saved queries name only fields that are logged, and ask for messages that there are', () => {
  const known = new Set<string>(outcomeMessages);
  for (const [id, { fields, messages }] of queried(template)) {
    assert.ok(fields.length > 2, id);
    for (const field of fields) assert.ok(logFields.has(field), `${id}: ${field}`);
    for (const message of messages) assert.ok(known.has(message), `${id}: ${message}`);
  }
});

test('every message of an outcome is said somewhere', () => {
  const sources = readdirSync(file('lib/sync'))
    .filter((name) => name !== 'engine.ts')
    .map((name) => readFileSync(file(`lib/sync/${name}`), 'utf8'))
    .join('\n');
  const states = recordStates.map((state) => `record ${state}`);
  for (const message of outcomeMessages)
    assert.ok(sources.includes(`'${message}'`) || states.includes(message), message);
});
