import type { Link } from '../../lib/domain/link.ts';
import { type Body, type RecordRef, refKey } from '../../lib/domain/record.ts';
import { RemoteUnavailableError } from '../../lib/errors.ts';
import type { Engine } from '../../lib/sync/engine.ts';
import type { Item, Records, Write } from '../../lib/sync/ports.ts';
import type { FaultName } from './faults.ts';
import type { Plant, World } from './world.ts';

/** A bug that the design warns of, planted around the real engine: a simulation that cannot find it proves nothing. */
export interface Canary {
  readonly name: string;
  readonly plant: Plant;
  /** The faults under which it shows; none unless said. */
  readonly faults?: readonly FaultName[];
  /** Shows only where many people are at few records. */
  readonly busy?: boolean;
  /** A rare one: the first seed that shows it, by `--canary`. */
  readonly from?: number;
}

const withWave = (engine: Engine, change: (wave: Records) => Partial<Records>): Engine => ({
  ...engine,
  systems: { ...engine.systems, wave: { ...engine.systems.wave, ...change(engine.systems.wave) } },
});

/** Changes what is written to the table on its way. */
const withWrites = (engine: Engine, change: (write: Write) => readonly Write[]): Engine => ({
  ...engine,
  table: { ...engine.table, write: (writes) => engine.table.write(writes.flatMap(change)) },
});

const withLinks = (engine: Engine, change: (link: Link) => Link): Engine =>
  withWrites(engine, (write) =>
    'put' in write && write.put.link !== undefined && write.put.sk === 'link'
      ? [{ ...write, put: { ...write.put, link: change(write.put.link as Link) } }]
      : [write],
  );

const without = <T extends object, K extends keyof T>(value: T, name: K): Omit<T, K> => {
  const { [name]: _left, ...rest } = value;
  return rest;
};

export const canaries: readonly Canary[] = [
  {
    name: 'link read before intents',
    plant: linkBeforeIntents,
    faults: ['slowAnswer', 'webhookDelayed'],
  },
  { name: 'fingerprints from the whole answer', plant: wholeAnswer },
  {
    name: 'no write-ahead',
    plant: (engine) => withLinks(engine, (link) => without(link, 'ahead') as Link),
    faults: ['lostAnswer', 'lateExecution'],
    busy: true,
    from: 8,
  },
  {
    name: 'repeated create without look-up',
    plant: (engine) =>
      withWave(engine, () => ({
        changedSince: () => Promise.resolve({ changes: [], next: undefined, date: engine.clock.now() }),
      })),
    faults: ['lostAnswer', 'lateExecution', 'killed'],
  },
  {
    name: 'look-up without settle',
    plant: (engine) => ({ ...engine, settings: { ...engine.settings, settleMs: 0, lookupPauseMs: 0 } }),
    faults: ['lateExecution', 'lostAnswer', 'webhookDelayed'],
  },
  {
    name: "compare with the other side's fingerprint",
    plant: (engine) =>
      withLinks(engine, (link) => ({ ...link, agreed: { ...link.agreed, customcrm: link.agreed.wave } })),
    faults: ['waveReformats', 'waveTrims'],
  },
  {
    name: 'commit not conditional',
    plant: unconditional,
    faults: ['frozen', 'slowAnswer'],
  },
  { name: 'content-based de-duplication', plant: contentBased },
  {
    name: 'written from an old picture',
    plant: (engine) => ({
      ...engine,
      settings: { ...engine.settings, maxReadToWriteMs: Number.POSITIVE_INFINITY },
    }),
    faults: ['slowAnswer', 'tightBudget'],
    busy: true,
    from: 239,
  },
  { name: 'version shortcut for Wave', plant: versionShortcut, faults: ['wholeSeconds'], from: 127 },
  { name: 'NOT_FOUND means deleted', plant: notFoundIsDeleted, faults: ['noRights'] },
  { name: 'null under an error means empty', plant: nullIsEmpty, faults: ['aliasFails', 'serverError'] },
  {
    name: 'losers not kept',
    plant: (engine) =>
      withWrites(engine, (write) => ('put' in write && write.put.sk.startsWith('loser#') ? [] : [write])),
  },
  {
    name: 'acknowledge before commit',
    plant: (engine, world) => {
      world.acknowledgesEarly = true;
      return engine;
    },
    faults: ['killed'],
    from: 81,
  },
  { name: 'fuse that never blows', plant: noFuse, faults: ['massDeletion'] },
  { name: 'parked without a check of the cause', plant: parkedBlindly, from: 44 },
  {
    name: 'nothing is ever matched',
    plant: (engine) =>
      withWrites(engine, (write) => ('put' in write && write.put.pk.startsWith('key#') ? [] : [write])),
    from: 7,
  },
  {
    name: 'policies not asked',
    plant: (engine) => ({
      ...engine,
      settings: { ...engine.settings, conflict: () => 'latest', firstLink: () => 'latest' },
    }),
    from: 9,
  },
  {
    name: 'loops never stopped',
    plant: (engine) => withLinks(engine, (link) => without(link, 'turns') as Link),
    faults: ['robots'],
  },
];

