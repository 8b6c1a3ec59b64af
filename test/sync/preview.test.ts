import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { otherSystem, pairs, type RecordRef, refKey } from '../../lib/domain/record.ts';
import { RemoteUnavailableError } from '../../lib/errors.ts';
import { linkRecords } from '../../lib/sync/decisions.ts';
import { handleDoorbell } from '../../lib/sync/handle-doorbell.ts';
import { linkKey } from '../../lib/sync/keys.ts';
import { findLink } from '../../lib/sync/links.ts';
import { preview } from '../../lib/sync/preview.ts';
import { countActions, type PreviewAction, type PreviewEntry } from '../../lib/sync/preview-entry.ts';
import { recordStateOf } from '../../lib/sync/record-state.ts';
import { startPair, sweep } from '../../lib/sync/sweep.ts';
import { waveRecords } from '../../lib/wave/records.ts';
import { type Database, type SyncWorld, startDatabase, startSyncWorld } from '../support/sync-world.ts';

async function previewOf(world: SyncWorld, engine = world.engine): Promise<readonly PreviewEntry[]> {
  const entries: PreviewEntry[] = [];
  for await (const entry of preview(engine, world.call)) entries.push(entry);
  return entries;
}

/** Starts everything and works until nothing is left to do. */
async function startAll(world: SyncWorld): Promise<void> {
  for (const pair of pairs) await startPair(world.engine, pair);
  for (let round = 0; round < 20; round++) {
    const progress = await sweep(world.engine, world.call());
    await world.drain();
    if (progress?.finishedAt !== undefined) return;
  }
  throw new Error('The sweep never came to its end');
}

const line = { Description: 'Ladder', Quantity: '2', UnitPrice: '49.9' };
const order = { Status: 'draft', Currency: 'CAD', OrderDate: '2026-05-04', DueDate: '2026-06-03' };

/** Records in every situation that a first load meets. Answers what each of them is called. */
async function everySituation(world: SyncWorld): Promise<ReadonlyMap<string, string>> {
  const names = new Map<string, string>();
  const make = async (name: string, ...what: Parameters<SyncWorld['make']>) => {
    const record = await world.make(...what);
    names.set(refKey(record), name);
    return record;
  };
  const customer = (name: string, body: object) =>
    make(name, 'customcrm', 'customer', { Name: name, ...body });
  const matched = await customer('matched', { Email: 'office@corner.example', Phone: '+1 555 0100' });
  const matchedThere = await make('matched there', 'wave', 'customer', {
    name: 'matched',
    email: 'Office@corner.example',
    phone: '+1 555 0199',
  });
  const alone = await customer('alone', { Email: 'alone@hill.example', Currency: 'CAD' });
  const aloneThere = await make('alone there', 'wave', 'customer', {
    name: 'alone there',
    currency: { code: 'CAD' },
  });
  const twin = await customer('twin', { Email: 'same@twin.example' });
  await customer('other twin', { Email: 'same@twin.example' });
  await make('twin there', 'wave', 'customer', { name: 'twin', email: 'same@twin.example' });
  await customer('abroad', { Currency: 'VES' });
  const ladder = await make('ladder', 'customcrm', 'product', {
    Name: 'Ladder',
    UnitPrice: '49.9',
    Active: true,
  });
  const ladderThere = await make('ladder there', 'wave', 'product', { name: 'Ladder', unitPrice: '49.9' });
  const hammer = await make('hammer', 'customcrm', 'product', {
    Name: 'Hammer',
    UnitPrice: '9',
    Active: true,
  });
  const taxed = await make('taxed', 'customcrm', 'product', {
    Name: 'Taxed',
    UnitPrice: '1',
    Active: true,
    TaxCodes: ['NONE'],
  });
  const ordered = (name: string, customerId: string, productId: string, more: object = {}) =>
    make(name, 'customcrm', 'order', {
      OrderNumber: name,
      ...order,
      CustomerId: customerId,
      Lines: [{ ...line, ProductId: productId }],
      ...more,
    });
  await ordered('new order', alone.id, hammer.id);
  await ordered('cancelled order', alone.id, hammer.id, { Status: 'cancelled' });
  await ordered("twin's order", twin.id, ladder.id);
  await ordered('taxed order', alone.id, taxed.id);
  await ordered('matched order', matched.id, ladder.id);
  const invoice = (name: string, customerId: string) =>
    make(name, 'wave', 'order', {
      poNumber: name.replace(' there', ''),
      customer: { id: customerId },
      currency: { code: 'CAD' },
      invoiceDate: '2026-05-04',
      dueDate: '2026-06-03',
      items: [
        {
          product: { id: ladderThere.id },
          description: 'Ladder',
          quantity: '2',
          unitPrice: '49.9',
          taxes: [],
        },
      ],
    });
  await invoice('matched order there', matchedThere.id);
  await invoice('new invoice', aloneThere.id);
  for (const name of ['resting', 'edited', 'deleted']) {
    const here = await customer(name, {});
    const there = await make(`${name} there`, 'wave', 'customer', { name });
    await linkRecords(world.engine, here, there, world.call());
    if (name === 'edited') await world.edit(here, { Phone: '+1 555 0123' });
    if (name !== 'deleted') continue;
    const reading = await world.engine.systems.customcrm.read('customer', here.id, world.call());
    assert.ok(reading.state === 'living');
    await world.engine.systems.customcrm.remove('customer', reading.snapshot, world.call());
  }
  return names;
}

