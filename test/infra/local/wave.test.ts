import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import {
  localBankAccountId,
  localBusinessId,
  localFallbackProductId,
  localIncomeAccountId,
  startWave,
  type WaveStandIn,
} from '../../../infra/local/wave/server.ts';

type Json = Record<string, unknown>;
const valueAt = (value: unknown, dotted: string): unknown =>
  dotted.split('.').reduce<unknown>((inner, key) => (inner as Json | undefined)?.[key], value);

async function post(wave: WaveStandIn, query: string, variables: Json = {}, token = 'local') {
  const answer = await fetch(wave.url, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  });
  return { status: answer.status, headers: answer.headers, body: (await answer.json()) as Json };
}
const business = async (wave: WaveStandIn, fields: string) =>
  valueAt(
    (await post(wave, `query ($b: ID!) { business(id: $b) { ${fields} } }`, { b: localBusinessId })).body,
    'data.business',
  );

async function mutate(wave: WaveStandIn, name: string, input: Json, shows = '') {
  const type = `${name[0]?.toUpperCase()}${name.slice(1)}Input`;
  const query = `mutation ($input: ${type}!) { ${name}(input: $input) { didSucceed inputErrors { path code message } ${shows} } }`;
  const { body } = await post(wave, query, { input });
  return valueAt(body, `data.${name}`) as Json;
}
const customer = async (wave: WaveStandIn, input: Json = {}) =>
  String(
    valueAt(
      await mutate(
        wave,
        'customerCreate',
        { businessId: localBusinessId, name: 'Sorrel', ...input },
        'customer { id }',
      ),
      'customer.id',
    ),
  );
const product = async (wave: WaveStandIn, input: Json = {}) =>
  String(
    valueAt(
      await mutate(
        wave,
        'productCreate',
        {
          businessId: localBusinessId,
          name: 'Mint',
          unitPrice: '1',
          incomeAccountId: localIncomeAccountId,
          ...input,
        },
        'product { id }',
      ),
      'product.id',
    ),
  );
const invoice = async (wave: WaveStandIn, input: Json, shows = 'id') =>
  (await mutate(wave, 'invoiceCreate', { businessId: localBusinessId, ...input }, `invoice { ${shows} }`))
    .invoice as Json;
