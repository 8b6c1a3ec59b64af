import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { seedThread } from './batch.ts';
import { canaries } from './canaries.ts';
import type { Result } from './run.ts';
import { scenarios } from './scenarios.ts';

// On a thread of its own: in that of the tests their runner follows each promise, which takes twice the time.
const { run, end } = seedThread();
after(end);

/** A fixed batch: quiet worlds first, then everything that can go wrong. */
const quietSeeds = [1, 2, 3, 4, 5, 6, 9, 10, 23, 34];
const faultySeeds = [1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012];
/** A planted bug is found within so many seeds, from its first on. */
const canarySeeds = Array.from({ length: 40 }, (_, index) => index);
const firstCanarySeed = 1;

const firstFaults = ({ seed, violations }: Result, more = ''): string =>
  `npm run simulate -- --seed ${seed}${more}\n${violations
    .slice(0, 5)
    .map(({ check, what }) => `${check}: ${what}`)
    .join('\n')}`;

describe('without faults', () => {
  for (const seed of quietSeeds)
    test(`everything converges and rests, seed ${seed}`, async ({ signal }) => {
      const result = await run(seed, { faults: [] }, signal);
      assert.equal(result.violations.length, 0, firstFaults(result, " --faults ''"));
    });
});

describe('with everything that can go wrong', () => {
  for (const seed of faultySeeds)
    test(`every invariant holds, seed ${seed}`, async ({ signal }) => {
      const result = await run(seed, {}, signal);
      assert.equal(result.violations.length, 0, firstFaults(result));
    });
});

test('the same seed twice is the same run, line for line', async ({ signal }) => {
  const [first, second] = [await run(7, {}, signal), await run(7, {}, signal)];
  assert.equal(first.digest, second.digest);
  assert.deepEqual(first.violations, second.violations);
});

test('another seed is another run', async ({ signal }) => {
  assert.notEqual((await run(7, {}, signal)).digest, (await run(8, {}, signal)).digest);
});

describe('a planted bug is found', () => {
  for (const canary of canaries)
    test(canary.name, async ({ signal }) => {
      for (const index of canarySeeds) {
        const seed = (canary.from ?? firstCanarySeed) + index;
        if ((await run(seed, { canary: canary.name }, signal)).violations.length > 0) return;
      }
      assert.fail(`none of ${canarySeeds.length} seeds noticed it`);
    });
});

describe('a seed that once failed holds', () => {
  for (const { name, seed, faults, decides = false } of scenarios)
    test(name, async ({ signal }) => {
      const result = await run(seed, { ...(faults && { faults }), decides }, signal);
      const exactly = faults ? ` --faults ${faults.join(',') || "''"}` : '';
      const more = `${exactly} --${decides ? '' : 'no-'}operators`;
      assert.equal(result.violations.length, 0, firstFaults(result, more));
    });
});