/** The links are read first, the open creates a moment later, and nobody looks again when a create is opened. */
function linkBeforeIntents(plain: Engine, world: World): Engine {
  const engine = withWrites(plain, (write) => ('check' in write && write.check.sk === 'link' ? [] : [write]));
  const { table } = engine;
  let seen: readonly Item[] | undefined;
  return {
    ...engine,
    table: {
      ...table,
      async query(pk, options) {
        if (!pk.startsWith('intent#')) return table.query(pk, options);
        const links = world.store.all().filter((item) => item.sk === 'link');
        await engine.clock.sleep(5_000);
        const intents = await table.query(pk, options);
        seen = links;
        return intents;
      },
      async get(key) {
        if (key.sk !== 'link' || !seen) return table.get(key);
        const links = seen;
        seen = undefined;
        await table.get(key);
        return links.find((item) => item.pk === key.pk);
      },
    },
  };
}

/** What was read counts as what was answered. */
function wholeAnswer(engine: Engine): Engine {
  return withWave(engine, (wave) => ({
    async update(pair, current, next, paths, call) {
      const answer = await wave.update(pair, current, next, paths, call);
      Object.assign(current.body as Record<string, unknown>, answer.body);
      return answer;
    },
  }));
}

/** Leases and revisions are not looked at. */
function unconditional(engine: Engine): Engine {
  const { table } = engine;
  const open = (write: Write): readonly Write[] => {
    if ('check' in write) return write.check.sk === 'lease' ? [] : [write];
    if ('put' in write && write.put.sk === 'lease') return [without(write, 'when')];
    return 'put' in write && write.put.sk === 'link' && write.when !== 'absent'
      ? [without(write, 'when')]
      : [write];
  };
  return withWrites({ ...engine, table }, open);
}

/** Two doorbells for one record within five minutes are one. */
function contentBased(engine: Engine): Engine {
  const same = (queue: Engine['queues']['wave']): Engine['queues']['wave'] => ({
    ...queue,
    ring: (doorbells) => queue.ring(doorbells.map((doorbell) => ({ ...doorbell, eventId: 'changed' }))),
  });
  return { ...engine, queues: { customcrm: same(engine.queues.customcrm), wave: same(engine.queues.wave) } };
}

const stampsOf = new WeakMap<World, Map<string, number>>();

/** Rows of a list that carry the time of our own last write are taken for its echo. */
function versionShortcut(engine: Engine, world: World): Engine {
  const stamps = stampsOf.get(world) ?? new Map<string, number>();
  stampsOf.set(world, stamps);
  const isEcho = (ref: RecordRef & { readonly modifiedAt: number }) =>
    stamps.get(refKey(ref)) === ref.modifiedAt;
  const planted = withWave(engine, (wave) => ({
    async update(pair, current, next, paths, call) {
      const answer = await wave.update(pair, current, next, paths, call);
      stamps.set(refKey({ system: 'wave', pair, id: answer.id }), answer.modifiedAt);
      return answer;
    },
  }));
  return {
    ...planted,
    feed: {
      ...engine.feed,
      async changes(from, call) {
        const page = await engine.feed.changes(from, call);
        const lists = Object.entries(page.lists).map(([pair, list]) => [
          pair,
          { ...list, snapshots: list.snapshots.filter((snapshot) => !isEcho(snapshot)) },
        ]);
        return { ...page, lists: Object.fromEntries(lists) };
      },
      async listAll(pair, page, call) {
        const list = await engine.feed.listAll(pair, page, call);
        return { ...list, snapshots: list.snapshots.filter((snapshot) => !isEcho(snapshot)) };
      },
    },
  };
}

/** One answer without the record, and it is gone. */
function notFoundIsDeleted(engine: Engine): Engine {
  const long = withLinks(engine, (link) =>
    link.missing ? { ...link, missing: { ...link.missing, since: 0 } } : link,
  );
  return {
    ...long,
    feed: {
      ...engine.feed,
      async readTogether(refs, call) {
        const [gone] = await engine.feed.readTogether(refs, call);
        const witness = {
          state: 'living',
          snapshot: { system: 'wave', pair: 'customer', id: '', body: {}, createdAt: 0, modifiedAt: 0 },
        } as const;
        return gone ? [gone, witness] : [];
      },
    },
  };
}

const texts = ['phone', 'memo', 'description', 'internalNotes'];

/** A part that could not be read is taken for an empty one. */
function nullIsEmpty(engine: Engine, world: World): Engine {
  return withWave(engine, (wave) => ({
    async read(pair, id, call) {
      try {
        return await wave.read(pair, id, call);
      } catch (error) {
        const body = world.wave.find(pair, id);
        if (!(error instanceof RemoteUnavailableError) || !body) throw error;
        const emptied: Body = {
          ...body,
          ...Object.fromEntries(texts.filter((name) => name in body).map((name) => [name, null])),
        };
        const stamp = Date.parse(String(body.modifiedAt));
        return {
          state: 'living',
          snapshot: { system: 'wave', pair, id, body: emptied, createdAt: stamp, modifiedAt: stamp },
        };
      }
    },
  }));
}

/** Waits for a cause that may be gone already: nobody wakes it. */
function parkedBlindly(engine: Engine): Engine {
  const write = (writes: readonly Write[]) => {
    const parks = writes.some((each) => 'put' in each && each.put.sk === 'parked');
    return engine.table.write(parks ? writes.filter((each) => !('check' in each)) : writes);
  };
  return { ...engine, table: { ...engine.table, write } };
}

/** What goes out of use is never counted. */
function noFuse(engine: Engine): Engine {
  return withWrites(engine, (write) =>
    'put' in write && write.put.pk.startsWith('fuse#')
      ? [{ check: write.put, when: write.when ?? 'absent' }]
      : [write],
  );
}
