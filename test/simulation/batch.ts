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
  /** @param signal gives up on the seed; the next one has a thread of its own, as it has after a seed that failed. */
  readonly run: (seed: number, options?: BatchOptions, signal?: AbortSignal) => Promise<Result>;
  readonly end: () => Promise<void>;
}

export function seedThread(): SeedThread {
  let thread: Worker | undefined;
  const end = async () => {
    const ended = thread?.terminate();
    thread = undefined;
    await ended;
  };
  return {
    async run(seed, options = {}, signal) {
      thread ??= new Worker(new URL('./batch-worker.ts', import.meta.url));
      // It fails with the error of a thread that dies.
      const answered = once(thread, 'message', { signal });
      thread.postMessage({ seed, options });
      try {
        const [result] = await answered;
        return result as Result;
      } catch (error) {
        await end();
        throw error;
      }
    },
    end,
  };
}

/**
 * Runs the seeds from `from` to `last` on `workers` threads, and hands over each result as it comes: in any order, since a seed says
 * everything about its run. Begins no other seed once `take` has returned false.
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
