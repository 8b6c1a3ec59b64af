import { Big } from 'big.js';
import type { Body } from '../../lib/domain/record.ts';

/** Minor units of the currencies that the simulated users use. */
const exponents: Readonly<Record<string, number>> = { CAD: 2, USD: 2, EUR: 2, JPY: 0, KWD: 3 };
export const exponentOf = (currency: string): number => exponents[currency] ?? 2;

/** Ties away from zero, as Wave rounds. Canonical text. */
export function rounded(amount: string, places: number): string {
  const number = new Big(amount).round(places, Big.roundHalfUp);
  return number.eq(0) ? '0' : number.toFixed();
}

/** Everything of an invoice that Wave computes: totals with the tax rounded per line, and what is paid and due. */
export function totalsOf(invoice: Body, paidMinor: string, rateOf: (taxId: string) => string): Body {
  const exponent = exponentOf(String((invoice.currency as Body).code));
  const minor = (amount: Big) => amount.times(new Big(10).pow(exponent)).round(0, Big.roundHalfUp);
  let subtotal = new Big(0);
  let taxTotal = new Big(0);
  for (const item of invoice.items as readonly Body[]) {
    const amount = minor(new Big(String(item.quantity)).times(String(item.unitPrice)));
    subtotal = subtotal.plus(amount);
    for (const tax of item.taxes as readonly { readonly salesTax: { readonly id: string } }[])
      taxTotal = taxTotal.plus(amount.times(rateOf(tax.salesTax.id)).round(0, Big.roundHalfUp));
  }
  const [off] = (invoice.discounts ?? []) as readonly Body[];
  const discountTotal = !off
    ? new Big(0)
    : off.__typename === 'FixedInvoiceDiscount'
      ? minor(new Big(String(off.amount)))
      : subtotal.times(String(off.percentage)).div(100).round(0, Big.roundHalfUp);
  const total = subtotal.minus(discountTotal).plus(taxTotal);
  const money = (value: Big) => ({ minorUnitValue: value.toFixed(0), currency: { exponent } });
  return {
    subtotal: money(subtotal),
    discountTotal: money(discountTotal),
    taxTotal: money(taxTotal),
    total: money(total),
    amountPaid: money(new Big(paidMinor)),
    amountDue: money(total.minus(paidMinor)),
  };
}
