import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { DynamoDBClient, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { marshall } from '@aws-sdk/util-dynamodb';
import { credentials, region } from '../../infra/local/provision.ts';
import { readTemplate, type Template } from '../../infra/local/template.ts';
import { logFields } from '../../lib/log.ts';
import { alarmMetrics, dashboardMetrics, queried } from '../support/named-in-template.ts';
import {
  at,
  counterpartInWave,
  createWaveProduct,
  eventually,
  type Json,
  listWave,
  mutate,
  readWave,
  startWorld,
  type World,
} from './world.ts';

/** Every line that functions wrote in the worlds of this file. */
const lines: Json[] = [];
/** The template of their package. */
let template: Template | undefined;

async function end(world: World): Promise<void> {
  template = await readTemplate(join(world.statePath, 'package/template.json'));
  await world.close();
  lines.push(...world.outcomes);
}

// Deletions, conflicts and the operator's commands, through the local stack.
describe('what a person sees and does', { concurrency: 4 }, () => {
  let world: World;
  before(async () => {
    world = await startWorld({ CONFLICT_POLICY: 'latest,customer.Fax=hold' });
  });
  after(() => end(world));

  async function linked(list: 'customers' | 'products', body: Json) {
    const { Id } = await world.customcrm('POST', `/${list}`, body);
    return {
      id: String(Id),
      record: `/${list}/${Id}`,
      waveId: await counterpartInWave(world, `/${list}/${Id}`),
    };
  }
  /** Of a record, or of its counterpart: whichever was looked at first. */
  const says = (ids: readonly string[], because: string) =>
    eventually(`the log says ${because} of ${ids.join(' or ')}`, async () =>
      world.outcomes.some(
        (line) => ids.includes(String(line.id)) && String(line.because ?? line.message).includes(because),
      ),
    );

  test('a product deleted in Customcrm is archived in Wave; a customer is kept, and shown as unlinked', async () => {
    const product = await linked('products', { Name: 'Gone product', UnitPrice: '1' });
    const customer = await linked('customers', { Name: 'Gone customer' });
    await world.customcrm('DELETE', product.record);
    await world.customcrm('DELETE', customer.record);
    await eventually(
      'the product is archived',
      async () => (await readWave(world, 'product', product.waveId)).isArchived === true,
    );
    await says([customer.id, customer.waveId], 'deleted on the other side');
    assert.equal((await readWave(world, 'customer', customer.waveId)).name, 'Gone customer');
    const shown = (await world.cli('unlinked')) as unknown as { ref: { id: string } }[];
    assert.ok(shown.some(({ ref }) => ref.id === customer.waveId));
    // An edit of the survivor brings nothing back.
    await mutate(world, 'customerPatch', { id: customer.waveId, phone: '1' });
    await says([customer.waveId], 'deleted on the other side');
    const recreated = await world.cli('recreate', 'customer', customer.waveId, '--wave');
    assert.equal(recreated.done, true);
    await eventually('a new counterpart is there', async () => {
      const { data } = await world.customcrm(
        'GET',
        `/customers?externalId=${encodeURIComponent(`wave:${customer.waveId}`)}`,
      );
      return (data as Json[])[0]?.Name === 'Gone customer';
    });
  });

  test('a deleted order takes its untouched draft invoice along, and a restored one finds a new one', async () => {
    const { id: CustomerId } = await linked('customers', { Name: 'Orders and goes', Currency: 'CAD' });
    const order = await world.customcrm('POST', '/orders', {
      CustomerId,
      Currency: 'CAD',
      OrderDate: '2026-10-01',
      Lines: [{ Quantity: '1', UnitPrice: '5', TaxCodes: [] }],
    });
    const record = `/orders/${order.Id}`;
    const waveId = await counterpartInWave(world, record);
    await eventually(
      'the first round is over',
      async () => (await world.customcrm('GET', record)).InvoiceNumber,
    );
    await world.customcrm('DELETE', record);
    await eventually(
      'the draft is gone',
      async () => !(await listWave(world, 'invoice')).some(({ id }) => id === waveId),
    );
  });

  test('both sides change a held property: it is a conflict, a person resolves it, and the loser can be put back', async () => {
    const { id, record, waveId } = await linked('customers', { Name: 'Two minds', Fax: '0' });
    await world.cli('pause', `customcrm#customer#${id}`);
    await world.cli('pause', `wave#customer#${waveId}`);
    // Containers that are at work hear of it within three seconds.
    await sleep(4_000);
    await world.customcrm('PATCH', record, { Fax: 'here', Phone: '555-0101' });
    await mutate(world, 'customerPatch', { id: waveId, fax: 'there', phone: '555-0199' });
    await eventually(
      'both wait',
      async () =>
        ((await world.cli('waiting')) as unknown as Json[]).filter(({ cause }) => cause === 'pause').length >
        0,
    );
    await world.cli('resume', `customcrm#customer#${id}`);
    await world.cli('resume', `wave#customer#${waveId}`);
    await eventually('the conflict is shown', async () => {
      const shown = (await world.cli('conflicts')) as unknown as { ref: { id: string } }[];
      return shown.some(({ ref }) => ref.id === id);
    });
    // The other row was decided by its policy.
    await eventually('that is told', async () =>
      world.outcomes.some(
        ({ message, rows }) => message === 'conflict decided' && /^Phone: \w+ lost$/.test(String(rows)),
      ),
    );
    const detail = await world.cli('show', 'customer', id);
    const fax = (detail.rows as Json[]).find(({ row }) => row === 'Fax');
    assert.deepEqual([fax?.customcrm, fax?.wave, fax?.changed], ['here', 'there', ['customcrm', 'wave']]);
    await world.cli('resolve', 'customer', id, '--keep', 'wave', '--row', 'Fax');
    await eventually('Wave has won', async () => (await world.customcrm('GET', record)).Fax === 'there');
    const { losers } = await world.cli('show', 'customer', id);
    const [loser] = losers as { row: string; at: number }[];
    assert.equal(loser?.row, 'Fax');
    const listed = (await world.cli('conflicts')) as unknown as {
      ref: { id: string };
      reasons: string[];
      restore?: string;
    }[];
    const lost = listed.find(({ ref, restore }) => ref.id === id && restore !== undefined);
    assert.deepEqual(lost?.reasons, ['Fax: customcrm lost']);
    const restore = `restore customer ${id} --row Fax --at ${new Date(loser.at).toISOString()}`;
    assert.equal(lost.restore, restore);
    await world.cli(...restore.split(' '));
    await eventually('the loser is back on both sides', async () => {
      const there = at(await readWave(world, 'customer', waveId), 'fax');
      return (await world.customcrm('GET', record)).Fax === 'here' && there === 'here';
    });
  });

  test('check finds everything in order, status counts the links, and the webhook is registered', async () => {
    await linked('customers', { Name: 'Counted' });
    const findings = (await world.cli('check')) as unknown as { what: string; ok: boolean; say: string }[];
    assert.deepEqual(
      findings.filter(({ ok }) => !ok),
      [],
    );
    const status = await world.cli('status');
    assert.ok(Number(at(status, 'linked.customer')) >= 1);
    const webhooks = (await world.cli('webhooks', 'list')) as unknown as Json[];
    assert.equal(webhooks.length, 1);
    const pairs = (await world.cli('pairs')) as unknown as Json[];
    assert.ok(pairs.every(({ started }) => started === true));
    assert.deepEqual(await world.cli('redrive'), { rung: 0 });
  });

  test('the preview of two systems that agree says that there is nothing to do', async () => {
    const { id } = await linked('customers', { Name: 'At rest' });
    await eventually('the preview has nothing for it', async () => {
      const { entries } = await world.cli('preview', 'customer');
      return (entries as Json[]).find((entry) => entry.id === id)?.action === 'nothing';
    });
  });
});

describe('what a person has to look at', () => {
  let world: World;
  before(async () => {
    world = await startWorld({ FUSE_LIMIT: '2', CONFLICT_POLICY: 'hold' });
  });
  after(() => end(world));

  test('is told of: what differs, matches twice, is refused, breaks off, and fails in the end', async () => {
    const isSaid = (said: Json) =>
      eventually(JSON.stringify(said), async () =>
        world.outcomes.some((line) => Object.entries(said).every(([field, value]) => line[field] === value)),
      );
    const { Id: id } = await world.customcrm('POST', '/customers', { Name: 'Refused', Currency: 'CAD' });
    const waveId = await counterpartInWave(world, `/customers/${id}`);
    await world.cli('pause', 'all');
    // Containers that are at work hear of it within three seconds.
    await sleep(4_000);
    await world.customcrm('PATCH', `/customers/${id}`, { Fax: 'here' });
    await mutate(world, 'customerPatch', { id: waveId, fax: 'there' });
    const ids = [id, waveId];
    for (const Name of ['Differs', 'Twin'])
      ids.push((await world.customcrm('POST', '/products', { Name, UnitPrice: '1' })).Id);
    for (const name of ['Differs', 'Twin', 'Twin'])
      ids.push((await createWaveProduct(world, { name, unitPrice: name === 'Twin' ? '1' : '2' })).id);
    await world.customcrm('POST', '/products', { Name: 'Untaxed', UnitPrice: '1', TaxCodes: ['NONE'] });
    await eventually('all of them wait', async () => {
      const waiting = ((await world.cli('waiting')) as unknown as Json[]).map((each) => at(each, 'ref.id'));
      return ids.every((each) => waiting.includes(each));
    });
    await world.cli('resume', 'all');
    await isSaid({ message: 'change held', because: 'conflict' });
    await isSaid({ message: 'records linked' });
    await isSaid({ because: 'held' });
    await isSaid({ message: 'record ambiguous' });
    await isSaid({ message: 'record blocked' });
    await world.customcrm('PATCH', `/customers/${id}`, { Currency: 'VES' });
    // By the doorbell of either half.
    await isSaid({ message: 'change blocked' });
    await unreadable(world);
    await isSaid({ message: 'change failed', id: 'unreadable' });
    await isSaid({ message: 'record failed', id: 'unreadable' });
  });

  test('a wave of deletions stops at the fuse until a person lets it pass', async () => {
    const products = await Promise.all(
      Array.from({ length: 4 }, async (_, index) => {
        const { Id } = await world.customcrm('POST', '/products', { Name: `Fused ${index}`, UnitPrice: '1' });
        return { record: `/products/${Id}`, waveId: await counterpartInWave(world, `/products/${Id}`) };
      }),
    );
    for (const { record } of products) await world.customcrm('DELETE', record);
    await eventually('the fuse is blown', async () =>
      ((await world.cli('status')).blownFuses as string[]).includes('deletions'),
    );
    const archived = async () =>
      (await listWave(world, 'product')).filter(({ isArchived }) => isArchived === true).length;
    await eventually('two were let through', async () => (await archived()) === 2);
    await eventually('the others wait', async () => {
      const waiting = (await world.cli('waiting')) as unknown as Json[];
      return (
        waiting.filter((each) => each.cause === 'fuse' && at(each, 'ref.system') === 'customcrm').length === 2
      );
    });
    await world.cli('fuse', 'deletions', '--release');
    await eventually('all are archived', async () => (await archived()) === 4);
  });
});

/** A link that no version of ours reads: an attempt at it breaks off, and one that was made often enough has failed. */
async function unreadable({ env }: World): Promise<void> {
  const pk = 'customcrm#customer#unreadable';
  const dynamodb = new DynamoDBClient({
    endpoint: String(env.AWS_ENDPOINT_URL_DYNAMODB),
    region,
    credentials,
  });
  const Item = marshall({ pk, sk: 'link', v: 99 });
  await dynamodb.send(new PutItemCommand({ TableName: String(env.TABLE_NAME), Item }));
  dynamodb.destroy();
  const live = String(env.CUSTOMCRM_CHANGES_QUEUE_URL);
  const sqs = new SQSClient({ endpoint: String(env.AWS_ENDPOINT_URL_SQS), region, credentials });
  for (const QueueUrl of [live, live.replace(/\.fifo$/, '-dead.fifo')]) {
    const doorbell = {
      system: 'customcrm',
      pair: 'customer',
      id: 'unreadable',
      eventId: QueueUrl,
      at: Date.now(),
    };
    const ids = { MessageGroupId: 'unreadable', MessageDeduplicationId: 'unreadable' };
    await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: JSON.stringify(doorbell), ...ids }));
  }
  sqs.destroy();
}

