import { createHash } from 'node:crypto';
import { pairs, type RecordRef } from '../domain/record.ts';
import type { Engine } from './engine.ts';
import { linkedIds } from './links.ts';
import type { Call } from './ports.ts';

/** Wave says "not found" for lagging replicas and missing rights too: it must say so twice, this far apart (ms). */
export const secondLookMs = 10 * 60_000;
/** Other linked records of which one must show in the same answer, and from how many of each pair they are picked. */
const witnessLimit = 5;
const candidateLimit = 100;

/** Proven only by an answer that shows our business and another linked record beside the gap. */
export async function absenceInWave(
  engine: Engine,
  gone: RecordRef,
  call: Call,
): Promise<boolean | 'living'> {
  const [reading, ...witnesses] = await engine.feed.readTogether(
    [gone, ...(await witnessesFor(engine, gone))],
    call,
  );
  if (reading?.state === 'living') return 'living';
  return witnesses.some((witness) => witness.state === 'living');
}

/** Whether Wave shows anything that we know to be there: an answer of nothing by a token without rights proves nothing. */
export async function waveShowsOthers(engine: Engine, gone: RecordRef, call: Call): Promise<boolean> {
  const witnesses = await witnessesFor(engine, gone);
  if (witnesses.length === 0) return true;
  return (await engine.feed.readTogether(witnesses, call)).some((reading) => reading.state === 'living');
}

/** Others each time: where many were deleted at once, the same five might be gone for good. */
async function witnessesFor({ table, newId }: Engine, gone: RecordRef): Promise<readonly RecordRef[]> {
  const found = await Promise.all(
    pairs.map(async (pair) => {
      const linked = await linkedIds(table, pair, { limit: candidateLimit });
      return linked.map(({ waveId }): RecordRef => ({ system: 'wave', pair, id: waveId }));
    }),
  );
  const others = found.flat().filter((ref) => ref.id !== gone.id);
  const start = createHash('sha256').update(newId()).digest().readUInt32BE() % Math.max(1, others.length);
  return [...others.slice(start), ...others.slice(0, start)].slice(0, witnessLimit);
}
