import type { Link } from '../../lib/domain/link.ts';
import { type System, systems } from '../../lib/domain/record.ts';
import type { Condition, Item, Key, Query, Table, Write, WriteResult } from '../../lib/sync/ports.ts';
import { type Container, step, type Wires } from './container.ts';

/** The one table: what is stored, and what its index of states shows by now. */
export interface Store {
  readonly tableOf: (container: Container) => Table;
  readonly item: (key: Key) => Item | undefined;
  readonly all: () => readonly Item[];
  /** Every record that this record, by its partition key, was ever linked with. */
  readonly everLinkedWith: (pk: string) => readonly string[];
  /** Every link of this record, by its partition key: with whom, and when it was made and ended, ms. */
  readonly linksOf: (pk: string) => readonly LinkLife[];
  /** When the link of this id was made, ms. */
  readonly linkedAt: (linkId: string) => number | undefined;
  readonly snapshot: () => ReadonlyMap<string, Item>;
  readonly restore: (snapshot: ReadonlyMap<string, Item>) => void;
  /** The half of a link that this record, by its partition key, has in the backup that was restored. */
  readonly revivedLink: (pk: string) => Item | undefined;
  /** What somebody else than a container writes. */
  readonly put: (item: Item) => void;
  /** Every value that ever lost a conflict, also when a restored table does not hold it any more. */
  readonly everLoser: () => readonly Item[];
  /** For each time that a record was put aside: what was wrong with that, if anything. */
  readonly parkings: () => readonly (string | undefined)[];
  /** For each time that a link was replaced: what was wrong with that, if anything. */
  readonly commits: () => readonly (string | undefined)[];
  /** Whenever the link of this record, by its partition key, was written. */
  readonly linkWritten: (pk: string) => readonly LinkWritten[];
}

export interface LinkWritten {
  readonly at: number;
  /** The container. */
  readonly by: string;
  /** The side that did not show then: nothing was learned of it. */
  readonly unseen?: System;
  /** It only noted that a write of ours was not answered: nothing had been read since that was sent. */
  readonly isUnanswered: boolean;
}

export interface LinkLife {
  /** The id of the record at its other end. */
  readonly other: string;
  readonly madeAt: number;
  readonly endedAt?: number;
}

/** What the port allows in one transaction. */
const writeLimit = 100;
/** The index of states lags by up to this, ms. */
const indexLagMs = 3_000;

export function store(wires: Wires, broken: (what: string) => void): Store {
  const partitions = new Map<string, Map<string, Item>>();
  const underWay = new Map<string, object>();
  const index = lagging(wires);
  const find = ({ pk, sk }: Key) => partitions.get(pk)?.get(sk);
  const everLinked = new Map<string, string[]>();
  const linkedAt = new Map<string, number>();
  const lives = new Map<string, LinkLife[]>();
  const revived = new Map<string, Item>();
  const losers: Item[] = [];
  const parkings: (string | undefined)[] = [];
  const commits: (string | undefined)[] = [];
  const linkWritten = new Map<string, LinkWritten[]>();
  const noteWritten = (pk: string, before: Link | undefined, link: Link, by: string) => {
    const { state, reasons, ahead } = link;
    const isUnanswered = ahead !== undefined && ahead.settlesAt === before?.ahead?.settlesAt;
    const unseen = systems.find((system) => reasons[0] === `not found in ${system}`);
    const isSuspected = state === 'deletion-suspected' && unseen !== undefined;
    const written = { at: wires.scheduler.now(), by, isUnanswered, ...(isSuspected && { unseen }) };
    linkWritten.set(pk, [...(linkWritten.get(pk) ?? []), written]);
  };
  const write = (key: Key, item: Item | undefined, by: string) => {
    if (key.sk === 'parked' && item) parkings.push(sleepsForNothing(find, item));
    if (key.sk === 'link' && item) noteLink(everLinked, item);
    if (key.sk === 'link') noteLife(lives, key.pk, find(key), item, wires.scheduler.now());
    const link = key.sk === 'link' ? (item?.link as Link | undefined) : undefined;
    if (link) commits.push(goesOver(find(key)?.link as Link | undefined, link));
    const before = find(key)?.link as Link | undefined;
    if (link)
      for (const pk of [key.pk, `wave#${link.pair}#${link.waveId}`]) noteWritten(pk, before, link, by);
    if (link?.revision === 1) linkedAt.set(link.id, wires.scheduler.now());
    if (key.sk.startsWith('loser#') && item) losers.push(item);
    set(key, item);
  };
  const set = (key: Key, item: Item | undefined) => {
    const partition = partitions.get(key.pk) ?? new Map<string, Item>();
    partitions.set(key.pk, partition);
    if (item) partition.set(key.sk, item);
    else partition.delete(key.sk);
    index.note(key, item);
  };
  const all = () => [...partitions.values()].flatMap((partition) => [...partition.values()]);
  return {
    tableOf: (container) =>
      portOf(wires, container, {
        find,
        set: (key, item) => write(key, item, container.name),
        partitions,
        underWay,
        index,
        broken,
      }),
    item: find,
    all,
    everLoser: () => losers,
    parkings: () => parkings,
    commits: () => commits,
    linkWritten: (pk) => linkWritten.get(pk) ?? [],
    everLinkedWith: (pk) => everLinked.get(pk) ?? [],
    linksOf: (pk) => lives.get(pk) ?? [],
    linkedAt: (linkId) => linkedAt.get(linkId),
    snapshot: () => new Map(all().map((item) => [nameOf(item), item])),
    put: (item) => set(item, item),
    restore(snapshot) {
      for (const item of all()) if (!snapshot.has(nameOf(item))) set(item, undefined);
      for (const item of snapshot.values()) {
        set(item, item);
        if (item.sk === 'link') revived.set(item.pk, item);
      }
    },
    revivedLink: (pk) => revived.get(pk),
  };
}

