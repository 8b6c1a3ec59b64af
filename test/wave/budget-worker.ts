import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { dynamoTable } from '../../lib/aws/table.ts';
import { RemoteUnavailableError } from '../../lib/errors.ts';
import type { Intention } from '../../lib/remote-failure.ts';
import type { Call } from '../../lib/sync/ports.ts';
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
}

/** Says when it has started, is told until when (ms since 1970), and asks Wave again and again, as one container of many. */
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

const told = createInterface(process.stdin);
process.stdout.write('started\n');
const until = Number((await once(told, 'line'))[0]);
told.close();

async function askAgainAndAgain(intention: Intention, priority: Call['priority']): Promise<void> {
  const variables = { business: task.businessId, page: 1, pageSize: 10 };
  while (Date.now() < until) {
    try {
      await client(salesTaxes, variables, intention, { deadline: until, priority });
    } catch (error) {
      if (!(error instanceof RemoteUnavailableError)) throw error;
      await sleep(20);
    }
  }
}

// Only writes may use the last slots, and only live work what background work leaves.
await Promise.all([
  askAgainAndAgain('write', 'live'),
  askAgainAndAgain('read', 'live'),
  askAgainAndAgain('read', 'background'),
]);
