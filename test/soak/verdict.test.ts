import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Link, nothingAgreed } from '../../lib/domain/link.ts';
import type { Pair } from '../../lib/domain/record.ts';
import type { Book } from './bookkeeping.ts';
import type { CheckName } from './case.ts';
import type { Picture } from './hands.ts';
import { type Ledger, openLedger, type Typed } from './ledger.ts';
import type { Fields } from './rows.ts';
import { judge } from './verdict.ts';

/** What people typed, what is there, and what the service wrote down: everything that a verdict is made of. */
interface Soaked {
  customers: Fields[];
  clients: Fields[];
  orders: Fields[];
  invoices: Fields[];
  links: Link[];
  broken: string[];
  shown: Map<string, string>;
  losers: Awaited<ReturnType<Book['losers']>>;
  emailsSent: number;
  ledger: Ledger;
}

const link = (pair: Pair, customcrmId: string, waveId: string, more: Partial<Link> = {}): Link => ({
  id: `${customcrmId}-${waveId}`,
  pair,
  customcrmId,
  waveId,
  revision: 1,
  agreed: nothingAgreed,
  observed: {},
  marked: true,
  state: 'in-sync',
  reasons: [],
  history: [],
  ...more,
});

const customer: Fields = { Id: 'c1', DeletedAt: null, Name: '«a1» Bakery', Phone: '2', City: 'Bern' };
const client: Fields = {
  id: 'w1',
  name: '«a1» Bakery',
  fields: { phone: '2' },
  address: { city: 'Bern' },
};
const order: Fields = {
  Id: 'o1',
  DeletedAt: null,
  Title: '«b2» order',
  CustomerId: 'c1',
  OrderDate: '2026-10-01',
  Status: 'draft',
};
const invoice: Fields = {
  id: 'i1',
  title: '«b2» order',
  customerId: 'w1',
  invoiceDate: '2026-10-01',
  approved: false,
  discounts: [],
  items: [],
};

const typed = (values: Partial<Typed>): Typed => ({
  tag: 'a1',
  pair: 'customer',
  system: 'customcrm',
  row: 'Phone',
  form: '2',
  weak: false,
  from: 100_000,
  to: 100_100,
  sure: true,
  ...values,
});

/** Two linked pairs that are as they should be, and one edit that arrived. */
function sound(): Soaked {
  const ledger = openLedger();
  ledger.typed.push(typed({}));
  ledger.made.set('customcrm a1', 1).set('wave b2', 1);
  return {
    customers: [customer],
    clients: [client],
    orders: [order],
    invoices: [invoice],
    links: [link('customer', 'c1', 'w1'), link('order', 'o1', 'i1')],
    broken: [],
    shown: new Map(),
    losers: [],
    emailsSent: 0,
    ledger,
  };
}

async function verdictOn(change: (soaked: Soaked) => void) {
  const soaked = sound();
  change(soaked);
  const { customers, clients, orders, invoices, emailsSent, links, broken, shown, losers, ledger } = soaked;
  const picture: Picture = {
    records: {
      customcrm: { customer: customers, product: [], order: orders },
      wave: { customer: clients, product: [], order: invoices },
    },
    writes: 0,
    emailsSent,
  };
  return judge(picture, { links, broken, shown, losers: async () => losers }, ledger);
}

const edited = ([first]: readonly Fields[], more: Fields): Fields[] => [{ ...first, ...more }];

