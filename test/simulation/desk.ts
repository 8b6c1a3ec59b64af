import { isDeepStrictEqual } from 'node:util';
import type { Body, Pair, Snapshot, System } from '../../lib/domain/record.ts';
import { RemoteOutcomeUnknownError } from '../../lib/errors.ts';
import type { Intent } from '../../lib/sync/intents.ts';
import type { Records } from '../../lib/sync/ports.ts';
import { customerInput, invoiceInput, productInput } from '../../lib/wave/inputs.ts';
import type { Container } from './container.ts';
import type { Store } from './table.ts';
import type { Attempt } from './truth.ts';

/** What the remote writes of one sandbox are for: noted when the engine asks, claimed when the request sets out. */
export interface Desk {
  readonly watched: (records: Records) => Records;
  /** The attempt that this request belongs to: by the record that it changes, or by what it creates. */
  readonly claim: (
    system: System,
    pair: Pair,
    what: { readonly id: string } | { readonly input: Body },
  ) => Attempt | undefined;
}

interface Pending {
  readonly system: System;
  readonly pair: Pair;
  readonly attempt: Attempt;
  /** What is sent to create a record, in the terms of that system. */
  readonly input: Body | undefined;
}

export function desk(
  container: Container,
  store: Store,
  now: () => number,
  broken: (what: string) => void,
  note: (attempt: Attempt) => void,
): Desk {
  const pending = new Set<Pending>();
  /** Snapshots that reads and writes brought: when they were asked for, and when they were heard of. */
  const heard = new WeakMap<Snapshot, { readonly askedAt: number; readonly heardAt: number }>();

  async function noted<T>(
    run: () => Promise<T>,
    snapshotIn: (answer: T) => Snapshot | undefined,
  ): Promise<T> {
    const askedAt = now();
    const answer = await run();
    const snapshot = snapshotIn(answer);
    if (snapshot) heard.set(snapshot, { askedAt, heardAt: now() });
    return answer;
  }

  function readOf(basis: Snapshot): Attempt['read'] {
    const known = heard.get(basis);
    if (!known) return undefined;
    const frozenMs = container.freezes.reduce(
      (sum, { from, until }) => sum + Math.max(0, Math.min(until, now()) - Math.max(from, known.heardAt)),
      0,
    );
    return { heardAt: known.heardAt, shownFrom: known.askedAt, frozenMs };
  }

  async function during<T>(entry: Pending, run: () => Promise<T>): Promise<T> {
    pending.add(entry);
    note(entry.attempt);
    try {
      const answer = await run();
      entry.attempt.answeredAt = now();
      return answer;
    } catch (error) {
      if (!(error instanceof RemoteOutcomeUnknownError)) entry.attempt.answeredAt = now();
      throw error;
    } finally {
      pending.delete(entry);
    }
  }

  const attempt = (more: Partial<Attempt>): Attempt => ({
    container: container.name,
    ref: undefined,
    origin: undefined,
    basis: undefined,
    next: undefined,
    paths: [],
    read: undefined,
    at: now(),
    answeredAt: undefined,
    ...more,
  });

  return {
    watched: (records) => ({
      ...records,
      read: (pair, id, call) =>
        noted(
          () => records.read(pair, id, call),
          (reading) => (reading.state === 'living' ? reading.snapshot : undefined),
        ),
      create(pair, body, key, call) {
        const { system } = records;
        const origin = originOf(store, system, pair, key);
        // After its deadline nothing is sent: whoever froze that long finds that others have gone on.
        if (!origin && now() < call.deadline) broken(`a create in ${system} without an open intent`);
        const entry = { system, pair, attempt: attempt({ origin }), input: inputOf(system, pair, body) };
        return noted(
          () => during(entry, () => records.create(pair, body, key, call)),
          (made) => made,
        );
      },
      update(pair, current, next, paths, call) {
        const { system } = records;
        const basis = { basis: current.body, read: readOf(current) };
        const set = attempt({ ref: { system, pair, id: current.id }, ...basis, next, paths });
        return during({ system, pair, attempt: set, input: undefined }, () =>
          records.update(pair, current, next, paths, call),
        );
      },
      remove(pair, current, call) {
        const { system } = records;
        const basis = { basis: current.body, read: readOf(current) };
        const set = attempt({ ref: { system, pair, id: current.id }, ...basis });
        return during({ system, pair, attempt: set, input: undefined }, () =>
          records.remove(pair, current, call),
        );
      },
    }),
    claim(system, pair, what) {
      const own = [...pending].filter((entry) => entry.system === system && entry.pair === pair);
      const found =
        'id' in what
          ? own.find((entry) => entry.attempt.ref?.id === what.id)
          : own.find(({ input }) => input && isPartOf(input, what.input));
      if (found && 'input' in what) pending.delete(found);
      return found?.attempt;
    },
  };
}

/** The record for which an open intent creates under this key. */
function originOf(store: Store, target: System, pair: Pair, key: string): Attempt['origin'] {
  const intents = store.all().filter((item) => item.pk === `intent#${target}#${pair}`);
  return intents.map((item) => item.intent as Intent).find(({ opId }) => opId === key)?.origin;
}

const asSent = (value: unknown): Body => JSON.parse(JSON.stringify(value)) as Body;

/** Undefined when the real adapter refuses the body itself. */
function inputOf(system: System, pair: Pair, body: Body): Body | undefined {
  if (system === 'customcrm') return asSent(body);
  const present = new Set(Object.keys(body));
  const make = { customer: customerInput, product: productInput, order: invoiceInput }[pair];
  try {
    return asSent(make(body, present));
  } catch {
    return undefined;
  }
}

const isPartOf = (part: Body, whole: Body): boolean =>
  Object.entries(part).every(([name, value]) => isDeepStrictEqual(value, whole[name]));
