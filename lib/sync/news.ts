import type { Link } from '../domain/link.ts';
import type { RecordPlan } from '../mappings/record-plan.ts';
import { openRows } from './agree.ts';
import type { Handled } from './engine.ts';
import type { Work } from './work.ts';

/** What is to be said of a link to which nothing was written: which rows ask for a person, when they did not before. */
export function restingNews(
  work: Work,
  shown: Pick<Link, 'state' | 'reasons'>,
  planned: RecordPlan,
): Pick<Handled & { did: 'finished' }, 'message' | 'rows' | 'again'> {
  if (!asksForSomebody(shown)) return { message: 'nothing to do' };
  if (asksAgain(work, shown)) return { message: 'nothing to do', again: true };
  return {
    message: shown.state === 'blocked' ? 'change blocked' : 'change held',
    rows: openRows(planned),
  };
}

const asksForSomebody = ({ state }: Pick<Link, 'state'>): boolean =>
  state !== 'in-sync' && state !== 'recorded-difference';

/** The reasons of a link that asks for somebody, for its line in the log. */
export const whyOf = (shown: Pick<Link, 'state' | 'reasons'>): { readonly reason?: string } =>
  asksForSomebody(shown) ? { reason: shown.reasons.join('; ') } : {};

/** Does a link ask for somebody, and did it so for the same reasons before this work began? */
export const asksAgain = ({ showed }: Work, shown: Pick<Link, 'state' | 'reasons'>): boolean =>
  asksForSomebody(shown) &&
  showed?.state === shown.state &&
  JSON.stringify(showed.reasons) === JSON.stringify(shown.reasons);
