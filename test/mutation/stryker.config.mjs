/** Mutants of the pure core, killed by its own tests alone: see docs/CORRECTNESS.md. Paths are relative to the top. */
export default {
  mutate: ['lib/domain/**/*.ts', 'lib/mappings/**/*.ts'],
  // Its own default runner, so that nothing is installed for it.
  commandRunner: { command: 'node test/mutation/run-tests.ts' },
  concurrency: 1,
  timeoutMS: 20_000,
  ignorePatterns: ['.build', '.local', '.serverless', 'coverage', 'reports'],
  // Stryker would rewrite tsconfig.json with an API that the native compiler does not have; Node runs the files as they are.
  tsconfigFile: 'none',
  disableTypeChecks: false,
  reporters: ['clear-text', 'progress-append-only', 'json'],
  jsonReporter: { fileName: 'reports/mutation.json' },
  clearTextReporter: { allowColor: false, logTests: false, reportScoreTable: true },
  thresholds: { high: 98, low: 95, break: 95 },
};
