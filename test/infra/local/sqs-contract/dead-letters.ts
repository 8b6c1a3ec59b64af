import assert from 'node:assert/strict';
import {
  arnOf,
  bodies,
  type Case,
  counts,
  createFifo,
  createStandard,
  first,
  giveBack,
  isNamed,
  one,
  receive,
  redriveTo,
  refusesValue,
  send,
} from './client.ts';

/** https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html */
export const deadLetterCases: readonly Case[] = [
  {
    says: 'what was received too often goes to the dead-letter queue, which knows its sources',
    run: async ({ sqs }) => {
      const deadLetters = await createStandard(sqs);
      const QueueUrl = await createStandard(sqs, await redriveTo(sqs, deadLetters, 2));
      const sent = await sqs.sendMessage({ QueueUrl, MessageBody: 'poison' });
      for (const _ of ['first', 'second']) await giveBack(sqs, QueueUrl, first(await receive(sqs, QueueUrl)));
      assert.deepEqual(bodies(await receive(sqs, QueueUrl)), []);
      const dead = first(await receive(sqs, deadLetters));
      assert.deepEqual([dead.MessageId, dead.Body], [sent.MessageId, 'poison']);
      const { queueUrls } = await sqs.listDeadLetterSourceQueues({ QueueUrl: deadLetters });
      assert.deepEqual(queueUrls, [QueueUrl]);
    },
  },
  {
    says: 'a dead letter says from which queue it came',
    run: async ({ sqs }) => {
      const deadLetters = await createStandard(sqs);
      const QueueUrl = await createStandard(sqs, await redriveTo(sqs, deadLetters, 1));
      await sqs.sendMessage({ QueueUrl, MessageBody: 'poison' });
      await giveBack(sqs, QueueUrl, first(await receive(sqs, QueueUrl)));
      await receive(sqs, QueueUrl);
      const dead = first(await receive(sqs, deadLetters));
      assert.equal(dead.Attributes?.DeadLetterQueueSourceArn, await arnOf(sqs, QueueUrl));
    },
  },
  {
    says: 'a group goes on when its dead letter is gone, which keeps its group',
    run: async ({ sqs }) => {
      const deadLetters = await createFifo(sqs);
      const queue = await createFifo(sqs, await redriveTo(sqs, deadLetters, 2));
      await send(sqs, queue, 'a', 'poison');
      await send(sqs, queue, 'a', 'good');
      for (const _ of ['first', 'second']) await giveBack(sqs, queue, first(await receive(sqs, queue, one)));
      assert.deepEqual(bodies(await receive(sqs, queue)), ['good']);
      const dead = first(await receive(sqs, deadLetters));
      assert.deepEqual([dead.Body, dead.Attributes?.MessageGroupId], ['poison', 'a']);
    },
  },
  {
    says: 'a dead-letter queue is of the type of its sources',
    run: async ({ sqs }) => {
      const fifo = await redriveTo(sqs, await createFifo(sqs), 3);
      await assert.rejects(createStandard(sqs, fifo), refusesValue);
      const standard = await redriveTo(sqs, await createStandard(sqs), 3);
      await assert.rejects(createFifo(sqs, standard), refusesValue);
    },
  },
  {
    says: 'a dead-letter queue refuses sources that it does not allow',
    run: async ({ sqs }) => {
      const denying = { RedriveAllowPolicy: JSON.stringify({ redrivePermission: 'denyAll' }) };
      const policy = await redriveTo(sqs, await createFifo(sqs, denying), 3);
      await assert.rejects(createFifo(sqs, policy), refusesValue);
    },
  },
  {
    says: 'a move task gives dead letters back as new messages in their old order, and says how many',
    run: async ({ sqs }) => {
      const deadLetters = await createFifo(sqs);
      const queue = await createFifo(sqs, await redriveTo(sqs, deadLetters, 1));
      for (const body of ['1', '2', '3']) await send(sqs, queue, 'a', body);
      for (const message of await receive(sqs, queue)) await giveBack(sqs, queue, message);
      assert.deepEqual(bodies(await receive(sqs, queue)), []);
      const SourceArn = await arnOf(sqs, deadLetters);
      await sqs.startMessageMoveTask({ SourceArn });
      const moved = await receive(sqs, queue, { WaitTimeSeconds: 20 });
      assert.deepEqual(
        [bodies(moved), counts(moved)],
        [
          ['1', '2', '3'],
          ['1', '1', '1'],
        ],
      );
      const { Results = [] } = await sqs.listMessageMoveTasks({ SourceArn });
      assert.deepEqual(
        Results.map((task) => [task.Status, task.ApproximateNumberOfMessagesMoved]),
        [['COMPLETED', 3]],
      );
    },
  },
  {
    says: 'a move task starts at a dead-letter queue only',
    run: async ({ sqs }) => {
      const SourceArn = await arnOf(sqs, await createFifo(sqs));
      const started = sqs.startMessageMoveTask({ SourceArn });
      await assert.rejects(started, isNamed('UnsupportedOperation', 'InvalidParameterValue'));
    },
  },
];
