import type { Broker } from './action.ts';
import { SqsError } from './sqs-error.ts';
import type { Queue } from './store.ts';

const mostEntries = 10;

/** Runs every entry by itself, so that a refused one leaves the others alone, and keeps all in one transaction. */
export function inBatch<Entry extends { readonly Id: string }>(
  { store, waiting }: Broker,
  queue: Queue,
  entries: readonly Entry[],
  each: {
    readonly check?: (entries: readonly Entry[]) => void;
    readonly run: (queue: Queue, entry: Entry) => object;
  },
): object {
  checkEntries(entries);
  each.check?.(entries);
  const Successful: object[] = [];
  const Failed: object[] = [];
  store.atomically(() => {
    for (const entry of entries)
      try {
        Successful.push({ Id: entry.Id, ...each.run(queue, entry) });
      } catch (error) {
        if (!(error instanceof SqsError)) throw error;
        Failed.push({ Id: entry.Id, SenderFault: true, Code: error.queryCode, Message: error.message });
      }
  });
  waiting.wake(queue);
  return { Successful, Failed };
}

function checkEntries(entries: readonly { readonly Id: string }[]): void {
  if (entries.length === 0) throw new SqsError('EmptyBatchRequest', 'The batch holds no entries.');
  if (entries.length > mostEntries)
    throw new SqsError('TooManyEntriesInBatchRequest', `A batch holds at most ${mostEntries} entries.`);
  const ids = entries.map(({ Id }) => Id);
  if (ids.some((id) => !/^[A-Za-z0-9_-]{1,80}$/.test(id)))
    throw new SqsError(
      'InvalidBatchEntryId',
      'The Id of an entry is 1 to 80 letters, digits, hyphens and underscores.',
    );
  if (new Set(ids).size < ids.length)
    throw new SqsError('BatchEntryIdsNotDistinct', 'Two entries have the same Id.');
}
