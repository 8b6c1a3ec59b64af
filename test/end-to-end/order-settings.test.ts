import { after, before, describe, test } from 'node:test';
import { at, counterpartInWave, eventually, mutate, readWave, startWorld, type World } from './world.ts';

// The switches of docs/dataflow.md that change what an order's rows do, through the local stack.
describe('Order <-> Invoice with other settings', { concurrency: 4 }, () => {
  let world: World;
  let customer: string;
  let product: string;
  before(async () => {
    world = await startWorld({
      PO_NUMBER_FROM: 'PurchaseOrderNumber',
      APPROVE_INVOICES: 'on-confirm',
      EDIT_ISSUED_INVOICES: 'true',
    });
    customer = String((await world.customcrm('POST', '/customers', { Name: 'Alder', Currency: 'CAD' })).Id);
    product = String((await world.customcrm('POST', '/products', { Name: 'Day', UnitPrice: '500' })).Id);
  });
  after(() => world.close());

  async function linkedOrder(more = {}) {
    const line = { ProductId: product, Quantity: '1', UnitPrice: '500', TaxCodes: [] };
    const order = await world.customcrm('POST', '/orders', {
      CustomerId: customer,
      Currency: 'CAD',
      OrderDate: '2026-10-01',
      Lines: [line],
      ...more,
    });
    const record = `/orders/${order.Id}`;
    return { record, line, waveId: await counterpartInWave(world, record) };
  }
  const inWave = (waveId: string, path: string, value: unknown) =>
    eventually(
      `${path} is ${value} in Wave`,
      async () => at(await readWave(world, 'invoice', waveId), path) === value,
    );

  test('PurchaseOrderNumber <-> poNumber with poNumberFrom: an edit on either side arrives on the other', async () => {
    const { record, waveId } = await linkedOrder({ PurchaseOrderNumber: 'B-1' });
    await inWave(waveId, 'poNumber', 'B-1');
    await world.customcrm('PATCH', record, { PurchaseOrderNumber: 'B-2' });
    await inWave(waveId, 'poNumber', 'B-2');
    await mutate(world, 'invoicePatch', { id: waveId, poNumber: 'B-3' });
    await eventually('it arrives in Customcrm', async () => {
      return (await world.customcrm('GET', record)).PurchaseOrderNumber === 'B-3';
    });
  });

  test('Status -> status with approveInvoices: confirming the order approves its invoice, once all else agrees', async () => {
    const { record, waveId } = await linkedOrder({ DueDate: '2099-01-01' });
    await world.customcrm('PATCH', record, { Status: 'confirmed', Footer: 'With thanks' });
    await inWave(waveId, 'footer', 'With thanks');
    await inWave(waveId, 'status', 'SAVED');
  });

  test('Lines of an issued invoice flow with editIssuedInvoices', async () => {
    const { record, line, waveId } = await linkedOrder();
    await mutate(world, 'invoiceApprove', { invoiceId: waveId });
    await eventually('the order is confirmed', async () => {
      return (await world.customcrm('GET', record)).Status === 'confirmed';
    });
    await world.customcrm('PATCH', record, { Lines: [{ ...line, Quantity: '2' }] });
    await inWave(waveId, 'items.0.quantity', '2');
  });
});

test('orders wait for their confirmation with createInvoicesFrom', async (t) => {
  const world = await startWorld({ CREATE_INVOICES_FROM: 'confirmed' });
  t.after(() => world.close());
  const { Id: CustomerId } = await world.customcrm('POST', '/customers', { Name: 'Hazel', Currency: 'CAD' });
  const order = await world.customcrm('POST', '/orders', {
    CustomerId,
    Currency: 'CAD',
    OrderDate: '2026-10-01',
    Lines: [{ Quantity: '1', UnitPrice: '5', TaxCodes: [] }],
  });
  await eventually('the order is shown as excluded', async () =>
    world.outcomes.some(({ id, message }) => id === order.Id && message === 'record excluded'),
  );
  await world.customcrm('PATCH', `/orders/${order.Id}`, { Status: 'confirmed' });
  await counterpartInWave(world, `/orders/${order.Id}`);
});
