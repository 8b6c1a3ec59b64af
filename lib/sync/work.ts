import type { Link } from '../domain/link.ts';
import type { ObservedAt } from '../domain/policy.ts';
import type { RecordRef, Snapshot, System } from '../domain/record.ts';
import type { Engine, Handled } from './engine.ts';
import type { Lease } from './leases.ts';
import type { Parked } from './parking.ts';
import type { Call, Doorbell } from './ports.ts';

/** What a linked record is worked on with. */
export interface Work {
  readonly engine: Engine;
  readonly doorbell: Doorbell;
  readonly lease: Lease;
  readonly call: Call;
  /** When a change of either side was first heard of, as far as doorbells that came, or wait, tell. */
  readonly heard: ObservedAt;
  /** What a poll has seen of the other half, and rung for: as if that doorbell had come. */
  readonly told?: Doorbell;
  /** When the record that was rung for was read, or the work began, ms. */
  readonly readAt: number;
  /** How the record, and the other half of its link, waited before they were read: what is parked meanwhile saw something newer. */
  readonly waited: ReadonlyMap<string, Parked>;
  /** What the link showed before: only something else is news. */
  readonly showed?: Pick<Link, 'state' | 'reasons'>;
  /** Makes sure that this record is linked; answers what it waits for otherwise. */
  readonly linkParent: (parent: RecordRef) => Promise<Handled>;
  /** Runs with the lease on this record, or answers that another worker has it. */
  readonly underLease: (ref: RecordRef, run: (lease: Lease) => Promise<Handled>) => Promise<Handled>;
}

/** Both records of a link, as they were read or answered. */
export type Both = Readonly<Record<System, Snapshot>>;

/** Both records, and when Wave's was read, ms: Wave has no version check, so nothing is written from an old picture. */
export interface Pictures {
  readonly both: Both;
  readonly readAt: number;
}

/** Its user may have edited the record since: it is to be read again before it is written to. */
export const isTooOld = ({ clock, settings }: Engine, readAt: number): boolean =>
  clock.now() - readAt > settings.maxReadToWriteMs;

/** What was decided in time waits for a slot and a token no longer than until then, ms since 1970: twice as long at the most. */
export const lastSend = ({ settings }: Engine, readAt: number): number =>
  readAt + 2 * settings.maxReadToWriteMs;

/** How a round ended, or that another one follows on this state of the link. `isMissing`: a write was told that its record is not there. */
export type Step = Handled | { readonly did: 'again'; readonly link: Link; readonly isMissing?: true };

/** The id of the record on the other side of the one that was rung for. */
export const otherId = (link: Link, doorbell: Doorbell): string =>
  doorbell.system === 'customcrm' ? link.waveId : link.customcrmId;

/** Another worker took the lease, or changed the link: look again shortly. */
export const lostLease = ({ engine, doorbell }: Work): Handled => ({
  did: 'parked',
  cause: { name: 'lease', key: `lease#${doorbell.pair}#${doorbell.id}`, due: engine.clock.now() + 5_000 },
});

/** A write was not answered: nothing is written again before it is certain what became of it. */
export const settling = (link: Link, due: number): Handled => ({
  did: 'parked',
  cause: { name: 'settle', key: `settle#${link.id}`, due },
});