const control = async (wave: WaveStandIn, what: string, body?: unknown) => {
  const answer = await fetch(`${wave.origin}/_control/${what}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: 'Bearer local', 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return (await answer.json()) as Json;
};

describe('the Wave stand-in', { concurrency: 4 }, () => {
  let wave: WaveStandIn;
  let tax: string;
  before(async () => {
    wave = await startWave({ port: 0, path: ':memory:', token: 'local', sample: false });
    const taxes = valueAt(
      await business(wave, 'salesTaxes { edges { node { id abbreviation } } }'),
      'salesTaxes.edges',
    ) as { node: Json }[];
    tax = String(taxes.find(({ node }) => node.abbreviation === 'GST')?.node.id);
  });
  after(() => wave.close());

  test('validates the document and its variables before it asks who is calling', async () => {
    const unknownField = await post(wave, '{ business { nonsense } }', {}, 'nobody');
    assert.equal(valueAt(unknownField.body, 'errors.0.extensions.code'), 'GRAPHQL_VALIDATION_FAILED');
    const badVariable = await post(wave, 'query ($b: ID!) { business(id: $b) { id } }', {}, 'nobody');
    assert.equal(valueAt(badVariable.body, 'errors.0.extensions.code'), 'VARIABLE_VALUE');
    const valid = await post(wave, '{ business { id } }', {}, 'nobody');
    assert.equal(valueAt(valid.body, 'errors.0.extensions.code'), 'UNAUTHENTICATED');
    assert.equal(
      valueAt(
        (await post(wave, '{ __schema { queryType { name } } }', {}, 'nobody')).body,
        'data.__schema.queryType.name',
      ),
      'Query',
    );
  });

  test('refuses an input with didSucceed: false, its path, and HTTP 200', async () => {
    const refused = await mutate(wave, 'customerCreate', { businessId: localBusinessId, name: ' ' });
    assert.equal(refused.didSucceed, false);
    assert.deepEqual(valueAt(refused, 'inputErrors.0.path'), ['name']);
    const unknown = await mutate(wave, 'customerPatch', { id: 'nobody', name: 'x' });
    assert.equal(valueAt(unknown, 'inputErrors.0.code'), 'NOT_FOUND');
  });

  test('answers an unknown id with null under NOT_FOUND, beside what it does know', async () => {
    const { body } = await post(
      wave,
      'query ($b: ID!) { business(id: $b) { id a: customer(id: "x") { id } } }',
      { b: localBusinessId },
    );
    assert.equal(valueAt(body, 'data.business.id'), localBusinessId);
    assert.equal(valueAt(body, 'data.business.a'), null);
    assert.equal(valueAt(body, 'errors.0.extensions.code'), 'NOT_FOUND');
    assert.deepEqual(valueAt(body, 'errors.0.path'), ['business', 'a']);
  });

  test('gives ids whose inner number is beyond what a double holds', async () => {
    const inner = /Customer:(\d+)$/.exec(Buffer.from(await customer(wave), 'base64').toString())?.[1] ?? '';
    assert.equal(inner.length, 19);
    assert.notEqual(String(Number(inner)), inner);
  });

  test('a patch leaves what is absent, clears what is null, and replaces an address as a whole', async () => {
    const id = await customer(wave, { phone: '1', fax: '2', address: { city: 'Ottawa', postalCode: 'K1A' } });
    const shows = 'customer { phone fax address { city postalCode } }';
    const patched = await mutate(wave, 'customerPatch', { id, fax: null, address: { city: 'Hull' } }, shows);
    assert.deepEqual(patched.customer, {
      phone: '1',
      fax: null,
      address: { city: 'Hull', postalCode: null },
    });
  });

  test('rounds tax on each line: two lines of 337.50 at 5 % make 33.76', async () => {
    const line = {
      productId: await product(wave),
      quantity: '1',
      unitPrice: '337.50',
      taxes: [{ salesTaxId: tax }],
    };
    const made = await invoice(
      wave,
      { customerId: await customer(wave), items: [line, line] },
      'taxTotal { minorUnitValue value } total { value }',
    );
    assert.equal(valueAt(made, 'taxTotal.minorUnitValue'), '3376');
    assert.equal(valueAt(made, 'total.value'), '708.76');
  });

  test('keeps five decimals of a price, eight of a line, ties away from zero, and writes thousands with separators', async () => {
    const productId = await product(wave, { unitPrice: '1.234565' });
    assert.equal(
      valueAt(await business(wave, `product(id: "${productId}") { unitPrice }`), 'product.unitPrice'),
      '1.23457',
    );
    const made = await invoice(
      wave,
      {
        customerId: await customer(wave),
        items: [{ productId, quantity: '1000', unitPrice: '2.000000005', taxes: [] }],
      },
      'items { unitPrice } total { value minorUnitValue }',
    );
    assert.equal(valueAt(made, 'items.0.unitPrice'), '2.00000001');
    assert.deepEqual(made.total, { value: '2,000.00', minorUnitValue: '200000' });
  });

  test("items are replaced as a whole; taxes left out are the product's, an empty list is none", async () => {
    const productId = await product(wave, { defaultSalesTaxIds: [tax] });
    const items = [
      { productId, quantity: '1' },
      { productId, quantity: '2', taxes: [] },
    ];
    const made = await invoice(
      wave,
      { customerId: await customer(wave), items },
      'id items { id taxes { salesTax { abbreviation } } }',
    );
    assert.deepEqual(valueAt(made, 'items.0.taxes'), [{ salesTax: { abbreviation: 'GST' } }]);
    assert.deepEqual(valueAt(made, 'items.1.taxes'), []);
    const after = await mutate(
      wave,
      'invoicePatch',
      { id: made.id, items: [{ productId, quantity: '3' }] },
      'invoice { items { id quantity } }',
    );
    assert.equal((valueAt(after, 'invoice.items') as Json[]).length, 1);
    assert.notEqual(valueAt(after, 'invoice.items.0.id'), valueAt(made, 'items.0.id'));
  });

  test('takes at most one discount, and finds invoices by a part of their number', async () => {
    const customerId = await customer(wave);
    const two = [
      { discountType: 'FIXED', amount: '1' },
      { discountType: 'FIXED', amount: '2' },
    ];
    const refused = await mutate(wave, 'invoiceCreate', {
      businessId: localBusinessId,
      customerId,
      discounts: two,
    });
    assert.deepEqual(valueAt(refused, 'inputErrors.0.path'), ['discounts']);
    await invoice(wave, { customerId, invoiceNumber: 'ABC-123-X' });
    const found = await business(
      wave,
      'invoices(invoiceNumber: "C-12") { edges { node { invoiceNumber } } }',
    );
    assert.equal(valueAt(found, 'invoices.edges.0.node.invoiceNumber'), 'ABC-123-X');
  });

  test('derives the status from approval, payment and time, and fills payments only for a single invoice', async () => {
    const items = [{ productId: await product(wave), quantity: '1', unitPrice: '10', taxes: [] }];
    const { id } = await invoice(wave, { customerId: await customer(wave), items, dueDate: '2099-01-01' });
    const status = async () =>
      valueAt(await business(wave, `invoice(id: "${id}") { status }`), 'invoice.status');
    assert.equal(await status(), 'DRAFT');
    await mutate(wave, 'invoiceApprove', { invoiceId: id });
    assert.equal(await status(), 'SAVED');
    const payment = {
      invoiceId: id,
      paymentAccountId: localBankAccountId,
      paymentDate: '2026-01-01',
      paymentMethod: 'CASH',
      exchangeRate: '1',
    };
    await mutate(wave, 'invoicePaymentCreateManual', { ...payment, amount: '4' });
    assert.equal(await status(), 'PARTIAL');
    await mutate(wave, 'invoicePaymentCreateManual', { ...payment, amount: '6' });
    assert.equal(await status(), 'PAID');
    await mutate(wave, 'invoicePaymentCreateManual', { ...payment, amount: '1' });
    assert.equal(await status(), 'OVERPAID');
    const single = await business(
      wave,
      `invoice(id: "${id}") { payments { amount } } invoices(pageSize: 200) { edges { node { id payments { amount } } } }`,
    );
    assert.equal((valueAt(single, 'invoice.payments') as Json[]).length, 3);
    assert.ok(
      (valueAt(single, 'invoices.edges') as { node: Json }[]).every(
        ({ node }) => (node.payments as Json[]).length === 0,
      ),
    );
    const locked = await mutate(wave, 'invoicePatch', { id, items: [] });
    assert.equal(locked.didSucceed, false);
    const deletion = await mutate(wave, 'invoiceDelete', { invoiceId: id });
    assert.equal(deletion.didSucceed, false);
  });

  test('hides archived products unless asked, and never takes them back', async () => {
    const id = await product(wave, { name: 'Archived' });
    await mutate(wave, 'productArchive', { id });
    const names = async (filter: string) =>
      (
        valueAt(
          await business(wave, `products(pageSize: 200${filter}) { edges { node { name } } }`),
          'products.edges',
        ) as { node: Json }[]
      ).map(({ node }) => node.name);
    assert.ok(!(await names('')).includes('Archived'));
    assert.ok((await names(', isArchived: null')).includes('Archived'));
    await control(wave, 'unarchive', { id });
    assert.ok((await names('')).includes('Archived'));
  });

  test('walks a list by pages in the order asked for, from a stamp on', async () => {
    const start = new Date().toISOString();
    for (const name of ['P1', 'P2', 'P3']) await customer(wave, { name, displayId: 'paged' });
    const seen: unknown[] = [];
    for (let page = 1; page <= 3; page++) {
      const found = await business(
        wave,
        `customers(page: ${page}, pageSize: 200, sort: [MODIFIED_AT_ASC], modifiedAtAfter: "${start}") { pageInfo { totalCount } edges { node { name displayId } } }`,
      );
      seen.push(
        ...(valueAt(found, 'customers.edges') as { node: Json }[])
          .filter(({ node }) => node.displayId === 'paged')
          .map(({ node }) => node.name),
      );
    }
    assert.deepEqual(seen, ['P1', 'P2', 'P3']);
  });

  test('has the fallback product from the beginning, and tells the time in a header', async () => {
    assert.equal(
      valueAt(await business(wave, `product(id: "${localFallbackProductId}") { name }`), 'product.name'),
      'Other',
    );
    const { headers } = await post(wave, '{ business { id } }');
    assert.ok(Math.abs(Date.parse(headers.get('date') ?? '') - Date.now()) < 60_000);
  });
});

async function started(t: TestContext, options: Partial<Parameters<typeof startWave>[0]>) {
  const wave = await startWave({ port: 0, path: ':memory:', token: 'local', sample: false, ...options });
  t.after(() => wave.close());
  return wave;
}

test('Wave sends a signed webhook for the few things that it tells, and for no other', async (t) => {
  const deliveries: { readonly body: string; readonly signature: string }[] = [];
  const receiver = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    deliveries.push({
      body: Buffer.concat(parts).toString(),
      signature: String(request.headers['x-wave-signature']),
    });
    response.writeHead(202).end();
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  t.after(() => receiver.close());
  const { port } = receiver.address() as AddressInfo;
  const wave = await started(t, { webhook: { url: `http://127.0.0.1:${port}/`, secret: 'hush' } });
  const { id } = await invoice(wave, { customerId: await customer(wave) });
  await mutate(wave, 'invoicePatch', { id, memo: 'silent' });
  await mutate(wave, 'invoiceApprove', { invoiceId: id });
  while (deliveries.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(deliveries.length, 1);
  const [{ body, signature } = { body: '', signature: '' }] = deliveries;
  const [, at = '', hash = ''] = /^t=(\d+),v1=([0-9a-f]+)$/.exec(signature) ?? [];
  assert.equal(hash, createHmac('sha256', 'hush').update(`${at}.${body}`).digest('hex'));
  const event = JSON.parse(body) as Json;
  assert.equal(event.event_type, 'invoice.approved');
  assert.match(String(valueAt(event, 'data.invoice_id')), /^\d{19}$/);
});

test('what was answered survives a restart', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'wave-'));
  const options = { port: 0, path: join(folder, 'wave.sqlite'), token: 'local', sample: false };
  const first = await startWave(options);
  const id = await customer(first, { name: 'Kept' });
  await first.close();
  const second = await startWave(options);
  assert.equal(valueAt(await business(second, `customer(id: "${id}") { name }`), 'customer.name'), 'Kept');
  await second.close();
  await rm(folder, { recursive: true });
});

