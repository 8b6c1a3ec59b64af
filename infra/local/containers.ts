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
  /** Ends every container, also one that is working, and starts no other. */
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

/** What a container says about one invocation. `answer` is JSON, absent for undefined. */
interface Said {
  readonly requestId: string;
  readonly answer?: string;
  readonly error?: string;
}

/** A function whose containers are threads with their own environment; its time-out is enforced by ending the thread. */
export function localFunction(spec: FunctionSpec, onLine: (line: string) => void): LocalFunction {
  const containers = new Set<Container>();
  let closed = false;

  function start(): Container {
    const worker = new Worker(new URL('./container-worker.ts', import.meta.url), {
      env: { ...spec.env },
      workerData: { bundle: spec.bundle, functionName: spec.name, memoryMb: spec.memoryMb },
      stdout: true,
      stderr: true,
      resourceLimits: { maxOldGenerationSizeMb: spec.memoryMb },
    });
    for (const stream of [worker.stdout, worker.stderr]) createInterface(stream).on('line', onLine);
    const container = { worker, busy: false };
    containers.add(container);
    // A dying container takes no further event, even before it is gone.
    worker.on('error', () => containers.delete(container));
    worker.on('exit', () => containers.delete(container));
    return container;
  }

  async function invoke(event: unknown): Promise<unknown> {
    if (closed) throw new FunctionError(`${spec.name} is closed`);
    const free = [...containers].find(({ busy }) => !busy);
    if (!free && containers.size >= containerLimit)
      throw new FunctionError(`${spec.name} has too many containers`);
    const container = free ?? start();
    container.busy = true;
    try {
      return await runIn(container.worker, spec, event, () => {
        containers.delete(container);
        void container.worker.terminate();
      });
    } finally {
      container.busy = false;
    }
  }

  return {
    name: spec.name,
    invoke,
    async close() {
      closed = true;
      await Promise.all([...containers].map(({ worker }) => worker.terminate()));
    },
  };
}

/** One invocation. `end` is called when it must be stopped from outside. */
function runIn(
  worker: Worker,
  { name, timeoutMs }: FunctionSpec,
  event: unknown,
  end: () => void,
): Promise<unknown> {
  const requestId = randomUUID();
  return new Promise((resolve, reject) => {
    const done = () => {
      clearTimeout(timer);
      worker.off('message', answered);
      worker.off('error', crashed);
      worker.off('exit', exited);
    };
    const fail = (reason: string) => {
      done();
      reject(new FunctionError(`${name} ${reason}`));
    };
    const answered = (said: Said) => {
      if (said.requestId !== requestId) return;
      if (said.error !== undefined) return fail(`failed: ${said.error}`);
      done();
      resolve(said.answer === undefined ? undefined : JSON.parse(said.answer));
    };
    const crashed = (error: unknown) => fail(`crashed: ${error instanceof Error ? error.stack : error}`);
    const exited = () => fail('ended while it was working');
    const timer = setTimeout(() => {
      fail(`timed out after ${timeoutMs / 1000} s`);
      end();
    }, timeoutMs);
    worker.on('message', answered);
    worker.on('error', crashed);
    worker.on('exit', exited);
    worker.postMessage({ event: JSON.stringify(event), requestId, deadline: Date.now() + timeoutMs });
  });
}
