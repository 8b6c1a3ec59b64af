import { refKey } from '../domain/record.ts';
import { type Engine, lineOf } from './engine.ts';
import { handleDoorbell } from './handle-doorbell.ts';
import type { Call, Doorbell } from './ports.ts';

/** One message of a queue, as the worker got it. */
export interface Message {
  readonly messageId: string;
  readonly doorbell: Doorbell;
  readonly receiveCount: number;
}

/** A message seen more often than this may be the one that kills workers: handled alone, when the others are done. */
const suspectAfter = 2;
/**
 * From then on half of the suspects wait for the next delivery, untouched: a process that is not killed acknowledges what it did, and
 * so nobody stays with the one that kills until the dead-letter queue.
 */
const halvedAfter = 5;

/**
 * Deals with one batch. Several messages for one record are one piece of work; different records do not disturb one another.
 * Answers the ids of the messages that must come again.
 */
export async function handleBatch(
  engine: Engine,
  messages: readonly Message[],
  call: Call,
): Promise<readonly string[]> {
  const works = [...byRecord(messages).values()];
  const others = works.filter((work) => !isSuspect(work));
  const failed = (await Promise.all(others.map((work) => handleOne(engine, work, call)))).flat();
  const { now, later } = turnsOf(works.filter(isSuspect));
  for (const work of now) failed.push(...(await handleOne(engine, work, call)));
  return [...failed, ...later.flat().map(({ messageId }) => messageId)];
}

type Works = readonly (readonly Message[])[];

/** Each delivery begins with another one: what comes back with the one that kills has its turn before it sooner or later. */
function turnsOf(suspects: Works): { readonly now: Works; readonly later: Works } {
  const deliveries = Math.max(0, ...suspects.flat().map(({ receiveCount }) => receiveCount));
  const first = suspects.length > 0 ? deliveries % suspects.length : 0;
  const rotated = [...suspects.slice(first), ...suspects.slice(0, first)];
  const turns = deliveries > halvedAfter ? Math.ceil(rotated.length / 2) : rotated.length;
  return { now: rotated.slice(0, turns), later: rotated.slice(turns) };
}

const isSuspect = (work: readonly Message[]): boolean =>
  work.some((message) => message.receiveCount > suspectAfter);

function byRecord(messages: readonly Message[]): ReadonlyMap<string, readonly Message[]> {
  const groups = new Map<string, Message[]>();
  for (const message of messages) {
    const key = refKey(message.doorbell);
    groups.set(key, [...(groups.get(key) ?? []), message]);
  }
  return groups;
}

async function handleOne(engine: Engine, work: readonly Message[], call: Call): Promise<readonly string[]> {
  const doorbell = merged(work.map((message) => message.doorbell));
  if (!doorbell) return [];
  try {
    await handleDoorbell(engine, doorbell, callFor(work, call));
    return [];
  } catch (error) {
    engine.report({ ...lineOf(doorbell), message: 'change failed', because: describe(error) });
    return work.map((message) => message.messageId);
  }
}

/** What only a sweep has found may wait: live changes come first. */
const callFor = (work: readonly Message[], call: Call): Call =>
  work.every(({ doorbell }) => doorbell.background) ? { ...call, priority: 'background' } : call;

/** When and by which delivery we first heard of it; an echo can only be told by a single message. */
function merged(doorbells: readonly Doorbell[]): Doorbell | undefined {
  const [first] = doorbells;
  const last = doorbells.at(-1);
  if (!first || !last || doorbells.length === 1) return last;
  const {
    version: _version,
    updatedAt: _updatedAt,
    seen: _seen,
    seenAt: _seenAt,
    background: _background,
    ...rest
  } = last;
  const [newest] = doorbells
    .flatMap(({ seen, seenAt, at }) => (seen === undefined ? [] : [{ seen, seenAt: seenAt ?? at }]))
    .sort((a, b) => b.seen - a.seen);
  return {
    ...rest,
    causedBy: first.causedBy ?? first.eventId,
    at: Math.min(...doorbells.map((doorbell) => doorbell.at)),
    ...newest,
    ...(doorbells.every(({ background }) => background) && { background: true }),
  };
}

/** Name and place, never a message: it could quote a record. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error';
  const place =
    error.stack
      ?.split('\n')
      .find((line) => line.includes('    at '))
      ?.trim() ?? '';
  return `${error.name} ${place}`;
}
