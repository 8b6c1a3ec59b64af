import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  CreateQueueCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { localFunction } from '../../../infra/local/containers.ts';
import { pollQueue } from '../../../infra/local/event-sources.ts';
import { startFront } from '../../../infra/local/http-front.ts';
import { credentials, region } from '../../../infra/local/provision.ts';
import { intervalOf } from '../../../infra/local/schedules.ts';
import { startSqs } from '../../../infra/local/sqs/server.ts';
import { resolve } from '../../../infra/local/template.ts';

/** A function made of a few lines; it can append to a file, so that the test sees what it did. */
async function functionOf(t: TestContext, source: string, timeoutMs = 10_000) {
  const folder = await mkdtemp(join(tmpdir(), 'function-'));
  const file = join(folder, 'seen.txt');
  const bundle = join(folder, 'index.cjs');
  await writeFile(file, '');
  await writeFile(
    bundle,
    `const { appendFileSync } = require('node:fs'); const note = (text) => appendFileSync(${JSON.stringify(file)}, text + '\\n');\n${source}`,
  );
  const lines: string[] = [];
  const target = localFunction(
    { name: 'probe', bundle, env: { NAME: 'value' }, timeoutMs, memoryMb: 128 },
    (line) => lines.push(line),
  );
  t.after(async () => {
    await target.close();
    await rm(folder, { recursive: true });
  });
  const seen = async () => (await readFile(file, 'utf8')).split('\n').filter(Boolean);
  return { target, seen, lines };
}

async function queueOf(t: TestContext, attributes: Record<string, string> = {}) {
  const sqs = await startSqs({ port: 0, path: ':memory:' });
  const client = new SQSClient({ endpoint: sqs.url, region, credentials });
  t.after(async () => {
    client.destroy();
    await sqs.close();
  });
  const make = async (name: string, more: Record<string, string>) =>
    String(
      (
        await client.send(
          new CreateQueueCommand({ QueueName: name, Attributes: { FifoQueue: 'true', ...more } }),
        )
      ).QueueUrl,
    );
  const dead = await make('dead.fifo', {});
  const { Attributes } = await client.send(
    new GetQueueAttributesCommand({ QueueUrl: dead, AttributeNames: ['QueueArn'] }),
  );
  const redrive = JSON.stringify({ deadLetterTargetArn: Attributes?.QueueArn, maxReceiveCount: 3 });
  const url = await make('changes.fifo', { VisibilityTimeout: '1', RedrivePolicy: redrive, ...attributes });
  const send = (group: string, body: string) =>
    client.send(
      new SendMessageCommand({
        QueueUrl: url,
        MessageBody: body,
        MessageGroupId: group,
        MessageDeduplicationId: body,
      }),
    );
  return { sqs, client, url, dead, send };
}

function drive(
  t: TestContext,
  { sqs, url }: Awaited<ReturnType<typeof queueOf>>,
  target: Parameters<typeof pollQueue>[2],
) {
  const source = {
    queueUrl: url,
    queueArn: 'arn:aws:sqs:us-east-1:000000000000:changes.fifo',
    batchSize: 10,
    concurrency: 2,
    reportsFailures: true,
  };
  const driver = pollQueue(sqs.url, source, target, () => undefined);
  t.after(async () => {
    driver.stop();
    await driver.ended();
  });
}

async function until(check: () => Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 600; attempt++) {
    if (await check()) return;
    await sleep(50);
  }
  throw new Error('Waited in vain');
}

test('every message of every group reaches the function once and in order', async (t) => {
  const queue = await queueOf(t);
  const { target, seen } = await functionOf(
    t,
    'exports.handler = async ({ Records }) => { for (const r of Records) note(r.body); };',
  );
  for (let index = 0; index < 50; index++)
    for (const group of ['a', 'b', 'c', 'd']) await queue.send(group, `${group}${index}`);
  drive(t, queue, target);
  await until(async () => (await seen()).length >= 200);
  for (const group of ['a', 'b', 'c', 'd']) {
    const own = (await seen()).filter((body) => body.startsWith(group));
    assert.deepEqual(
      own,
      Array.from({ length: 50 }, (_, index) => `${group}${index}`),
    );
  }
});

test('only the messages that the function names come again, and the poisoned one ends in the dead-letter queue', async (t) => {
  const queue = await queueOf(t);
  const { target, seen } = await functionOf(
    t,
    `exports.handler = async ({ Records }) => { for (const r of Records) note(r.body);
       return { batchItemFailures: Records.filter((r) => r.body === 'poison').map((r) => ({ itemIdentifier: r.messageId })) }; };`,
  );
  // A container that starts for longer than messages stay hidden would get them twice.
  await target.invoke({ Records: [] });
  await queue.send('a', 'good');
  await queue.send('b', 'poison');
  drive(t, queue, target);
  let found: string | undefined;
  await until(async () => {
    const { Messages = [] } = await queue.client.send(new ReceiveMessageCommand({ QueueUrl: queue.dead }));
    found ??= Messages[0]?.Body;
    return found !== undefined;
  });
  assert.equal(found, 'poison');
  const bodies = await seen();
  assert.equal(bodies.filter((body) => body === 'good').length, 1);
  assert.equal(bodies.filter((body) => body === 'poison').length, 3);
});

test('a throw, and a failure that names nobody, let the whole batch come again', async (t) => {
  const queue = await queueOf(t);
  const { target, seen } = await functionOf(
    t,
    `let calls = 0; exports.handler = async ({ Records }) => { if (Records.length === 0) return; calls += 1; for (const r of Records) note(r.body);
       if (calls === 1) throw new Error('no'); if (calls === 2) return { batchItemFailures: [{ itemIdentifier: '' }] }; };`,
  );
  await target.invoke({ Records: [] });
  await queue.send('a', 'again');
  drive(t, queue, target);
  await until(async () => (await seen()).length === 3);
  await sleep(1500);
  assert.equal((await seen()).length, 3);
});

