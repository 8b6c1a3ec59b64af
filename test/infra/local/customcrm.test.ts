import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { Webhook } from 'standardwebhooks';
import { parse } from 'yaml';
import { createRecord, patchRecord } from '../../../infra/local/customcrm/records.ts';
import { startCustomcrm } from '../../../infra/local/customcrm/server.ts';
import { openStore } from '../../../infra/local/customcrm/store.ts';

type Json = Record<string, unknown>;
type Options = Partial<Parameters<typeof startCustomcrm>[0]>;
interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Json;
}

const token = 'test-token';
const secret = `whsec_${Buffer.from('a secret of at least 24 bytes').toString('base64')}`;
/** How long something may take to come true, ms. Machines are slow. */
const patienceMs = 30_000;

const contract = parse(
  readFileSync(new URL('../../../docs/customcrm-openapi.yaml', import.meta.url), 'utf8'),
) as { paths: Record<string, Record<string, { responses: Record<string, Json> }>> };
const ajv = new Ajv2020({ strict: false });
addFormats.default(ajv);
ajv.addSchema(contract, 'contract');
/** By the schema's place in the contract. */
const validators = new Map<string, ValidateFunction>();

/** Checks an answer against the response that the contract names for this operation and status. */
function assertContract(method: string, path: string, { status, headers, body }: Answer): void {
  const route = path.replace(/\?.*/, '').replace(/\/restore$/, '');
  const template = route.replace(/^\/(\w+)\/[^/]+/, '/$1/{Id}');
  const operation = contract.paths[template]?.[route === path ? method.toLowerCase() : 'get'];
  const responses = operation?.responses ?? {};
  const response = responses[status] ? String(status) : 'default';
  const named = responses[response]?.$ref;
  const pointer = named
    ? String(named)
    : `#/paths/${template.replaceAll('/', '~1')}/${method.toLowerCase()}/responses/${response}`;
  const found = ajv.getSchema(`contract${pointer}`)?.schema as { content?: Json } | undefined;
  const fallback = { content: { 'application/problem+json': {} } };
  const [mediaType] = Object.keys((found ?? fallback).content ?? {});
  if (!mediaType) {
    assert.deepEqual(body, {}, `${method} ${path}: no body`);
    return;
  }
  assert.match(headers.get('content-type') ?? '', new RegExp(mediaType.replace('+', '\\+')));
  const schema = found
    ? `contract${pointer}/content/${mediaType.replaceAll('/', '~1')}/schema`
    : 'contract#/components/schemas/Problem';
  const validate = validators.get(schema) ?? ajv.compile({ $ref: schema });
  validators.set(schema, validate);
  assert.ok(
    validate(body),
    `${method} ${path}: ${JSON.stringify(validate.errors)} in ${JSON.stringify(body)}`,
  );
  if (status >= 400) {
    assert.equal(body.status, status);
    for (const key of ['type', 'title', 'detail']) assert.equal(typeof body[key], 'string', key);
    assert.ok(Array.isArray(body.errors));
  }
}

interface Crm {
  readonly origin: string;
  /** Asks, and checks the answer against the contract. */
  readonly ask: (method: string, path: string, body?: unknown, headers?: Json) => Promise<Answer>;
  /** Asks for what must succeed. Answers the body. */
  readonly must: (method: string, path: string, body?: unknown, headers?: Json) => Promise<Json>;
  readonly control: (method: string, path: string, body?: unknown) => Promise<Json>;
  readonly close: () => Promise<void>;
}

async function start(t: TestContext, options: Options = {}): Promise<Crm> {
  const crm = await startCustomcrm({ port: 0, path: ':memory:', token, sample: false, ...options });
  t.after(() => crm.close());
  async function ask(method: string, path: string, body?: unknown, headers: Json = {}): Promise<Answer> {
    const answer = await send(method, crm.url + path, body, headers);
    assertContract(method, path, answer);
    return answer;
  }
  return {
    origin: crm.origin,
    ask,
    async must(method, path, body, headers) {
      const answer = await ask(method, path, body, headers);
      assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
      return answer.body;
    },
    control: async (method, path, body) => (await send(method, `${crm.origin}/_control${path}`, body)).body,
    close: () => crm.close(),
  };
}

