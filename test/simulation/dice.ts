import { randomOf } from '../../infra/local/faults.ts';

/** A stream of chance that one seed decides. */
export interface Dice {
  /** From 0 to below 1. */
  readonly next: () => number;
  /** A whole number, both bounds included. */
  readonly between: (least: number, most: number) => number;
  readonly chance: (probability: number) => boolean;
  /** One of a list that is not empty. */
  readonly pick: <T>(list: readonly T[]) => T;
  /** A stream of its own: what one part of the world draws never moves what another part draws. */
  readonly fork: (name: string) => Dice;
}

export function diceOf(seed: number): Dice {
  const next = randomOf(seed);
  return {
    next,
    between: (least, most) => least + Math.floor(next() * (most - least + 1)),
    chance: (probability) => probability > 0 && next() < probability,
    pick(list) {
      const chosen = list[Math.floor(next() * list.length)];
      if (chosen === undefined) throw new RangeError('Nothing to pick from');
      return chosen;
    },
    fork: (name) => diceOf(mixed(seed, name)),
  };
}

/** FNV-1a over the name, started at the seed. */
function mixed(seed: number, name: string): number {
  let hash = (0x811c9dc5 ^ Math.imul(seed, 0x9e3779b1)) >>> 0;
  for (let index = 0; index < name.length; index++)
    hash = Math.imul(hash ^ name.charCodeAt(index), 0x01000193) >>> 0;
  return hash;
}
