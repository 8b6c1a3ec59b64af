import { createRecord } from '../../../infra/local/customcrm/records.ts';
import {
  type Store as CustomcrmStore,
  openStore as openCustomcrm,
} from '../../../infra/local/customcrm/store.ts';
import { standardBehaviours } from '../../../infra/local/wave/behaviours.ts';
import type { Business } from '../../../infra/local/wave/business.ts';
import { customerCreate } from '../../../infra/local/wave/customers.ts';
import { localHstId, localIncomeAccountId } from '../../../infra/local/wave/ids.ts';
import { invoiceCreate } from '../../../infra/local/wave/invoices.ts';
import { productCreate } from '../../../infra/local/wave/products.ts';
import { sample } from '../../../infra/local/wave/sample.ts';
import { openStore as openWave } from '../../../infra/local/wave/store.ts';
import type { Pair } from '../../../lib/domain/record.ts';

// Two companies' worth of records, straight into the files of the stand-ins: the same every time, and long ago.

export type Counts = Readonly<Record<Pair, number>>;

/** What somebody who knows both sides would say about a record; the product is told nothing of it. */
export type Fate =
  /** Both sides hold the same. */
  | 'equal'
  /** Wave's is empty where Customcrm's is not: to be filled. */
  | 'fills'
  /** The two differ in a property: a person decides. */
  | 'differs'
  /** Two records of Wave claim it: a person decides. */
  | 'twins'
  | 'only in Customcrm'
  | 'only in Wave';

export interface Seeded {
  readonly pair: Pair;
  readonly fate: Fate;
  readonly customcrmId?: string;
  /** Two for twins. */
  readonly waveIds: readonly string[];
}

const dayMs = 24 * 3600_000;
/** The first record was made then, and one each minute since: nothing of it can be the result of a create that is under way. */
const madeAgoMs = 60 * dayMs;
const minuteMs = 60_000;
/** Of ten records this many are on both sides. */
const overlapping = 6;
const isOverlapping = (index: number): boolean => index % 10 < overlapping;
const padded = (index: number): string => String(index).padStart(5, '0');

function fateOfCustomer(index: number): Fate {
  if (!isOverlapping(index)) return 'only in Customcrm';
  if (index % 200 === 103) return 'twins';
  if (index % 100 === 51) return 'differs';
  return index % 20 === 12 ? 'fills' : 'equal';
}
/** One record in a hundred of the overlap is only in Wave. */
const onlyInWave = (count: number): number => Math.ceil((count * overlapping) / 1000);

/** Fills both files, which nobody may have open. */
export function seed(customcrmPath: string, wavePath: string, counts: Counts): readonly Seeded[] {
  const customcrm = openCustomcrm(customcrmPath);
  const wave = openWave(wavePath);
  const times = { made: Date.now() - madeAgoMs };
  const business: Business = {
    store: wave,
    behaviours: () => standardBehaviours,
    now: () => times.made,
    announce: () => undefined,
  };
  const next = () => {
    times.made += minuteMs;
    return new Date(times.made).toISOString();
  };
  try {
    sample(business, false);
    return customcrm.atomically(() => {
      const customers = seedCustomers(customcrm, business, counts.customer, next);
      const products = seedProducts(customcrm, business, counts.product, next);
      const orders = seedOrders(customcrm, business, counts.order, { customers, products }, next);
      return [...customers, ...products, ...orders];
    });
  } finally {
    customcrm.close();
    wave.close();
  }
}

type Next = () => string;

function seedCustomers(
  store: CustomcrmStore,
  business: Business,
  count: number,
  next: Next,
): readonly Seeded[] {
  const inWave = (index: number, phone: string | null) =>
    customerCreate(business, {
      name: `Customer ${padded(index)}`,
      displayId: `C-${padded(index)}`,
      email: `desk@customer-${index}.example`,
      phone,
      currency: 'CAD',
      address: {
        addressLine1: `${index} Main Street`,
        city: 'Toronto',
        provinceCode: 'CA-ON',
        countryCode: 'CA',
      },
    }).id;
  const both = range(0, count).map((index): Seeded => {
    const fate = fateOfCustomer(index);
    const phone = `+1 555 ${padded(index)}`;
    const { Id } = createRecord(
      store,
      'customer',
      {
        Name: `Customer ${padded(index)}`,
        Number: `C-${padded(index)}`,
        Email: `desk@customer-${index}.example`,
        Phone: phone,
        Currency: 'CAD',
        StreetAddress1: `${index} Main Street`,
        City: 'Toronto',
        Province: 'CA-ON',
        Country: 'CA',
      },
      next(),
    );
    const phones: Readonly<Record<Fate, readonly (string | null)[]>> = {
      equal: [phone],
      fills: [null],
      differs: [`+1 666 ${padded(index)}`],
      twins: [phone, phone],
      'only in Customcrm': [],
      'only in Wave': [],
    };
    return {
      pair: 'customer',
      fate,
      customcrmId: Id,
      waveIds: phones[fate].map((each) => inWave(index, each)),
    };
  });
  const rest = range(count, onlyInWave(count)).map((index): Seeded => {
    next();
    return { pair: 'customer', fate: 'only in Wave', waveIds: [inWave(index, `+1 777 ${padded(index)}`)] };
  });
  return [...both, ...rest];
}