test('the steps for Wave end with its first delivery', async (t) => {
  const world = await startWorld();
  t.after(() => end(world));
  assert.deepEqual((await world.cli('status')).heardAgoMs, {});
  const url = `${world.functionsUrl}/webhooks/wave`;
  const steps = await world.cli('webhooks', 'wave', url, '--no-watch');
  assert.equal(steps.url, url);
  const { Id: CustomerId } = await world.customcrm('POST', '/customers', { Name: 'Rowan' });
  async function approve() {
    const { Id } = await world.customcrm('POST', '/orders', {
      CustomerId,
      Currency: 'CAD',
      OrderDate: '2026-10-01',
      Lines: [{ Description: 'Survey', Quantity: '1', UnitPrice: '80' }],
    });
    await mutate(world, 'invoiceApprove', { invoiceId: await counterpartInWave(world, `/orders/${Id}`) });
  }
  let heardAt: unknown;
  const watching = world.cli('webhooks', 'wave', url, '--minutes', '2').then((found) => {
    heardAt = found.heardAt;
  });
  // It may not wait yet when the first one is approved.
  for (let times = 1; times <= 5 && heardAt === undefined; times++) {
    await approve();
    await Promise.race([watching, sleep(15_000)]);
  }
  await watching;
  assert.equal(typeof heardAt, 'number');
  const heard = (await world.cli('status')).heardAgoMs as Json;
  assert.deepEqual(Object.keys(heard).sort(), ['customcrm', 'wave']);
});

