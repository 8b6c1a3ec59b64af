import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { FingerprintKeys } from '../domain/fingerprint.ts';
import { parseRef, type RecordRef, refKey, type System } from '../domain/record.ts';
import { RemoteUnavailableError } from '../errors.ts';
import { type Engine, lineOf } from './engine.ts';
import type { Doorbell, Item, Key, Table, Write } from './ports.ts';
import { isSealedUnder, seal, unseal, unsealBytes } from './seal.ts';

/** How long the loser of a conflict can be put back, ms. */
const keptMs = 90 * 24 * 3600 * 1000;
/** What the values are sealed for. */
const purpose = 'conflict-log';

/** What is longer is compressed, in characters. */
const plainLimit = 100_000;
/** An item of DynamoDB holds 400 KB, and a transaction 4 MB: so long is each piece of what is sealed, and so many there may be of all. */
const pieceLength = 350_000;
const pieceLimit = 8;

/** A value that lost a conflict: kept, and can be put back. */
export interface Loser {
  readonly row: string;
  readonly system: System;
  readonly value: unknown;
  /** ms since 1970. */
  readonly at: number;
}

const prefix = 'loser#';
const keyAt = (at: number): string => `${prefix}${String(at).padStart(15, '0')}#`;

/** Beside each loser: that there is one, for the list of all records. Conflicts are few, and Wave's request budget bounds them: one partition carries that. */
const listed = 'losers';
const listedKey = (ref: RecordRef, sk: string): Key => ({
  pk: listed,
  sk: `${sk.slice(prefix.length)}#${refKey(ref)}`,
});

/** The other pieces of a value that one item cannot hold, from the second on. */
const pieceKey = (ref: RecordRef, sk: string, piece: number): Key => ({
  pk: refKey(ref),
  sk: `piece#${sk}#${piece}`,
});
const piecesOf = ({ pieces = 1 }: Item): readonly number[] =>
  Array.from({ length: Number(pieces) - 1 }, (_, index) => index + 1);

/**
 * The writes that keep the losers, to be part of the write-ahead: nothing is replaced before its old value is safe.
 * @throws RemoteUnavailableError when they are too large to be kept
 */
export function keepLosers(
  { clock, settings, newId }: Engine,
  ref: RecordRef,
  lost: readonly Omit<Loser, 'at'>[],
): readonly Write[] {
  const at = clock.now();
  const expiresAt = Math.ceil((at + keptMs) / 1000);
  let left = pieceLimit;
  return lost.flatMap((loser): readonly Write[] => {
    const { row, system } = loser;
    const sk = `${keyAt(at)}${newId()}`;
    const text = JSON.stringify({ ...loser, at });
    const entry: Write = { put: { ...listedKey(ref, sk), of: refKey(ref), row, system, at, expiresAt } };
    if (text.length <= plainLimit)
      return [{ put: { pk: refKey(ref), sk, secret: seal(settings.keys, purpose, text), expiresAt } }, entry];
    const [first, ...others] = inPieces(seal(settings.keys, purpose, deflateRawSync(text)));
    left -= 1 + others.length;
    if (left < 0)
      throw new RemoteUnavailableError(system, `what was typed in ${row} is too large to be kept`);
    return [
      { put: { pk: refKey(ref), sk, packed: first, pieces: 1 + others.length, expiresAt } },
      ...others.map((packed, index) => ({ put: { ...pieceKey(ref, sk, index + 1), packed, expiresAt } })),
      entry,
    ];
  });
}

const inPieces = (sealed: string): readonly string[] =>
  Array.from({ length: Math.ceil(sealed.length / pieceLength) }, (_, index) =>
    sealed.slice(index * pieceLength, (index + 1) * pieceLength),
  );

/** Says which rows of a record lost, and never what. To be said once they are kept. */
export function reportLosers(
  { report }: Engine,
  doorbell: Doorbell,
  counterpart: string,
  lost: readonly Pick<Loser, 'row' | 'system'>[],
): void {
  if (lost.length === 0) return;
  const rows = lost.map((loser) => `${loser.row}: ${loser.system} lost`);
  report({ ...lineOf(doorbell), message: 'conflict decided', counterpart, rows });
}

/** A value that lost a conflict, by its record (Customcrm's half of the link); what it was is for `losersOf`. */
export interface ListedLoser extends Omit<Loser, 'value'> {
  readonly ref: RecordRef;
}

/** What lost lately, whatever the record, newest first; at most `limit`. */
export async function recentLosers(
  table: Table,
  now: number,
  limit: number,
): Promise<readonly ListedLoser[]> {
  const items = await table.query(listed, { last: true, limit });
  return items.filter(isKept(now)).map(({ of, row, system, at }) => ({
    ref: parseRef(String(of)),
    row: String(row),
    system: system as System,
    at: Number(at),
  }));
}

const isKept =
  (now: number) =>
  ({ expiresAt }: Item): boolean =>
    Number(expiresAt) * 1000 > now;

/** Removes every value of a record that lost. Answers how many. */
export async function forgetLosers({ table }: Engine, ref: RecordRef): Promise<number> {
  const losers = await table.query(refKey(ref), { prefix, limit: 1000 });
  for (const loser of losers) {
    const { pk, sk } = loser;
    const pieces = piecesOf(loser).map((piece) => ({ delete: pieceKey(ref, sk, piece) }));
    await table.write([{ delete: { pk, sk } }, { delete: listedKey(ref, sk) }, ...pieces]);
  }
  return losers.length;
}

/**
 * The newest values that lost, newest first; those past their time are left out even while the table still holds them, and so are those that
 * were sealed under a key that is gone.
 * @param at only those that lost at this time, ms
 */
export async function losersOf(
  table: Table,
  keys: FingerprintKeys,
  ref: RecordRef,
  now: number,
  { limit = 100, at }: { readonly limit?: number; readonly at?: number } = {},
): Promise<readonly Loser[]> {
  const from = at === undefined ? prefix : keyAt(at);
  const items = await table.query(refKey(ref), { prefix: from, last: true, limit });
  const readable = items
    .filter(isKept(now))
    .filter(({ secret, packed }) => isSealedUnder(keys, String(secret ?? packed)));
  return Promise.all(readable.map((item) => opened(table, keys, ref, item)));
}

async function opened(table: Table, keys: FingerprintKeys, ref: RecordRef, item: Item): Promise<Loser> {
  if (item.packed === undefined) return JSON.parse(unseal(keys, purpose, String(item.secret))) as Loser;
  const others = await Promise.all(piecesOf(item).map((piece) => table.get(pieceKey(ref, item.sk, piece))));
  const sealed = [item, ...others].map((piece) => String(piece?.packed)).join('');
  return JSON.parse(inflateRawSync(unsealBytes(keys, purpose, sealed)).toString('utf8')) as Loser;
}
