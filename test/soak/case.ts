import type { Link } from '../../lib/domain/link.ts';
import type { System } from '../../lib/domain/record.ts';
import type { Book } from './bookkeeping.ts';
import type { Picture } from './hands.ts';
import type { Ledger } from './ledger.ts';
import type { Fields } from './rows.ts';

/** Every promise that is checked, by name. */
export const checkNames = [
  'no duplicate',
  'no edit lost',
  'both sides hold the same',
  'every record has its counterpart',
  'links are one-to-one and mirrored',
  'an order hangs on the counterparts of its parents',
  'the links name records that carry the same name',
  'no e-mail sent',
] as const;
export type CheckName = (typeof checkNames)[number];

export interface Verdict {
  readonly looked: Readonly<Record<CheckName, number>>;
  readonly findings: readonly { readonly check: CheckName; readonly what: string }[];
  /** How differences were accounted for, by name. */
  readonly accounts: ReadonlyMap<string, number>;
}

/** One pair of linked records, as both truly are. */
export interface Standing {
  readonly link: Link;
  readonly tag: string | undefined;
  readonly records: Readonly<Record<System, Fields>>;
  readonly forms: Readonly<Record<System, ReadonlyMap<string, string>>>;
}

export interface Case {
  readonly picture: Picture;
  readonly book: Book;
  readonly ledger: Ledger;
  readonly look: (check: CheckName, wrong?: string) => void;
  readonly account: (name: string) => void;
}

/** Whether the link tells a person about this row. */
export const isShown = ({ reasons }: Link, row: string): boolean =>
  reasons.some((reason) => reason.startsWith(`${row}: `));
