import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Bench, bench } from './bench.ts';
import { startOutside } from './outside.ts';
import { productIn } from './product.ts';
import { seed } from './seed.ts';

// Two companies that never met are brought together, with what goes wrong on the way: what it costs, and whether it is right.

const help = `npm run bench:first-load -- [options]

  --tenth            a tenth of the size
  --scale N          this share of 20,000 customers, 2,000 products and 10,000 orders (standard: 1)
  --per-minute N     requests to Wave in any 60 s, for our budget and at Wave's door (standard: 600)
  --in-flight N      requests to Wave at once (standard: 8)
  --answer-ms N      how long Wave takes for a request at the least (standard: 300)
  --every-ms N       time between two live edits (standard: 2000; 0: none)
  --alone N          live edits without the load, to compare with, at the most (standard: 200)
  --kills N          how often our part is killed, at the most 3 (standard: 3)
  --limit-minutes N  the bench fails when it takes longer (standard: 240)
  --strict           fail as well when a goal that depends on the machine is missed, or cannot be told
  --keep             leave the state directory where it is
  --help             this text

Says PASS or MISS of each goal, and ends with 1 when something is doubled, missing, different, or other than the preview said. How long
live edits took and how much of the rate was used depend on the machine as well: a MISS of these alone ends with 0, unless --strict is given.`;

const whole = { customer: 20_000, product: 2_000, order: 10_000 };

function parsed() {
  return parseArgs({
    options: {
      tenth: { type: 'boolean', default: false },
      scale: { type: 'string' },
      'per-minute': { type: 'string', default: '600' },
      'in-flight': { type: 'string', default: '8' },
      'answer-ms': { type: 'string', default: '300' },
      'every-ms': { type: 'string', default: '2000' },
      alone: { type: 'string', default: '200' },
      kills: { type: 'string', default: '3' },
      'limit-minutes': { type: 'string', default: '240' },
      strict: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  }).values;
}

/** @throws RangeError */
function number(name: string, text: string, most = Number.POSITIVE_INFINITY): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (value >= 0 && value <= most) return value;
  throw new RangeError(
    `--${name} must be a number from 0${most < Number.POSITIVE_INFINITY ? ` to ${most}` : ''}, not "${text}"`,
  );
}

async function main(values: ReturnType<typeof parsed>): Promise<boolean> {
  const scale = number('scale', values.scale ?? (values.tenth ? '0.1' : '1'));
  const counts = {
    customer: Math.round(whole.customer * scale),
    product: Math.round(whole.product * scale),
    order: Math.round(whole.order * scale),
  };
  const budget = {
    perMinute: number('per-minute', values['per-minute']),
    inFlight: number('in-flight', values['in-flight']),
    answerMs: number('answer-ms', values['answer-ms']),
  };
  const plan = {
    everyMs: number('every-ms', values['every-ms']),
    editsAlone: number('alone', values.alone),
    kills: number('kills', values.kills, 3),
    isStrict: values.strict,
    deadline: Date.now() + number('limit-minutes', values['limit-minutes']) * 60_000,
  };
  const folder = await mkdtemp(join(tmpdir(), 'first-load-'));
  const seeded = seed(join(folder, 'customcrm.sqlite'), join(folder, 'wave.sqlite'), counts);
  const outside = await startOutside(folder, budget);
  const product = productIn(join(folder, 'state'), outside);
  const given: Bench = { ...plan, outside, product, seeded, counts, folder, budget };
  let isFine = false;
  try {
    isFine = await bench(given);
    return isFine;
  } finally {
    if (!isFine)
      process.stdout.write(`What our part said, and how often: ${JSON.stringify(product.said(), null, 2)}\n`);
    await product.stop();
    await outside.close();
    if (values.keep) process.stdout.write(`${folder}\n`);
    else await rm(folder, { recursive: true, force: true });
  }
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
try {
  const values = parsed();
  if (values.help) process.stdout.write(`${help}\n`);
  else process.exitCode = (await main(values)) ? 0 : 1;
} catch (error) {
  if (!(error instanceof RangeError) && !(error instanceof TypeError && 'code' in error)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
