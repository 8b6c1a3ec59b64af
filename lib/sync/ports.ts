import type { Body, Pair, RecordRef, Snapshot, System } from '../domain/record.ts';

/** What bounds one remote call. */
export interface Call {
  /** No call may still be pending at this time (ms since 1970). */
  readonly deadline: number;
  /** Background work (sweep, first load) leaves a reserve of the request budget to live work. */
  readonly priority: 'live' | 'background';
  /** For a write that is based on what was read: it does not set out later than this (ms since 1970), and is planned anew. */
  readonly sendBy?: number;
}

/** What a by-id read showed. */
export type Reading =
  | { readonly state: 'living'; readonly snapshot: Snapshot }
  /** The system itself says that the record was deleted (Customcrm: 410 or `DeletedAt`). */
  | { readonly state: 'deleted'; readonly version?: string }
  /** Unknown id, wrong business, no rights or a lagging replica: proves nothing. */
  | { readonly state: 'not-found' };

/**
 * The records of one system. Kept by lib/customcrm, lib/wave and the simulated systems in test/simulation.
 * Every method throws a `SyncError` and nothing else, and ends before `call.deadline`.
 */
export interface Records {
  readonly system: System;

  /** @throws RemoteUnavailableError, ReconnectNeededError. Never answers a record of which a part could not be read. */
  read(pair: Pair, id: string, call: Call): Promise<Reading>;

  /**
   * Creates one record from a partial body in the system's own (read) shape; absent keys are not sent.
   * @param key Customcrm's Idempotency-Key. Wave has none: a second call makes a second record.
   * @throws RemoteRejectedError (nothing was made), RemoteUnavailableError (nothing was made), RemoteOutcomeUnknownError, ReconnectNeededError.
   */
  create(pair: Pair, body: Body, key: string, call: Call): Promise<Snapshot>;

  /**
   * Writes the properties named by `paths` (dotted, read shape, such as `address.city`) so that the record holds what `next` holds there.
   * Objects and lists that the system replaces as a whole are sent complete, from `next`.
   * @param next the whole record as it shall be, read shape. @param current what was read; its version is the If-Match where the system has one.
   * @throws RemoteRejectedError, RemoteUnavailableError, RemoteOutcomeUnknownError, StaleVersionError, RemoteMissingError, ReconnectNeededError.
   */
  update(pair: Pair, current: Snapshot, next: Body, paths: readonly string[], call: Call): Promise<Snapshot>;

  /**
   * What is refused without asking the system, as `create` and `update` do by themselves. @param paths absent for a create.
   * @throws RemoteRejectedError
   */
  refuse?(pair: Pair, next: Body, paths?: readonly string[]): void;

  /** Deletes one record (Wave: a DRAFT invoice only). @throws as update. */
  remove(pair: Pair, current: Snapshot, call: Call): Promise<void>;

  /**
   * One page of the records modified at or after `since` (ms), oldest change first, deleted and archived ones included where the system lists them.
   * `next` is an opaque cursor; undefined after the last page.
   */
  changedSince(pair: Pair, since: number, cursor: string | undefined, call: Call): Promise<ChangePage>;
}

export interface ChangePage {
  readonly changes: readonly Change[];
  readonly next: string | undefined;
  /** When the system answered, ms since 1970 by its own clock. */
  readonly date: number;
}

/** One row of a list: living with its snapshot, deleted (Customcrm's `DeletedAt`), or there and not to be read. */
export type Change =
  | { readonly state: 'living'; readonly snapshot: Snapshot }
  | {
      readonly state: 'deleted';
      readonly ref: RecordRef;
      readonly version: string;
      readonly modifiedAt: number;
    }
  | Unreadable;

/** A row that breaks the contract, or of which its system does not show a part. It holds up no other: it is shown, and passed. */
export interface Unreadable {
  readonly state: 'unreadable';
  /** Where the system does not show its id, its place in the list stands for it. */
  readonly ref: RecordRef;
  readonly isNamed: boolean;
  /** What is wrong with it, without any value. */
  readonly because: string;
  /** 0 where it does not show that. */
  readonly modifiedAt: number;
}

/** Where a list of the Wave poll stands. `after` is Wave's own `modifiedAt` text; so many rows from there on were read already: while one stamp fills whole pages. */
export interface ListPosition {
  readonly after: string;
  readonly skip?: number;
  /** While one stamp is walked by count: which rows this walk has shown and the one before it did, as sums, and how many there were. */
  readonly seen?: number;
  readonly seenBefore?: number;
  readonly walks?: number;
  /** When the place was counted, ms. */
  readonly countedAt?: number;
  /** Of Customcrm's lists: of the page that follows; null after the last one. */
  readonly cursor?: string | null;
}

/** One page of one of Wave's lists. A row that cannot be read has a page of its own. */
export interface ListPage {
  readonly snapshots: readonly Snapshot[];
  readonly unread?: readonly Unreadable[];
  readonly full: boolean;
}

/** One page of a list that is walked from its beginning to its end. */
export interface WholeListPage {
  readonly snapshots: readonly Snapshot[];
  readonly unread?: readonly Unreadable[];
  readonly next: string | undefined;
}

/** One answer of the Wave poll: up to one page of each list that was asked for, oldest change first. */
export interface WavePage {
  /** The answer's `Date` header, ms since 1970 by Wave's clock. */
  readonly date: number;
  readonly lists: Readonly<Partial<Record<Pair, ListPage>>>;
}

