import type { DocumentNode } from 'graphql';
import type { Intention } from '../remote-failure.ts';
import type { Call, Clock } from '../sync/ports.ts';
import type { Slot } from '../sync/request-budget.ts';

/** What every part of this adapter must know of the business and of how calls share documents. */
export interface WaveOptions {
  /** Global id of the business. */
  readonly businessId: string;
  /** Needed to create products. */
  readonly incomeAccountId: string | undefined;
  /** Without it, reads of one tick share a document, and each write has its own. */
  readonly sharing?: Sharing;
}

export interface Sharing {
  readonly clock: Clock;
  /** How long an operation of this lane waits for others, ms. */
  readonly windowMs: (lane: Call['priority']) => number;
  /** The most operations in one document. */
  readonly operations: number;
  /** The right to send one document of up to this many operations. @throws SyncError */
  readonly reserve: (intention: Intention, call: Call, operations: number) => Promise<Seats>;
}

/** A slot of the budget, and how many operations it is good for. */
export interface Seats {
  readonly slot: Slot | undefined;
  readonly operations: number;
}

/** After Wave refused a document as too much, documents stay smaller for so long, ms. */
const shrunkMs = 10 * 60_000;
/** Of each kind of document, this many shapes are kept. */
const shapeLimit = 200;

/** What a batcher needs of the options; `standard` operations share a document when nothing is said. */
export function gatheringOf({ sharing }: WaveOptions, intention: Intention, standard: number) {
  const now = sharing?.clock.now ?? Date.now;
  const allowed = sharing?.operations ?? standard;
  let shrunk = { most: allowed, until: 0 };
  const most = () => (now() < shrunk.until ? shrunk.most : allowed);
  return {
    now,
    most,
    /** Remembers for a while that Wave refused more at once: one large record may have been why. */
    shrink: (limit: number): void => {
      shrunk = { most: Math.max(1, Math.min(most(), limit)), until: now() + shrunkMs };
    },
    gathered: (lane: Call['priority']) =>
      sharing ? sharing.clock.sleep(sharing.windowMs(lane)) : endOfTick(),
    reserve: async (call: Call, operations: number): Promise<Seats> =>
      sharing ? sharing.reserve(intention, call, operations) : { slot: undefined, operations: most() },
  };
}

/** After everything that is already on its way through promises. */
const endOfTick = (): Promise<void> =>
  Promise.resolve().then(() => new Promise((resolve) => process.nextTick(resolve)));

/** Composed documents by their shape, so that each is made and printed once. */
export function documentsKept(): (shape: string, make: () => DocumentNode) => DocumentNode {
  const kept = new Map<string, DocumentNode>();
  return (shape, make) => {
    const known = kept.get(shape);
    if (known) return known;
    if (kept.size >= shapeLimit) kept.clear();
    const made = make();
    kept.set(shape, made);
    return made;
  };
}
