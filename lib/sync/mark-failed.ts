import { refOf } from '../domain/link.ts';
import { type Engine, lineOf } from './engine.ts';
import type { Message } from './handle-batch.ts';
import { findLink, linkWrite, withOutcome } from './links.ts';
import { setRecordState } from './record-state.ts';
import { noteSighting } from './sighting.ts';

const reason = 'handled many times without an end; see the log of this record';

/** Notes records whose message ended in a dead-letter queue, so that they are shown and can be retried. Answers what must come again. */
export async function markFailed(engine: Engine, messages: readonly Message[]): Promise<readonly string[]> {
  const outcomes = await Promise.all(
    messages.map(async ({ messageId, doorbell }) => {
      const { eventId } = doorbell;
      try {
        const link = await findLink(engine.table, doorbell).catch(() => undefined);
        if (link) {
          const history = withOutcome(link, { at: engine.clock.now(), eventId, did: 'failed', rows: [] });
          await engine.table.write([linkWrite(link, { ...link, history })]);
        }
        // What was rung for has not been dealt with: it is news to the next list that shows it.
        await noteSighting(engine, doorbell, 'failed');
        await setRecordState(engine, link ? refOf(link, 'customcrm') : doorbell, 'failed', reason);
        engine.report({ ...lineOf(doorbell), message: 'record failed', because: reason });
        return [];
      } catch {
        return [messageId];
      }
    }),
  );
  return outcomes.flat();
}
