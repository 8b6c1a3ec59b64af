import { createRequire } from 'node:module';
import { parentPort, workerData } from 'node:worker_threads';

// One container: loads a bundle once and runs one invocation after the other, as Lambda does.

interface Invocation {
  readonly event: unknown;
  readonly requestId: string;
  readonly deadline: number;
}
type Handler = (event: unknown, context: unknown) => Promise<unknown>;

const { bundle, functionName } = workerData as { readonly bundle: string; readonly functionName: string };
const { handler } = createRequire(import.meta.url)(bundle) as { readonly handler: Handler };

parentPort?.on('message', async ({ event, requestId, deadline }: Invocation) => {
  const context = {
    functionName,
    awsRequestId: requestId,
    getRemainingTimeInMillis: () => Math.max(0, deadline - Date.now()),
  };
  try {
    parentPort?.postMessage({ requestId, answer: await handler(event, context) });
  } catch (error) {
    const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
    parentPort?.postMessage({ requestId, error: { name, message, stack } });
  }
});
