import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Snapshot } from '../../lib/domain/record.ts';
import { RemoteOutcomeUnknownError, RemoteRejectedError } from '../../lib/errors.ts';
import type { Records } from '../../lib/sync/ports.ts';
import { callIn, connected, customerBody, rename, startCountedWave } from './connected.ts';

const range = (count: number) => Array.from({ length: count }, (_, index) => index);
const make = (records: Records, count: number): Promise<Snapshot[]> =>
  Promise.all(
    range(count).map((index) => records.create('customer', customerBody(`Number ${index}`), '', callIn())),
  );
const living = async (records: Records, id: string) => {
  const reading = await records.read('customer', id, callIn());
  assert.equal(reading.state, 'living');
  return reading.state === 'living' ? reading.snapshot : undefined;
};

describe('documents that calls share', () => {
  let wave: Awaited<ReturnType<typeof startCountedWave>>;
  before(async () => {
    wave = await startCountedWave();
  });
  beforeEach(() => wave.faults({}));
  beforeEach(() => wave.behave({ maximumCost: 0, countsFields: false, requestsPer60s: 0 }));
  after(() => wave.close());

  test('hold ten records: 200 creates, reads and updates take 60 requests', async () => {
    const { records, measured } = connected(wave.url);
    const before = await wave.requests();
    const made: Snapshot[] = [];
    for (const _batch of range(20)) made.push(...(await make(records, 10)));
    const names = new Set<unknown>();
    for (const batch of range(20)) {
      const customers = made.slice(batch * 10, batch * 10 + 10);
      const answers = await Promise.all(
        customers.map(async (customer, index) => {
          const current = await living(records, customer.id);
          return rename(records, current ?? customer, `Renamed ${batch} ${index}`);
        }),
      );
      for (const [index, answer] of answers.entries()) {
        assert.equal(answer.id, customers[index]?.id);
        names.add(answer.body.name);
      }
    }
    assert.equal(names.size, 200);
    assert.equal((await wave.requests()) - before, 60);
    assert.equal(measured.length, 60);
    assert.ok(measured.every(({ did, tookMs }) => did === 'answered' && tookMs >= 0));
  });

  test('are judged alias by alias: one that is refused does not disturb the others', async () => {
    const { records } = connected(wave.url);
    const made = await make(records, 3);
    const [first, second, third] = made;
    assert.ok(first && second && third);
    const unknown = { ...second, id: second.id.slice(0, -4) };
    const before = await wave.requests();
    const answers = await Promise.allSettled([
      rename(records, first, 'One'),
      rename(records, unknown, 'Two'),
      rename(records, third, 'Three'),
    ]);
    assert.deepEqual(
      answers.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    );
    assert.ok(answers[1]?.status === 'rejected' && answers[1].reason instanceof RemoteRejectedError);
    assert.equal((await wave.requests()) - before, 1);
  });

  test('that are refused as a whole because of one variable go on without it', async () => {
    const { records } = connected(wave.url);
    const [first, second] = await make(records, 2);
    assert.ok(first && second);
    const product = records.create(
      'product',
      { name: 'Frame', description: null, unitPrice: 'a lot' },
      '',
      callIn(),
    );
    const answers = await Promise.allSettled([
      rename(records, first, 'One'),
      product,
      rename(records, second, 'Two'),
    ]);
    assert.deepEqual(
      answers.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    );
    assert.ok(answers[1]?.status === 'rejected' && answers[1].reason instanceof RemoteRejectedError);
    assert.equal((await living(records, first.id))?.body.name, 'One');
  });

  test('are halved when Wave says they cost too much, which is remembered for ten minutes', async () => {
    let passed = 0;
    const clock = { now: () => Date.now() + passed, sleep: (ms: number) => sleep(ms) };
    const { records } = connected(wave.url, {}, { clock });
    const made = await make(records, 10);
    await wave.behave({ maximumCost: 3 });
    const renameAll = async (prefix: string) => {
      const before = await wave.requests();
      const answers = await Promise.all(
        made.map((customer, index) => rename(records, customer, `${prefix} ${index}`)),
      );
      assert.deepEqual(
        answers.map(({ id, body }) => [id, body.name]),
        made.map(({ id }, index) => [id, `${prefix} ${index}`]),
      );
      return (await wave.requests()) - before;
    };
    // 10, then 5 and 5, then 3 and 2 of each.
    assert.equal(await renameAll('First'), 7);
    // Two at a time from then on: the smaller half of five.
    assert.equal(await renameAll('Second'), 5);
    // One large record among them may have been why.
    await wave.behave({ maximumCost: 0 });
    passed += 10 * 60_000;
    const before = await wave.requests();
    await Promise.all(
      made.map((customer, index) =>
        rename(records, customer, `Third ${index}`, {
          deadline: clock.now() + 60_000,
          priority: 'live',
        }),
      ),
    );
    assert.equal((await wave.requests()) - before, 1);
    const readings = await Promise.all(made.map(({ id }) => living(records, id)));
    assert.deepEqual(
      readings.map((snapshot) => snapshot?.id),
      made.map(({ id }) => id),
    );
  });

  test('never hold two operations on one record, and keep their order', async () => {
    const { records } = connected(wave.url);
    const [first, second] = await make(records, 2);
    assert.ok(first && second);
    const before = await wave.requests();
    const order: string[] = [];
    await Promise.all(
      ['A', 'B', 'C', 'D'].flatMap((name) => [
        rename(records, first, `First ${name}`).then(() => order.push(name)),
        rename(records, second, `Second ${name}`),
      ]),
    );
    assert.deepEqual(order, ['A', 'B', 'C', 'D']);
    assert.equal((await living(records, first.id))?.body.name, 'First D');
    assert.equal((await living(records, second.id))?.body.name, 'Second D');
    assert.equal((await wave.requests()) - before, 4 + 2);
  });

  test('whose answer is lost leave each of their writes unknown, though all have happened', async () => {
    const { records } = connected(wave.url);
    const made = await make(records, 5);
    const before = await wave.writes();
    await wave.faults({ lostAnswer: 1 });
    const answers = await Promise.allSettled(
      made.map((customer) => rename(records, customer, `Lost ${customer.id}`)),
    );
    assert.ok(
      answers.every(({ status, ...rest }) => {
        const { reason } = rest as { reason?: unknown };
        return status === 'rejected' && reason instanceof RemoteOutcomeUnknownError;
      }),
    );
    await wave.faults({});
    assert.equal((await wave.writes()) - before, 5);
  });

  test('with a hole in their answer leave exactly that write unknown', async () => {
    const { records } = connected(wave.url);
    const made = await make(records, 6);
    await wave.faults({ partialErrors: 1 });
    const answers = await Promise.allSettled(made.map((customer) => rename(records, customer, 'Partly')));
    await wave.faults({});
    const failed = answers.filter(({ status }) => status === 'rejected');
    assert.equal(failed.length, 1);
    assert.ok(failed[0]?.status === 'rejected' && failed[0].reason instanceof RemoteOutcomeUnknownError);
  });

  test('cost what Wave counts when it counts fields, and are never refused', async () => {
    const strict = await startCountedWave({ countsFields: true, requestsPer60s: 60, banAfter: 1 });
    try {
      const { records, measured } = connected(strict.url, { countsFields: true, perMinute: 60 });
      const made = await make(records, 20);
      await Promise.all(made.map(({ id }) => living(records, id)));
      const answers = await Promise.allSettled(
        made.map(({ id }) => records.read('customer', id, callIn(3_000))),
      );
      const read = answers.filter(({ status }) => status === 'fulfilled').length;
      assert.ok(read >= 10 && read <= 17, `${read} of the last 20`);
      assert.deepEqual(await strict.refusals(), [0, 0]);
      assert.ok(measured.some(({ did }) => did === 'no slot'));
    } finally {
      await strict.close();
    }
  });
});
