import type { RecordRef, Snapshot } from '../domain/record.ts';
import type { Engine } from './engine.ts';
import { BrokenLinkError } from './links.ts';
import type { Tax } from './ports.ts';
import { setRecordState } from './record-state.ts';
import { type Sighting, sight } from './sighting.ts';

/** Shown as failed, and left alone: which of the halves is right is for a person to say. */
export const reportBroken = (engine: Engine, ref: RecordRef): Promise<void> =>
  reportFailed(engine, ref, 'the halves of its link do not mirror each other', 'sweep');

/** Shown as failed: by the record where its id is known, else by a line of the log alone. */
export async function reportFailed(
  engine: Engine,
  { system, pair, id }: RecordRef,
  because: string,
  eventId: string,
  isNamed = true,
): Promise<void> {
  const isNews = !isNamed || (await setRecordState(engine, { system, pair, id }, 'failed', because));
  engine.report({
    message: 'record failed',
    system,
    pair,
    id,
    eventId,
    because,
    ...(!isNews && { again: true }),
  });
}

/** As {@link sight}; a row whose link is broken is shown and passed over, so that it holds up no other. */
export async function sightOrReport(
  engine: Engine,
  snapshot: Snapshot,
  taxes: readonly Tax[],
): Promise<Pick<Sighting, 'news' | 'print' | 'mayWait' | 'link'>> {
  try {
    return await sight(engine, snapshot, taxes);
  } catch (error) {
    if (!(error instanceof BrokenLinkError)) throw error;
    await reportBroken(engine, snapshot);
    return { news: false, print: 'broken', mayWait: false, link: undefined };
  }
}
