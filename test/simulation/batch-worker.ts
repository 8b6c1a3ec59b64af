/** Gets seeds, one after the other, and answers with what each showed. */
import { parentPort } from 'node:worker_threads';
import type { BatchOptions } from './batch.ts';
import { canaries } from './canaries.ts';
import { runPlanted } from './planted.ts';
import { run } from './run.ts';

interface Asked {
  readonly seed: number;
  readonly options: BatchOptions;
}

parentPort?.on('message', async ({ seed, options: { faults, decides, canary: name } }: Asked) => {
  const canary = canaries.find((each) => each.name === name);
  const result = canary
    ? await runPlanted(canary, seed, faults)
    : await run({ seed, ...(faults && { faults }), ...(decides !== undefined && { decides }) });
  parentPort?.postMessage(result);
});