/** What only Wave is asked: several things in one GraphQL document. Kept by lib/wave. `changes` reads all the lists named in `from`. */
export interface WaveFeed {
  changes(from: Readonly<Partial<Record<Pair, ListPosition>>>, call: Call): Promise<WavePage>;
  /**
   * One page of a whole list, oldest record first, archived ones included: the order in which an edit moves no row. `next` is an opaque
   * cursor, good for any process; undefined after the last page. @throws as Records.read.
   */
  listAll(pair: Pair, cursor: string | undefined, call: Call): Promise<WholeListPage>;
  /**
   * The first of these records, and as many of the others as Wave shows in one answer (one at the least), in the order asked for.
   * @throws as Records.read, also when one of them was not read.
   */
  readTogether(refs: readonly RecordRef[], call: Call): Promise<readonly Reading[]>;
}

/** One sales tax of the Wave business. Customcrm names taxes by abbreviation, Wave by id. */
export interface Tax {
  readonly id: string;
  readonly abbreviation: string;
  readonly archived: boolean;
}

export type TaxOptions =
  | { readonly fresh: true }
  | { readonly missing: readonly string[]; readonly since: number };

/** Kept by lib/wave; cached for some minutes, read again when a code is unknown. */
export interface TaxCatalogue {
  /**
   * @param options.fresh what is a minute old at the most. @param options.missing ids that a record of Wave was seen to name at `since`
   * (ms), and that were not in the list: what was read before the first such time does not serve.
   * @throws RemoteUnavailableError also when it is too soon to read it again
   */
  taxes(call: Call, options?: TaxOptions): Promise<readonly Tax[]>;
}

/** A doorbell: "this record may have changed". Never carries record data. */
export interface Doorbell extends RecordRef {
  /** Webhook event id, or poll run and record: what the delivery is recognised by, never its content. */
  readonly eventId: string;
  /** The delivery that began it, where this one only goes on with what had waited. */
  readonly causedBy?: string;
  /** When we first heard of it, ms since 1970 by our clock. */
  readonly at: number;
  /** Customcrm webhooks only: what the event said, to recognise the echo of our own write. */
  readonly version?: string;
  readonly updatedAt?: string;
  /** The stamp of the picture that was heard of ({@link pictureStamp}): a read that shows an older one is a lagging replica's. */
  readonly seen?: number;
  /** When that picture was heard of, where something older has waited as well, ms. */
  readonly seenAt?: number;
  /** Nobody waits for it, as only a sweep has found it, or a first load is at it: live changes come first, also when it was parked and is rung for again. */
  readonly background?: true;
}

/** The changes of one system, in two lanes: no live change stands behind what may wait. Kept by lib/aws/change-queue.ts. */
export interface ChangeQueue {
  /** @throws when one doorbell could not be queued; a repeat is swallowed by its event id. */
  ring(doorbells: readonly Doorbell[]): Promise<void>;
  /** About how many doorbells of each lane are not dealt with yet, those under way included. Absent where nobody knows. */
  depth?(): Promise<Readonly<Record<Call['priority'], number>>>;
}

export interface Clock {
  /** ms since 1970. */
  now(): number;
  /** A short pause inside an invocation; never used to wait for another worker. */
  sleep(ms: number): Promise<void>;
}

/** One item of the table: a partition key, a sort key and plain attributes. Undefined attributes are not stored. */
export interface Item {
  readonly pk: string;
  readonly sk: string;
  readonly [attribute: string]: unknown;
}

export interface Key {
  readonly pk: string;
  readonly sk: string;
}

/** What must hold of the stored item for a write to happen. */
export type Condition =
  | 'absent'
  | 'present'
  /** Present, and every named attribute equals. */
  | { readonly equals: Readonly<Record<string, string | number>> }
  /** Absent, or the named number lies before `before`, or every attribute of `or` equals. */
  | {
      readonly absentOrExpired: {
        readonly attribute: string;
        readonly before: number;
        readonly or?: Readonly<Record<string, string>>;
      };
    };

export type Write =
  | { readonly put: Item; readonly when?: Condition }
  | { readonly delete: Key; readonly when?: Condition }
  | { readonly check: Key; readonly when: Condition };

/** All of it happened, or nothing: then `failed` lists, by position in the transaction, the conditions that did not hold. */
export type WriteResult =
  | { readonly done: true }
  | { readonly done: false; readonly failed: ReadonlyMap<number, Item | undefined> };

/** Which items of a partition, in which order. `after`: the sort key before the first one; not together with `last`. */
export interface Query {
  readonly prefix?: string;
  readonly after?: string;
  readonly last?: true;
  readonly limit: number;
}

/**
 * The one table. Kept by lib/aws/table.ts and the simulated table in test/simulation. All reads but `byState` are strongly consistent.
 * @throws any error for throttling, conflict with another transaction, or no answer: the write may or may not have happened.
 */
export interface Table {
  get(key: Key): Promise<Item | undefined>;
  /** All items of one partition whose sort key begins with `prefix`, in sort-key order (`last`: from the end), at most `limit`. */
  query(pk: string, options: Query): Promise<readonly Item[]>;
  /** Items whose `state` attribute is `state` and whose `due` (ms) is at or before `dueBefore`, earliest first. Lags: never decides. */
  byState(state: string, dueBefore: number, limit: number): Promise<readonly Item[]>;
  /** One to 100 writes on distinct keys, all or nothing. */
  write(writes: readonly Write[]): Promise<WriteResult>;
}
