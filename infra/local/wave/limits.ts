import type { Behaviours } from './behaviours.ts';

/** Why a request is turned away, and for how long (seconds). */
export interface Refusal {
  readonly retryAfter: number;
  readonly banned: boolean;
}

/** Wave's door: a sliding window, requests at once, and a ban for those who do not listen. */
export function openDoor(behaviours: () => Behaviours) {
  let taken: { readonly at: number; readonly cost: number }[] = [];
  let refusals: number[] = [];
  let inside = 0;
  let bannedUntil = 0;
  const seen = { requests: 0, fields: 0, maxInFlight: 0, maxPer60s: 0, refused: 0, bans: 0, forbidden: 0 };
  return {
    seen: () => ({ ...seen }),
    /** Lets a request in, or says why not. Call `leave` once it is answered. */
    enter(fields: number): Refusal | undefined {
      const { requestsPer60s, windowMs, countsFields, inFlight, banAfter } = behaviours();
      const now = Date.now();
      taken = taken.filter(({ at }) => at > now - windowMs);
      refusals = refusals.filter((at) => at > now - windowMs);
      const cost = countsFields ? fields : 1;
      const sum = taken.reduce((total, each) => total + each.cost, 0);
      const full =
        (requestsPer60s > 0 && sum + cost > requestsPer60s) || (inFlight > 0 && inside >= inFlight);
      if (now < bannedUntil || full) {
        refusals.push(now);
        seen.refused += 1;
        if (banAfter > 0 && refusals.length >= banAfter && now >= bannedUntil) {
          bannedUntil = now + 5 * windowMs;
          seen.bans += 1;
        }
        const [first] = taken;
        const free = now < bannedUntil ? bannedUntil : (first?.at ?? now) + windowMs;
        return { retryAfter: Math.max(1, Math.ceil((free - now) / 1000)), banned: now < bannedUntil };
      }
      taken.push({ at: now, cost });
      inside += 1;
      seen.requests += 1;
      seen.fields += fields;
      seen.maxInFlight = Math.max(seen.maxInFlight, inside);
      seen.maxPer60s = Math.max(seen.maxPer60s, sum + cost);
      return undefined;
    },
    /** Counts a request of somebody whose plan has lapsed. */
    forbid(): void {
      seen.forbidden += 1;
    },
    leave(): void {
      inside -= 1;
    },
  };
}