test('a lost answer was executed, a late one is executed afterwards, and a throttled one never', async (t) => {
  const wave = await started(t, {});
  const count = async () => ((await control(wave, 'state')).customers as Json[]).length;
  await control(wave, 'faults', { lostAnswer: 1 });
  await assert.rejects(customer(wave));
  await control(wave, 'faults', {});
  assert.equal(await count(), 1);
  await control(wave, 'faults', { lateExecution: 1 });
  await assert.rejects(customer(wave));
  await control(wave, 'faults', {});
  while ((await count()) < 2) await new Promise((resolve) => setTimeout(resolve, 50));
  await control(wave, 'faults', { throttle: 1 });
  assert.equal((await post(wave, '{ business { id } }')).status, 429);
  await control(wave, 'faults', { nodeNotFound: 1 });
  const refused = await mutate(wave, 'invoiceCreate', {
    businessId: localBusinessId,
    customerId: await customer(wave),
  });
  assert.match(String(valueAt(refused, 'inputErrors.0.message')), /Node could not be found/);
});

test('partial errors leave a hole under an error, and nothing else', async (t) => {
  const wave = await started(t, { faults: { seed: 7, rates: { partialErrors: 1 } } });
  const { body } = await post(
    wave,
    'query ($b: ID!) { business(id: $b) { id customers { edges { node { id } } } products { edges { node { id } } } } }',
    { b: localBusinessId },
  );
  const hole = String(valueAt(body, 'errors.0.path.1'));
  assert.equal(valueAt(body, `data.business.${hole}`), null);
  assert.equal(valueAt(body, 'data.business.id'), localBusinessId);
});