/** What the apply did, in the words of the preview. `before`: the outcomes of each link so far. */
async function whatBecame(
  world: SyncWorld,
  entry: PreviewEntry,
  existed: ReadonlySet<string>,
  before: ReadonlyMap<string, number>,
): Promise<PreviewAction> {
  const ref: RecordRef = { system: entry.system, pair: entry.pair, id: entry.id };
  const linkedBefore = before.get(refKey(ref));
  const link = await findLink(world.engine.table, ref);
  if (link && linkedBefore !== undefined) return link.history.length > linkedBefore ? 'update' : 'nothing';
  if (link) return existed.has(refKey((await world.counterpart(ref)) as RecordRef)) ? 'link' : 'create';
  if (linkedBefore !== undefined) return 'unlink';
  const parked = await world.engine.table.get({ pk: refKey(ref), sk: 'parked' });
  if (parked) return 'wait';
  return ((await recordStateOf(world.engine, ref))?.state ?? 'nothing') as PreviewAction;
}

describe('a preview', () => {
  let database: Database;
  let world: SyncWorld;
  let names: ReadonlyMap<string, string>;
  before(async () => {
    database = await startDatabase();
    world = await startSyncWorld(database);
    names = await everySituation(world);
  });
  after(async () => {
    await world.close();
    await database.close();
  });

  test('says for every record what would happen to it, and writes nothing anywhere', async () => {
    const items = await world.items();
    const writes = await world.writes();
    const queued = world.queued();
    const entries = await previewOf(world);
    assert.deepEqual(await world.items(), items);
    assert.deepEqual(await world.writes(), writes);
    assert.equal(world.queued(), queued);
    const said = Object.fromEntries(
      entries.map((entry) => [names.get(refKey(entry)) ?? 'fallback', [entry.action, ...entry.after]]),
    );
    assert.deepEqual(said, {
      matched: ['link'],
      alone: ['create'],
      'alone there': ['create'],
      twin: ['ambiguous'],
      'other twin': ['ambiguous'],
      'twin there': ['ambiguous'],
      abroad: ['blocked'],
      resting: ['nothing'],
      edited: ['update'],
      deleted: ['unlink'],
      ladder: ['link'],
      hammer: ['create'],
      taxed: ['blocked'],
      fallback: ['create'],
      'new order': ['create', 'customer', 'product'],
      'cancelled order': ['excluded'],
      "twin's order": ['wait', 'customer', 'product'],
      'taxed order': ['wait', 'customer', 'product'],
      'matched order': ['link', 'customer', 'product'],
      'new invoice': ['create', 'customer', 'product'],
    });
    const reasons = (name: string) => entries.find((entry) => names.get(refKey(entry)) === name)?.reasons;
    assert.deepEqual(reasons('matched'), ['Phone: first link differs']);
    assert.deepEqual(reasons('twin'), ['more than one record has the same email']);
    assert.deepEqual(reasons('cancelled order'), ['the order is cancelled']);
    assert.match(reasons('abroad')?.[0] ?? '', /Wave does not know the currency code VES/);
    assert.match(
      reasons("twin's order")?.[0] ?? '',
      /^customcrm#customer#.*: more than one record has the same email$/,
    );
    const edited = entries.find((entry) => names.get(refKey(entry)) === 'edited');
    assert.deepEqual(edited?.rows, ['Phone->wave']);
    assert.equal(countActions(entries).ambiguous, 3);
  });

  test('says what the apply then does', async () => {
    const entries = await previewOf(world);
    const existed = new Set(names.keys());
    const before = new Map<string, number>();
    for (const entry of entries) {
      const link = await findLink(world.engine.table, entry);
      if (link) before.set(refKey(entry), link.history.length);
    }
    await startAll(world);
    for (const entry of entries) {
      const name = names.get(refKey(entry)) ?? refKey(entry);
      assert.equal(await whatBecame(world, entry, existed, before), entry.action, name);
      if (entry.action !== 'link') continue;
      const other = await world.counterpart(entry);
      assert.deepEqual(
        other,
        { system: otherSystem(entry.system), pair: entry.pair, id: entry.counterpart },
        name,
      );
      const link = await findLink(world.engine.table, entry);
      assert.deepEqual(link?.reasons, entry.reasons, name);
    }
    const states = await Promise.all(entries.map((entry) => recordStateOf(world.engine, entry)));
    for (const [index, entry] of entries.entries())
      if (entry.action === 'ambiguous' || entry.action === 'excluded' || entry.action === 'blocked')
        assert.deepEqual(states[index]?.reason, entry.reasons[0]);
  });

  test('has nothing more to say afterwards than what is left open', async () => {
    const counts = countActions(await previewOf(world));
    assert.equal(counts.create + counts.link + counts.update + counts.unlink, 0);
    assert.equal(counts.ambiguous, 3);
    assert.equal(counts.blocked, 2);
  });

  test('says of products that they are blocked while the setting is missing that they need', async () => {
    const created = { Name: 'Rope', UnitPrice: '5', Active: true };
    const rope = await world.make('customcrm', 'product', created);
    const { wave, waveOptions } = world.connections;
    const without = waveRecords(wave, { ...waveOptions, incomeAccountId: undefined });
    const { systems } = world.engine;
    const entries = await previewOf(world, { ...world.engine, systems: { ...systems, wave: without } });
    const entry = entries.find(({ id }) => id === rope.id);
    assert.equal(entry?.action, 'blocked');
    assert.match(entry.reasons[0] ?? '', /WAVE_INCOME_ACCOUNT_ID is needed/);
  });

  test('asks again for what did not answer, and says the same as otherwise', async () => {
    let failures = 0;
    const { taxes } = world.engine;
    const flaky = {
      taxes: async (...asked: Parameters<typeof taxes.taxes>) => {
        if (failures++ < 8) throw new RemoteUnavailableError('wave', 'HTTP 503', { retryAfterMs: 1 });
        return taxes.taxes(...asked);
      },
    };
    const engine = {
      ...world.engine,
      taxes: flaky,
      clock: { ...world.engine.clock, sleep: async () => undefined },
    };
    assert.deepEqual(await previewOf(world, engine), await previewOf(world));
    assert.ok(failures > 8);
  });

  test('shows a broken link, and goes on with the others', async () => {
    const one = await world.make('customcrm', 'customer', { Name: 'Half linked' });
    await handleDoorbell(world.engine, { ...one, eventId: 'webhook', at: Date.now() }, world.call());
    const there = await world.counterpart(one);
    assert.ok(there);
    const half = await world.engine.table.get(linkKey(there));
    assert.ok(half);
    await world.engine.table.write([{ put: { ...half, linkId: 'another' } }]);
    const entries = await previewOf(world);
    assert.ok(entries.length > 10);
    const shown = entries.filter(({ reasons }) => reasons.some((reason) => /do not mirror/.test(reason)));
    assert.deepEqual(
      shown.map(({ action, id }) => [action, id]),
      [['blocked', one.id]],
    );
  });
});
