/*
 * The promises on the real stack: people work at both systems at once, the stand-ins go wrong, and the whole group of processes is
 * killed at random moments and started again. Then there is peace, and what people typed is compared with what is there.
 *
 *   stack-process.ts  the stack as processes      users.ts, typing.ts, wave-input.ts  what people do
 *   hands.ts          how they do it, over HTTP   ledger.ts                           what they did, and what they know of it
 *   rows.ts, forms.ts what must be equal          bookkeeping.ts                      what the service has written down
 *   rest.ts           waiting for rest            verdict.ts, lost.ts, report.ts      the checks, and the table
 *
 * Everything that people do follows from the seed; how requests, faults and kills interleave does not: these are real processes.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { FaultRates } from '../../infra/local/faults.ts';
import { type Dice, diceOf } from '../simulation/dice.ts';
import { engineOf, intentsBefore } from './bookkeeping.ts';
import { type Hands, handsAt } from './hands.ts';
import { openLedger } from './ledger.ts';
import { faultSum, type Sums, tableOf } from './report.ts';
import { comeToRest } from './rest.ts';
import { freePorts, originsAt, type StackProcess, stackProcess } from './stack-process.ts';
import { act, type Office } from './users.ts';

const help = `Works at both systems of a local stack while everything goes wrong, then compares what was typed with what is there.

  npm run soak -- [options]

  --minutes N   how long people work; peace afterwards takes up to ten minutes more (standard: 3)
  --seed N      decides what people do and when the stack is killed (standard: 1)
  --no-kills    only the faults of the two systems
  --keep        keep the state directory also when all is well
  --help        this text`;

const rates: FaultRates = {
  lostAnswer: 0.05,
  lateExecution: 0.04,
  lag: 0.1,
  // Each stops everybody for a while.
  throttle: 0.005,
  serverError: 0.03,
  partialErrors: 0.03,
  nodeNotFound: 0.03,
  webhookDropped: 0.2,
  webhookRepeated: 0.1,
  webhookDelayed: 0.2,
};
const people = 3;
/** Between two things that one person does, ms. */
const pace = { least: 1_200, most: 4_500 };
/** Between a start and the next kill, ms. */
const killPause = { least: 15_000, most: 45_000 };
/** A kill that is to meet a create waits for one this long, ms. */
const aimMs = 15_000;
const restLimitMs = 30 * 60_000;
const sayEveryMs = 15_000;

interface Soak {
  readonly office: Office;
  readonly stack: StackProcess;
  readonly state: string;
  readonly dice: Dice;
  readonly sums: Sums;
  readonly ends: number;
  readonly faultsOption: () => string;
}

const say = (text: string): void => void process.stdout.write(`${text}\n`);

/** One person, until the end; while the stack is down nobody can work. */
async function work({ office, stack, ends }: Soak, dice: Dice): Promise<void> {
  while (Date.now() < ends) {
    await sleep(dice.between(pace.least, pace.most));
    if (stack.isUp()) await act({ ...office, dice }).catch(ignoreCutOff);
  }
}

/** The picture could not be taken because the stack was killed: the person looks up and tries something else later. */
function ignoreCutOff(error: unknown): void {
  const isNetwork = error instanceof TypeError || (error instanceof Error && error.name === 'TimeoutError');
  if (!isNetwork && !(error instanceof SyntaxError)) throw error;
}

async function killNowAndThen(soak: Soak): Promise<void> {
  const { office, stack, state, dice, sums, ends } = soak;
  for (;;) {
    await sleep(dice.between(killPause.least, killPause.most));
    if (Date.now() > ends - 5_000) return;
    if (dice.chance(0.6)) await untilCreating(state);
    await sleep(dice.between(0, 300));
    await countFaults(office.hands, sums);
    const killedAt = Date.now();
    await stack.kill();
    sums.kills += 1;
    await sleep(dice.between(200, 4_000));
    await stack.start(soak.faultsOption());
    const open = await intentsBefore(await engineOf(state), killedAt);
    sums.inFlight += open.length;
    say(
      `  killed and started again after ${Date.now() - killedAt} ms; ${open.length} creates were in flight`,
    );
  }
}

