import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { DescribeTableCommand, DynamoDBClient, ScanCommand } from '@aws-sdk/client-dynamodb';
import { GetFunctionConfigurationCommand, InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { GetQueueUrlCommand, ListQueueTagsCommand, SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { readTemplate, resourcesOf, type Template } from '../../infra/local/template.ts';
import {
  at,
  counterpartInCustomcrm,
  counterpartInWave,
  createWaveCustomer,
  eventually,
  listWave,
  mutate,
  readWave,
  type World,
} from '../end-to-end/world.ts';
import { messagesIn } from '../support/queues.ts';
import { deploy, isLeftOut, run } from './deployment.ts';
import { deviations } from './deviations.ts';
import { clientSettings, type Stage, serviceName, stage as stageName, startStage } from './stage.ts';
import { linesOf, loseWebhooks, outcomesOf, said, stripRole, worldOf } from './world.ts';

// docs/DEPLOY.md, done literally on an emulated AWS. The tests stand in the order in which they must run.
describe('the deployed service', () => {
  let stage: Stage;
  let world: World;
  let template: Template;
  let names: readonly string[];
  before(async () => {
    stage = await startStage();
    world = worldOf(stage);
    template = await readTemplate(
      join(stage.folder, '.serverless', 'cloudformation-template-update-stack.json'),
    );
    names = resourcesOf(template, 'AWS::Lambda::Function').map(([, { Properties }]) =>
      String(Properties.FunctionName).replace(`${serviceName}-`, ''),
    );
  });
  after(() => stage?.close());

  const clientOf = <Client>(Kind: new (settings: object) => Client): Client =>
    new Kind({ endpoint: stage.emulator.url, ...clientSettings(stage.emulator.env) });
  const inWave = (kind: 'customer' | 'product' | 'invoice', id: string, path: string, value: unknown) =>
    eventually(
      `${path} is ${value} in Wave`,
      async () => at(await readWave(world, kind, id), path) === value,
    );
  const inCustomcrm = (path: string, property: string, value: unknown) =>
    eventually(
      `${property} of ${path} is ${value}`,
      async () => (await world.customcrm('GET', path))[property] === value,
    );

  test('is deployed as AWS would, but for what is printed here', () => {
    process.stdout.write(`Deviations:\n${deviations.map((each) => `- ${each}\n`).join('')}`);
  });

  test('consists of every resource of the template', async () => {
    const packaged = await readTemplate(join(stage.folder, 'template.json'));
    const expected = Object.entries(packaged.Resources).filter(([, resource]) => !isLeftOut(resource));
    assert.ok(stage.deployed.resources.has('AlarmEmail'), 'an address was set');
    assert.deepEqual([...stage.deployed.resources.keys()].sort(), expected.map(([id]) => id).sort());
    process.stdout.write(`${stage.deployed.resources.size} resources were created\n`);
  });

  test('bears the tags of its stage', async () => {
    const sqs = clientOf(SQSClient);
    const QueueName = `${serviceName}-wave-changes.fifo`;
    const { QueueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName }));
    const { Tags } = await sqs.send(new ListQueueTagsCommand({ QueueUrl }));
    assert.equal(Tags?.service, 'customcrm-wave-sync');
    assert.equal(Tags?.stage, stageName);
  });

  test('runs the zips that were packaged, on the Node of the template', async () => {
    const lambda = clientOf(LambdaClient);
    for (const name of names) {
      const zip = await readFile(join(stage.folder, '.serverless', `${name}.zip`));
      const shown = await lambda.send(
        new GetFunctionConfigurationCommand({ FunctionName: `${serviceName}-${name}` }),
      );
      assert.equal(shown.CodeSha256, createHash('sha256').update(zip).digest('base64'), name);
      assert.equal(shown.Runtime, 'nodejs24.x');
    }
  });

  test('passes every line of `check`', async () => {
    const findings = (await stage.cli('check')) as unknown as readonly { ok: boolean }[];
    assert.ok(findings.length >= 10);
    assert.deepEqual(
      findings.filter(({ ok }) => !ok),
      [],
    );
  });

  test('refuses a webhook that nobody signed', async () => {
    for (const url of Object.values(stage.webhookUrls)) {
      const { status } = await fetch(url, { method: 'POST', body: '{}' });
      assert.equal(status, 401);
    }
  });

  let customer: { readonly path: string; readonly waveId: string };
  let invoiced: { readonly path: string; readonly waveId: string };
  test('makes a customer of Customcrm appear in Wave, by webhook, queue and worker', async () => {
    const { Id } = await world.customcrm('POST', '/customers', {
      Name: 'Larch & Sons',
      Email: 'office@larch.example',
    });
    customer = { path: `/customers/${Id}`, waveId: await counterpartInWave(world, `/customers/${Id}`) };
    await inWave('customer', customer.waveId, 'name', 'Larch & Sons');
    await said(stage, 'customcrm-webhook', ({ message, id }) => message === 'webhook taken' && id === Id);
    await said(stage, 'apply-to-wave', ({ message, id }) => message === 'counterpart created' && id === Id);
  });

  test('makes a product and an order of both appear in Wave', async () => {
    const product = await world.customcrm('POST', '/products', { Name: 'Survey', UnitPrice: '80' });
    const order = await world.customcrm('POST', '/orders', {
      CustomerId: customer.path.split('/').at(-1),
      Currency: 'CAD',
      OrderDate: '2026-10-01',
      Lines: [{ ProductId: product.Id, Quantity: '2', UnitPrice: '80' }],
    });
    const invoice = await readWave(world, 'invoice', await counterpartInWave(world, `/orders/${order.Id}`));
    assert.equal(at(invoice, 'customer.id'), customer.waveId);
    assert.equal(
      at(invoice, 'items.0.product.id'),
      await counterpartInWave(world, `/products/${product.Id}`),
    );
    assert.equal(at(invoice, 'total.minorUnitValue'), '16000');
    invoiced = { path: `/orders/${order.Id}`, waveId: String(invoice.id) };
  });

  test('takes what Wave has signed, and carries it to Customcrm', async () => {
    await mutate(world, 'invoiceApprove', { invoiceId: invoiced.waveId });
    await said(stage, 'wave-webhook', ({ message, pair }) => message === 'webhook taken' && pair === 'order');
    await inCustomcrm(invoiced.path, 'Status', 'confirmed');
    const heard = (await stage.cli('status')).heardAgoMs as Readonly<Record<string, number>>;
    assert.deepEqual(Object.keys(heard).sort(), ['customcrm', 'wave']);
  });

  test('carries an edit in Customcrm to Wave, and an edit in Wave back', async () => {
    await world.customcrm('PATCH', customer.path, { Phone: '+1 416 555 0100' });
    await inWave('customer', customer.waveId, 'phone', '+1 416 555 0100');
    await mutate(world, 'customerPatch', { id: customer.waveId, name: 'Larch & Daughters' });
    await inCustomcrm(customer.path, 'Name', 'Larch & Daughters');
    assert.equal((await listWave(world, 'customer')).length, 1);
  });

  test('finds by its polls what webhooks lost', async () => {
    await loseWebhooks(stage.customcrm, 1);
    const made = await createWaveCustomer(world, { name: 'Tamarack', email: 'hello@tamarack.example' });
    const shown = await counterpartInCustomcrm(world, '/customers', String(made.id));
    assert.equal(shown.Name, 'Tamarack');
    const { Id } = await world.customcrm('POST', '/products', { Name: 'Map', UnitPrice: '12' });
    // Its schedule is five minutes; a person asks for it.
    const asked = await clientOf(LambdaClient).send(
      new InvokeCommand({ FunctionName: `${serviceName}-customcrm-poll`, Payload: Buffer.from('{}') }),
    );
    assert.equal(asked.FunctionError, undefined);
    await inWave('product', await counterpartInWave(world, `/products/${Id}`), 'name', 'Map');
    await loseWebhooks(stage.customcrm, 0);
  });

  test('runs its janitor and its sweep by itself', async () => {
    await said(stage, 'janitor', ({ message }) => message === 'janitor ran');
    await said(stage, 'sweep', ({ message }) => message === 'sweep ran');
  });

  test('notes a record whose message ended in a dead-letter queue, and shows it to the operator', async () => {
    const sqs = clientOf(SQSClient);
    const QueueName = `${serviceName}-customcrm-changes-dead.fifo`;
    const { QueueUrl = '' } = await sqs.send(new GetQueueUrlCommand({ QueueName }));
    const id = String(customer.path.split('/').at(-1));
    const doorbell = {
      system: 'customcrm',
      pair: 'customer',
      id,
      eventId: 'tried-too-often',
      at: Date.now(),
    };
    await sqs.send(
      new SendMessageCommand({
        QueueUrl,
        MessageBody: JSON.stringify(doorbell),
        MessageGroupId: 'tried-too-often',
        MessageDeduplicationId: 'tried-too-often',
      }),
    );
    await said(
      stage,
      'mark-failed',
      ({ message, id: marked }) => message === 'record failed' && marked === id,
    );
    const failed = (await stage.cli('failed')) as unknown;
    assert.ok(JSON.stringify(failed).includes(id));
    assert.deepEqual(await stage.cli('redrive'), { rung: 1 });
    await eventually(
      'nothing has failed',
      async () => !JSON.stringify(await stage.cli('failed')).includes(id),
    );
    await eventually('the queue is empty again', async () => (await messagesIn(sqs, QueueUrl)) === 0);
  });

  test('was refused nothing by its roles, and failed nowhere', async () => {
    for (const name of names) {
      // The lines of an invocation appear when it has ended.
      const lines = await eventually(`${name} ran`, async () => {
        const all = await linesOf(stage, name);
        return all.length > 0 && all;
      });
      process.stdout.write(`${name} ran ${lines.filter((line) => line.startsWith('START ')).length} times\n`);
      assert.deepEqual(
        lines.filter((line) => /AccessDenied|not authorized/.test(line)),
        [],
      );
      const errors = (await outcomesOf(stage, name)).filter(({ level }) => level === 'error');
      assert.deepEqual(
        errors.filter(({ eventId }) => eventId !== 'tried-too-often'),
        [],
      );
    }
  });

  test('is upgraded in place, and goes on with the links that it has', async () => {
    await deploy(stage.folder, stageName, { ...stage.env, FUSE_LIMIT: '19' });
    const shown = await clientOf(LambdaClient).send(
      new GetFunctionConfigurationCommand({ FunctionName: `${serviceName}-apply-to-wave` }),
    );
    assert.equal(shown.Environment?.Variables?.FUSE_LIMIT, '19');
    const before = (await listWave(world, 'customer')).length;
    await world.customcrm('PATCH', customer.path, { Mobile: '+1 416 555 0101' });
    await inWave('customer', customer.waveId, 'mobile', '+1 416 555 0101');
    assert.equal((await listWave(world, 'customer')).length, before);
  });

  test('is refused what the policy of a role does not grant', async () => {
    const FunctionName = `${serviceName}-customcrm-webhook`;
    const { Role } = await clientOf(LambdaClient).send(new GetFunctionConfigurationCommand({ FunctionName }));
    await stripRole(stage, String(Role?.split('/').at(-1)), 'customcrm-webhook');
    await world.customcrm('PATCH', customer.path, { Fax: '+1 416 555 0102' });
    await said(
      stage,
      'customcrm-webhook',
      ({ message, error }) => message === 'webhook not queued' && error === 'AccessDenied',
    );
  });

  test('leaves its table when it is removed', async () => {
    await run(stage.folder, 'remove', stageName, stage.env);
    const dynamodb = clientOf(DynamoDBClient);
    const { Table } = await dynamodb.send(new DescribeTableCommand({ TableName: serviceName }));
    assert.equal(Table?.TableStatus, 'ACTIVE');
    const { Count = 0 } = await dynamodb.send(new ScanCommand({ TableName: serviceName, Limit: 10 }));
    assert.ok(Count > 0);
    await assert.rejects(
      clientOf(LambdaClient).send(
        new GetFunctionConfigurationCommand({ FunctionName: `${serviceName}-janitor` }),
      ),
      { name: 'ResourceNotFoundException' },
    );
  });

  test('takes its table back when it is deployed again, and not before that is asked for', async () => {
    await assert.rejects(
      deploy(stage.folder, stageName, stage.env),
      /belongs to no stack. Adopt it first: npm run adopt -- --stage emulated/,
    );
    await run(stage.folder, 'adopt', stageName, stage.env);
    await assert.rejects(run(stage.folder, 'adopt', stageName, stage.env), /has its table already/);
    await deploy(stage.folder, stageName, stage.env);
    const before = (await listWave(world, 'customer')).length;
    await world.customcrm('PATCH', customer.path, { Fax: '+1 416 555 0103' });
    await clientOf(LambdaClient).send(
      new InvokeCommand({ FunctionName: `${serviceName}-customcrm-poll`, Payload: Buffer.from('{}') }),
    );
    await inWave('customer', customer.waveId, 'fax', '+1 416 555 0103');
    assert.equal((await listWave(world, 'customer')).length, before);
  });
});