/** A link is replaced by who has read it as it stands: everything else loses what another worker wrote. */
const goesOver = (before: Link | undefined, after: Link): string | undefined =>
  before?.id === after.id && after.revision !== before.revision + 1
    ? `revision ${after.revision} of link ${after.id} goes over ${before.revision}`
    : undefined;

/** Whoever gives a lease back, or links a parent, wakes who waits for it then; who comes later must not begin to wait. */
function sleepsForNothing(find: (key: Key) => Item | undefined, { pk, cause }: Item): string | undefined {
  const [name, ...parts] = String(cause).split('#');
  const item = (sk: string) => parts.length === 3 && find({ pk: parts.join('#'), sk });
  const isGone =
    (name === 'lease' && item('lease') === undefined) || (name === 'parent' && Boolean(item('link')));
  return isGone ? `${pk} waits for ${cause}, which is gone already` : undefined;
}

/** The id of the record at the other end of a half of a link. */
const otherEnd = ({ waveId, customcrmId }: Item): string => String(waveId ?? customcrmId);

function noteLink(everLinked: Map<string, string[]>, item: Item): void {
  const { pk } = item;
  const other = otherEnd(item);
  const known = everLinked.get(pk) ?? [];
  if (known.at(-1) !== other) everLinked.set(pk, [...known, other]);
}

function noteLife(
  lives: Map<string, LinkLife[]>,
  pk: string,
  before: Item | undefined,
  after: Item | undefined,
  at: number,
): void {
  const known = lives.get(pk) ?? [];
  lives.set(pk, known);
  const current = known.at(-1);
  if (after && !before) known.push({ other: otherEnd(after), madeAt: at });
  else if (!after && current) known[known.length - 1] = { ...current, endedAt: at };
}

const nameOf = ({ pk, sk }: Key): string => `${pk}\u0000${sk}`;

interface Inside {
  readonly find: (key: Key) => Item | undefined;
  readonly set: (key: Key, item: Item | undefined) => void;
  readonly partitions: ReadonlyMap<string, ReadonlyMap<string, Item>>;
  /** The latest transaction that set out for each item. */
  readonly underWay: Map<string, object>;
  readonly index: ReturnType<typeof lagging>;
  readonly broken: (what: string) => void;
}

function portOf(wires: Wires, container: Container, inside: Inside): Table {
  const { latency, faults, trace } = wires;
  const call = <T>(label: string, execute: () => T, changes = false): Promise<T> => {
    const before = faults.strikes('tableFailsBefore');
    const after = !before && changes && faults.strikes('tableFailsAfter');
    return step(wires, container, {
      label,
      requestMs: latency.between(1, 8),
      answerMs: latency.between(1, 8),
      execute() {
        if (before) throw new Error('The table did not answer: nothing happened');
        const answer = execute();
        if (after) throw new Error('The table did not answer: it happened');
        return answer;
      },
    });
  };
  return {
    get: (key) => call(`get ${key.pk} ${key.sk}`, () => inside.find(key)),
    query: (pk, options) => call(`query ${pk}`, () => rowsOf(inside, pk, options)),
    byState: (state, dueBefore, limit) =>
      call(`byState ${state}`, () => inside.index.read(state, dueBefore, limit)),
    write(writes) {
      checkShape(inside, writes);
      const names = writes.map((write) => nameOf(keyOf(write)));
      for (const name of names) inside.underWay.set(name, names);
      return call(
        `write ${writes.map(labelOf).join(' + ')}`,
        () => {
          const clash = names.some((name) => inside.underWay.get(name) !== names);
          if (clash && faults.strikes('transactionConflict'))
            throw new Error('Another transaction is under way: nothing happened');
          const result = apply(inside, writes);
          trace.note(`${container.name} ${writes.map(labelOf).join(' + ')}${result.done ? '' : ' REFUSED'}`);
          return result;
        },
        true,
      );
    },
  };
}

