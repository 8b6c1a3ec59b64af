import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  bodies,
  type Case,
  counts,
  createFifo,
  createStandard,
  first,
  one,
  receive,
  remove,
  send,
} from './client.ts';

const long = { WaitTimeSeconds: 20 };
/** Timers may be early by a little, ms. */
const earlyMs = 50;

/** https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html */
export const longPollCases: readonly Case[] = [
  {
    says: 'a long poll is woken by a message that arrives',
    run: async ({ sqs }) => {
      const queue = await createFifo(sqs);
      const poll = receive(sqs, queue, long);
      await sleep(200);
      await send(sqs, queue, 'a', 'late');
      assert.deepEqual(bodies(await poll), ['late']);
    },
  },
  {
    says: 'a long poll is woken when a group is unlocked',
    run: async ({ sqs }) => {
      const queue = await createFifo(sqs);
      for (const body of ['1', '2']) await send(sqs, queue, 'a', body);
      const holding = first(await receive(sqs, queue, one));
      const poll = receive(sqs, queue, long);
      await sleep(200);
      await remove(sqs, queue, holding);
      assert.deepEqual(bodies(await poll), ['2']);
    },
  },
  {
    says: 'a long poll is woken when a visibility time-out ends',
    run: async ({ sqs }) => {
      const queue = await createFifo(sqs, { VisibilityTimeout: '1' });
      await send(sqs, queue, 'a', '1');
      first(await receive(sqs, queue));
      assert.deepEqual(counts(await receive(sqs, queue, long)), ['2']);
    },
  },
  {
    says: 'a long poll is woken when a delay ends',
    run: async ({ sqs }) => {
      const QueueUrl = await createStandard(sqs);
      await sqs.sendMessage({ QueueUrl, MessageBody: 'delayed', DelaySeconds: 1 });
      assert.deepEqual(bodies(await receive(sqs, QueueUrl, long)), ['delayed']);
    },
  },
  {
    says: 'a long poll ends empty after its own time, or that of its queue, also beside one that waits longer',
    run: async ({ sqs }) => {
      const queue = await createFifo(sqs, { ReceiveMessageWaitTimeSeconds: '1' });
      const longer = receive(sqs, queue, long);
      for (const wait of [{}, { WaitTimeSeconds: 2 }]) {
        const start = performance.now();
        assert.deepEqual(bodies(await receive(sqs, queue, wait)), []);
        const waitedMs = performance.now() - start;
        assert.ok(waitedMs >= (wait.WaitTimeSeconds ?? 1) * 1_000 - earlyMs, `it waited ${waitedMs} ms`);
      }
      await send(sqs, queue, 'a', 'late');
      assert.deepEqual(bodies(await longer), ['late']);
    },
  },
];
