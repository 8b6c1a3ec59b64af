import type { Pair, System } from '../domain/record.ts';
import type { Engine } from './engine.ts';
import type { Call, ListPosition } from './ports.ts';

type Positions = Readonly<Partial<Record<Pair, ListPosition>>>;

/** How far the poll of one system has come. */
export interface Progress {
  readonly revision: number;
  readonly positions: Positions;
  /** Where the latest run came to, and when a run last began at the `positions`, ms: one that begins soon after goes on from here. */
  readonly reached?: { readonly places: Positions; readonly since: number };
  /** Everything that changed before this time (ms by our clock) has been read and noted in the key index. */
  readonly completeAt: number;
  /** The system's clock less ours when it was last read, ms, to about a second; absent in what older code has stored. */
  readonly clockAheadMs?: number;
}

const key = (system: System) => ({ pk: `cursor#${system}`, sk: 'poll' });

/** The cause key under which records wait for the poll of this system. */
export const pollKey = (system: System): string => `poll#${system}`;

export async function progressOf({ table }: Engine, system: System): Promise<Progress> {
  const item = await table.get(key(system));
  return (item?.progress as Progress | undefined) ?? { revision: 0, positions: {}, completeAt: 0 };
}

/** Advances unless another run did in the meantime. */
export async function advance(
  { table }: Engine,
  system: System,
  before: Progress,
  after: Omit<Progress, 'revision'>,
): Promise<Progress | undefined> {
  const progress = { ...after, revision: before.revision + 1 };
  const result = await table.write([
    {
      put: { ...key(system), revision: progress.revision, progress },
      when: before.revision === 0 ? 'absent' : { equals: { revision: before.revision } },
    },
  ]);
  return result.done ? progress : undefined;
}

/** Whoever has less time than this begins no page, ms. */
const leastPageMs = 1_000;

/** Whether a run has no time for another page, by how long the longest step of its pages took: two of them make a page. */
export function lateness({ clock }: Engine, { deadline }: Call) {
  let longest = 0;
  return {
    async timed<T>(step: Promise<T>): Promise<T> {
      const startedAt = clock.now();
      const result = await step;
      longest = Math.max(longest, clock.now() - startedAt);
      return result;
    },
    isLate: (): boolean => deadline - clock.now() < Math.max(leastPageMs, 3 * longest),
  };
}

/** How far the system's clock was ahead of ours when it was last read, ms. */
export const clockAhead = async (engine: Engine, system: System): Promise<number> =>
  (await progressOf(engine, system)).clockAheadMs ?? 0;

/** "No match" is only believed once everything up to the doorbell has been read. */
export async function pollHasPassed(engine: Engine, system: System, at: number): Promise<boolean> {
  return (await progressOf(engine, system)).completeAt >= at;
}