describe('the verdict on a soak', () => {
  test('finds nothing where everything is as it should be, and has looked', async () => {
    const { findings, looked } = await verdictOn(() => undefined);
    assert.deepEqual(findings, []);
    for (const [name, count] of Object.entries(looked)) assert.ok(count > 0, name);
  });

  // biome-ignore format: reads as a table.
  const wrongs: [string, CheckName, (soaked: Soaked) => void][] = [
    ['a second counterpart', 'no duplicate', (it) => it.clients.push({ ...client, id: 'w2' })],
    ['a second counterpart that is deleted, and was ours', 'no duplicate', (it) => it.clients.push({ ...client, id: 'w2', deleted: true })],
    ['an edit that is nowhere', 'no edit lost', (it) => it.ledger.typed.push(typed({ form: '3', from: 200_000, to: 200_100 }))],
    ['an edit that was replaced by an older one', 'no edit lost', (it) => it.ledger.typed.push(typed({ form: '3', from: 200_000, to: 200_100, system: 'wave' }))],
    ['an edit that we wrote over long after', 'no edit lost', (it) => {
      it.ledger.typed.push(typed({ form: '3', from: 200_000, to: 200_100, system: 'wave' }));
      it.links[0] = link('customer', 'c1', 'w1', { history: [{ at: 230_000, eventId: 'e', did: 'applied', rows: ['Phone->wave'] }] });
    }],
    ['an edit on a record of the same name that nothing is said of', 'no edit lost', (it) => {
      it.ledger.typed.push(typed({ form: '3', from: 200_000, to: 200_100, system: 'wave' }));
      it.clients.push({ ...client, id: 'w2', fields: { phone: '3' } });
    }],
    ['two values', 'both sides hold the same', (it) => { it.clients = edited(it.clients, { address: { city: 'Basel' } }); }],
    ['two values of which only another row says so', 'both sides hold the same', (it) => {
      it.clients = edited(it.clients, { address: { city: 'Basel' } });
      it.links[0] = link('customer', 'c1', 'w1', { state: 'conflict', reasons: ['Phone: both changed'] });
    }],
    ['two values that are called a recorded difference', 'both sides hold the same', (it) => {
      it.clients = edited(it.clients, { address: { city: 'Basel' } });
      it.links[0] = link('customer', 'c1', 'w1', { state: 'recorded-difference', reasons: ['City: recorded difference'] });
    }],
    ['a record that is alone', 'every record has its counterpart', (it) => { it.links.shift(); }],
    ['two links of one record', 'links are one-to-one and mirrored', (it) => it.links.push(link('customer', 'c2', 'w1'))],
    ['half a link', 'links are one-to-one and mirrored', (it) => it.broken.push('customer c1 and w1: a half is missing')],
    ['an invoice of another customer', 'an order hangs on the counterparts of its parents', (it) => { it.invoices = edited(it.invoices, { customerId: 'w9' }); }],
    ['a link of strangers', 'the links name records that carry the same name', (it) => { it.clients = edited(it.clients, { name: '«c3» Baker' }); }],
    ['an e-mail', 'no e-mail sent', (it) => { it.emailsSent = 1; }],
  ];
  for (const [what, check, change] of wrongs)
    test(`finds ${what}`, async () => {
      const { findings } = await verdictOn(change);
      assert.ok(
        findings.some((finding) => finding.check === check),
        JSON.stringify(findings),
      );
    });

  // biome-ignore format: reads as a table.
  const fine: [string, (soaked: Soaked) => void][] = [
    ['a conflict that its link shows', (it) => {
      it.ledger.typed.push(typed({ form: '3', from: 200_000, to: 200_100, system: 'wave' }));
      it.clients = edited(it.clients, { fields: { phone: '3' } });
      it.links[0] = link('customer', 'c1', 'w1', { state: 'conflict', reasons: ['Phone: both changed'] });
    }],
    ['a value that lost and is kept', (it) => {
      it.ledger.typed.push(typed({ form: '3', from: 200_000, to: 200_100 }));
      it.losers = [{ row: 'Phone', system: 'customcrm', value: '3', at: 201_000 }];
    }],
    ['a record that shows why it is alone', (it) => {
      it.links.shift();
      it.orders = edited(it.orders, { CustomerId: 'c1' });
      it.shown.set('customcrm#customer#c1', 'ambiguous: more than one').set('wave#customer#w1', 'ambiguous: more than one');
      it.links = [];
      it.shown.set('customcrm#order#o1', 'blocked: its customer').set('wave#order#i1', 'blocked: its customer');
    }],
    ['a value on a record of the same name that waits for a person', (it) => {
      it.ledger.typed.push(typed({ form: '3', from: 200_000, to: 200_100, system: 'wave' }));
      it.ledger.made.set('wave a1', 1);
      it.clients.push({ ...client, id: 'w2', fields: { phone: '3' } });
      it.shown.set('wave#customer#w2', 'ambiguous: may be the late result');
    }],
    ['what was typed in Wave between our read and our write', (it) => {
      it.ledger.typed.push(typed({ form: '3', from: 200_000, to: 200_100, system: 'wave' }));
      it.links[0] = link('customer', 'c1', 'w1', { history: [{ at: 200_900, eventId: 'e', did: 'applied', rows: ['Phone->wave'] }] });
    }],
  ];
  for (const [what, change] of fine)
    test(`accounts for ${what}`, async () => assert.deepEqual((await verdictOn(change)).findings, []));
});
