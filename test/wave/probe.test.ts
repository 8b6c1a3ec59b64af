import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { localIncomeAccountId, startWave } from '../../infra/local/wave/server.ts';
import { openDesk } from '../../lib/cli/probe/desk.ts';
import { type Answer, probe } from '../../lib/cli/probe/probe.ts';
import { probeText, settingsFrom } from '../../lib/cli/probe/say.ts';
import { RemoteOutcomeUnknownError, RemoteUnavailableError } from '../../lib/errors.ts';
import { callIn, connected } from './connected.ts';

type Behaviours = NonNullable<Parameters<typeof startWave>[0]['behaviours']>;

interface State {
  readonly emailsSent: number;
  readonly customers: readonly { readonly id: string; readonly deleted?: boolean }[];
  readonly invoices: readonly { readonly id: string; readonly deleted?: boolean }[];
}

const deskOptions = {
  incomeAccountId: localIncomeAccountId,
  callNow: () => callIn(),
  // The stand-in's stamps are fine enough.
  sleep: () => new Promise<void>((resolve) => setTimeout(resolve, 5)),
  mark: 'Probe',
};

/** Which records are there, and how many e-mails were sent. */
async function stateOf({ origin }: Awaited<ReturnType<typeof startWave>>) {
  const headers = { authorization: 'Bearer local' };
  const answer = await fetch(`${origin}/_control/state`, { headers });
  const { customers, invoices, emailsSent } = (await answer.json()) as State;
  const living = [...customers, ...invoices].filter(({ deleted }) => !deleted).map(({ id }) => id);
  return { living, emailsSent };
}

/** What a probe of a Wave that behaves so says, and what it leaves behind. @param fails whether Wave does not answer this request of it */
async function probed(behaviours: Behaviours, fails: (request: number) => boolean = () => false) {
  const wave = await startWave({ port: 0, path: ':memory:', token: 'local', sample: false, behaviours });
  try {
    const { client, options } = connected(wave.url);
    let requests = 0;
    const failing: typeof client = (...request) =>
      fails(requests++) ? Promise.reject(new RemoteUnavailableError('wave', 'HTTP 503')) : client(...request);
    const { desk, clear } = await openDesk({ ...deskOptions, client: failing, business: options.businessId });
    const answers = await probe(desk, () => undefined);
    return { answers, left: await clear(), ...(await stateOf(wave)) };
  } finally {
    await wave.close();
  }
}

const answerTo = (answers: readonly Answer[], words: string): Answer => {
  const found = answers.find(({ question }) => question.includes(words));
  assert.ok(found, words);
  assert.equal(found.open, undefined);
  return found;
};