test('a function that hangs is ended at its time-out, one that dies fails its invocation, and both serve the next one', async (t) => {
  const { target, lines } = await functionOf(
    t,
    `exports.handler = async (event, context) => { console.log('left', context.getRemainingTimeInMillis() > 0, process.env.NAME);
       if (event.hang) await new Promise(() => setInterval(() => {}, 1000)); if (event.die) process.exit(3); return 'fine'; };`,
    2_000,
  );
  await assert.rejects(target.invoke({ hang: true }), /timed out/);
  await assert.rejects(target.invoke({ die: true }), /ended/);
  assert.equal(await target.invoke({}), 'fine');
  assert.ok(lines.includes('left true value'));
});

test('a container that does not come up fails one invocation, and the next has another one', async (t) => {
  const { target: hanging } = await functionOf(t, 'for (;;) {}', 2_000);
  const { target: broken } = await functionOf(t, "throw new Error('no bundle');");
  const causes = await Promise.allSettled(
    [hanging, broken].flatMap((each) => [each.invoke({}), each.invoke({})]),
  );
  const said = causes.map((cause) => (cause.status === 'rejected' ? String(cause.reason) : 'an answer'));
  assert.match(said.slice(0, 2).join(), /did not start within 2 s.*did not start within 2 s/);
  assert.match(said.slice(2).join(), /crashed: Error: no bundle.*crashed: Error: no bundle/s);
});

test('a container that is being ended gets no further event, and a closed function starts no other', async (t) => {
  const { target } = await functionOf(
    t,
    `exports.handler = async (event) => { if (event.hang) await new Promise(() => setInterval(() => {}, 1000)); return event; };`,
    2_000,
  );
  await assert.rejects(target.invoke({ hang: true }), /timed out/);
  const answers = await Promise.all([target.invoke({ n: 1, gone: undefined }), target.invoke({ n: 2 })]);
  assert.deepEqual(answers, [{ n: 1 }, { n: 2 }]);
  await target.close();
  await assert.rejects(target.invoke({}), /closed/);
});

test('the HTTP front hands over the exact bytes, knows its routes, and answers 503 before it has any', async (t) => {
  const { target } = await functionOf(
    t,
    `exports.handler = async ({ body, isBase64Encoded, headers }) => ({ statusCode: 202, body: JSON.stringify({ body, isBase64Encoded, sig: headers['x-sig'] }) });`,
  );
  const front = await startFront(0);
  t.after(() => front.close());
  const post = (path: string, body: string | Uint8Array<ArrayBuffer>) =>
    fetch(`${front.url}${path}`, { method: 'POST', body, headers: { 'X-Sig': 's' } });
  assert.equal((await post('/webhooks/wave', '{}')).status, 503);
  front.serve(new Map([['POST /webhooks/wave', target]]));
  const answer = await post('/webhooks/wave', '{"a":  "é"}');
  assert.equal(answer.status, 202);
  assert.deepEqual(await answer.json(), { body: '{"a":  "é"}', isBase64Encoded: false, sig: 's' });
  const binary = (await (await post('/webhooks/wave', new Uint8Array([0xff, 0x00]))).json()) as {
    body: string;
  };
  assert.deepEqual(Buffer.from(binary.body, 'base64'), Buffer.from([0xff, 0x00]));
  assert.equal((await post('/elsewhere', '')).status, 404);
});

test('the HTTP front ends what takes too long with 503, what fails with 500, and what is too large with 413', async (t) => {
  const { target } = await functionOf(
    t,
    `exports.handler = async ({ body }) => { if (body === 'fail') throw new Error('no'); await new Promise((done) => setTimeout(done, 60_000)); };`,
    60_000,
  );
  const failures: unknown[] = [];
  const front = await startFront(0, { answerWithinMs: 2_000, onError: (error) => failures.push(error) });
  t.after(() => front.close());
  front.serve(new Map([['POST /webhooks/wave', target]]));
  const statusOf = async (body: string) =>
    (await fetch(`${front.url}/webhooks/wave`, { method: 'POST', body })).status;
  await until(async () => (await statusOf('fail')) === 500);
  assert.match(String(failures.at(-1)), /probe failed: Error: no/);
  assert.equal(await statusOf('slow'), 503);
  assert.equal(await statusOf('x'.repeat(11 * 1024 * 1024)), 413);
});

test('the template is resolved, and what the local stack does not have is named', () => {
  const known = { refs: { Queue: 'http://q' }, attributes: { 'Queue.Arn': 'arn:q' } };
  const value = {
    A: { Ref: 'Queue' },
    B: [{ 'Fn::GetAtt': ['Queue', 'Arn'] }],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: this is how CloudFormation writes it.
    C: { 'Fn::Sub': '${Queue}/${Queue.Arn}' },
    D: { 'Fn::Join': ['-', ['x', { Ref: 'Queue' }]] },
  };
  assert.deepEqual(resolve(value, known), {
    A: 'http://q',
    B: ['arn:q'],
    C: 'http://q/arn:q',
    D: 'x-http://q',
  });
  assert.throws(() => resolve({ Ref: 'Nobody' }, known), /Nobody/);
  assert.throws(() => resolve({ 'Fn::Select': [0, []] }, known), /Fn::Select/);
});

test('rates are understood, and anything else is refused', () => {
  assert.deepEqual(
    ['rate(1 minute)', 'rate(5 minutes)', 'rate(1 day)'].map(intervalOf),
    [60_000, 300_000, 86_400_000],
  );
  assert.throws(() => intervalOf('cron(0 4 * * ? *)'), /cron/);
});
