import type { Behaviours } from './behaviours.ts';
import { globalId, type WaveKind } from './ids.ts';
import type { Kind, Records } from './records.ts';
import type { Store } from './store.ts';

/** What every resolver and mutation works with. */
export interface Business {
  readonly store: Store;
  readonly behaviours: () => Behaviours;
  /** What time it is, ms; absent: the time of this machine. */
  readonly now?: () => number;
  /** An invoice reached a state that Wave tells by webhook. */
  readonly announce: (type: string, invoiceId: string, data: Readonly<Record<string, string>>) => void;
}

/** Why an input is refused: `path` names the property, as Wave does. */
export class InputFault extends Error {
  readonly path: readonly string[];
  readonly code: string;
  constructor(path: string, message: string, code = 'INVALID') {
    super(message);
    this.path = path.split('.');
    this.code = code;
  }
}

export const stampNow = ({ behaviours, now = Date.now }: Business): string => {
  const resolution = behaviours().stampResolutionMs;
  return new Date(Math.floor(now() / resolution) * resolution).toISOString();
};

const firstNumber = 2_211_000_000_000_000_000n;
const prefix: Readonly<Record<Kind, WaveKind>> = {
  customer: 'Customer',
  product: 'Product',
  invoice: 'Invoice',
  payment: 'InvoicePayment',
};

/** Inner numbers of 19 digits, beyond what a double holds exactly. */
export const newId = ({ store }: Business, kind: Kind): string =>
  globalId(prefix[kind], String(firstNumber + BigInt(store.add('number') * 7 + 3)));

/** The living record, or the refusal that names where it was asked for. */
export function living<K extends Kind>({ store }: Business, kind: K, id: string, path: string): Records[K] {
  const record = store.find(kind, id);
  if (!record || record.deleted) throw new InputFault(path, 'Not found.', 'NOT_FOUND');
  return record;
}

/** Saves a record with a new stamp. */
export function touch<K extends Kind>(business: Business, kind: K, record: Records[K]): Records[K] {
  const touched = { ...record, modifiedAt: stampNow(business) };
  business.store.put(kind, touched);
  return touched;
}
