import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { credentials, namesIn, region } from '../../infra/local/provision.ts';
import { packaged } from '../../infra/local/package.ts';
import { readTemplate, type Template } from '../../infra/local/template.ts';
import { functionsByName, grantedTo, impliedFor, type Right } from '../../infra/role-actions.ts';
import { counterpartInWave, createWaveCustomer, mutate } from '../end-to-end/world.ts';
import { type RecordedWorld, startRecordedWorld } from '../support/recorded-world.ts';

/** Rounds in which a function may do what it does only when others are in its way. */
const roundLimit = 12;

// A role grants what its function was seen to call and what AWS does in its name, and nothing else.
describe('a role', () => {
  let template: Template;
  let world: RecordedWorld;
  let granted: ReadonlyMap<string, ReadonlySet<Right>>;
  let implied: ReadonlyMap<string, ReadonlySet<Right>>;
  before(async () => {
    await packaged(() => undefined);
    template = await readTemplate(
      new URL('../../.serverless/cloudformation-template-update-stack.json', import.meta.url).pathname,
    );
    // Only the ARNs count here: they are the same wherever the services listen.
    const known = namesIn(template, { dynamodb: '', sqs: '' });
    const names = [...functionsByName(template).keys()];
    granted = new Map(names.map((name) => [name, grantedTo(template, known, name)]));
    implied = new Map(names.map((name) => [name, impliedFor(template, known, name)]));
    world = await startRecordedWorld(template, {
      WAVE_POLL_INTERVAL_SECONDS: '60',
      CUSTOMCRM_POLL_INTERVAL_SECONDS: '300',
    });
  });
  after(() => world?.close());

  const callsOf = (name: string): ReadonlySet<Right> =>
    world.calls.get(String(functionsByName(template).get(name)?.[1].Properties.FunctionName)) ?? new Set();
  /** What is granted, but was neither called nor is for AWS. */
  const unused = (name: string): readonly Right[] =>
    [...(granted.get(name) ?? [])].filter(
      (right) => !callsOf(name).has(right) && !implied.get(name)?.has(right),
    );
  /** Does something again and again until the function has used everything that it may. */
  async function until(name: string, round: (count: number) => Promise<unknown>): Promise<void> {
    for (let count = 1; count <= roundLimit && unused(name).length > 0; count++) await round(count);
  }
  async function linked(list: string, body: Record<string, unknown>) {
    const { Id } = await world.customcrm('POST', `/${list}`, body);
    return { path: `/${list}/${Id}`, waveId: await counterpartInWave(world, `/${list}/${Id}`) };
  }

  test('lets every function start in an empty table, with secrets from Parameter Store', async () => {
    const unsigned = { headers: {}, body: '{}', isBase64Encoded: false };
    for (const name of functionsByName(template).keys()) {
      await world.forgetIdentity();
      await world.invoke(name, name.endsWith('webhook') ? unsigned : { Records: [] });
    }
  });

  test('lets webhooks ring', async () => {
    const customer = await linked('customers', { Name: 'Rowan' });
    const order = await linked('orders', {
      CustomerId: customer.path.split('/').at(-1),
      Currency: 'CAD',
      OrderDate: '2026-10-01',
      Lines: [{ Description: 'Survey', Quantity: '1', UnitPrice: '80' }],
    });
    for (const name of ['customcrm-webhook', 'wave-webhook'])
      await until(name, (count) =>
        count === 1 ? mutate(world, 'invoiceApprove', { invoiceId: order.waveId }) : sleep(1_000),
      );
  });

  test('lets workers wake what waited for them', async () => {
    const made = await Promise.all(
      ['Ash', 'Birch', 'Cedar', 'Fir'].map((name) => linked('customers', { Name: name })),
    );
    const edit = (side: string, value: string) =>
      Promise.all(
        made.map(({ path, waveId }) =>
          side === 'wave'
            ? mutate(world, 'customerPatch', { id: waveId, mobile: value })
            : world.customcrm('PATCH', path, { Fax: value }),
        ),
      );
    for (const name of ['apply-to-wave', 'apply-to-customcrm'])
      await until(name, async (count) => {
        await edit('wave', `w${count}`);
        const polled = world.invoke('wave-poll');
        for (let times = 1; times <= 20; times++) await edit('customcrm', `${count}.${times}`);
        await polled;
        await sleep(2_000);
      });
  });

  test('lets polls note what webhooks lost, renew the login and wake what waited for them', async () => {
    const customer = await linked('customers', { Name: 'Spruce' });
    const product = await linked('products', { Name: 'Map', UnitPrice: '12' });
    await world.disturb({ webhookDropped: 1 });
    await until('customcrm-poll', async (count) => {
      await world.customcrm('PATCH', customer.path, { Name: `Spruce ${count}` });
      await createWaveCustomer(world, { name: `Waits for Customcrm ${count}` });
      await world.invoke('wave-poll');
      await sleep(2_000);
      await world.invoke('customcrm-poll');
    });
    await until('wave-poll', async (count) => {
      await mutate(world, 'productPatch', { id: product.waveId, name: `Map ${count}` });
      await world.customcrm('POST', '/customers', { Name: `Waits for Wave ${count}` });
      await world.invoke('customcrm-poll');
      await sleep(2_000);
      await world.invoke('wave-poll');
    });
    await world.disturb({});
  });

  test('lets the janitor ring for what has waited too long', async () => {
    const customer = await linked('customers', { Name: 'Willow' });
    const product = await linked('products', { Name: 'Chart', UnitPrice: '12' });
    await until('janitor', async (count) => {
      await mutate(world, 'productPatch', { id: product.waveId, description: `${count}` });
      await world.invoke('wave-poll');
      await world.disturb({ serverError: 1 });
      await world.customcrm('PATCH', customer.path, { Fax: `${count}` }).catch(() => undefined);
      await sleep(2_000);
      await world.disturb({});
      await world.invoke('janitor');
    });
  });

  test('lets the sweep look for what everybody missed', async () => {
    const customer = await linked('customers', { Name: 'Alder' });
    const product = await linked('products', { Name: 'Plan', UnitPrice: '12' });
    await world.disturb({ webhookDropped: 1 });
    await until('sweep', async (count) => {
      await world.customcrm('PATCH', customer.path, { Name: `Alder ${count}` });
      await mutate(world, 'productPatch', { id: product.waveId, name: `Plan ${count}` });
      await world.cli('sweep', 'start');
      await world.invoke('sweep');
    });
    await world.disturb({});
  });

  test('lets messages of the dead-letter queues be noted', async () => {
    const known = namesIn(template, { dynamodb: '', sqs: String(world.env.AWS_ENDPOINT_URL_SQS) });
    const sqs = new SQSClient({ endpoint: String(world.env.AWS_ENDPOINT_URL_SQS), region, credentials });
    await sqs.send(
      new SendMessageCommand({
        QueueUrl: known.refs.CustomcrmChangesDead,
        MessageBody: JSON.stringify({ system: 'customcrm', pair: 'customer', id: 'none', eventId: 'tried', at: 0 }),
        MessageGroupId: 'none',
        MessageDeduplicationId: 'tried',
      }),
    );
    sqs.destroy();
    await until('mark-failed', () => sleep(1_000));
  });

  test('grants what was called and what AWS does, and nothing else', () => {
    for (const [name, rights] of granted) {
      const needed = [...new Set([...callsOf(name), ...(implied.get(name) ?? [])])];
      assert.deepEqual([...rights].sort(), needed.sort(), name);
    }
  });
});