describe('the probe of a business for tests', () => {
  const plain = probed({});
  const other = probed({
    percentage: 'fraction',
    keepsLineOrder: false,
    modifiedAfterInclusive: false,
    paymentMovesInvoice: false,
    paidInvoicesCanChange: true,
  });
  const strict = probed({ stampResolutionMs: 60_000, maximumCost: 100, issuedAreFinal: true });
  const once = probed({}, (request) => request === 5);
  const dead = probed({}, (request) => request >= 5);
  after(() => Promise.allSettled([plain, other, strict, once, dead]));

  test('answers every question, and sends nothing to anybody', async () => {
    const { answers, emailsSent } = await plain;
    assert.deepEqual(
      answers.filter(({ open }) => open !== undefined),
      [],
    );
    assert.equal(emailsSent, 0);
  });

  test('leaves a question open that Wave does not answer, and asks the others', async () => {
    const open = (await once).answers.filter((answer) => answer.open !== undefined);
    assert.equal(open.length, 1);
    assert.match(open[0]?.open ?? '', /503/);
  });

  test('stops when Wave answers no more, keeps what it knows, and names what it could not take away', async () => {
    const { answers, left } = await dead;
    assert.equal(answers.length, (await plain).answers.length);
    assert.equal(answers.filter(({ open }) => open?.includes('503')).length, 3);
    assert.match(answers.at(-1)?.open ?? '', /run the probe again/);
    assert.ok(left.some((what) => what.startsWith('product ')));
  });

  test('prints the settings that follow', async () => {
    const [one, two] = [(await plain).answers, (await other).answers];
    assert.deepEqual(settingsFrom(one), { WAVE_PERCENTAGE: 'percent', WAVE_KEEPS_LINE_ORDER: 'true' });
    assert.deepEqual(settingsFrom(two), { WAVE_PERCENTAGE: 'fraction', WAVE_KEEPS_LINE_ORDER: 'false' });
    assert.match(probeText(two), /^WAVE_PERCENTAGE=fraction\nWAVE_KEEPS_LINE_ORDER=false$/m);
  });

  test('tells an inclusive bound from an exclusive one', async () => {
    assert.match(answerTo((await plain).answers, 'inclusive').answer ?? '', /^inclusive/);
    assert.match(answerTo((await other).answers, 'inclusive').answer ?? '', /^exclusive/);
  });

  test('sees whether a payment moves the stamp of its invoice', async () => {
    assert.equal(answerTo((await plain).answers, 'moves the modifiedAt').asAssumed, true);
    const { answer, asAssumed } = answerTo((await other).answers, 'moves the modifiedAt');
    assert.equal(asAssumed, false);
    assert.match(answer ?? '', /^not by: a payment/);
  });

  test('names what Wave refuses to change on an invoice that is paid', async () => {
    const refuses =
      /approved: refuses status DRAFT.*; paid: refuses items, customerId, currency, status DRAFT/;
    assert.match(answerTo((await plain).answers, 'a patch refuse').answer ?? '', refuses);
    assert.doesNotMatch(answerTo((await other).answers, 'a patch refuse').answer ?? '', /items/);
  });

  test('sees whether two records can share a stamp, and numbers and rates that Wave chooses', async () => {
    assert.match(answerTo((await plain).answers, 'share a stamp').answer ?? '', /^not these two|^yes/);
    assert.match(answerTo((await strict).answers, 'share a stamp').answer ?? '', /^yes/);
    assert.equal(answerTo((await plain).answers, 'different numbers').asAssumed, true);
    assert.equal(answerTo((await plain).answers, 'exchange rate').answer, '1 for USD');
    assert.match(answerTo((await plain).answers, 'numbers be unique').answer ?? '', /a free one is accepted/);
  });

  test('finds out how many rows a poll may ask for, and goes on where a larger page is refused', async () => {
    assert.equal(answerTo((await plain).answers, 'How many rows').answer, '100 of each list in one document');
    const { answer, asAssumed } = answerTo((await strict).answers, 'How many rows');
    assert.deepEqual([answer, asAssumed], ['25 of each list in one document', false]);
    assert.match(answerTo((await strict).answers, 'How large').answer ?? '', /1000 is refused/);
  });

  test('tells which invoices can be deleted, whether a currency can change, and whether sort is needed', async () => {
    const said = (words: string) => plain.then(({ answers }) => answerTo(answers, words).answer ?? '');
    assert.match(await said('can be deleted?'), /^a draft: yes; approved: no .*; paid: no /);
    assert.equal(await said('currency of a customer'), 'yes');
    assert.equal(await said('without sort'), 'yes');
    assert.match(
      answerTo((await strict).answers, 'a patch refuse').answer ?? '',
      /approved: refuses memo, poNumber/,
    );
  });

  test('takes away what Wave lets go, and names the rest', async () => {
    const { left, living } = await plain;
    assert.deepEqual(left.map((what) => what.split(' ')[1]).sort(), living.sort());
    assert.ok(left.length > 0 && left.every((what) => /^(invoice|customer) /.test(what)), String(left));
  });
});

describe('a probe that fails', () => {
  async function withWave<T>(run: (wave: Awaited<ReturnType<typeof startWave>>) => Promise<T>): Promise<T> {
    const wave = await startWave({ port: 0, path: ':memory:', token: 'local', sample: false });
    return run(wave).finally(() => wave.close());
  }

  test('takes its customer away again when its product cannot be made', () =>
    withWave(async (wave) => {
      const { client, options } = connected(wave.url);
      const given = { ...deskOptions, client, business: options.businessId, incomeAccountId: 'QWNjb3VudDo5' };
      await assert.rejects(openDesk(given), { name: 'NotAskedError' });
      assert.deepEqual((await stateOf(wave)).living, []);
    }));

  for (const lost of [3, 5, 9])
    test(`names what it may have made by its write ${lost}, whose answer was lost`, () =>
      withWave(async (wave) => {
        const { client, options } = connected(wave.url);
        let writes = 0;
        const losing: typeof client = async (document, variables, intention, ...rest) => {
          const answer = await client(document, variables, intention, ...rest);
          if (intention === 'write' && ++writes === lost)
            throw new RemoteOutcomeUnknownError('wave', 'ETIMEDOUT');
          return answer;
        };
        const { desk, clear } = await openDesk({
          ...deskOptions,
          client: losing,
          business: options.businessId,
        });
        await probe(desk, () => undefined);
        const left = await clear();
        const { living } = await stateOf(wave);
        const unnamed = living.filter((id) => !left.some((what) => what.includes(id)));
        const guesses = left.filter((what) => what.startsWith('perhaps'));
        assert.ok(unnamed.length <= guesses.length, `${unnamed} of ${left}`);
      }));

  test('leaves a question open that Wave answers in parts', () =>
    withWave(async (wave) => {
      const { client, options } = connected(wave.url);
      const torn: typeof client = async (document, variables, intention, ...rest) => {
        const answer = await client(document, variables, intention, ...rest);
        const error = { message: 'Something happened', path: ['business'] };
        return intention === 'read' ? { ...answer, data: undefined, errors: [error] } : answer;
      };
      const { desk, clear } = await openDesk({ ...deskOptions, client: torn, business: options.businessId });
      const answers = await probe(desk, () => undefined);
      await clear();
      assert.equal(settingsFrom(answers).WAVE_KEEPS_LINE_ORDER, undefined);
      assert.ok(answers.some(({ open }) => /^Wave did not show all of it/.test(open ?? '')));
    }));
});
