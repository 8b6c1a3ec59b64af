import type { System } from './record.ts';

/** Who wins when both sides changed the same row. */
export const conflictPolicies = ['latest', 'customcrm', 'wave', 'hold'] as const;
export type ConflictPolicy = (typeof conflictPolicies)[number];

/** When, since agreement, a change on each side was first observed (ms by our clock); absent when it never was. */
export type ObservedAt = Readonly<Partial<Record<System, number>>>;

/** Observations closer than this are simultaneous: the order in which we heard of them proves nothing. */
const simultaneousMs = 5_000;

/** The side whose value stays, or undefined when a person must say. Ties and unknown times go to Customcrm. */
export function winner(policy: ConflictPolicy, observed: ObservedAt): System | undefined {
  if (policy === 'hold') return undefined;
  if (policy !== 'latest') return policy;
  if (observed.customcrm === undefined || observed.wave === undefined) return 'customcrm';
  return observed.wave - observed.customcrm > simultaneousMs ? 'wave' : 'customcrm';
}