function seedProducts(
  store: CustomcrmStore,
  business: Business,
  count: number,
  next: Next,
): readonly Seeded[] {
  const price = (index: number) => `${10 + (index % 90)}.${padded(index % 100).slice(3)}`;
  const inWave = (index: number) =>
    productCreate(business, {
      name: `Product ${padded(index)}`,
      description: `Made of part ${index}`,
      unitPrice: price(index),
      incomeAccountId: localIncomeAccountId,
      defaultSalesTaxIds: [localHstId],
    }).id;
  const both = range(0, count).map((index): Seeded => {
    const { Id } = createRecord(
      store,
      'product',
      {
        Name: `Product ${padded(index)}`,
        Description: `Made of part ${index}`,
        UnitPrice: price(index),
        TaxCodes: ['HST'],
      },
      next(),
    );
    const fate = isOverlapping(index) ? 'equal' : 'only in Customcrm';
    return { pair: 'product', fate, customcrmId: Id, waveIds: fate === 'equal' ? [inWave(index)] : [] };
  });
  const rest = range(count, onlyInWave(count)).map((index): Seeded => {
    next();
    return { pair: 'product', fate: 'only in Wave', waveIds: [inWave(index)] };
  });
  return [...both, ...rest];
}

/** An order that is on both sides names a customer and products that are; the customer is never one of the twins. */
function seedOrders(
  store: CustomcrmStore,
  business: Business,
  count: number,
  parents: { readonly customers: readonly Seeded[]; readonly products: readonly Seeded[] },
  next: Next,
): readonly Seeded[] {
  const inCustomcrm = (each: Seeded) => each.customcrmId !== undefined && each.fate !== 'twins';
  const inBoth = (each: Seeded) => inCustomcrm(each) && each.waveIds.length > 0;
  const choices = {
    true: { customers: parents.customers.filter(inBoth), products: parents.products.filter(inBoth) },
    false: {
      customers: parents.customers.filter(inCustomcrm),
      products: parents.products.filter(inCustomcrm),
    },
  };
  return range(0, count).map((index): Seeded => {
    const isOnBoth = isOverlapping(index);
    const { customers, products } = choices[`${isOnBoth}`];
    const customer = pick(customers, index * 7);
    const lines = range(0, 1 + (index % 3)).map((line) => ({
      product: pick(products, index + line * 13),
      description: `Line ${line + 1}`,
      quantity: String(1 + ((index + line) % 5)),
      unitPrice: `${20 + ((index + line) % 50)}.25`,
    }));
    const shared = { date: '2026-09-14', due: '2026-10-14', number: `B-${padded(index)}` };
    const { Id } = createRecord(
      store,
      'order',
      {
        OrderNumber: shared.number,
        CustomerId: customer.customcrmId,
        Currency: 'CAD',
        OrderDate: shared.date,
        DueDate: shared.due,
        Title: 'Order',
        Lines: lines.map(({ product, description, quantity, unitPrice }) => ({
          ProductId: product.customcrmId,
          Description: description,
          Quantity: quantity,
          UnitPrice: unitPrice,
          TaxCodes: ['HST'],
        })),
      },
      next(),
    );
    if (!isOnBoth) return { pair: 'order', fate: 'only in Customcrm', customcrmId: Id, waveIds: [] };
    const invoice = invoiceCreate(business, {
      customerId: customer.waveIds[0],
      currency: 'CAD',
      invoiceNumber: String(1000 + index),
      invoiceDate: shared.date,
      dueDate: shared.due,
      poNumber: shared.number,
      title: 'Order',
      items: lines.map(({ product, description, quantity, unitPrice }) => ({
        productId: product.waveIds[0],
        description,
        quantity,
        unitPrice,
        taxes: [{ salesTaxId: localHstId }],
      })),
    });
    return { pair: 'order', fate: 'equal', customcrmId: Id, waveIds: [invoice.id] };
  });
}

const range = (first: number, count: number): readonly number[] =>
  Array.from({ length: count }, (_, offset) => first + offset);

function pick(from: readonly Seeded[], position: number): Seeded {
  const chosen = from[position % from.length];
  if (!chosen) throw new RangeError('There is nothing to choose from: the scale is too small');
  return chosen;
}
