import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SQS } from '@aws-sdk/client-sqs';
import { startSqs } from '../../../infra/local/sqs/server.ts';
import * as contract from './sqs-contract/client.ts';
import {
  arnOf,
  bodies,
  counts,
  createFifo,
  first,
  isNamed,
  receive,
  redriveTo,
  send,
} from './sqs-contract/client.ts';
import { sqsContract } from './sqs-contract/contract.ts';

const minuteMs = 60_000;
const mainFile = join(import.meta.dirname, '../../../infra/local/sqs/main.ts');

const clientOf = (t: TestContext, endpoint: string): SQS => {
  const client = contract.clientOf(endpoint);
  t.after(() => client.destroy());
  return client;
};

/** A server in memory whose clock the test can move, and a client of it. */
async function startWithClock(t: TestContext) {
  let aheadMs = 0;
  const server = await startSqs({ port: 0, path: ':memory:', now: () => Date.now() + aheadMs });
  t.after(() => server.close());
  const passMs = (ms: number) => {
    aheadMs += ms;
  };
  return { sqs: clientOf(t, server.url), url: server.url, passMs };
}

async function temporaryFile(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'sqs-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return join(directory, 'queues.db');
}

describe('the contract of SQS', { concurrency: 8 }, () => {
  for (const { says, run } of sqsContract)
    test(says, async (t) => {
      const { sqs, passMs } = await startWithClock(t);
      await run({ sqs, pass: async (ms) => passMs(ms) });
    });
});

describe('de-duplication', () => {
  test('swallows a repeated id for five minutes, even after the message was deleted', async (t) => {
    const { sqs, passMs } = await startWithClock(t);
    const QueueUrl = await createFifo(sqs);
    const message = { QueueUrl, MessageGroupId: 'a', MessageDeduplicationId: 'event-1' };
    const sent = await sqs.sendMessage({ ...message, MessageBody: 'one' });
    const { ReceiptHandle } = first(await receive(sqs, QueueUrl));
    await sqs.deleteMessage({ QueueUrl, ReceiptHandle });

    const repeated = await sqs.sendMessage({ ...message, MessageBody: 'two' });
    assert.deepEqual([repeated.MessageId, repeated.SequenceNumber], [sent.MessageId, sent.SequenceNumber]);
    assert.deepEqual(await receive(sqs, QueueUrl), []);

    passMs(5 * minuteMs);
    await sqs.sendMessage({ ...message, MessageBody: 'three' });
    assert.deepEqual(bodies(await receive(sqs, QueueUrl)), ['three']);
  });
});

describe('a dead-letter queue', () => {
  test('stops a slow move task that is cancelled', async (t) => {
    const { sqs } = await startWithClock(t);
    const deadLetters = await createFifo(sqs);
    const queue = await createFifo(sqs, await redriveTo(sqs, deadLetters, 1));
    // At one a second there is time to cancel, even on a slow machine.
    for (let body = 0; body < 60; body += 1) await send(sqs, deadLetters, 'a', String(body));
    const SourceArn = await arnOf(sqs, deadLetters);
    const task = { SourceArn, DestinationArn: await arnOf(sqs, queue), MaxNumberOfMessagesPerSecond: 1 };
    const { TaskHandle } = await sqs.startMessageMoveTask(task);
    await assert.rejects(sqs.startMessageMoveTask(task), isNamed('UnsupportedOperation'));
    await sqs.cancelMessageMoveTask({ TaskHandle });
    const { Results } = await sqs.listMessageMoveTasks({ SourceArn });
    assert.equal(Results?.[0]?.Status, 'CANCELLED');
  });
});

describe('a long poll', () => {
  test('takes no message after its client has hung up', async (t) => {
    const { sqs } = await startWithClock(t);
    const queue = await createFifo(sqs);
    const abort = new AbortController();
    const poll = sqs.receiveMessage({ QueueUrl: queue, WaitTimeSeconds: 20 }, { abortSignal: abort.signal });
    await sleep(200);
    abort.abort();
    await assert.rejects(poll, isNamed('AbortError'));
    await sleep(200);
    await send(sqs, queue, 'a', 'late');
    assert.deepEqual(counts(await receive(sqs, queue)), ['1']);
  });
});

describe('a queue', () => {
  test('forgets messages that are older than its retention period', async (t) => {
    const { sqs, passMs } = await startWithClock(t);
    const queue = await createFifo(sqs, { MessageRetentionPeriod: '60' });
    await send(sqs, queue, 'a', 'old');
    passMs(minuteMs);
    await send(sqs, queue, 'a', 'new');
    assert.deepEqual(bodies(await receive(sqs, queue)), ['new']);
  });
});