function rowsOf(
  { partitions }: Inside,
  pk: string,
  { prefix = '', after, last, limit }: Query,
): readonly Item[] {
  return [...(partitions.get(pk)?.values() ?? [])]
    .filter(({ sk }) => sk.startsWith(prefix) && (after === undefined || sk > after))
    .sort((a, b) => (a.sk < b.sk === (last === undefined) ? -1 : 1))
    .slice(0, limit);
}

function checkShape({ broken }: Inside, writes: readonly Write[]): void {
  const names = new Set(writes.map((write) => nameOf(keyOf(write))));
  if (names.size < writes.length)
    broken(`a transaction names one item twice: ${writes.map(labelOf).join(' + ')}`);
  if (writes.length > writeLimit || writes.length === 0)
    broken(`a transaction has ${writes.length} writes: ${writes.slice(0, 3).map(labelOf).join(' + ')} ...`);
}

const keyOf = (write: Write): Key =>
  'put' in write ? write.put : 'delete' in write ? write.delete : write.check;

/** What kind of write, and to which item; never what is in it. */
function labelOf(write: Write): string {
  const { pk, sk } = keyOf(write);
  const shown = sk.startsWith('loser#') ? 'loser' : sk;
  return `${'put' in write ? 'put' : 'delete' in write ? 'delete' : 'check'} ${pk} ${shown}`;
}

function apply({ find, set }: Inside, writes: readonly Write[]): WriteResult {
  const failed = new Map<number, Item | undefined>();
  for (const [position, write] of writes.entries()) {
    const there = find(keyOf(write));
    if (write.when !== undefined && !holds(write.when, there)) failed.set(position, there);
  }
  if (failed.size > 0) return { done: false, failed };
  for (const write of writes) {
    if ('put' in write) set(write.put, plain(write.put) as Item);
    else if ('delete' in write) set(write.delete, undefined);
  }
  return { done: true };
}

function holds(condition: Condition, item: Item | undefined): boolean {
  if (condition === 'absent') return item === undefined;
  if (condition === 'present') return item !== undefined;
  const equal = (attributes: Readonly<Record<string, string | number>>) =>
    item !== undefined && Object.entries(attributes).every(([name, value]) => item[name] === value);
  if ('equals' in condition) return equal(condition.equals);
  const { attribute, before, or } = condition.absentOrExpired;
  return item === undefined || Number(item[attribute]) < before || (or !== undefined && equal(or));
}

/** As the real adapter stores it: undefined is left out, nothing is shared with the caller. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
  return Object.freeze(Object.fromEntries(entries.map(([name, inner]) => [name, plain(inner)])));
}

interface Noted {
  readonly shownAt: number;
  readonly key: Key;
  readonly item: Item | undefined;
}

/** A global secondary index: it shows what was, a moment ago. */
function lagging({ scheduler, latency }: Wires) {
  const shown = new Map<string, Item>();
  const coming: Noted[] = [];
  let last = 0;
  return {
    note(key: Key, item: Item | undefined): void {
      last = Math.max(last, scheduler.now() + latency.between(0, indexLagMs));
      coming.push({ shownAt: last, key, item });
    },
    read(state: string, dueBefore: number, limit: number): readonly Item[] {
      while (coming[0] && coming[0].shownAt <= scheduler.now()) {
        const next = coming.shift();
        if (!next) break;
        if (next.item?.state === undefined) shown.delete(nameOf(next.key));
        else shown.set(nameOf(next.key), next.item);
      }
      return [...shown.values()]
        .filter((item) => item.state === state && Number(item.due) <= dueBefore)
        .sort((a, b) => Number(a.due) - Number(b.due) || (nameOf(a) < nameOf(b) ? -1 : 1))
        .slice(0, limit);
    },
  };
}
