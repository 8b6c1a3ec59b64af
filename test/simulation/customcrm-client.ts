import { isDeepStrictEqual } from 'node:util';
import type { CustomcrmAnswer, CustomcrmClient, CustomcrmRequest } from '../../lib/customcrm/client.ts';
import type { Body, Pair } from '../../lib/domain/record.ts';
import {
  RemoteMissingError,
  RemoteOutcomeUnknownError,
  RemoteRejectedError,
  StaleVersionError,
} from '../../lib/errors.ts';
import { type Container, exchange, type Wires } from './container.ts';
import { type Customcrm, Refusal } from './customcrm.ts';
import type { Desk } from './desk.ts';
import type { Attempt, Truth } from './truth.ts';

export interface CustomcrmDoor {
  /** By the CRM's clock. */
  readonly now: () => number;
  readonly customcrm: Customcrm;
  readonly truth: Truth;
  /** Answers of creates by Idempotency-Key. */
  readonly remembered: Map<string, { readonly sent: unknown; readonly answer: Body }>;
  /** Properties that this CRM never shows. */
  readonly hidden: ReadonlySet<string>;
  /** What a write is for. */
  readonly claim: Desk['claim'];
}

const pairOf: Readonly<Record<string, Pair>> = {
  customers: 'customer',
  products: 'product',
  orders: 'order',
};
/** A lagging replica is behind by up to this, ms. */
const lagMs = 30_000;

/** The CRM's HTTP API as its client answers it, with the errors of the real client. */
export function customcrmClientOf(wires: Wires, container: Container, door: CustomcrmDoor): CustomcrmClient {
  return (request, call) => {
    const [name = '', id] = request.path.split('/').map(decodeURIComponent);
    const pair = pairOf[name] ?? 'customer';
    const intention = request.method === 'GET' ? 'read' : 'write';
    const attempt =
      intention === 'write'
        ? door.claim('customcrm', pair, id === undefined ? { input: asSent(request.body) } : { id })
        : undefined;
    const label = `${request.method} ${request.path}`;
    const creates = request.method === 'POST';
    return exchange(wires, container, { system: 'customcrm', intention, label, call, creates }, () => {
      try {
        const { status, body } = answer(wires, door, request, pair, id, attempt);
        return { status, body, date: Math.floor(door.now() / 1000) * 1000 };
      } catch (error) {
        throw error instanceof Refusal ? translated(error, intention) : error;
      }
    });
  };
}

const asSent = (body: unknown): Body => JSON.parse(JSON.stringify(body ?? {})) as Body;

function translated(refusal: Refusal, intention: 'read' | 'write'): Error {
  if (intention === 'write' && (refusal.status === 404 || refusal.status === 410))
    return new RemoteMissingError(`customcrm: HTTP ${refusal.status}`);
  if (refusal.status === 412) return new StaleVersionError('customcrm: the record moved since it was read');
  if (refusal.status === 409)
    return new RemoteOutcomeUnknownError('customcrm', 'the same create is still under way');
  return new RemoteRejectedError('customcrm', `HTTP ${refusal.status}; ${refusal.message}`);
}

function answer(
  wires: Wires,
  door: CustomcrmDoor,
  { method, query, body, headers = {} }: CustomcrmRequest,
  pair: Pair,
  id: string | undefined,
  attempt: Attempt | undefined,
): Omit<CustomcrmAnswer, 'date'> {
  const { customcrm } = door;
  const by = { who: 'engine', attempt } as const;
  const ifMatch = headers['if-match'];
  const sent = asSent(body);
  if (method === 'POST')
    return { status: 201, body: show(door, created(door, pair, sent, headers['idempotency-key'] ?? '', by)) };
  if (id === undefined) return { status: 200, body: list(wires, door, pair, query ?? {}) };
  if (method === 'PATCH')
    return { status: 200, body: show(door, customcrm.patch(pair, id, sent, by, ifMatch)) };
  if (method === 'DELETE') {
    customcrm.remove(pair, id, by, ifMatch);
    return { status: 204, body: undefined };
  }
  const found = past(wires, door, pair, id, 'readLag');
  if (!found) return { status: 404, body: undefined };
  return found.DeletedAt === null
    ? { status: 200, body: show(door, found) }
    : { status: 410, body: undefined };
}

function created(
  { customcrm, remembered }: CustomcrmDoor,
  pair: Pair,
  sent: Body,
  key: string,
  by: { who: 'engine'; attempt: Attempt | undefined },
): Body {
  const before = remembered.get(key);
  if (before && !isDeepStrictEqual(before.sent, sent))
    throw new Refusal(422, 'urn:customcrm:idempotency-mismatch');
  if (before) return before.answer;
  const made = customcrm.create(pair, sent, by);
  remembered.set(key, { sent, answer: made });
  return made;
}

const show = ({ hidden }: CustomcrmDoor, body: Body): Body =>
  Object.fromEntries(Object.entries(body).filter(([name]) => !hidden.has(name)));

/** The record now, or as a lagging replica still has it. */
function past(
  { faults, scheduler }: Wires,
  { customcrm, truth }: CustomcrmDoor,
  pair: Pair,
  id: string,
  fault: 'readLag' | 'listLag',
): Body | undefined {
  if (!faults.strikes(fault)) return customcrm.find(pair, id);
  return truth.lastAt({ system: 'customcrm', pair, id }, scheduler.now() - faults.dice.between(1, lagMs))
    ?.after;
}

function list(
  wires: Wires,
  door: CustomcrmDoor,
  pair: Pair,
  query: Readonly<Record<string, string | number | boolean | undefined>>,
): Body {
  const { customcrm, truth } = door;
  if (query.ids !== undefined) {
    const ids = String(query.ids).split(',');
    const found = ids
      .map((id) => past(wires, door, pair, id, 'readLag'))
      .filter((body) => body !== undefined);
    return { data: found.map((body) => show(door, body)), next_cursor: null };
  }
  const [since = '', after = ''] =
    query.cursor === undefined ? [String(query.updatedSince)] : String(query.cursor).split('|');
  const { faults, scheduler } = wires;
  const at = faults.strikes('listLag') ? scheduler.now() - faults.dice.between(1, lagMs) : scheduler.now();
  const limit = Number(query.limit);
  const rows = customcrm
    .all(pair)
    .map((body) => truth.lastAt({ system: 'customcrm', pair, id: String(body.Id) }, at)?.after)
    .filter((body) => body !== undefined)
    .map((body) => ({ body, key: `${body.UpdatedAt}|${body.Id}` }))
    .filter(({ body, key }) =>
      after === '' ? Date.parse(String(body.UpdatedAt)) >= Date.parse(since) : key > `${since}|${after}`,
    )
    .sort((a, b) => (a.key < b.key ? -1 : 1));
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  return {
    data: page.map(({ body }) => show(door, body)),
    next_cursor: rows.length > limit && last ? last.key : null,
  };
}
