import { startEmulator } from './emulator.ts';
import { pythonTools } from './python.ts';
import { bare, freePort, type PythonServer, startPythonServer } from './python-server.ts';

/** An SQS that others wrote. */
export interface Judge {
  readonly name: string;
  readonly start: (folder: string) => Promise<PythonServer>;
  readonly deviations: readonly Deviation[];
}

/** A case of the contract that it does not pass. */
export interface Deviation {
  readonly says: string;
  /** What the failure of the case says: another one is not explained. */
  readonly shows: RegExp;
  /** Why AWS is believed, and not it. */
  readonly because: string;
  /** It passes now and then. */
  readonly sometimes?: true;
}

const missing = /Missing expected rejection/;

/** https://docs.getmoto.org/en/latest/docs/services/sqs.html: no move tasks; what else it leaves out was read in its source. */
const moto: Judge = {
  name: 'moto',
  start: async (folder) => {
    const port = await freePort();
    return startPythonServer({
      bin: await pythonTools('requirements-sqs.txt'),
      module: 'moto.server',
      args: ['-H', '127.0.0.1', '-p', String(port)],
      port,
      folder,
      healthPath: '/moto-api/',
      env: bare(process.env),
    });
  },
  deviations: [
    {
      says: 'a message that is not in flight cannot be hidden',
      shows: missing,
      because:
        'it looks at time-outs only of messages whose time-out is over; ChangeMessageVisibility names MessageNotInflight',
    },
    {
      says: 'a receipt that is outdated removes nothing from a standard queue',
      shows: /receipt handle is invalid/,
      because: 'it forgets older receipts; DeleteMessage says that an old one may succeed without removing',
    },
    {
      says: 'a message has a body',
      shows: missing,
      because: 'it does not look; SendMessage says that the shortest message has one character',
    },
    {
      says: 'a message consists of characters that XML knows',
      shows: missing,
      because: 'it does not look; SendMessage names InvalidMessageContents',
    },
    {
      says: 'of a batch the good entries are taken, and the bad ones named',
      shows: /must contain the parameter MessageGroupId/,
      because: 'it refuses the batch as a whole; SendMessageBatch reports each entry by itself',
    },
    {
      says: 'the sequence numbers of a queue grow',
      shows: /follows/,
      because:
        'they are random digits, and none where content decides about repetitions; SendMessage says that they increase',
    },
    {
      says: 'a receipt that is outdated is refused by a FIFO queue',
      shows: missing,
      because:
        'it takes every receipt of a message that is still there; for FIFO queues DeleteMessage needs the newest one',
    },
    {
      says: 'a receive that is asked again under its attempt id has the same messages',
      shows: /deep-equal/,
      because: 'it does not know ReceiveRequestAttemptId',
    },
    {
      says: 'a repeated id is swallowed, and answered with the message that was first',
      shows: /deep-equal/,
      because:
        'it swallows, but answers a new id; SendMessage says that a repetition is accepted as the message that was sent',
    },
    {
      says: 'a repeated id is swallowed even after its message was removed',
      shows: /deep-equal/,
      because:
        'it compares with messages that are there; the documentation of MessageDeduplicationId goes on for five minutes after a removal',
    },
    {
      says: 'a high-throughput queue looks for repetitions in each group by itself',
      shows: /1 !== 2/,
      because: 'it keeps DeduplicationScope as a word only',
    },
    {
      says: 'consumers that compete get every message once, and every group in its order',
      shows: /deep-equal|strictly equal|receipt handle is invalid/,
      because: 'its threads share queues without a lock',
      sometimes: true,
    },
    {
      says: 'a dead letter says from which queue it came',
      shows: /undefined/,
      because: 'it does not know DeadLetterQueueSourceArn',
    },
    {
      says: 'a dead-letter queue is of the type of its sources',
      shows: missing,
      because: 'it does not look; RedrivePolicy says that the two are of one type',
    },
    {
      says: 'a dead-letter queue refuses sources that it does not allow',
      shows: missing,
      because: 'it keeps RedriveAllowPolicy as a word only',
    },
    {
      says: 'a move task gives dead letters back as new messages in their old order, and says how many',
      shows: /is not valid JSON/,
      because: 'it knows no move tasks',
    },
    {
      says: 'a move task starts at a dead-letter queue only',
      shows: /is not valid JSON/,
      because: 'it knows no move tasks',
    },
    {
      says: 'a long poll is woken when a group is unlocked',
      shows: /deep-equal/,
      because: 'it decides at the start of a poll which groups are locked',
    },
  ],
};

/** What `npm run test:deploy` deploys to. */
const ministack: Judge = {
  name: 'ministack',
  start: startEmulator,
  deviations: [
    {
      says: 'a queue is purged once a minute',
      shows: missing,
      because: 'it purges at any time; PurgeQueue names PurgeQueueInProgress',
    },
    {
      says: 'a message that is not in flight cannot be hidden',
      shows: missing,
      because: 'it does not look; ChangeMessageVisibility names MessageNotInflight',
    },
    {
      says: 'a receipt that is outdated removes nothing from a standard queue',
      shows: /receipt handle is invalid/,
      because: 'it forgets older receipts; DeleteMessage says that an old one may succeed without removing',
    },
    {
      says: 'numbers beyond their limits are refused',
      shows: missing,
      because: 'it makes them the largest that is allowed; ReceiveMessage and SendMessage name the limits',
    },
    {
      says: 'a receipt that is outdated is refused by a FIFO queue',
      shows: missing,
      because:
        'it ignores a receipt that it does not know; for FIFO queues DeleteMessage needs the newest one',
    },
    {
      says: 'a receive that is asked again under its attempt id has the same messages',
      shows: /deep-equal/,
      because: 'it does not know ReceiveRequestAttemptId',
    },
    {
      says: 'what was received too often goes to the dead-letter queue, which knows its sources',
      shows: /ListDeadLetterSourceQueues is not valid/,
      because: 'it moves the letter, but does not know ListDeadLetterSourceQueues',
    },
    {
      says: 'a dead-letter queue is of the type of its sources',
      shows: missing,
      because: 'it does not look; RedrivePolicy says that the two are of one type',
    },
    {
      says: 'a dead-letter queue refuses sources that it does not allow',
      shows: missing,
      because: 'it keeps RedriveAllowPolicy as a word only',
    },
    {
      says: 'a move task gives dead letters back as new messages in their old order, and says how many',
      shows: /StartMessageMoveTask is not valid/,
      because: 'it knows no move tasks',
    },
    {
      says: 'a move task starts at a dead-letter queue only',
      shows: /StartMessageMoveTask is not valid/,
      because: 'it knows no move tasks',
    },
  ],
};

export const judges: readonly Judge[] = [moto, ministack];