test('a budget of requests is kept at the door, and who does not listen is banned', async (t) => {
  const wave = await started(t, { behaviours: { requestsPer60s: 3, banAfter: 2 } });
  const statuses = [];
  for (let request = 0; request < 6; request++)
    statuses.push((await post(wave, '{ business { id } }')).status);
  assert.deepEqual(statuses, [200, 200, 200, 429, 429, 429]);
  const { maxPer60s, bans } = await control(wave, 'state');
  assert.deepEqual([maxPer60s, bans], [3, 1]);
});

test('a refresh gives a new pair and kills the old one', async (t) => {
  const wave = await started(t, {});
  const redirect = await fetch(
    `${wave.origin}/oauth2/authorize/?client_id=local&redirect_uri=http://localhost/cb&state=s`,
    { redirect: 'manual' },
  );
  const code = new URL(redirect.headers.get('location') ?? '').searchParams.get('code') ?? '';
  const token = async (form: Record<string, string>) => {
    const body = new URLSearchParams({ client_id: 'local', client_secret: 'local', ...form });
    const answer = await fetch(`${wave.origin}/oauth2/token/`, { method: 'POST', body });
    return { status: answer.status, body: (await answer.json()) as Json };
  };
  const first = await token({ grant_type: 'authorization_code', code });
  const call = async (access: unknown) =>
    valueAt((await post(wave, '{ business { id } }', {}, String(access))).body, 'data.business.id');
  assert.equal(await call(first.body.access_token), localBusinessId);
  const second = await token({
    grant_type: 'refresh_token',
    refresh_token: String(first.body.refresh_token),
  });
  assert.equal(await call(second.body.access_token), localBusinessId);
  assert.equal(await call(first.body.access_token), undefined);
  assert.equal(
    (await token({ grant_type: 'refresh_token', refresh_token: String(first.body.refresh_token) })).status,
    400,
  );
  await control(wave, 'behaviours', { planLapsed: true });
  assert.equal(
    (await token({ grant_type: 'refresh_token', refresh_token: String(second.body.refresh_token) })).status,
    403,
  );
});