async function send(method: string, url: string, body?: unknown, headers: Json = {}): Promise<Answer> {
  const answer = await fetch(url, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json',
      ...(headers as Record<string, string>),
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await answer.text();
  return {
    status: answer.status,
    headers: answer.headers,
    body: text === '' ? {} : (JSON.parse(text) as Json),
  };
}

async function until<T>(what: string, check: () => T | undefined | false | Promise<T | undefined | false>) {
  const end = Date.now() + patienceMs;
  while (Date.now() < end) {
    const answer = await check();
    if (answer !== undefined && answer !== false) return answer;
    await sleep(20);
  }
  throw new Error(`Never happened: ${what}`);
}

interface Delivery {
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly event: { readonly type: string; readonly timestamp: string; readonly data: Json };
}

/** A receiver of webhooks. Answers each one with what `status` says of its place in the order of arrival. */
async function receiver(t: TestContext, status: (index: number) => number = () => 202) {
  const deliveries: Delivery[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    deliveries.push({ headers: request.headers, text, event: JSON.parse(text) as Delivery['event'] });
    response.writeHead(status(deliveries.length - 1)).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return { deliveries, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook` };
}

async function fileFor(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'customcrm-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return join(folder, 'state.sqlite');
}

const dataOf = (page: Json): readonly Json[] => page.data as readonly Json[];
const idsOf = (page: Json): readonly unknown[] => dataOf(page).map(({ Id }) => Id);
const fieldsOf = (answer: Answer): readonly unknown[] =>
  (answer.body.errors as readonly Json[]).map(({ field, code }) => `${field} ${code}`);

/** A customer, a product, and an order of one line of them. */
async function anOrder({ must }: Crm, more: Json = {}) {
  const customer = await must('POST', '/customers', { Name: 'Birch Books' });
  const product = await must('POST', '/products', { Name: 'Atlas' });
  const order = await must('POST', '/orders', {
    CustomerId: customer.Id,
    Currency: 'CAD',
    OrderDate: '2026-10-01',
    Lines: [{ ProductId: product.Id, Quantity: '2', UnitPrice: '30.00' }],
    ...more,
  });
  return { customer, product, order, path: `/orders/${order.Id}` };
}

/** Every page of a list, by its cursor; `between` runs after each page. */
async function everyPage({ must }: Crm, first: string, between: () => Promise<unknown> = async () => {}) {
  const seen: Json[] = [];
  let page = await must('GET', first);
  for (let pages = 1; pages < 50; pages += 1) {
    seen.push(...dataOf(page));
    if (page.next_cursor === null) return seen;
    await between();
    page = await must('GET', `${first.replace(/\?.*/, '')}?cursor=${page.next_cursor}`);
  }
  throw new Error('The list never ends');
}

describe('the stand-in of Customcrm', { concurrency: 4 }, () => {
  describe('records', () => {
    test('nothing is answered without the bearer token, the controls included', async (t) => {
      const { origin, ask } = await start(t);
      for (const path of ['/api/v1/customers', '/api/v1/webhooks', '/_control/state']) {
        const answer = await send('GET', origin + path, undefined, { authorization: 'Bearer wrong' });
        assert.equal(answer.status, 401, path);
        assert.equal(answer.headers.get('content-type'), 'application/problem+json');
      }
      assert.equal((await ask('GET', '/customers')).status, 200);
    });

    test('a created record is answered with its ETag and every property, null when unset', async (t) => {
      const { ask, must } = await start(t);
      const made = await ask('POST', '/customers', { Name: 'Cedar Cinema', Email: 'Ask@Cedar.example' });
      assert.equal(made.status, 201);
      assert.equal(made.headers.get('etag'), '"1"');
      const { Id, Version, CreatedAt, UpdatedAt, DeletedAt, Name, ShippingCountry, ExternalId } = made.body;
      assert.match(String(Id), /^cus_\d+$/);
      assert.deepEqual(
        [Version, DeletedAt, Name, ShippingCountry, ExternalId],
        [1, null, 'Cedar Cinema', null, null],
      );
      assert.match(String(CreatedAt), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      assert.equal(UpdatedAt, CreatedAt);
      const read = await ask('GET', `/customers/${Id}`);
      assert.deepEqual([read.status, read.headers.get('etag')], [200, '"1"']);
      assert.deepEqual(read.body, made.body);
      const product = await must('POST', '/products', { Name: 'Ticket' });
      assert.deepEqual(
        [product.UnitPrice, product.Active, product.TaxCodes, product.Sku],
        ['0', true, [], null],
      );
    });

    test('an order gets a number, the status draft and line ids; absent TaxCodes stay absent', async (t) => {
      const crm = await start(t);
      const { order, product, customer } = await anOrder(crm);
      assert.deepEqual([order.OrderNumber, order.Status, order.Discount], ['SO-1001', 'draft', null]);
      const [line] = order.Lines as readonly Json[];
      assert.match(String(line?.Id), /^lin_\d+$/);
      assert.deepEqual([line?.Description, line && 'TaxCodes' in line], [null, false]);
      const next = {
        CustomerId: customer.Id,
        Currency: 'CAD',
        OrderDate: '2026-10-02',
        Discount: { Type: 'fixed', Value: '5' },
        Lines: [
          { ProductId: product.Id, Quantity: '1', UnitPrice: '1', TaxCodes: [] },
          { Quantity: '1', UnitPrice: '2', TaxCodes: ['no such tax'] },
        ],
      };
      await crm.must('POST', '/orders', { ...next, OrderNumber: 'SO-1007' });
      const third = await crm.must('POST', '/orders', next);
      assert.equal(third.OrderNumber, 'SO-1008');
      assert.deepEqual(third.Discount, { Type: 'fixed', Value: '5', Name: null });
      assert.deepEqual(
        (third.Lines as readonly Json[]).map(({ TaxCodes }) => TaxCodes),
        [[], ['no such tax']],
      );
    });

    test('what is missing, misspelt, read-only or of the wrong form is refused by name', async (t) => {
      const { ask, control } = await start(t);
      const refused = async (path: string, body: unknown) => {
        const answer = await ask('POST', path, body);
        assert.equal(answer.status, 422);
        return fieldsOf(answer);
      };
      assert.deepEqual(await refused('/customers', {}), ['Name required']);
      assert.deepEqual(await refused('/products', { UnitPrice: '1' }), ['Name required']);
      const orderNeeds = ['CustomerId', 'Currency', 'OrderDate', 'Lines'].map((name) => `${name} required`);
      assert.deepEqual(await refused('/orders', {}), orderNeeds);
      assert.deepEqual(await refused('/customers', { Name: 'A', Emial: 'a', Id: 'cus_9' }), [
        'Emial unknown-property',
        'Id read-only',
      ]);
      assert.deepEqual(await refused('/products', { Name: 'A', UnitPrice: '1,5' }), ['UnitPrice pattern']);
      assert.deepEqual(
        await refused('/orders', { Lines: [{ Quantity: '1', UnitPrice: '1', Colour: 'red' }] }),
        ['Lines[0].Colour unknown-property'],
      );
      assert.deepEqual(await refused('/customers', { Name: 'A', ExternalId: 'x'.repeat(256) }), [
        'ExternalId maxLength',
      ]);
      assert.equal((await ask('POST', '/customers', '{"Name":')).status, 400);
      assert.equal((await ask('POST', '/customers', {}, { 'content-type': 'text/plain' })).status, 415);
      assert.equal(
        (await ask('PATCH', '/customers/x', {}, { 'content-type': 'application/json' })).status,
        415,
      );
      assert.equal((await control('GET', '/state')).writes, 0);
    });

    test('an unknown record is 404 to every method', async (t) => {
      const { ask } = await start(t);
      for (const method of ['GET', 'PATCH', 'DELETE'])
        assert.equal((await ask(method, '/orders/ord_0', method === 'PATCH' ? {} : undefined)).status, 404);
      assert.equal((await ask('GET', '/invoices')).status, 404);
    });

    test('a merge patch changes what it names, removes by null and merges objects', async (t) => {
      const crm = await start(t);
      const { path } = await anOrder(crm, {
        Title: 'Old',
        Footer: 'Stays',
        Discount: { Type: 'fixed', Value: '5', Name: 'Loyal' },
      });
      const patched = await crm.ask('PATCH', path, {
        Title: null,
        Discount: { Type: 'percentage', Value: '10' },
      });
      assert.deepEqual([patched.status, patched.headers.get('etag')], [200, '"2"']);
      assert.deepEqual([patched.body.Title, patched.body.Footer], [null, 'Stays']);
      assert.deepEqual(patched.body.Discount, { Type: 'percentage', Value: '10', Name: 'Loyal' });
      const refused = await crm.ask('PATCH', path, { Currency: null, Version: 7 });
      assert.deepEqual([refused.status, fieldsOf(refused)], [422, ['Version read-only', 'Currency type']]);
      assert.deepEqual((await crm.must('GET', path)).Version, 2);
    });

    test('the version and the time of a record grow strictly, also within one millisecond', () => {
      const store = openStore(':memory:');
      let { Id, Version, UpdatedAt } = createRecord(store, 'customer', { Name: 'Quick' });
      for (let round = 0; round < 50; round += 1) {
        const { record } = patchRecord(store, 'customer', Id, { Phone: `${round}` }, undefined);
        assert.equal(record.Version, Version + 1);
        assert.ok(record.UpdatedAt > UpdatedAt);
        ({ Id, Version, UpdatedAt } = record);
      }
      store.close();
    });

    test('a patch that changes nothing answers the record as it was', async (t) => {
      const crm = await start(t);
      const { order, path } = await anOrder(crm);
      const [line] = order.Lines as readonly Json[];
      const { Id: _own, ...bare } = line ?? {};
      for (const patch of [{}, { Status: 'draft', Title: null }, { Lines: [line] }, { Lines: [bare] }])
        assert.deepEqual(await crm.must('PATCH', path, patch), order);
    });

    test('a stale If-Match is refused with 412, the current one passes', async (t) => {
      const { ask, must } = await start(t);
      const { Id } = await must('POST', '/customers', { Name: 'One' });
      const path = `/customers/${Id}`;
      assert.equal((await ask('PATCH', path, { Name: 'Two' }, { 'if-match': '"1"' })).status, 200);
      assert.equal((await ask('PATCH', path, { Name: 'Three' }, { 'if-match': '"1"' })).status, 412);
      assert.equal((await ask('PATCH', path, { Name: 'Two' }, { 'if-match': '"1"' })).status, 412);
      assert.equal((await ask('DELETE', path, undefined, { 'if-match': '"1"' })).status, 412);
      assert.equal((await must('GET', path)).Name, 'Two');
      assert.equal((await ask('DELETE', path, undefined, { 'if-match': '"2"' })).status, 204);
    });

    test('a deleted record is gone to every method, listed on demand, and can be restored', async (t) => {
      const { ask, must } = await start(t);
      const { Id } = await must('POST', '/customers', { Name: 'Gone' });
      const path = `/customers/${Id}`;
      assert.equal((await ask('DELETE', path)).status, 204);
      for (const method of ['GET', 'PATCH', 'DELETE'])
        assert.equal((await ask(method, path, method === 'PATCH' ? {} : undefined)).status, 410);
      assert.deepEqual(dataOf(await must('GET', '/customers')), []);
      const [listed] = dataOf(await must('GET', `/customers?includeDeleted=true&ids=${Id}`));
      assert.deepEqual([listed?.Version, listed?.DeletedAt], [2, listed?.UpdatedAt]);
      const restored = await must('POST', `${path}/restore`);
      assert.deepEqual([restored.Version, restored.DeletedAt, restored.Name], [3, null, 'Gone']);
      assert.deepEqual(await must('GET', path), restored);
      assert.deepEqual(await must('POST', `${path}/restore`), restored);
    });

    test('an ExternalId is unique among living records of its type, an OrderNumber for ever', async (t) => {
      const crm = await start(t);
      const { ask, must } = crm;
      const first = await must('POST', '/customers', { Name: 'A', ExternalId: 'wave:1' });
      const second = await must('POST', '/customers', { Name: 'B' });
      await must('POST', '/products', { Name: 'C', ExternalId: 'wave:1' });
      const taken = await ask('POST', '/customers', { Name: 'D', ExternalId: 'wave:1' });
      assert.deepEqual([taken.status, fieldsOf(taken)], [422, ['ExternalId unique']]);
      assert.equal((await ask('PATCH', `/customers/${second.Id}`, { ExternalId: 'wave:1' })).status, 422);
      await must('DELETE', `/customers/${first.Id}`);
      await must('PATCH', `/customers/${second.Id}`, { ExternalId: 'wave:1' });
      assert.equal((await ask('POST', `/customers/${first.Id}/restore`)).status, 422);

      const { order, path } = await anOrder(crm, { OrderNumber: 'X-1' });
      await must('DELETE', path);
      const { CustomerId, Currency, OrderDate } = order;
      const again = await ask('POST', '/orders', {
        ...{ CustomerId, Currency, OrderDate, OrderNumber: 'X-1' },
        Lines: [],
      });
      assert.deepEqual([again.status, fieldsOf(again)], [422, ['OrderNumber unique']]);
    });

    test('an order refers to living records; what it already holds is not questioned again', async (t) => {
      const crm = await start(t);
      const { ask, must } = crm;
      const { customer, product, path } = await anOrder(crm);
      const unknown = await ask('PATCH', path, { CustomerId: 'cus_0' });
      assert.deepEqual([unknown.status, fieldsOf(unknown)], [422, ['CustomerId unknown']]);
      await must('DELETE', `/customers/${customer.Id}`);
      await must('DELETE', `/products/${product.Id}`);
      const line = { ProductId: product.Id, Quantity: '9', UnitPrice: '1' };
      await must('PATCH', path, { Lines: [line], InvoiceStatus: 'SENT' });
      const fresh = { Currency: 'CAD', OrderDate: '2026-10-01', Lines: [line] };
      const other = await must('POST', '/customers', { Name: 'Living' });
      const gone = await ask('POST', '/orders', { ...fresh, CustomerId: other.Id });
      assert.deepEqual([gone.status, fieldsOf(gone)], [422, ['Lines[0].ProductId deleted']]);
      const orphan = await ask('POST', '/orders', { ...fresh, CustomerId: customer.Id, Lines: [] });
      assert.deepEqual([orphan.status, fieldsOf(orphan)], [422, ['CustomerId deleted']]);
    });

    test('lines keep their ids when they are named or equal, and no two lines share one', async (t) => {
      const crm = await start(t);
      const { order, path } = await anOrder(crm);
      const [line] = order.Lines as readonly Json[];
      const extra = { Quantity: '1', UnitPrice: '7' };
      const { Lines } = await crm.must('PATCH', path, { Lines: [extra, { ...line, Quantity: '3' }, line] });
      const ids = (Lines as readonly Json[]).map(({ Id }) => Id);
      assert.equal(ids[1], line?.Id);
      assert.equal(new Set(ids).size, 3);
      const foreign = await crm.ask('PATCH', path, { Lines: [{ ...extra, Id: 'lin_0' }] });
      assert.deepEqual([foreign.status, fieldsOf(foreign)], [422, ['Lines[0].Id read-only']]);
    });
  });

  describe('lists', () => {
    test('each filter finds exactly what it names', async (t) => {
      const crm = await start(t);
      const { must } = crm;
      const { order, customer, product } = await anOrder(crm, { ExternalId: 'wave:9' });
      const ada = await must('POST', '/customers', { Name: 'Ada', Email: 'Ada@Example.test' });
      const found = async (query: string) => idsOf(await must('GET', query));
      assert.deepEqual(await found('/customers?email=ADA@example.TEST'), [ada.Id]);
      assert.deepEqual(await found('/customers?email=ada@example'), []);
      assert.deepEqual(await found('/products?name=aTLAS'), [product.Id]);
      assert.deepEqual(await found('/orders?orderNumber=SO-1001'), [order.Id]);
      assert.deepEqual(await found('/orders?orderNumber=so-1001'), []);
      assert.deepEqual(await found(`/orders?customerId=${customer.Id}`), [order.Id]);
      assert.deepEqual(await found(`/orders?customerId=${ada.Id}`), []);
      assert.deepEqual(await found('/orders?externalId=wave:9'), [order.Id]);
      assert.deepEqual(await found(`/customers?ids=${ada.Id},cus_0,${customer.Id}`), [customer.Id, ada.Id]);
    });

    test('a query that the contract does not allow is refused with 400', async (t) => {
      const { ask } = await start(t);
      const ids = (count: number) => Array.from({ length: count }, (_, index) => `cus_${index}`).join(',');
      assert.equal((await ask('GET', `/customers?ids=${ids(100)}`)).status, 200);
      for (const query of [
        'limit=0',
        'limit=201',
        'limit=ten',
        'updatedSince=yesterday',
        'includeDeleted=perhaps',
        'mail=a',
        'ids=',
        'cursor=nonsense',
        `ids=${ids(101)}`,
      ])
        assert.equal((await ask('GET', `/customers?${query}`)).status, 400, query);
    });

    test('paging sees every record once, also while records change', async (t) => {
      const crm = await start(t);
      const made: unknown[] = [];
      for (let index = 0; index < 13; index += 1)
        made.push((await crm.must('POST', '/products', { Name: `P${index}` })).Id);
      const touch = () => crm.must('PATCH', `/products/${made[0]}`, { Description: String(Math.random()) });
      const seen = await everyPage(crm, '/products?limit=4', touch);
      assert.deepEqual(
        seen.map(({ Id }) => Id),
        made,
      );
    });

    test('updatedSince is inclusive and orders by time, then id; the cursor carries it', async (t) => {
      const crm = await start(t);
      const made = await Promise.all(
        Array.from({ length: 12 }, (_, index) =>
          crm.must('POST', '/customers', { Name: `C${index}`, Email: 'a@b.test' }),
        ),
      );
      await crm.must('PATCH', `/customers/${made[3]?.Id}`, { Phone: '1' });
      await crm.must('DELETE', `/customers/${made[5]?.Id}`);
      const key = ({ UpdatedAt, Id }: Json) => `${UpdatedAt} ${Id}`;
      const all = await everyPage(
        crm,
        '/customers?updatedSince=2026-01-01T00:00:00Z&includeDeleted=true&limit=5',
      );
      assert.equal(new Set(all.map(({ Id }) => Id)).size, 12);
      assert.deepEqual(all.map(key), all.map(key).sort());
      assert.equal(all.at(-1)?.Id, made[5]?.Id);
      const since = all[6]?.UpdatedAt;
      const rest = await everyPage(
        crm,
        `/customers?updatedSince=${since}&includeDeleted=true&email=A@b.test&limit=2`,
      );
      assert.deepEqual(
        rest.map(key),
        all.map(key).filter((name) => name >= String(since)),
      );
    });

    test('a cursor refuses another filter, and another list', async (t) => {
      const { ask, must } = await start(t);
      for (const Name of ['A', 'B', 'C']) await must('POST', '/customers', { Name });
      const { next_cursor } = await must('GET', '/customers?limit=1&includeDeleted=true');
      assert.equal((await ask('GET', `/customers?cursor=${next_cursor}&includeDeleted=true`)).status, 200);
      assert.equal((await ask('GET', `/customers?cursor=${next_cursor}&email=a`)).status, 400);
      assert.equal((await ask('GET', `/products?cursor=${next_cursor}`)).status, 400);
      const rest = await must('GET', `/customers?cursor=${next_cursor}&limit=50`);
      assert.deepEqual([dataOf(rest).length, rest.next_cursor], [2, null]);
    });
  });

  describe('idempotency keys', () => {
    const key = { 'idempotency-key': 'k-1' };

    test('the same key and body give the first answer again, also after the record changed', async (t) => {
      const { ask, must, control } = await start(t);
      const first = await ask('POST', '/customers', { Name: 'Once', Phone: '1' }, key);
      await must('PATCH', `/customers/${first.body.Id}`, { Name: 'Twice' });
      const again = await ask('POST', '/customers', { Phone: '1', Name: 'Once' }, key);
      assert.deepEqual([again.status, again.headers.get('etag')], [201, '"1"']);
      assert.deepEqual(again.body, first.body);
      assert.equal(dataOf(await must('GET', '/customers')).length, 1);
      const { idempotency, writes } = await control('GET', '/state');
      assert.deepEqual(idempotency, { remembered: 1, inFlight: 0, replayed: 1, mismatched: 0 });
      assert.equal(writes, 2);
    });

    test('another body or path under a used key is a mismatch', async (t) => {
      const { ask, must } = await start(t);
      await must('POST', '/customers', { Name: 'Once' }, key);
      for (const [path, body] of [
        ['/customers', { Name: 'Other' }],
        ['/products', { Name: 'Once' }],
      ] as const) {
        const { status, body: problem } = await ask('POST', path, body, key);
        assert.deepEqual([status, problem.type], [422, 'urn:customcrm:idempotency-mismatch']);
      }
    });

    test('a refusal is not remembered', async (t) => {
      const { ask } = await start(t);
      assert.equal((await ask('POST', '/customers', { Name: '' }, key)).status, 422);
      assert.equal((await ask('POST', '/customers', { Name: 'Better' }, key)).status, 201);
    });

    test('a key whose first request is still under way is refused with 409', async (t) => {
      // This seed executes the first request more than two seconds after the cut.
      const { ask, control } = await start(t, { faults: { seed: 5, rates: { lateExecution: 1 } } });
      const repeat = () => ask('POST', '/customers', { Name: 'Slow' }, key);
      await assert.rejects(repeat());
      assert.equal((await repeat()).status, 409);
      const answer = await until('the first request is done', async () => {
        const again = await repeat();
        return again.status === 409 ? undefined : again;
      });
      assert.equal(answer.status, 201);
      const { customers, idempotency } = await control('GET', '/state');
      assert.equal((customers as readonly Json[]).length, 1);
      assert.equal((idempotency as Json).replayed, 1);
    });

    test('a key is forgotten after 24 hours', async (t) => {
      const path = await fileFor(t);
      const before = await start(t, { path });
      const first = await before.must('POST', '/customers', { Name: 'Daily' }, key);
      await before.close();
      const db = new DatabaseSync(path);
      db.exec('UPDATE answers SET savedAt = savedAt - 24 * 60 * 60 * 1000');
      db.close();
      const after = await start(t, { path });
      const second = await after.must('POST', '/customers', { Name: 'Daily' }, key);
      assert.notEqual(second.Id, first.Id);
    });
  });

  describe('webhooks', () => {
    test('each change is told as a signed thin event', async (t) => {
      const { deliveries, url } = await receiver(t);
      const { must } = await start(t, { webhook: { url, secret } });
      const made = await must('POST', '/customers', { Name: 'Told' });
      const path = `/customers/${made.Id}`;
      const changed = await must('PATCH', path, { Phone: '1' });
      await must('PATCH', path, { Phone: '1' });
      await must('DELETE', path);
      await must('POST', `${path}/restore`);
      await until('four events', () => deliveries.length >= 4);
      const validate = ajv.compile({ $ref: 'contract#/components/schemas/Event' });
      for (const { headers, text, event } of deliveries) {
        new Webhook(secret).verify(text, headers as Record<string, string>);
        assert.ok(validate(event), text);
        assert.deepEqual(Object.keys(event.data).sort(), ['Id', 'UpdatedAt', 'Version']);
      }
      const told = deliveries.map(({ event }) => `${event.type} ${event.data.Version}`).sort();
      assert.deepEqual(told, [
        'customer.created 1',
        'customer.deleted 3',
        'customer.updated 2',
        'customer.updated 4',
      ]);
      const second = deliveries.find(({ event }) => event.data.Version === 2);
      assert.deepEqual(second?.event.data, { Id: made.Id, Version: 2, UpdatedAt: changed.UpdatedAt });
      assert.equal(new Set(deliveries.map(({ headers }) => headers['webhook-id'])).size, 4);
    });

    test('a delivery that fails is repeated with the same webhook-id until it is taken', async (t) => {
      const { deliveries, url } = await receiver(t, (index) => (index < 2 ? 503 : 200));
      const { must, control } = await start(t, { webhook: { url, secret } });
      await must('POST', '/products', { Name: 'Again' });
      await until('it is taken', async () => {
        const { webhooks } = await control('GET', '/state');
        return (webhooks as Json).delivered === 1;
      });
      assert.equal(deliveries.length, 3);
      assert.equal(new Set(deliveries.map(({ headers }) => headers['webhook-id'])).size, 1);
      for (const { headers, text } of deliveries)
        new Webhook(secret).verify(text, headers as Record<string, string>);
      const { webhooks } = await control('GET', '/state');
      assert.deepEqual(webhooks, { delivered: 1, retried: 2, givenUp: 0, pending: 0 });
    });

    test('a subscription is made, listed without its secret, tested with a ping, and removed', async (t) => {
      const { deliveries, url } = await receiver(t);
      const { ask, must } = await start(t);
      const made = await ask('POST', '/webhooks', {
        Url: url,
        Events: ['order.created'],
        Description: 'Mine',
      });
      assert.equal(made.status, 201);
      const { Secret, ...shown } = made.body;
      assert.deepEqual(shown, {
        Id: shown.Id,
        Url: url,
        Events: ['order.created'],
        Status: 'active',
        Description: 'Mine',
      });
      assert.deepEqual(dataOf(await must('GET', '/webhooks')), [shown]);
      assert.equal((await ask('POST', `/webhooks/${shown.Id}/test`)).status, 202);
      const ping = await until('the ping', () => deliveries[0]);
      assert.equal(ping.event.type, 'webhook.ping');
      new Webhook(String(Secret)).verify(ping.text, ping.headers as Record<string, string>);
      assert.equal((await ask('DELETE', `/webhooks/${shown.Id}`)).status, 204);
      assert.equal((await ask('DELETE', `/webhooks/${shown.Id}`)).status, 404);
      assert.equal((await ask('POST', `/webhooks/${shown.Id}/test`)).status, 404);
      assert.deepEqual(dataOf(await must('GET', '/webhooks')), []);
      assert.equal((await ask('POST', '/webhooks', { Url: 'nowhere', Events: [] })).status, 422);
      assert.equal((await ask('POST', '/webhooks', { Url: url, Events: ['invoice.paid'] })).status, 422);
    });

    test('only the events that were asked for are told', async (t) => {
      const { deliveries, url } = await receiver(t);
      const crm = await start(t);
      await crm.must('POST', '/webhooks', { Url: url, Events: ['order.created'] });
      await anOrder(crm);
      await until('the order', () => deliveries.length > 0);
      assert.deepEqual(
        deliveries.map(({ event }) => event.type),
        ['order.created'],
      );
    });

    test('a receiver that answers 410 is not bothered again', async (t) => {
      const { deliveries, url } = await receiver(t, () => 410);
      const { must } = await start(t, { webhook: { url, secret } });
      await must('POST', '/customers', { Name: 'A' });
      await until(
        'it is disabled',
        async () => dataOf(await must('GET', '/webhooks'))[0]?.Status === 'disabled',
      );
      await must('POST', '/customers', { Name: 'B' });
      assert.equal(deliveries.length, 1);
    });

    test('the configured webhook is there once, however often the server starts', async (t) => {
      const path = await fileFor(t);
      const { deliveries, url } = await receiver(t);
      await (await start(t, { path, webhook: { url: 'http://127.0.0.1:9/old', secret } })).close();
      const second = await start(t, { path, webhook: { url, secret } });
      assert.equal(dataOf(await second.must('GET', '/webhooks')).length, 1);
      await second.must('POST', '/customers', { Name: 'A' });
      await until('the event', () => deliveries.length === 1);
      await second.close();
      const third = await start(t, { path });
      assert.deepEqual(dataOf(await third.must('GET', '/webhooks')), []);
    });

    test('a secret that is none keeps the server from starting', async () => {
      const webhook = { url: 'http://127.0.0.1:9/', secret: 'whsec_' };
      await assert.rejects(startCustomcrm({ port: 0, path: ':memory:', token, sample: false, webhook }));
    });
  });

  describe('faults', () => {
    const always = (kind: string) => ({ seed: 1, rates: { [kind]: 1 } });

    test('lostAnswer: the write happens, its answer does not', async (t) => {
      const { ask, control } = await start(t, { faults: always('lostAnswer') });
      await assert.rejects(ask('POST', '/customers', { Name: 'Unheard' }));
      const { customers, faults } = await control('GET', '/state');
      assert.equal((customers as readonly Json[]).length, 1);
      assert.deepEqual(faults, { lostAnswer: 1 });
    });

    test('lateExecution: the connection is cut, the write happens later; reads are spared', async (t) => {
      const { ask, must, control } = await start(t, { faults: always('lateExecution') });
      await assert.rejects(ask('POST', '/products', { Name: 'Later' }));
      await until('it happened', async () => dataOf(await must('GET', '/products')).length === 1);
      assert.deepEqual(await control('GET', '/faults'), { lateExecution: 1 });
    });

    test('lag: reads and lists answer from a past state', async (t) => {
      const { ask, must, control } = await start(t);
      const { Id } = await must('POST', '/customers', { Name: 'v0' });
      const path = `/customers/${Id}`;
      await control('POST', '/faults', { lag: 1 });
      let round = 0;
      await until('a read and a list are behind', async () => {
        round += 1;
        await must('PATCH', path, { Name: `v${round}` });
        const [read, list] = await Promise.all([ask('GET', path), must('GET', `/customers?ids=${Id}`)]);
        const [listed] = dataOf(list);
        const shown = [read.body.Name, listed?.Name];
        return shown.every((name) => /^v\d+$/.test(String(name)) && name !== `v${round}`);
      });
      await control('POST', '/faults', {});
      assert.equal((await must('GET', path)).Name, `v${round}`);
      assert.equal(dataOf(await must('GET', '/customers'))[0]?.Name, `v${round}`);
    });

    test('throttle: 429, some with Retry-After and some without, and nothing happens', async (t) => {
      const { ask, control } = await start(t, { faults: always('throttle') });
      const answers: Answer[] = [];
      for (let round = 0; round < 20; round += 1)
        answers.push(await ask('POST', '/customers', { Name: 'A' }));
      assert.deepEqual([...new Set(answers.map(({ status }) => status))], [429]);
      assert.equal(new Set(answers.map(({ headers }) => headers.get('retry-after'))).size, 2);
      assert.deepEqual((await control('GET', '/state')).customers, []);
    });

    test('serverError: 500 or 503, and nothing happens', async (t) => {
      const { ask, control } = await start(t, { faults: always('serverError') });
      const statuses = new Set<number>();
      for (let round = 0; round < 20; round += 1)
        statuses.add((await ask('POST', '/customers', { Name: 'A' })).status);
      assert.deepEqual([...statuses].sort(), [500, 503]);
      assert.deepEqual((await control('GET', '/state')).customers, []);
    });

    test('webhookDropped: the receiver never hears of it', async (t) => {
      const { deliveries, url } = await receiver(t);
      const { must, control } = await start(t, {
        webhook: { url, secret },
        faults: always('webhookDropped'),
      });
      await must('POST', '/customers', { Name: 'Dropped' });
      await control('POST', '/faults', {});
      const { Id } = await must('POST', '/customers', { Name: 'Told' });
      await until('the second', () => deliveries.length > 0);
      assert.deepEqual(
        deliveries.map(({ event }) => event.data.Id),
        [Id],
      );
    });

    test('webhookRepeated: the same delivery comes twice', async (t) => {
      const { deliveries, url } = await receiver(t);
      const { must } = await start(t, { webhook: { url, secret }, faults: always('webhookRepeated') });
      await must('POST', '/customers', { Name: 'Twice' });
      await until('both', () => deliveries.length === 2);
      assert.equal(new Set(deliveries.map(({ headers }) => headers['webhook-id'])).size, 1);
    });

    test('webhookDelayed: later webhooks overtake earlier ones', async (t) => {
      const { deliveries, url } = await receiver(t);
      const { must } = await start(t, { webhook: { url, secret }, faults: always('webhookDelayed') });
      const names = Array.from({ length: 8 }, (_, index) => `${index}`);
      const made = await Promise.all(names.map((Name) => must('POST', '/customers', { Name })));
      await until('all', () => deliveries.length === 8);
      assert.notDeepEqual(
        deliveries.map(({ event }) => event.data.Id),
        idsOf(await must('GET', '/customers')),
      );
      assert.equal(new Set(deliveries.map(({ event }) => event.data.Id)).size, made.length);
    });

    test('rates are set at run time and must be those of known kinds; controls are spared', async (t) => {
      const { origin, ask, control } = await start(t, { faults: always('serverError') });
      assert.ok((await ask('GET', '/orders')).status >= 500);
      await control('POST', '/faults', {});
      assert.equal((await ask('GET', '/orders')).status, 200);
      for (const rates of [{ lostanswer: 1 }, { lag: 2 }]) {
        const answer = await send('POST', `${origin}/_control/faults`, rates);
        assert.deepEqual([answer.status, answer.body.status], [422, 422]);
      }
    });
  });

  describe('state', () => {
    test('everything survives a restart', async (t) => {
      const path = await fileFor(t);
      const key = { 'idempotency-key': 'k-2' };
      const before = await start(t, { path });
      const { order } = await anOrder(before);
      const keyed = await before.must('POST', '/customers', { Name: 'Keyed' }, key);
      const hook = await before.must('POST', '/webhooks', { Url: 'http://127.0.0.1:9/', Events: [] });
      await before.close();
      const after = await start(t, { path });
      assert.deepEqual(await after.must('GET', `/orders/${order.Id}`), order);
      assert.deepEqual(await after.must('POST', '/customers', { Name: 'Keyed' }, key), keyed);
      assert.deepEqual(idsOf(await after.must('GET', '/webhooks')), [hook.Id]);
      assert.equal((await after.control('GET', '/state')).writes, 4);
      assert.equal((await anOrder(after)).order.OrderNumber, 'SO-1002');
    });

    test('an answered write survives kill -9', async (t) => {
      const path = await fileFor(t);
      const server = new URL('../../../infra/local/customcrm/server.ts', import.meta.url);
      const script = `const { startCustomcrm } = await import(${JSON.stringify(server.href)});
        const crm = await startCustomcrm({ port: 0, path: process.argv[1], token: ${JSON.stringify(token)}, sample: false });
        console.log(crm.url);`;
      const child = spawn(process.execPath, ['--input-type=module', '-e', script, path], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      t.after(() => child.kill('SIGKILL'));
      const [url] = (await once(createInterface(child.stdout), 'line')) as [string];
      const made = await send('POST', `${url}/customers`, { Name: 'Durable' });
      assert.equal(made.status, 201);
      child.kill('SIGKILL');
      await once(child, 'exit');
      const { must } = await start(t, { path });
      assert.deepEqual(await must('GET', `/customers/${made.body.Id}`), made.body);
    });

    test('the sample fills an empty CRM once, and keeps the contract', async (t) => {
      const path = await fileFor(t);
      const first = await start(t, { path, sample: true });
      const counts = async ({ must }: Crm) => [
        dataOf(await must('GET', '/customers')).length,
        dataOf(await must('GET', '/products')).length,
        dataOf(await must('GET', '/orders')).length,
      ];
      assert.deepEqual(await counts(first), [3, 4, 1]);
      const [order] = dataOf(await first.must('GET', '/orders'));
      assert.ok(order);
      assert.deepEqual([order.Status, (order.Lines as readonly Json[]).length], ['draft', 2]);
      const codes = dataOf(await first.must('GET', '/products')).map(({ TaxCodes }) => TaxCodes);
      assert.deepEqual(codes, [['HST'], ['GST'], [], []]);
      await first.must('DELETE', `/orders/${order.Id}`);
      await first.close();
      assert.deepEqual(await counts(await start(t, { path, sample: true })), [3, 4, 0]);
    });

    test('the controls show deleted records and count writes; a reset empties everything', async (t) => {
      const { ask, must, control } = await start(t);
      const { Id } = await must('POST', '/customers', { Name: 'A' }, { 'idempotency-key': 'k' });
      await must('PATCH', `/customers/${Id}`, { Name: 'B' });
      await ask('PATCH', `/customers/${Id}`, { Nmae: 'C' });
      await must('DELETE', `/customers/${Id}`);
      const { customers, writes } = await control('GET', '/state');
      assert.deepEqual([(customers as readonly Json[]).map((row) => row.Id), writes], [[Id], 3]);
      await control('POST', '/reset');
      const { customers: left, writes: none, idempotency } = await control('GET', '/state');
      assert.deepEqual([left, none, (idempotency as Json).remembered], [[], 0, 0]);
      assert.equal((await ask('GET', `/customers/${Id}`)).status, 404);
      assert.notEqual((await must('POST', '/customers', { Name: 'A' })).Id, Id);
    });

    test('close forgets late executions and retries, and can be called twice', async (t) => {
      const path = await fileFor(t);
      const { ask, close } = await start(t, {
        path,
        webhook: { url: 'http://127.0.0.1:9/', secret },
        faults: { seed: 1, rates: { lateExecution: 1 } },
      });
      await assert.rejects(ask('POST', '/customers', { Name: 'Never' }));
      await Promise.all([close(), close()]);
      const { must } = await start(t, { path });
      assert.deepEqual(dataOf(await must('GET', '/customers')), []);
    });

    test('a file or a port that is taken is an error at the start', async (t) => {
      const path = await fileFor(t);
      const { origin } = await start(t, { path });
      const options = { path, token, sample: false };
      await assert.rejects(startCustomcrm({ ...options, port: 0 }));
      const port = Number(new URL(origin).port);
      await assert.rejects(startCustomcrm({ ...options, path: ':memory:', port }), { code: 'EADDRINUSE' });
    });
  });
});
