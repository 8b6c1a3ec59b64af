import { Worker } from 'node:worker_threads';
import type { FaultName } from './faults.ts';
import type { Result } from './run.ts';

/** What every seed of a batch has in common. Plain data: it goes to the workers. */
export interface BatchOptions {
  readonly faults?: readonly FaultName[];
  readonly decides?: boolean;
  /** The name of a planted bug. */
  readonly canary?: string;
}

/**
 * Runs the seeds from `from` to `last` on `workers` threads, and hands over each result as it comes: in any order, since a seed says
 * everything about its run. Ends early when `take` returns false; what is under way then is thrown away.
 */
export async function runBatch(
  { from, last, workers }: { readonly from: number; readonly last: number; readonly workers: number },
  options: BatchOptions,
  take: (result: Result) => boolean,
): Promise<void> {
  let next = from;
  const threads: Worker[] = [];
  const work = () =>
    new Promise<void>((done, fail) => {
      const thread = new Worker(new URL('./batch-worker.ts', import.meta.url), { workerData: options });
      threads.push(thread);
      const proceed = () => (next > last ? done() : thread.postMessage(next++));
      thread.on('message', (result: Result) => {
        if (!take(result)) next = last + 1;
        proceed();
      });
      thread.on('error', fail);
      proceed();
    });
  try {
    await Promise.all(Array.from({ length: Math.min(workers, last - from + 1) }, work));
  } finally {
    await Promise.all(threads.map((thread) => thread.terminate()));
  }
}
