import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SQS } from '@aws-sdk/client-sqs';
import { startSqs } from '../../infra/local/sqs/server.ts';
import { type Case, clientOf } from '../infra/local/sqs-contract/client.ts';
import { sqsContract } from '../infra/local/sqs-contract/contract.ts';
import { type Deviation, judges } from './sqs-judges.ts';

// `npm run test:sqs`: the contract of SQS, kept by the embedded one and by two that others wrote, so that ours is not its own judge.
// On all of them time passes as it does.

const concurrency = 8;

/** A server for all tests of a suite. */
function served(start: (folder: string) => Promise<{ readonly url: string; close(): Promise<void> }>) {
  let closing: readonly (() => unknown)[] = [];
  let sqs: SQS | undefined;
  before(async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sqs-contract-'));
    closing = [() => rm(folder, { recursive: true, force: true })];
    const server = await start(folder);
    const client = clientOf(server.url);
    sqs = client;
    closing = [() => client.destroy(), () => server.close(), ...closing];
  });
  after(async () => {
    for (const close of closing) await close();
  });
  return ({ run }: Case): Promise<void> => {
    assert.ok(sqs);
    return run({ sqs, pass: sleep });
  };
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

async function deviates({ sometimes, shows, says }: Deviation, run: Promise<void>): Promise<void> {
  const said = await run.then(() => undefined, messageOf);
  if (said === undefined && sometimes) return;
  assert.ok(said !== undefined, `"${says}" passes now: its entry is no longer needed`);
  assert.match(said, shows);
}

describe('the embedded SQS', { concurrency }, () => {
  const check = served(() => startSqs({ port: 0, path: ':memory:' }));
  for (const each of sqsContract) test(each.says, () => check(each));
});

for (const { name, start, deviations } of judges)
  describe(name, { concurrency }, () => {
    const check = served(start);
    for (const each of sqsContract) {
      const deviation = deviations.find(({ says }) => says === each.says);
      if (!deviation) test(each.says, () => check(each));
      else {
        const title = `does not${deviation.sometimes ? ' always' : ''} keep, as ${deviation.because}: ${each.says}`;
        test(title, () => deviates(deviation, check(each)));
      }
    }
    test('has no explanation for a case that is not there', () => {
      const known = sqsContract.map(({ says }) => says);
      assert.deepEqual(
        deviations.filter(({ says }) => !known.includes(says)),
        [],
      );
    });
  });

test('what is kept by nobody but ours is known', () => {
  const alone = sqsContract
    .map(({ says }) => says)
    .filter((title) => judges.every(({ deviations }) => deviations.some(({ says }) => says === title)));
  const kept = sqsContract.length - alone.length;
  process.stdout.write(
    `${kept} of ${sqsContract.length} promises are kept by another SQS; ours alone keeps:\n${alone.map((says) => `- ${says}`).join('\n')}\n`,
  );
  assert.ok(kept > alone.length);
});
