import { isDeepStrictEqual } from 'node:util';
import type { Link } from '../domain/link.ts';
import { systems } from '../domain/record.ts';
import { settle } from '../mappings/agreement.ts';
import type { Pictured, RecordPlan } from '../mappings/record-plan.ts';
import { answeredAfter, asksNothing, observedAfter, reasonsOf, stampOf, stateOf } from './agree.ts';
import { pictureStamp } from './lagging.ts';
import { stillHeld } from './leases.ts';
import { saveLink } from './links.ts';
import { restingNews, whyOf } from './news.ts';
import { type Both, lostLease, otherId, type Step, type Work } from './work.ts';

/** Which pictures were looked at while a person is asked about the link: what comes after them is news. */
function lookedAt(both: Both, state: Link['state']): Link['looked'] {
  if (asksNothing.has(state)) return undefined;
  const stamps = systems.map((system) => [system, pictureStamp(both[system])] as const);
  return Object.fromEntries(stamps.filter(([, stamp]) => stamp !== undefined));
}

/** Nothing to send: what is equal is agreed from now on. */
export async function rest(
  work: Work,
  link: Link,
  both: Both,
  pictured: Pictured,
  planned: RecordPlan,
): Promise<Step> {
  const settled = settle(pictured, planned, {});
  const state = stateOf(planned, []);
  const reasons = reasonsOf(planned, []);
  const outcome = {
    did: 'finished',
    ...restingNews(work, { state, reasons }, planned),
    because: state === 'in-sync' ? 'equal' : state,
    ...whyOf({ state, reasons }),
    counterpart: otherId(link, work.doorbell),
  } as const;
  const stamp = stampOf(state, both.customcrm, planned);
  const observed = observedAfter(work, link, planned, both);
  const looked = lookedAt(both, state);
  // The table keeps no order of what is in a map.
  const unchanged =
    link.marked &&
    state === link.state &&
    !link.ahead &&
    !link.missing &&
    stamp.agreedVersion === link.agreedVersion &&
    isDeepStrictEqual(settled.agreed, link.agreed) &&
    isDeepStrictEqual(looked, link.looked) &&
    isDeepStrictEqual(observed, link.observed) &&
    isDeepStrictEqual(reasons, link.reasons) &&
    Object.keys(planned.refusals).length === Object.keys(link.refusals ?? {}).length;
  if (unchanged) return outcome;
  const {
    ahead: _ahead,
    agreedVersion: _version,
    agreedUpdatedAt: _updatedAt,
    refusals: _refusals,
    missing: _missing,
    looked: _looked,
    ...bare
  } = link;
  const saved = await saveLink(
    work.engine.table,
    link,
    {
      ...bare,
      ...stamp,
      marked: true,
      agreed: settled.agreed,
      answered: answeredAfter(work.engine, link, [both.customcrm, both.wave]),
      ...(looked && { looked }),
      state,
      reasons,
      observed,
      ...(Object.keys(planned.refusals).length > 0 && { refusals: planned.refusals }),
    },
    stillHeld(work.lease),
  );
  return saved ? outcome : lostLease(work);
}
