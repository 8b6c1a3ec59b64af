import { createRequire } from 'node:module';
import { parentPort, workerData } from 'node:worker_threads';

// One container: loads a bundle once and runs one invocation after the other, as Lambda does. Events and answers are JSON.

interface Invocation {
  readonly event: string;
  readonly requestId: string;
  readonly deadline: number;
}
type Handler = (event: unknown, context: unknown) => Promise<unknown>;

const { bundle, functionName, memoryMb } = workerData as {
  readonly bundle: string;
  readonly functionName: string;
  readonly memoryMb: number;
};
const { handler } = createRequire(import.meta.url)(bundle) as { readonly handler: Handler };

parentPort?.on('message', async ({ event, requestId, deadline }: Invocation) => {
  const context = {
    functionName,
    functionVersion: '$LATEST',
    memoryLimitInMB: String(memoryMb),
    awsRequestId: requestId,
    getRemainingTimeInMillis: () => Math.max(0, deadline - Date.now()),
  };
  try {
    const answer = JSON.stringify(await handler(JSON.parse(event), context));
    parentPort?.postMessage({ requestId, answer });
  } catch (error) {
    const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
    parentPort?.postMessage({ requestId, error: stack ?? `${name}: ${message}` });
  }
});
parentPort?.postMessage('ready');
