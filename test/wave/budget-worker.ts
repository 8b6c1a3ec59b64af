import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { dynamoTable } from '../../lib/aws/table.ts';
import { RemoteUnavailableError } from '../../lib/errors.ts';
import { requestBudget } from '../../lib/sync/request-budget.ts';
import type { BudgetLimits } from '../../lib/sync/request-slots.ts';
import { waveClient } from '../../lib/wave/client.ts';
import { salesTaxes } from '../../lib/wave/documents.ts';
import { tokensInUse } from '../../lib/wave/refusals.ts';
import { fullAccessToken } from '../../lib/wave/tokens.ts';

/** What one process is told to do, as JSON in its first argument. */
export interface WorkerTask {
  readonly url: string;
  readonly businessId: string;
  readonly tableName: string;
  readonly limits: BudgetLimits;
  /** Requests that it wants at once. */
  readonly wanted: number;
  /** Ends there; or, when undefined, as soon as no slot comes free soon. ms since 1970. */
  readonly until: number | undefined;
}

/** Asks Wave again and again, as one container of many. */
const task = JSON.parse(process.argv[2] ?? '{}') as WorkerTask;
const clock = { now: Date.now, sleep: (ms: number) => sleep(ms) };
const table = dynamoTable(task.tableName);
const budget = requestBudget({ table, clock, newId: randomUUID, limits: task.limits });
const client = waveClient({
  url: task.url,
  tokens: tokensInUse(fullAccessToken('local'), { table, clock }),
  timeoutMs: 10_000,
  takeSlot: budget.take,
  countsFields: false,
});

async function askAgainAndAgain(): Promise<void> {
  while (task.until === undefined || Date.now() < task.until) {
    const deadline = task.until ?? Date.now() + 4_000;
    const variables = { business: task.businessId, page: 1, pageSize: 10 };
    try {
      await client(salesTaxes, variables, 'read', { deadline, priority: 'live' });
    } catch (error) {
      if (!(error instanceof RemoteUnavailableError)) throw error;
      if (task.until === undefined && (error.retryAfterMs ?? 0) > 5_000) return;
      await sleep(20);
    }
  }
}

await Promise.all(Array.from({ length: task.wanted }, askAgainAndAgain));
