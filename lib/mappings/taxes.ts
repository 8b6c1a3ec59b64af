import type { Conversion, Facts, Put } from './mapping.ts';

// A sales tax stands as what its system shows: Wave's as an id, Customcrm's as a code, which is the abbreviation in Wave. Only a
// comparison looks one up in the other's terms, so that nothing seems edited because somebody renamed a tax, archived it or made another.

interface WaveTax {
  readonly id: string;
}

const marker = 'code:';
const isCode = (name: string): boolean => name.startsWith(marker);
const unique = (names: readonly string[]): readonly string[] => [...new Set(names)].sort();

/** Codes as Customcrm names them: without regard to case, surrounding blanks and repeats. */
export const codeNames = (codes: readonly string[]): readonly string[] =>
  unique(codes.map((typed) => `${marker}${comparable(typed)}`));

const comparable = (abbreviation: string): string => abbreviation.trim().toUpperCase();

/** In Customcrm's terms. An id that no list shows stays what it is. */
export const asCodes = (names: readonly string[], { taxes }: Facts): readonly string[] =>
  unique(
    names.map((name) => {
      const abbreviation = isCode(name) ? undefined : taxes.find(({ id }) => id === name)?.abbreviation;
      return abbreviation === undefined ? name : `${marker}${comparable(abbreviation)}`;
    }),
  );

const sameTaxes = (some: readonly string[], others: readonly string[], facts: Facts): boolean =>
  asCodes(some, facts).join() === asCodes(others, facts).join();

/** As codes. */
export function codesOf(names: readonly string[], { taxes }: Facts): Put {
  const codes = names.map((name) =>
    isCode(name) ? name.slice(marker.length) : taxes.find(({ id }) => id === name)?.abbreviation.trim(),
  );
  return codes.includes(undefined)
    ? { blocked: 'Wave shows a sales tax that its own list does not hold' }
    : { cell: codes };
}

/**
 * As Wave's ids. Several taxes may share an abbreviation: those that are there stay, else one that is not archived.
 * @param there ids
 */
export function idsOf(names: readonly string[], there: readonly string[], facts: Facts): Put {
  if (sameTaxes(names, there, facts)) return { cell: there };
  const ids: string[] = [];
  for (const name of names) {
    const known = facts.taxes.filter(({ abbreviation }) => `${marker}${comparable(abbreviation)}` === name);
    const kept = known.filter(({ id }) => there.includes(id));
    const best = kept.length > 0 ? kept : [known.find(({ archived }) => !archived) ?? known[0]];
    const meant = isCode(name) ? best.map((tax) => tax?.id) : [name];
    for (const id of meant) {
      if (id === undefined) return unknownTax(name);
      ids.push(id);
    }
  }
  return { cell: ids };
}

/** As ids, and codes that Wave lacks as they are: so Customcrm's stood in links that were last written before this. */
export const asFormerly = (names: readonly string[], facts: Facts): readonly string[] =>
  unique(
    names.map((name) => {
      const put = idsOf([name], [], facts);
      return 'cell' in put ? String(put.cell) : name;
    }),
  );

/** What is quoted: anything else that was typed in the place of a code may be about a person. */
const taxCodeLike = /^[\w.-]{1,12}$/;

function unknownTax(name: string): Put {
  const code = name.slice(marker.length);
  return {
    blocked: taxCodeLike.test(code)
      ? `Wave has no sales tax with the abbreviation ${code}`
      : 'Wave has no sales tax with this abbreviation',
  };
}

/** The default taxes of a product. */
export const taxCodes: Conversion<readonly string[] | null, readonly WaveTax[] | null> = {
  isCommon: true,
  fromCustomcrm: (cell) => codeNames(cell ?? []),
  fromWave: (cell) => (cell ?? []).map((tax) => tax.id).sort(),
  toCustomcrm: (value, current, facts) =>
    current && sameTaxes(codeNames(current), value as readonly string[], facts)
      ? { cell: current }
      : codesOf(value as readonly string[], facts),
  toWave(value, current, facts) {
    const put = idsOf(
      value as readonly string[],
      (current ?? []).map(({ id }) => id),
      facts,
    );
    return 'cell' in put ? { cell: (put.cell as readonly string[]).map((id) => ({ id })) } : put;
  },
  formerly: (value, facts) => asFormerly(value as readonly string[], facts),
  same: (customcrm, wave, facts) =>
    sameTaxes(customcrm as readonly string[], wave as readonly string[], facts),
};
