/** One thread of a batch: gets seeds, one after the other, and answers with what each showed. */
import { parentPort, workerData } from 'node:worker_threads';
import type { BatchOptions } from './batch.ts';
import { canaries } from './canaries.ts';
import { runPlanted } from './planted.ts';
import { run } from './run.ts';

const { faults, decides, canary: name } = workerData as BatchOptions;
const canary = canaries.find((each) => each.name === name);

parentPort?.on('message', async (seed: number) => {
  const result = canary
    ? await runPlanted(canary, seed, faults)
    : await run({ seed, ...(faults && { faults }), ...(decides && { decides }) });
  parentPort?.postMessage(result);
});
