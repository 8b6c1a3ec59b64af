import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { localFallbackProductId } from '../../infra/local/wave/server.ts';
import {
  at,
  counterpartInCustomcrm,
  counterpartInWave,
  createWaveCustomer,
  createWaveInvoice,
  createWaveProduct,
  eventually,
  type Json,
  mutate,
  pay,
  readWave,
  startWorld,
  type World,
} from './world.ts';

// Every row of Order <-> Invoice through the local stack, in each direction it has.
describe('Order <-> Invoice', { concurrency: 6 }, () => {
  let world: World;
  let customers: readonly { readonly here: string; readonly there: string }[];
  let products: readonly { readonly here: string; readonly there: string }[];
  let taxes: Readonly<Record<string, string>>;
  before(async () => {
    world = await startWorld();
    const made = async (list: string, body: Json) => {
      const { Id } = await world.customcrm('POST', list, body);
      return { here: String(Id), there: await counterpartInWave(world, `${list}/${Id}`) };
    };
    customers = await Promise.all(
      ['Willow', 'Poplar'].map((Name) => made('/customers', { Name, Currency: 'CAD' })),
    );
    products = await Promise.all([
      made('/products', { Name: 'Hour', UnitPrice: '100', TaxCodes: ['HST'] }),
      made('/products', { Name: 'Mile', UnitPrice: '0.55', TaxCodes: ['GST'] }),
    ]);
    const shown = await Promise.all(products.map(({ there }) => readWave(world, 'product', there)));
    taxes = Object.fromEntries(
      shown.map((product) => [
        String(at(product, 'defaultSalesTaxes.0.abbreviation')),
        String(at(product, 'defaultSalesTaxes.0.id')),
      ]),
    );
  });
  after(() => world.close());

  async function linkedOrder(more: Json = {}) {
    const order = await world.customcrm('POST', '/orders', {
      CustomerId: customers[0]?.here,
      Currency: 'CAD',
      OrderDate: '2026-10-01',
      Lines: [{ ProductId: products[0]?.here, Quantity: '2', UnitPrice: '100', TaxCodes: ['HST'] }],
      ...more,
    });
    const record = `/orders/${order.Id}`;
    return { order, record, waveId: await counterpartInWave(world, record) };
  }
  const inWave = (waveId: string, path: string, value: unknown) =>
    eventually(`${path} is ${JSON.stringify(value)} in Wave`, async () => {
      const shown = at(await readWave(world, 'invoice', waveId), path);
      return JSON.stringify(shown) === JSON.stringify(value);
    });
  const inCustomcrm = (record: string, path: string, value: unknown) =>
    eventually(`${path} is ${JSON.stringify(value)} in Customcrm`, async () => {
      const shown = at(await world.customcrm('GET', record), path);
      return JSON.stringify(shown) === JSON.stringify(value);
    });
  const patchInvoice = (id: string, input: Json) => mutate(world, 'invoicePatch', { id, ...input });
  const item = (more: Json = {}) => ({
    productId: products[0]?.there,
    quantity: '2',
    unitPrice: '100',
    taxes: [{ salesTaxId: taxes.HST }],
    ...more,
  });

  test('a new order becomes a DRAFT invoice with its customer, lines and number', async () => {
    const { order, waveId } = await linkedOrder({ Title: 'Autumn work' });
    const invoice = await readWave(world, 'invoice', waveId);
    assert.equal(invoice.status, 'DRAFT');
    assert.equal(at(invoice, 'customer.id'), customers[0]?.there);
    assert.equal(at(invoice, 'items.0.product.id'), products[0]?.there);
    assert.equal(invoice.poNumber, order.OrderNumber);
    assert.equal(invoice.title, 'Autumn work');
  });

  test('CustomerId <-> customer.id: another customer on either side arrives on the other', async () => {
    const { record, waveId } = await linkedOrder();
    await world.customcrm('PATCH', record, { CustomerId: customers[1]?.here });
    await inWave(waveId, 'customer.id', customers[1]?.there);
    await patchInvoice(waveId, { customerId: customers[0]?.there });
    await inCustomcrm(record, 'CustomerId', customers[0]?.here);
  });

  test('OrderNumber -> poNumber: our number stands on the invoices that we make, and follows a change', async () => {
    const { record, waveId } = await linkedOrder();
    await world.customcrm('PATCH', record, { OrderNumber: 'SO-RENAMED' });
    await inWave(waveId, 'poNumber', 'SO-RENAMED');
  });

  test("PurchaseOrderNumber <- poNumber: a buyer's own number arrives and is never overwritten", async () => {
    const { record, waveId } = await linkedOrder();
    await patchInvoice(waveId, { poNumber: 'BUYER-77' });
    await inCustomcrm(record, 'PurchaseOrderNumber', 'BUYER-77');
    await world.customcrm('PATCH', record, { OrderNumber: 'SO-LATER', Footer: 'Thanks' });
    await inWave(waveId, 'footer', 'Thanks');
    await inWave(waveId, 'poNumber', 'BUYER-77');
  });

  test('Status <- status: approving the invoice confirms the order', async () => {
    const { record, waveId } = await linkedOrder();
    await mutate(world, 'invoiceApprove', { invoiceId: waveId });
    await inCustomcrm(record, 'Status', 'confirmed');
  });

  test('OrderDate <-> invoiceDate: an edit on either side arrives on the other', async () => {
    const { record, waveId } = await linkedOrder();
    await world.customcrm('PATCH', record, { OrderDate: '2026-10-02' });
    await inWave(waveId, 'invoiceDate', '2026-10-02');
    await patchInvoice(waveId, { invoiceDate: '2026-10-03' });
    await inCustomcrm(record, 'OrderDate', '2026-10-03');
  });

  test("DueDate <-> dueDate: Wave's own terms flow back, and an edit on either side arrives on the other", async () => {
    const { record, waveId } = await linkedOrder();
    const { dueDate } = await readWave(world, 'invoice', waveId);
    await inCustomcrm(record, 'DueDate', dueDate);
    await world.customcrm('PATCH', record, { DueDate: '2026-12-01' });
    await inWave(waveId, 'dueDate', '2026-12-01');
    await patchInvoice(waveId, { dueDate: '2026-12-02' });
    await inCustomcrm(record, 'DueDate', '2026-12-02');
  });

  test('DueDate emptied in Customcrm is restored, for Wave cannot hold an empty one', async () => {
    const { record, waveId } = await linkedOrder({ DueDate: '2026-11-05' });
    await inWave(waveId, 'dueDate', '2026-11-05');
    await world.customcrm('PATCH', record, { DueDate: null });
    await inCustomcrm(record, 'DueDate', '2026-11-05');
  });

  test('Currency <-> currency.code: an edit on either side arrives on the other', async () => {
    const { record, waveId } = await linkedOrder();
    await world.customcrm('PATCH', record, { Currency: 'USD' });
    await inWave(waveId, 'currency.code', 'USD');
    await patchInvoice(waveId, { currency: 'EUR' });
    await inCustomcrm(record, 'Currency', 'EUR');
  });

  for (const [row, field] of [
    ['Title', 'title'],
    ['Description', 'memo'],
    ['Footer', 'footer'],
  ] as const) {
    test(`${row} <-> ${field}: an edit on either side arrives on the other`, async () => {
      const { record, waveId } = await linkedOrder();
      await world.customcrm('PATCH', record, { [row]: 'From the CRM' });
      await inWave(waveId, field, 'From the CRM');
      await patchInvoice(waveId, { [field]: 'From the books' });
      await inCustomcrm(record, row, 'From the books');
    });
  }

  test('Discount <-> discounts: fixed, percentage and none travel both ways', async () => {
    const { record, waveId } = await linkedOrder();
    await world.customcrm('PATCH', record, { Discount: { Type: 'fixed', Value: '5', Name: 'Loyal' } });
    await eventually('the fixed discount arrives in Wave', async () => {
      const discount = at(await readWave(world, 'invoice', waveId), 'discounts.0') as Json | undefined;
      return discount?.__typename === 'FixedInvoiceDiscount' && Number(discount.amount) === 5;
    });
    await patchInvoice(waveId, {
      discounts: [{ discountType: 'PERCENTAGE', percentage: '10', name: 'Friends' }],
    });
    await eventually('the percentage arrives in Customcrm', async () => {
      const discount = (await world.customcrm('GET', record)).Discount as Json | null;
      return discount?.Type === 'percentage' && Number(discount.Value) === 10 && discount.Name === 'Friends';
    });
    await world.customcrm('PATCH', record, { Discount: null });
    await inWave(waveId, 'discounts', []);
  });

  test('Lines[].ProductId <-> items.product.id: another product on either side arrives on the other', async () => {
    const { record, waveId } = await linkedOrder();
    const line = { ProductId: products[1]?.here, Quantity: '3', UnitPrice: '0.55', TaxCodes: ['GST'] };
    await world.customcrm('PATCH', record, { Lines: [line] });
    await inWave(waveId, 'items.0.product.id', products[1]?.there);
    await patchInvoice(waveId, { items: [item()] });
    await inCustomcrm(record, 'Lines.0.ProductId', products[0]?.here);
  });

  test('Lines[].ProductId: a line without product uses the fallback product, which maps back to none', async () => {
    const { record, waveId } = await linkedOrder({
      Lines: [{ Description: 'Odd job', Quantity: '1', UnitPrice: '30', TaxCodes: [] }],
    });
    await inWave(waveId, 'items.0.product.id', localFallbackProductId);
    await patchInvoice(waveId, {
      items: [
        {
          productId: localFallbackProductId,
          description: 'Odd jobs',
          quantity: '2',
          unitPrice: '30',
          taxes: [],
        },
      ],
    });
    await inCustomcrm(record, 'Lines.0.Description', 'Odd jobs');
    assert.equal(at(await world.customcrm('GET', record), 'Lines.0.ProductId'), null);
  });

  test('Lines[].Description <-> items.description: an edit on either side arrives on the other', async () => {
    const { record, waveId } = await linkedOrder();
    const line = { ProductId: products[0]?.here, Quantity: '2', UnitPrice: '100', TaxCodes: ['HST'] };
    await world.customcrm('PATCH', record, { Lines: [{ ...line, Description: 'Hours in May' }] });
    await inWave(waveId, 'items.0.description', 'Hours in May');
    await patchInvoice(waveId, { items: [item({ description: 'Hours in June' })] });
    await inCustomcrm(record, 'Lines.0.Description', 'Hours in June');
  });

  test('Lines[].Quantity and Lines[].UnitPrice <-> items.quantity and items.unitPrice: both travel both ways', async () => {
    const { record, waveId } = await linkedOrder();
    const line = { ProductId: products[0]?.here, TaxCodes: ['HST'] };
    await world.customcrm('PATCH', record, {
      Lines: [{ ...line, Quantity: '1.5', UnitPrice: '80.12345678' }],
    });
    await eventually('both arrive in Wave', async () => {
      const shown = at(await readWave(world, 'invoice', waveId), 'items.0') as Json;
      return Number(shown.quantity) === 1.5 && Number(shown.unitPrice) === 80.12345678;
    });
    await patchInvoice(waveId, { items: [item({ quantity: '2.25', unitPrice: '81' })] });
    await eventually('both arrive in Customcrm', async () => {
      const shown = at(await world.customcrm('GET', record), 'Lines.0') as Json;
      return Number(shown.Quantity) === 2.25 && Number(shown.UnitPrice) === 81;
    });
  });

  test("Lines[].TaxCodes <-> items.taxes: absent takes the product's, which flow back; then both ways", async () => {
    const { record, waveId } = await linkedOrder({
      Lines: [{ ProductId: products[0]?.here, Quantity: '1', UnitPrice: '100' }],
    });
    await inWave(waveId, 'items.0.taxes.0.salesTax.abbreviation', 'HST');
    await inCustomcrm(record, 'Lines.0.TaxCodes', ['HST']);
    const line = { ProductId: products[0]?.here, Quantity: '1', UnitPrice: '100' };
    await world.customcrm('PATCH', record, { Lines: [{ ...line, TaxCodes: [] }] });
    await inWave(waveId, 'items.0.taxes', []);
    await patchInvoice(waveId, { items: [item({ taxes: [{ salesTaxId: taxes.GST }] })] });
    await inCustomcrm(record, 'Lines.0.TaxCodes', ['GST']);
  });

  test('InvoiceNumber, InvoiceStatus and InvoiceUrl <- Wave', async () => {
    const { record, waveId } = await linkedOrder();
    const invoice = await readWave(world, 'invoice', waveId);
    await inCustomcrm(record, 'InvoiceNumber', invoice.invoiceNumber);
    await inCustomcrm(record, 'InvoiceStatus', 'DRAFT');
    await inCustomcrm(record, 'InvoiceUrl', invoice.viewUrl);
    await patchInvoice(waveId, { invoiceNumber: 'INV-9001' });
    await inCustomcrm(record, 'InvoiceNumber', 'INV-9001');
  });

  test('SubtotalAmount, TaxAmount, TotalAmount, AmountPaid and AmountDue <- Wave, by payment too', async () => {
    const { record, waveId } = await linkedOrder();
    await inCustomcrm(record, 'SubtotalAmount', '200.00');
    await inCustomcrm(record, 'TaxAmount', '26.00');
    await inCustomcrm(record, 'TotalAmount', '226.00');
    await inCustomcrm(record, 'AmountDue', '226.00');
    await mutate(world, 'invoiceApprove', { invoiceId: waveId });
    await pay(world, waveId, '100.00');
    await inCustomcrm(record, 'AmountPaid', '100.00');
    await inCustomcrm(record, 'AmountDue', '126.00');
    await inCustomcrm(record, 'InvoiceStatus', 'PARTIAL');
  });

  test('an invoice made in Wave appears as an order with its customer and products, which are made first', async () => {
    const customer = await createWaveCustomer(world, { name: 'Rowan', currency: 'CAD' });
    const product = await createWaveProduct(world, { name: 'Visit', unitPrice: '40' });
    const invoice = await createWaveInvoice(world, {
      customerId: customer.id,
      items: [{ productId: product.id, quantity: '1', unitPrice: '40', taxes: [] }],
      memo: 'From the books',
    });
    const order = await counterpartInCustomcrm(world, '/orders', String(invoice.id));
    const rowan = await counterpartInCustomcrm(world, '/customers', String(customer.id));
    const visit = await counterpartInCustomcrm(world, '/products', String(product.id));
    assert.equal(order.CustomerId, rowan.Id);
    assert.equal(at(order, 'Lines.0.ProductId'), visit.Id);
    assert.equal(order.Description, 'From the books');
    assert.equal(order.Status, 'draft');
  });

  test('a line of an issued invoice is blocked, its footer still flows', async () => {
    const { record, waveId } = await linkedOrder();
    await mutate(world, 'invoiceApprove', { invoiceId: waveId });
    await inCustomcrm(record, 'Status', 'confirmed');
    const line = { ProductId: products[0]?.here, Quantity: '9', UnitPrice: '100', TaxCodes: ['HST'] };
    await world.customcrm('PATCH', record, { Lines: [line], Footer: 'Still open' });
    await inWave(waveId, 'footer', 'Still open');
    assert.equal(Number(at(await readWave(world, 'invoice', waveId), 'items.0.quantity')), 2);
    await eventually('the log says why', async () =>
      world.outcomes.some(
        (line) => line.id === record.slice('/orders/'.length) && line.because === 'blocked',
      ),
    );
  });
});
