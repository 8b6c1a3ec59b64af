import { historyLimit, type Link, type Outcome, refOf } from '../domain/link.ts';
import type { Pair, RecordRef } from '../domain/record.ts';
import { linkKey, stateKey } from './keys.ts';
import type { Condition, Item, Key, Table, Write, WriteResult } from './ports.ts';

/** Version of the stored form of a link. Newer code reads older forms; older code refuses newer ones. */
const itemVersion = 1;

/** Broken invariant: shown, and for a person to repair. */
export class BrokenLinkError extends Error {
  override readonly name = 'BrokenLinkError';
}

/** The link of a record, from either half. Strongly consistent. @throws BrokenLinkError when the halves do not mirror each other. */
export async function findLink(table: Table, ref: RecordRef): Promise<Link | undefined> {
  let half = await table.get(linkKey(ref));
  if (!half || ref.system === 'customcrm') return half && fromItem(half);
  for (let look = 1; look <= looks; look++) {
    const { linkId, customcrmId }: Item = half;
    const main = await table.get(linkKey({ ...ref, system: 'customcrm', id: String(customcrmId) }));
    const link = main && fromItem(main);
    if (link?.id === linkId && link?.waveId === ref.id) return link;
    // Two reads are no transaction: the link may have ended, and another begun, between them.
    half = await table.get(linkKey(ref));
    if (!half) return undefined;
    if (half.linkId === linkId) break;
  }
  throw new BrokenLinkError(`The halves of link ${half.linkId} do not mirror each other`);
}

/** Links that begin and end under a reader. */
const looks = 5;

/** The counterpart's id without reading the state of the link. */
export async function counterpartOf(table: Table, ref: RecordRef): Promise<string | undefined> {
  const item = await table.get(linkKey(ref));
  if (!item) return undefined;
  return String(ref.system === 'wave' ? item.customcrmId : item.waveId);
}

const directoryKey = (link: Pick<Link, 'pair' | 'customcrmId'>): Key => ({
  pk: `links#${link.pair}`,
  sk: link.customcrmId,
});

/** Both halves of a new link, each under the condition that its record is still unlinked, and its entry in the directory; neither shows anything any more. */
export const newLinkWrites = (link: Link): readonly Write[] => [
  { put: toItem(link), when: 'absent' },
  { put: otherHalf(link), when: 'absent' },
  { put: { ...directoryKey(link), waveId: link.waveId } },
  { delete: stateKey(refOf(link, 'customcrm')) },
  { delete: stateKey(refOf(link, 'wave')) },
];

/** Nobody has written it since it was made, or revived. */
export const isAtItsBeginning = ({ revision, begun = 1 }: Link): boolean => revision === begun;

/** A record that is linked anew begins with the same revisions. */
const asRead = ({ id, revision }: Link): Condition => ({ equals: { linkId: id, revision } });

/** Undoes a link, unless somebody else wrote it since it was read. */
export const endLinkWrites = (link: Link): readonly Write[] => [
  { delete: linkKey(refOf(link, 'customcrm')), when: asRead(link) },
  { delete: linkKey(refOf(link, 'wave')) },
  { delete: directoryKey(link) },
];

/** Removes what a broken link left at this record: its half, and at the Customcrm record the entry in the directory. */
export const remainsWrites = (ref: RecordRef): readonly Write[] => [
  { delete: linkKey(ref) },
  ...(ref.system === 'customcrm' ? [{ delete: directoryKey({ pair: ref.pair, customcrmId: ref.id }) }] : []),
];

/** Every linked pair of records, a page at a time in the order of Customcrm's ids. The directory is kept by the transactions that link. */
export async function linkedIds(
  table: Table,
  pair: Pair,
  page: { readonly after?: string; readonly limit: number },
): Promise<readonly { readonly customcrmId: string; readonly waveId: string }[]> {
  const items = await table.query(`links#${pair}`, page);
  return items.map((item) => ({ customcrmId: item.sk, waveId: String(item.waveId) }));
}

export const hasLinks = async (table: Table, pair: Pair): Promise<boolean> =>
  (await linkedIds(table, pair, { limit: 1 })).length > 0;

/** The Wave id that the directory names for this Customcrm record. */
export async function directoryEntry(
  table: Table,
  pair: Pair,
  customcrmId: string,
): Promise<string | undefined> {
  const item = await table.get(directoryKey({ pair, customcrmId }));
  return item && String(item.waveId);
}

/** The write that replaces a link's state, unless somebody else wrote it since it was read. */
export const linkWrite = (before: Link, after: Omit<Link, 'revision'>): Write => ({
  put: toItem({ ...after, revision: before.revision + 1 }),
  when: asRead(before),
});

/** Writes link state under a lease, and what must happen with it. Answers the stored link, or undefined when the lease or the link moved on. */
export async function saveLink(
  table: Table,
  before: Link,
  after: Omit<Link, 'revision'>,
  lease: Write,
  beside: readonly Write[] = [],
): Promise<Link | undefined> {
  const result: WriteResult = await table.write([linkWrite(before, after), lease, ...beside]);
  return result.done ? { ...after, revision: before.revision + 1 } : undefined;
}

export const withOutcome = (link: Link, outcome: Outcome): readonly Outcome[] =>
  [outcome, ...link.history].slice(0, historyLimit);

/** Resting links leave the index of states; the others are found there by state. */
function toItem(link: Link): Item {
  const restless = link.state !== 'in-sync' && link.state !== 'recorded-difference';
  return {
    ...linkKey(refOf(link, 'customcrm')),
    v: itemVersion,
    linkId: link.id,
    waveId: link.waveId,
    revision: link.revision,
    ...(restless && { state: link.state, due: link.history[0]?.at ?? 0 }),
    link,
  };
}

const otherHalf = (link: Link): Item => ({
  ...linkKey(refOf(link, 'wave')),
  v: itemVersion,
  linkId: link.id,
  customcrmId: link.customcrmId,
});

function fromItem(item: Item): Link {
  if (item.v !== itemVersion)
    throw new Error(`Link ${item.linkId} has form ${item.v}; this version reads form ${itemVersion}`);
  return item.link as Link;
}
