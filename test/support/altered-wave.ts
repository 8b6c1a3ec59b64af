import { type DocumentNode, print } from 'graphql';
import { localBusinessId, localIncomeAccountId } from '../../infra/local/wave/server.ts';
import type { Records } from '../../lib/sync/ports.ts';
import type { WaveAnswer } from '../../lib/wave/answer.ts';
import type { WaveClient } from '../../lib/wave/client.ts';
import { waveRecords } from '../../lib/wave/records.ts';
import type { SyncWorld } from './sync-world.ts';

/**
 * The real adapter over the Wave of this world, where a test may answer a mutation instead of it, or refuse to send it.
 * @param instead answers undefined for what is to be sent; may throw
 */
export function alteredWave(
  { systems }: SyncWorld,
  instead: (query: string) => WaveAnswer<unknown> | undefined,
): Records {
  const client = async (document: object, variables: unknown, intention: 'read' | 'write') => {
    const query = print(document as DocumentNode);
    const altered = intention === 'write' ? instead(query) : undefined;
    if (altered) return altered;
    const answer = await fetch(systems.wave.url, {
      method: 'POST',
      headers: { authorization: 'Bearer local', 'content-type': 'application/json' },
      body: JSON.stringify({ query, variables }),
    });
    const { data, errors = [] } = (await answer.json()) as { data: unknown; errors?: [] };
    return { data, errors, date: Date.now() };
  };
  return waveRecords(client as unknown as WaveClient, {
    businessId: localBusinessId,
    incomeAccountId: localIncomeAccountId,
  });
}
