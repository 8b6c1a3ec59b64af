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
  /** Runs the handler in the first container that is free; waits for one. @throws FunctionError when it throws, times out, dies or does not start. */
  readonly invoke: (event: unknown) => Promise<unknown>;
  /** Ends every container, also one that is working, and starts no other. */
  readonly close: () => Promise<void>;
}

class FunctionError extends Error {
  override readonly name = 'FunctionError';
}

/** More invocations of one function at once than this are refused, as by a concurrency limit. */
const concurrencyLimit = 20;

/** What a container says about one invocation. `answer` is JSON, absent for undefined. */
interface Said {
  readonly requestId: string;
  readonly answer?: string;
  readonly error?: string;
}

/**
 * A function whose containers are threads with their own environment; its time-out is enforced by ending the thread. Containers start
 * one after the other, and an invocation goes to the first that is free, be it a new one: a burst of short ones needs few.
 */
export function localFunction(spec: FunctionSpec, onLine: (line: string) => void): LocalFunction {
  const containers = new Set<Worker>();
  const free: Worker[] = [];
  const waiting: PromiseWithResolvers<Worker>[] = [];
  let underWay = 0;
  let starting: Worker | undefined;
  let closed = false;

  function start(): void {
    try {
      starting = begun();
    } catch (error) {
      refuseNext(`could not start: ${describe(error)}`);
    }
  }

  function begun(): Worker {
    const container = new Worker(new URL('./container-worker.ts', import.meta.url), {
      env: { ...spec.env },
      workerData: { bundle: spec.bundle, functionName: spec.name, memoryMb: spec.memoryMb },
      stdout: true,
      stderr: true,
      resourceLimits: { maxOldGenerationSizeMb: spec.memoryMb },
    });
    for (const stream of [container.stdout, container.stderr]) createInterface(stream).on('line', onLine);
    const limit = setTimeout(() => {
      forget(container, `did not start within ${spec.timeoutMs / 1000} s`);
      void container.terminate();
    }, spec.timeoutMs);
    container.once('message', () => {
      clearTimeout(limit);
      offer(container);
    });
    container.once('exit', () => clearTimeout(limit));
    // A dying container takes no further event, even before it is gone.
    container.on('error', (error) => forget(container, `crashed: ${describe(error)}`));
    container.on('exit', () => forget(container, 'ended while it was starting'));
    containers.add(container);
    return container;
  }

  function offer(container: Worker): void {
    if (container === starting) starting = undefined;
    if (!containers.has(container)) return;
    const next = waiting.shift();
    if (next) next.resolve(container);
    else free.push(container);
    if (waiting.length > 0 && !starting) start();
  }

  function forget(container: Worker, because: string): void {
    containers.delete(container);
    const place = free.indexOf(container);
    if (place >= 0) free.splice(place, 1);
    if (container !== starting) return;
    starting = undefined;
    refuseNext(because);
  }

  /** Each start that fails is one invocation's; those behind it have one of their own. */
  function refuseNext(because: string): void {
    waiting.shift()?.reject(new FunctionError(`${spec.name} ${because}`));
    if (waiting.length > 0 && !closed) start();
  }

  async function firstFree(): Promise<Worker> {
    const container = free.pop();
    if (container) return container;
    const next = Promise.withResolvers<Worker>();
    waiting.push(next);
    if (!starting) start();
    return next.promise;
  }

  async function invoke(event: unknown): Promise<unknown> {
    if (closed) throw new FunctionError(`${spec.name} is closed`);
    if (underWay >= concurrencyLimit)
      throw new FunctionError(`${spec.name} has too many invocations at once`);
    underWay += 1;
    try {
      const container = await firstFree();
      // It may have died since it was offered.
      if (!containers.has(container)) throw new FunctionError(`${spec.name} ended before it could work`);
      try {
        return await runIn(container, spec, event, () => {
          forget(container, 'timed out');
          void container.terminate();
        });
      } finally {
        offer(container);
      }
    } finally {
      underWay -= 1;
    }
  }

  return {
    name: spec.name,
    invoke,
    async close() {
      closed = true;
      const refused = new FunctionError(`${spec.name} is closed`);
      for (const each of waiting.splice(0)) each.reject(refused);
      await Promise.all([...containers].map((container) => container.terminate()));
    },
  };
}

const describe = (error: unknown): string => String(error instanceof Error ? error.stack : error);

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
    const crashed = (error: unknown) => fail(`crashed: ${describe(error)}`);
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
