/** The two systems that are kept equal. */
export const systems = ['customcrm', 'wave'] as const;
export type System = (typeof systems)[number];

/** The three pairs of record types. Parents come before children: an order needs its customer and products. */
export const pairs = ['customer', 'product', 'order'] as const;
export type Pair = (typeof pairs)[number];

/** One record in one system. Ids are opaque strings (Wave's inner numbers exceed a double). */
export interface RecordRef {
  readonly system: System;
  readonly pair: Pair;
  readonly id: string;
}

/** `customcrm#order#7`: the name of a record in keys, queue groups and logs. */
export const refKey = ({ system, pair, id }: RecordRef): string => `${system}#${pair}#${id}`;

/** The inverse of {@link refKey}. @throws RangeError for a text that `refKey` did not make. */
export function parseRef(key: string): RecordRef {
  const [system, pair, ...id] = key.split('#');
  const known = systems.find((name) => name === system);
  const knownPair = pairs.find((name) => name === pair);
  if (!known || !knownPair || id.length === 0) throw new RangeError(`Not a record reference: ${key}`);
  return { system: known, pair: knownPair, id: id.join('#') };
}

export const otherSystem = (system: System): System => (system === 'customcrm' ? 'wave' : 'customcrm');

/** A record in its own system's shape. An absent key means *unknown*; `null` and `''` mean *empty*. */
export type Body = Readonly<Record<string, unknown>>;

/** A record as one read or one answer showed it. Times are milliseconds since 1970, by that system's clock. */
export interface Snapshot extends RecordRef {
  readonly body: Body;
  /** For an optimistic check (Customcrm's `Version`); absent where the system has none (Wave). */
  readonly version?: string;
  readonly createdAt: number;
  readonly modifiedAt: number;
}
