// What another system says of a refusal is shown to people and logged: its words, but nothing that a person typed into a record.

/** What is left out. */
const hole = '…';
/** A reason is cut here, and words before they are looked through, in characters. */
const reasonLimit = 500;
const wordsLimit = 4_000;

/** One thing that a system objects to: where, under which code, in its own words. */
export interface Objection {
  readonly place?: string | null | undefined;
  readonly code?: string | null | undefined;
  readonly words?: string | null | undefined;
}

/** Names of fields and codes, as programs write them: `items.0.productId`, `NOT_FOUND`, `urn:crm:stale`. */
const nameLike = /^[A-Za-z_$][\w.$:[\]-]{0,99}$/;
const eMail = /\S*@[^\s)\],;]*/gu;
/** An apostrophe inside a word quotes nothing. A quotation that was cut off reaches to the end. */
const quoted =
  /"[^"]*(?:"|$)|“[^”]*(?:”|$)|„[^“”]*(?:[“”]|$)|«[^»]*(?:»|$)|`[^`]*(?:`|$)|(?<![\p{L}\p{N}])['‘].*?(?:['’](?![\p{L}\p{N}])|$)/gsu;
/** Digits with what people put between them. */
const numeric = /[+(]?\p{N}(?:[\p{N}.,/:()\s-]*\p{N})?/gu;
/** The variables of our own documents, and what lies below them. */
const ownVariable = /^\$?(?:m\d+|input)(?:\.\w+|\[\d+\])*$/;

/** Places and codes stay readable; the words are scrubbed. @param sent what the system may quote. */
export function reasonFrom(objections: readonly Objection[], sent: unknown): string {
  const name = (text: string) => (nameLike.test(text) ? text : scrub(text, sent));
  return objections
    .map(({ place, code, words }) =>
      [place && name(place), code && name(code), words && scrub(words, sent)].filter(Boolean).join(' '),
    )
    .filter(Boolean)
    .join('; ')
    .slice(0, reasonLimit);
}

/**
 * Somebody else's words without any value that we sent, however it is spelt, and without whatever looks like one: addresses, numbers of
 * three digits or more, quotations. @param document whose own names may be quoted.
 */
export function scrub(words: string, sent: unknown, document = ''): string {
  const values = [...new Set([...stringsOf(sent)].map((value) => value.normalize('NFC').trim()))];
  const own = new Set(document.match(/\w+/g));
  const isOurs = (quotation: string) => {
    const inside = quotation.slice(1, -1);
    return own.has(inside) || ownVariable.test(inside);
  };
  const numbers = new Set(values.flatMap((value) => numberOf(value) ?? []));
  const isTelling = (number: string) => {
    const value = numberOf(number);
    return (number.match(/\p{N}/gu)?.length ?? 0) >= 3 || (value !== undefined && numbers.has(value));
  };
  return withoutTexts(words.slice(0, wordsLimit).normalize('NFC'), values)
    .replace(quoted, (quotation) => (isOurs(quotation) ? quotation : hole))
    .replace(eMail, hole)
    .replace(numeric, (number) => (isTelling(number) ? hole : number))
    .slice(0, reasonLimit);
}

/** In whatever case, and with whatever blanks; a text of one or two characters only where it stands alone. */
function withoutTexts(words: string, values: readonly string[]): string {
  const patterns = values
    .filter((value) => /[\p{L}\p{N}]/u.test(value) && numberOf(value) === undefined)
    .flatMap((value) => [...new Set([value, value.toUpperCase(), value.toLowerCase()])])
    .sort((a, b) => b.length - a.length)
    .map((value) => {
      const pattern = value.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&').replace(/\s+/gu, '\\s+');
      return value.length > 2 ? pattern : `(?<![\\p{L}\\p{N}])${pattern}(?![\\p{L}\\p{N}])`;
    });
  return patterns.length === 0 ? words : words.replace(new RegExp(patterns.join('|'), 'giu'), hole);
}

/** `1,500.00`, `+1500` and `1500` are one number; undefined for what is none. */
function numberOf(text: string): number | undefined {
  const plain = text.replaceAll(',', '');
  return /^[+-]?\d*\.?\d+$/.test(plain) ? Math.abs(Number(plain)) : undefined;
}

function* stringsOf(value: unknown): Generator<string> {
  if (typeof value === 'string') yield value;
  else if (Array.isArray(value)) for (const inner of value) yield* stringsOf(inner);
  else if (value !== null && typeof value === 'object')
    for (const inner of Object.values(value)) yield* stringsOf(inner);
}
