/** What is unconfirmed about Wave, or set by nobody knows whom. The standard is what the best evidence says. */
export interface Behaviours {
  /** Unit of a discount's percentage: 10 or 0.10. */
  readonly percentage: 'percent' | 'fraction';
  readonly modifiedAfterInclusive: boolean;
  /** Stamps are cut to this many ms: several rows may share one. */
  readonly stampResolutionMs: number;
  readonly paymentMovesInvoice: boolean;
  /** Days from the invoice date to the due date, when none is given. */
  readonly paymentTermDays: number;
  /** May an invoice with payments have its items, customer or currency changed? */
  readonly paidInvoicesCanChange: boolean;
  /** Approved invoices take no patch at all, and are refused in words that quote it. */
  readonly issuedAreFinal: boolean;
  /** The status of approved invoices, one that the published schema does not know; empty: those that it knows. */
  readonly newStatus: string;
  readonly keepsLineOrder: boolean;
  /** Answers hold keys that nobody has written of. */
  readonly additions: boolean;
  /** HTTP requests, or fields, in 60 s; 0: no limit. */
  readonly requestsPer60s: number;
  /** What "60 s" are, ms, so that a test need not wait for minutes. */
  readonly windowMs: number;
  readonly countsFields: boolean;
  /** Requests at once; 0: no limit. */
  readonly inFlight: number;
  readonly retryAfter: boolean;
  /** This many refused requests within such a window ban the caller for five of them; 0: never. */
  readonly banAfter: number;
  /** A document that costs more "exceeds the maximum cost": 1 for each record that it reads or writes, a list its `pageSize`; 0: no limit. */
  readonly maximumCost: number;
  /** How long a request takes at the least, ms. */
  readonly answerMs: number;
  readonly accessTokenSeconds: number;
  /** Tokens are neither taken nor renewed: HTTP 403. */
  readonly planLapsed: boolean;
}

export const standardBehaviours: Behaviours = {
  percentage: 'percent',
  modifiedAfterInclusive: true,
  stampResolutionMs: 1,
  paymentMovesInvoice: true,
  paymentTermDays: 30,
  paidInvoicesCanChange: false,
  issuedAreFinal: false,
  newStatus: '',
  keepsLineOrder: true,
  additions: false,
  requestsPer60s: 0,
  windowMs: 60_000,
  countsFields: false,
  inFlight: 0,
  retryAfter: true,
  banAfter: 0,
  maximumCost: 0,
  answerMs: 0,
  accessTokenSeconds: 7200,
  planLapsed: false,
};
