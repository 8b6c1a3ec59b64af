import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { packaged } from '../../infra/local/package.ts';
import { credentials, region } from '../../infra/local/provision.ts';
import type { Right } from '../../infra/role-actions.ts';
import { counterpartInWave, mutate } from '../end-to-end/world.ts';
import { type RecordedWorld, startRecordedWorld } from '../support/recorded-world.ts';
import { type Rights, refusedByRoles, rightsOf } from '../support/rights.ts';

/** Rounds in which a function may get to do what it does only when others are in its way. */
const roundLimit = 12;

// A role grants what its function was seen to call and what AWS does in its name, and nothing else. The tests stand in the order in which
// they must run.
describe('a role', () => {
  let world: RecordedWorld;
  let rights: ReadonlyMap<string, Rights>;
  before(async () => {
    await packaged(() => undefined);
    rights = await rightsOf();
    world = await startRecordedWorld();
  });
  after(() => world?.close());

  const called = ({ functionName }: Rights): ReadonlySet<Right> =>
    world.recorder.calls.get(functionName) ?? new Set();
  /** What is granted, but was neither called nor is for AWS. */
  function unused(name: string): readonly Right[] {
    const of = rights.get(name);
    assert.ok(of, name);
    return [...of.granted].filter((right) => !called(of).has(right) && !of.implied.has(right));
  }
  /** Goes on until the function has used everything that it may. */
  async function until(name: string, round: (count: number) => Promise<unknown>): Promise<void> {
    for (let count = 1; count <= roundLimit && unused(name).length > 0; count++) await round(count);
    assert.deepEqual(unused(name), [], `${name} may do what it was not seen to do`);
  }
  async function linked(list: string, body: Record<string, unknown>) {
    const { Id } = await world.customcrm('POST', `/${list}`, body);
    return {
      id: String(Id),
      path: `/${list}/${Id}`,
      waveId: await counterpartInWave(world, `/${list}/${Id}`),
    };
  }

  test('lets every function start with an empty table, and with secrets from Parameter Store', async () => {
    const unsigned = { headers: {}, body: '{}', isBase64Encoded: false };
    for (const [name, each] of rights) {
      const isNoted = () => [...called(each)].some((right) => right.startsWith('dynamodb:PutItem '));
      // Another function may be quicker to say whose table it is.
      for (let round = 1; round === 1 || (round <= roundLimit && !isNoted()); round++) {
        await world.forgetIdentity();
        await world.invoke(name, name.endsWith('webhook') ? unsigned : { Records: [] });
      }
    }
  });

  test('lets webhooks ring', async () => {
    const customer = await linked('customers', { Name: 'Rowan' });
    const order = await linked('orders', {
      CustomerId: customer.id,
      Currency: 'CAD',
      OrderDate: '2026-10-01',
      Lines: [{ Description: 'Survey', Quantity: '1', UnitPrice: '80' }],
    });
    await mutate(world, 'invoiceApprove', { invoiceId: order.waveId });
    for (const name of ['customcrm-webhook', 'wave-webhook']) await until(name, () => sleep(2_000));
  });

  test('lets workers wake what waited for them, also where much goes wrong', async () => {
    const made = await Promise.all(
      ['Ash', 'Birch', 'Cedar', 'Fir'].map((name) => linked('customers', { Name: name })),
    );
    // A user whose request fails leaves it at that.
    const inWave = (mobile: string) =>
      Promise.allSettled(made.map(({ waveId }) => mutate(world, 'customerPatch', { id: waveId, mobile })));
    const inCustomcrm = (Fax: string) =>
      Promise.allSettled(made.map(({ path }) => world.customcrm('PATCH', path, { Fax })));
    for (const name of ['apply-to-wave', 'apply-to-customcrm'])
      await until(name, async (count) => {
        await world.disturb({ lostAnswer: 0.05, throttle: 0.05, serverError: 0.05, lag: 0.1 });
        // Whoever gives a lease back rings for what waits for it.
        for (const { id } of made) await world.leaveWaiting(`lease#customcrm#customer#${id}`);
        await inWave(`w${count}`);
        const polled = world.invoke('wave-poll').catch(() => undefined);
        for (let times = 1; times <= 20; times++) await inCustomcrm(`${count}.${times}`);
        await polled;
        await world.disturb({});
        await sleep(2_000);
      });
  });

  test('lets polls note what webhooks lost, renew the login and wake what waited for them', async () => {
    const product = await linked('products', { Name: 'Map', UnitPrice: '12' });
    await world.disturb({ webhookDropped: 1 });
    for (const system of ['customcrm', 'wave'] as const)
      await until(`${system}-poll`, async (count) => {
        const name = `Map ${system} ${count}`;
        if (system === 'customcrm') await world.customcrm('PATCH', product.path, { Name: name });
        else await mutate(world, 'productPatch', { id: product.waveId, name });
        await world.leaveWaiting(`poll#${system}`);
        await world.invoke(`${system}-poll`);
        await sleep(2_000);
      });
    await world.disturb({});
  });

  test('lets the janitor ring for what has waited too long', async () => {
    await until('janitor', async () => {
      await world.leaveWaiting('poll#wave');
      await world.invoke('janitor');
    });
  });

  test('lets the sweep look for what everybody missed', async () => {
    const customer = await linked('customers', { Name: 'Alder' });
    const product = await linked('products', { Name: 'Plan', UnitPrice: '12' });
    await world.disturb({ webhookDropped: 1 });
    await until('sweep', async (count) => {
      await world.customcrm('PATCH', customer.path, { Fax: `${count}` });
      await mutate(world, 'productPatch', { id: product.waveId, name: `Plan ${count}` });
      await world.cli('sweep', '--apply');
      await world.invoke('sweep');
      await sleep(2_000);
    });
    await world.disturb({});
  });

  test('lets messages of the dead-letter queues be noted', async () => {
    const queueUrl = String(world.env.CUSTOMCRM_CHANGES_QUEUE_URL).replace(/\.fifo$/, '-dead.fifo');
    const sqs = new SQSClient({ endpoint: String(world.env.AWS_ENDPOINT_URL_SQS), region, credentials });
    const doorbell = { system: 'customcrm', pair: 'customer', id: 'none', eventId: 'tried', at: 0 };
    await sqs.send(
      new SendMessageCommand({
        QueueUrl: queueUrl,
        MessageBody: JSON.stringify(doorbell),
        MessageGroupId: 'none',
        MessageDeduplicationId: 'tried',
      }),
    );
    sqs.destroy();
    await until('mark-failed', () => sleep(2_000));
  });

  test('grants what was called and what AWS does, and nothing else', () => {
    for (const [name, each] of rights) {
      const needed = new Set([...called(each), ...each.implied]);
      assert.deepEqual([...each.granted].sort(), [...needed].sort(), name);
    }
  });

  test('refuses what it does not grant, and every end-to-end test would say so', async () => {
    const scan: Right = 'dynamodb:Scan arn:aws:dynamodb:us-east-1:000000000000:table/any';
    const [each] = rights.values();
    assert.ok(each);
    const calls = new Map([[each.functionName, new Set([scan, ...each.granted])]]);
    assert.deepEqual(await refusedByRoles(calls), [`${each.functionName} ${scan}`]);
  });
});