/** What dashboard and alarms watch, and no world of this file can bring about, and why. */
const notHere: Readonly<Record<string, string>> = {
  ReconnectNeeded: 'the stand-in of Wave takes the one token that the stack has for good',
  SweepRepairs: 'a change must be missed by its webhook and by every poll for a quarter of an hour',
};

describe('what the functions of these worlds said', () => {
  /** By metric, the dimensions that it is sent with. */
  function emitted(): ReadonlyMap<string, ReadonlySet<string>> {
    const found = new Map<string, Set<string>>();
    for (const line of lines)
      for (const { Namespace, Dimensions, Metrics } of (at(line, '_aws.CloudWatchMetrics') ?? []) as Sent[])
        for (const { Name } of Metrics) {
          assert.equal(Namespace, 'CustomcrmWaveSync');
          assert.equal(typeof line[Name] === 'number' || Array.isArray(line[Name]), true, Name);
          const known = found.get(Name) ?? new Set();
          found.set(Name, known.add(Dimensions.map((set) => [...set].sort().join()).join(';')));
        }
    return found;
  }
  interface Sent {
    readonly Namespace: string;
    readonly Dimensions: readonly (readonly string[])[];
    readonly Metrics: readonly { readonly Name: string }[];
  }
  const isMetrics = (line: Json) => '_aws' in line;
  const shown = (): Template => template ?? assert.fail('no world was started');

  test('holds every metric of dashboard and alarms, by the dimensions that they ask for', () => {
    const sent = emitted();
    for (const name of new Set([...dashboardMetrics(shown()), ...alarmMetrics(shown()).values()])) {
      const by = name === 'Waiting' ? 'cause,service' : 'service';
      assert.equal(sent.get(name)?.has(by) ?? false, !(name in notHere), `${name} by ${by}`);
    }
  });

  test('holds every field and every message that the saved queries name', () => {
    const outcomes = lines.filter((line) => !isMetrics(line));
    const fields = new Set(outcomes.flatMap((line) => Object.keys(line)));
    const messages = new Set(outcomes.map(({ message }) => message));
    for (const [id, query] of queried(shown())) {
      for (const field of query.fields) assert.ok(fields.has(field), `${id}: ${field}`);
      for (const message of query.messages) assert.ok(messages.has(message), `${id}: ${message}`);
    }
  });

  test('names no field that is not allowed, and nothing that anybody typed', () => {
    for (const line of lines.filter((each) => !isMetrics(each)))
      for (const field of Object.keys(line)) assert.ok(logFields.has(field), field);
    assert.doesNotMatch(
      JSON.stringify(lines),
      /Two minds|Gone customer|Orders and goes|Differs|Twin|Untaxed|555-01|"here"|Rowan/,
    );
  });
});