async function untilCreating(state: string): Promise<void> {
  const engine = await engineOf(state);
  const since = Date.now();
  const end = since + aimMs;
  while (Date.now() < end) {
    const open = await intentsBefore(engine, Number.MAX_SAFE_INTEGER);
    if (open.some(({ sentAt }) => sentAt >= since)) return;
    await sleep(60);
  }
}

async function countFaults(hands: Hands, sums: Sums): Promise<void> {
  for (const [kind, count] of Object.entries(await hands.faults().catch(() => ({}))))
    sums.faults.set(kind, (sums.faults.get(kind) ?? 0) + count);
}

async function tell({ office, sums, ends }: Soak, startedAt: number): Promise<void> {
  while (Date.now() < ends) {
    await sleep(Math.min(sayEveryMs, Math.max(0, ends - Date.now())));
    const { edits, creates, unknown } = office.ledger.sums;
    const now = Object.values(await office.hands.faults().catch(() => ({}))).reduce(
      (sum, each) => sum + each,
      0,
    );
    const seconds = String(Math.round((Date.now() - startedAt) / 1000)).padStart(4);
    say(
      `${seconds} s  ${creates} creates, ${edits} edits, ${unknown} without an answer; ${sums.kills} kills; ${faultSum(sums) + now} faults`,
    );
  }
}

async function run(options: {
  minutes: number;
  seed: number;
  kills: boolean;
  keep: boolean;
}): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'soak-'));
  const [state, log, port] = [join(folder, 'state'), join(folder, 'stack.log'), await freePorts()];
  const { DYNAMODB_ENDPOINT: _, ...shell } = process.env;
  // Many values go empty here, which is no accident: the fuse would rightly stop it. As many as can be set.
  const env = { ...shell, SETTLE_SECONDS: '30', FUSE_LIMIT: '1000' };
  const stack = stackProcess({ port, state, log, env });
  const endAtOnce = () => void stack.kill().finally(() => process.exit(1));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, endAtOnce);
  const dice = diceOf(options.seed);
  let starts = 0;
  const faultsOption = () => {
    starts += 1;
    return [
      ...Object.entries(rates).map(([kind, rate]) => `${kind}=${rate}`),
      `seed=${options.seed * 1000 + starts}`,
    ].join();
  };
  say(`Seed ${options.seed}; the state is in ${folder}`);
  let failed = 1;
  try {
    await stack.start(faultsOption());
    const startedAt = Date.now();
    const hands = handsAt(originsAt(port));
    const soak: Soak = {
      office: { hands, ledger: openLedger(), dice },
      stack,
      state,
      dice: dice.fork('kills'),
      sums: { kills: 0, inFlight: 0, faults: new Map() },
      ends: startedAt + options.minutes * 60_000,
      faultsOption,
    };
    await Promise.all([
      ...Array.from({ length: people }, (_, index) => work(soak, dice.fork(`person ${index}`))),
      ...(options.kills ? [killNowAndThen(soak)] : []),
      tell(soak, startedAt),
    ]);
    failed = await end(soak);
    return failed === 0 ? 0 : 1;
  } finally {
    await stack.kill();
    if (failed === 0 && !options.keep) await rm(folder, { recursive: true, force: true });
    else
      say(`\nKept: ${folder}. Look for the record in ${log}; start it again and ask it with:
  npm start -- --state ${state} --port ${port}
  npm run sync -- --state ${state} show customcrm customer ID`);
  }
}

async function end({ office, state, sums }: Soak): Promise<number> {
  const { hands, ledger } = office;
  await countFaults(hands, sums);
  await hands.setFaults({});
  say('Peace: no more edits, faults and kills.');
  const { verdict, restless, seconds } = await comeToRest(
    { hands, engine: await engineOf(state), ledger, say },
    restLimitMs,
  );
  const { text, failed } = tableOf({ ledger, sums, verdict, restless, restSeconds: seconds });
  say(text);
  return failed;
}

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '3' },
    seed: { type: 'string', default: '1' },
    'no-kills': { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) say(help);
else {
  const [minutes, seed] = [Number(values.minutes), Number(values.seed)];
  if (!(minutes > 0) || !Number.isSafeInteger(seed))
    throw new RangeError('--minutes and --seed must be numbers');
  process.exit(await run({ minutes, seed, kills: !values['no-kills'], keep: values.keep }));
}
