import { spawnSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';

// What Stryker runs for each mutant, from the top of its copy of the project: the tests of the mutant's own directory
// in three steps, those of its file first and the slow ones last, until one fails.

/** Its mutants are all in the files at once; this names the one that is switched on, and is absent in the first, unmutated run. */
const mutant = process.env.__STRYKER_ACTIVE_MUTANT__;

/** These enumerate or sample much, and what they find the others mostly find sooner. */
const slowFiles = new Set(['convergence', 'laws'].map((name) => `test/mappings/${name}.test.ts`));
const slowSuite = 'decide, over its whole input space';
const holdsSlowSuite = 'test/domain/plan.test.ts';

const quick = [`--test-skip-pattern=${slowSuite}`];

const mutated = globSync('lib/{domain,mappings}/*.ts').find((file) =>
  readFileSync(file, 'utf8').includes(`stryMutAct_9fa48("${mutant}")`),
);
if (mutant !== undefined && !mutated) throw new Error(`No file holds mutant ${mutant}`);

if (mutated) inSteps(mutated);
else run(globSync('test/{domain,mappings}/*.test.ts'));

/** Tests in the order in which they are most likely to kill soon. */
function inSteps(file: string): void {
  const all = globSync(`test/${basename(dirname(file))}/*.test.ts`);
  const own = all.filter((test) => basename(test).startsWith(basename(file, '.ts')));
  const others = all.filter((test) => !own.includes(test));
  run(own, quick);
  run(
    others.filter((test) => !slowFiles.has(test)),
    quick,
  );
  run(all.filter((test) => slowFiles.has(test) || test === holdsSlowSuite));
}

/**
 * In one process without isolation: starting processes would take longer than most of the tests. Tests that await nothing are
 * all over before the reporter hears of the first, so what is slow has to be a step of its own. Stryker minds the time.
 */
function run(files: readonly string[], options: readonly string[] = []): void {
  if (files.length === 0) return;
  const always = ['--test', '--test-isolation=none', '--test-reporter=./test/mutation/first-failure.ts'];
  const { status } = spawnSync(process.execPath, [...always, ...options, ...files], { stdio: 'inherit' });
  if (status !== 0) process.exit(1);
}
