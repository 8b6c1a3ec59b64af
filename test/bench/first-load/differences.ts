import { Big } from 'big.js';
import type { Pair } from '../../../lib/domain/record.ts';
import type { Json } from './outside.ts';
import type { Aftermath } from './verify.ts';

// Compares the two halves of every link by what the records of this bench hold; by hand, not by the product's own tables.

type Picture = Readonly<Record<string, string>>;

const text = (value: unknown): string => String(value ?? '');
const amount = (value: unknown): string => new Big(text(value) || '0').toFixed(8);
const child = (value: unknown): Json => (value ?? {}) as Json;
const rows = (value: unknown): readonly Json[] => (value ?? []) as readonly Json[];

const inCustomcrm: Readonly<Record<Pair, (body: Json) => Picture>> = {
  customer: (body) => ({
    Name: text(body.Name),
    Number: text(body.Number),
    Email: text(body.Email),
    Phone: text(body.Phone),
    Street: text(body.StreetAddress1),
    City: text(body.City),
    Province: text(body.Province),
  }),
  product: (body) => ({
    Name: text(body.Name),
    Description: text(body.Description),
    UnitPrice: amount(body.UnitPrice),
  }),
  order: (body) => ({
    Number: text(body.OrderNumber),
    Customer: text(body.CustomerId),
    Date: text(body.OrderDate),
    Due: text(body.DueDate),
    Lines: rows(body.Lines)
      .map((line) => [line.ProductId, line.Description, amount(line.Quantity), amount(line.UnitPrice)].join())
      .sort()
      .join(';'),
  }),
};

/** `links` lead from Customcrm's parents to Wave's, so that both pictures speak of the same ones. */
function inWave(pair: Pair, body: Json, partner: (pair: Pair, waveId: unknown) => string): Picture {
  if (pair === 'customer') {
    const fields = child(body.fields);
    const address = child(body.address);
    return {
      Name: text(body.name),
      Number: text(fields.displayId),
      Email: text(fields.email),
      Phone: text(fields.phone),
      Street: text(address.addressLine1),
      City: text(address.city),
      Province: text(address.provinceCode),
    };
  }
  if (pair === 'product')
    return {
      Name: text(body.name),
      Description: text(body.description),
      UnitPrice: amount(body.unitPrice),
    };
  return {
    Number: text(child(body.texts).poNumber),
    Customer: partner('customer', body.customerId),
    Date: text(body.invoiceDate),
    Due: text(body.dueDate),
    Lines: rows(body.items)
      .map((item) =>
        [
          partner('product', item.productId),
          item.description,
          amount(item.quantity),
          amount(item.unitPrice),
        ].join(),
      )
      .sort()
      .join(';'),
  };
}

/** Properties in which the halves of a link differ, but for those that a person was asked about. */
export function differences({ customcrm, wave, links, held }: Aftermath): readonly string[] {
  const reversed = {
    customer: reverse(links.customer),
    product: reverse(links.product),
    order: reverse(links.order),
  };
  const partner = (pair: Pair, waveId: unknown) => reversed[pair].get(String(waveId)) ?? `unlinked ${waveId}`;
  return (['customer', 'product', 'order'] as const).flatMap((pair) =>
    [...links[pair]].flatMap(([customcrmId, waveId]) => {
      const here = inCustomcrm[pair](customcrm[pair].get(customcrmId) ?? {});
      const there = inWave(pair, wave[pair].get(waveId) ?? {}, partner);
      return Object.keys(here)
        .filter((property) => here[property] !== there[property] && !held.has(customcrmId))
        .map((property) => `${pair} ${customcrmId} ${property}: ${here[property]} / ${there[property]}`);
    }),
  );
}

const reverse = (links: ReadonlyMap<string, string>): ReadonlyMap<string, string> =>
  new Map([...links].map(([customcrmId, waveId]) => [waveId, customcrmId]));
