import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { FaultName } from './faults.ts';
import type { Result } from './run.ts';

/** What every seed of a batch has in common. Plain data: it goes to the threads. */
export interface BatchOptions {
  readonly faults?: readonly FaultName[];
  readonly decides?: boolean;
  /** The name of a planted bug. */
  readonly canary?: string;
}

/** Runs one seed after the other, apart from whoever asks. */
export interface SeedThread {
  readonly run: (seed: number, options?: BatchOptions) => Promise<Result>;
  readonly end: () => Promise<unknown>;
}

export function seedThread(): SeedThread {
  const thread = new Worker(new URL('./batch-worker.ts', import.meta.url));
  return {
    async run(seed, options = {}) {
      // `once` fails with the error of a thread that dies.
      const answered = once(thread, 'message');
      thread.postMessage({ seed, options });
      const [result] = await answered;
      return result as Result;
    },
    end: () => thread.terminate(),
  };
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
  const threads = Array.from({ length: Math.min(workers, last - from + 1) }, seedThread);
  const work = async (thread: SeedThread) => {
    while (next <= last) if (!take(await thread.run(next++, options))) next = last + 1;
  };
  try {
    await Promise.all(threads.map(work));
  } finally {
    await Promise.all(threads.map((thread) => thread.end()));
  }
}
