import { randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';
import { Worker } from 'node:worker_threads';

export interface FunctionSpec {
  readonly name: string;
  /** File of the CommonJS bundle. */
  readonly bundle: string;
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly memoryMb: number;
}

export interface LocalFunction {
  readonly name: string;
  /** Runs the handler in a container that is free, or in a new one. @throws FunctionError when it throws, times out or dies. */
  readonly invoke: (event: unknown) => Promise<unknown>;
  readonly close: () => Promise<void>;
}

class FunctionError extends Error {
  override readonly name = 'FunctionError';
}

/** More containers of one function at once than this are refused, as by a concurrency limit. */
const containerLimit = 20;

interface Container {
  readonly worker: Worker;
  busy: boolean;
}

/** A function whose containers are threads with their own environment; its time-out is enforced by ending the thread. */
export function localFunction(spec: FunctionSpec, onLine: (line: string) => void): LocalFunction {
  const containers = new Set<Container>();

  function start(): Container {
    const worker = new Worker(new URL('./container-worker.ts', import.meta.url), {
      env: { ...spec.env },
      workerData: { bundle: spec.bundle, functionName: spec.name },
      stdout: true,
      stderr: true,
      resourceLimits: { maxOldGenerationSizeMb: spec.memoryMb },
    });
    for (const stream of [worker.stdout, worker.stderr]) createInterface(stream).on('line', onLine);
    const container = { worker, busy: false };
    containers.add(container);
    worker.on('exit', () => containers.delete(container));
    // A crash is told to the invocation that it hits; without one there is nobody to tell.
    worker.on('error', () => undefined);
    return container;
  }

  function run({ worker }: Container, event: unknown): Promise<unknown> {
    const requestId = randomUUID();
    const deadline = Date.now() + spec.timeoutMs;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        fail(`timed out after ${spec.timeoutMs / 1000} s`);
        void worker.terminate();
      }, spec.timeoutMs);
      const done = () => {
        clearTimeout(timer);
        worker.off('message', answered);
        worker.off('error', crashed);
        worker.off('exit', exited);
      };
      const fail = (reason: string) => {
        done();
        reject(new FunctionError(`${spec.name} ${reason}`));
      };
      const answered = (message: {
        requestId: string;
        answer?: unknown;
        error?: { name: string; stack: string };
      }) => {
        if (message.requestId !== requestId) return;
        if (message.error) fail(`failed: ${message.error.stack}`);
        else {
          done();
          resolve(message.answer);
        }
      };
      const crashed = (error: unknown) => fail(`crashed: ${error instanceof Error ? error.stack : error}`);
      const exited = () => fail('ended while it was working');
      worker.on('message', answered);
      worker.on('error', crashed);
      worker.on('exit', exited);
      worker.postMessage({ event, requestId, deadline });
    });
  }

  return {
    name: spec.name,
    async invoke(event) {
      const free = [...containers].find(({ busy }) => !busy);
      if (!free && containers.size >= containerLimit)
        throw new FunctionError(`${spec.name} has too many containers`);
      const container = free ?? start();
      container.busy = true;
      try {
        return await run(container, event);
      } finally {
        container.busy = false;
      }
    },
    async close() {
      await Promise.all([...containers].map(({ worker }) => worker.terminate()));
    },
  };
}