describe('the protocol', () => {
  const post = async (url: string, target: string, body: string) => {
    const response = await fetch(url, { method: 'POST', headers: { 'x-amz-target': target }, body });
    const { __type: type } = (await response.json()) as { readonly __type?: string };
    return [response.status, type?.split('#')[1]];
  };

  test('answers 400 with a name to what it cannot read or does not know', async (t) => {
    const { url } = await startWithClock(t);
    assert.deepEqual(await post(url, 'AmazonSQS.ListQueues', '{'), [400, 'SerializationException']);
    assert.deepEqual(await post(url, 'AmazonSQS.Nonsense', '{}'), [400, 'InvalidAction']);
    assert.deepEqual(await post(url, 'AmazonSQS.AddPermission', '{}'), [400, 'UnsupportedOperation']);
    assert.deepEqual(await post(url, 'AmazonSQS.GetQueueUrl', '{}'), [400, 'MissingParameter']);
  });

  test('tells the SDK the names of errors', async (t) => {
    const { sqs } = await startWithClock(t);
    await assert.rejects(sqs.getQueueUrl({ QueueName: 'none' }), isNamed('QueueDoesNotExist'));
    const QueueUrl = await createFifo(sqs);
    await assert.rejects(sqs.sendMessageBatch({ QueueUrl, Entries: [] }), isNamed('EmptyBatchRequest'));
    const garbage = { QueueUrl, ReceiptHandle: 'garbage' };
    await assert.rejects(sqs.deleteMessage(garbage), isNamed('ReceiptHandleIsInvalid'));
  });
});

describe('after a restart', () => {
  test('queues, order, receive counts and de-duplication go on where they were', async (t) => {
    const path = await temporaryFile(t);
    const before = await startSqs({ port: 0, path });
    const sqs = clientOf(t, before.url);
    const queue = await createFifo(sqs, { VisibilityTimeout: '300' }, 'changes');
    const { SequenceNumber: sequenceNumber = '' } = await send(sqs, queue, 'a', '1');
    await send(sqs, queue, 'a', '2');
    await receive(sqs, queue, { MaxNumberOfMessages: 1 });
    await before.close();

    const after = await startSqs({ port: 0, path });
    t.after(() => after.close());
    const again = clientOf(t, after.url);
    const { QueueUrl = '' } = await again.getQueueUrl({ QueueName: 'changes.fifo' });
    await send(again, QueueUrl, 'a', '1');
    const { SequenceNumber: later = '' } = await send(again, QueueUrl, 'a', '3');
    const messages = await receive(again, QueueUrl);
    assert.deepEqual(bodies(messages), ['1', '2', '3']);
    assert.deepEqual(counts(messages), ['2', '1', '1']);
    assert.ok(BigInt(later) > BigInt(sequenceNumber));
  });

  test('every acknowledged message is there, although the process was killed', async (t) => {
    const path = await temporaryFile(t);
    const killed = await startMain(t, path);
    const sqs = clientOf(t, killed.url);
    const queue = await createFifo(sqs);
    for (const body of ['1', '2', '3']) await send(sqs, queue, 'a', body);
    await receive(sqs, queue, { MaxNumberOfMessages: 1 });
    killed.child.kill('SIGKILL');
    await once(killed.child, 'exit');

    const next = await startMain(t, path);
    // The URL still names the old port: only its last segment counts.
    const messages = await receive(clientOf(t, next.url), queue);
    assert.deepEqual(bodies(messages), ['1', '2', '3']);
    assert.deepEqual(counts(messages), ['2', '1', '1']);
    next.child.kill('SIGTERM');
    assert.deepEqual(await once(next.child, 'exit'), [0, null]);
  });

  test('a second server of the same file is refused', async (t) => {
    const path = await temporaryFile(t);
    const server = await startSqs({ port: 0, path });
    t.after(() => server.close());
    await assert.rejects(startSqs({ port: 0, path }), /locked/);
  });
});

async function startMain(
  t: TestContext,
  path: string,
): Promise<{ readonly child: ChildProcess; readonly url: string }> {
  const child = spawn(process.execPath, [mainFile, '--port', '0', '--path', path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  return { child, url: /http:\S+/.exec(line.toString())?.[0] ?? '' };
}
