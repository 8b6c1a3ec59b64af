import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { RecordRef } from '../../lib/domain/record.ts';
import { RemoteRejectedError } from '../../lib/errors.ts';
import type { Engine } from '../../lib/sync/engine.ts';
import { retry } from '../../lib/sync/operate.ts';
import { alteredWave } from '../support/altered-wave.ts';
import { linkedOrder, linkedPair, linkOf, ring, withWave } from '../support/sync-steps.ts';
import { type Database, type SyncWorld, startDatabase, startSyncWorld } from '../support/sync-world.ts';

let database: Database;
before(async () => {
  database = await startDatabase();
});
after(() => database.close());

const start = () => startSyncWorld(database, { startedPairs: () => true });
const cityOf = async (world: SyncWorld, ref: { readonly id: string }) => {
  const { address } = await world.read({ system: 'wave', pair: 'customer', id: ref.id });
  return (address as { readonly city: string | null } | null)?.city ?? null;
};

describe('a row that a system refuses', () => {
  test('is blocked with the reason, and holds up neither the other rows nor the other direction', async (t) => {
    const world = await start();
    t.after(world.close);
    const { crm, wave } = await linkedPair(world, 'customer', { Name: 'One', Phone: '1' });
    await world.edit(crm, { Currency: 'VES', City: 'Halifax' });
    await world.edit(wave, { phone: '2' });
    await ring(world, crm);
    assert.equal(await cityOf(world, wave), 'Halifax');
    assert.equal((await world.read(crm)).Phone, '2');
    const { state, reasons } = await linkOf(world, crm);
    assert.equal(state, 'blocked');
    assert.deepEqual(reasons, ['Currency: wave refused: Wave does not know the currency code VES']);
  });

  test('is not tried again by later edits of other rows, only when one of its sides changes, or a person says so', async (t) => {
    const world = await start();
    t.after(world.close);
    const { crm, wave } = await linkedPair(world, 'customer', { Name: 'One' });
    await world.edit(crm, { Province: 'CA-XX', City: 'Halifax', Country: 'CA' });
    await ring(world, crm);
    assert.equal((await linkOf(world, crm)).state, 'blocked');
    await world.edit(crm, { Phone: '1' });
    const writes = (await world.writes()).wave;
    await ring(world, crm);
    assert.equal((await world.writes()).wave - writes, 1, 'the phone alone');
    assert.equal((await linkOf(world, crm)).state, 'blocked');
    await retry(world.engine, crm);
    assert.equal((await linkOf(world, crm)).refusals, undefined);
    await world.edit(crm, { Province: 'CA-NS' });
    await ring(world, crm);
    assert.equal((await linkOf(world, crm)).state, 'in-sync');
    assert.equal(await cityOf(world, wave), 'Halifax');
  });

  test('may be a marker that somebody else has: it is offered once, and the rows beside it flow', async (t) => {
    const world = await start();
    t.after(world.close);
    const there = await world.make('wave', 'customer', { name: 'One', email: 'one@x.example', phone: '7' });
    await world.make('customcrm', 'customer', { Name: 'Other', ExternalId: `wave:${there.id}` });
    const crm = await world.make('customcrm', 'customer', { Name: 'One', Email: 'one@x.example' });
    const { linkRecords } = await import('../../lib/sync/decisions.ts');
    const decided = await linkRecords(world.engine, crm, { ...there, system: 'wave' }, world.call());
    assert.equal(decided.done, true);
    assert.equal((await world.read(crm)).Phone, '7');
    const link = await linkOf(world, crm);
    assert.deepEqual([link.marked, link.state, link.refusals], [true, 'in-sync', undefined]);
  });
});

describe('a country that does not fit the province is refused, and with it nothing else', () => {
  /** Wave refuses each edit of the address, and says that it is about these. */
  const refusing = ({ engine }: SyncWorld, paths: readonly string[]): Engine =>
    withWave(engine, {
      async update(pair, current, next, changed, call) {
        if (changed.some((path) => path.startsWith('address.')))
          throw new RemoteRejectedError('wave', 'Province does not belong to the country', { paths });
        return engine.systems.wave.update(pair, current, next, changed, call);
      },
    });

  for (const [named, engineOf] of [
    ['as the stand-in says it', ({ engine }: SyncWorld) => engine],
    ['when Wave names the province', (world: SyncWorld) => refusing(world, ['address.province.code'])],
    ['when Wave names the address', (world: SyncWorld) => refusing(world, ['address'])],
    ['when Wave names nothing', (world: SyncWorld) => refusing(world, [])],
  ] as const)
    test(named, async (t) => {
      const world = await start();
      t.after(world.close);
      const body = { Name: 'One', Phone: '1', Country: 'CA', Province: 'CA-ON' };
      const { crm, wave } = await linkedPair(world, 'customer', body);
      const engine = engineOf(world);
      await world.edit(crm, { Country: 'US', Phone: '2' });
      await ring(world, crm, engine);
      assert.equal((await world.read(wave)).phone, '2');
      await world.edit(crm, { Email: 'typed@later.example' });
      await ring(world, crm, engine);
      assert.equal((await world.read(wave)).email, 'typed@later.example');
      assert.match((await linkOf(world, crm)).reasons.join(), /^Country: wave refused: [^:]*$/);
    });
});

describe('a refusal that names nothing', () => {
  const names = { FirstName: 'a', LastName: 'b', Phone: '1', Mobile: '2', TollFree: '3', Fax: '4' };

  /** Wave refuses such updates; `sent` is what it was asked. */
  function vague({ engine }: SyncWorld, isRefused: (changed: readonly string[]) => boolean) {
    const sent: (readonly string[])[] = [];
    const refusing = withWave(engine, {
      async update(...asked) {
        sent.push(asked[3]);
        if (isRefused(asked[3])) throw new RemoteRejectedError('wave', 'something is wrong');
        return engine.systems.wave.update(...asked);
      },
    });
    return { sent, refusing };
  }

  async function settled(world: SyncWorld, ref: RecordRef, engine: Engine): Promise<void> {
    for (let look = 1; look <= 20; look++) {
      const { did } = await ring(world, ref, engine);
      world.pass(60_000);
      if (did !== 'parked') return;
    }
    assert.fail('it waits still');
  }

  test('costs about one request for each property, and holds up none but the one that it is about', async (t) => {
    const world = await start();
    t.after(world.close);
    const { crm, wave } = await linkedPair(world, 'customer', { Name: 'One' });
    const { sent, refusing } = vague(world, (changed) => changed.includes('displayId'));
    await world.edit(crm, { ...names, Number: 'bad', Website: 'https://x.example', Description: 'e' });
    await settled(world, crm, refusing);
    assert.ok(sent.length <= 11, `${sent.length} requests`);
    assert.equal((await world.read(wave)).fax, '4');
    assert.deepEqual((await linkOf(world, crm)).reasons, ['Number: wave refused: something is wrong']);
  });

  test('is asked for once more, not once for each property, when something else changes', async (t) => {
    const world = await start();
    t.after(world.close);
    const { crm, wave } = await linkedPair(world, 'customer', { Name: 'One' });
    const { sent, refusing } = vague(world, () => true);
    await world.edit(crm, names);
    await settled(world, crm, refusing);
    const before = sent.length;
    await world.edit(wave, { website: 'https://w.example' });
    await settled(world, crm, refusing);
    assert.ok(sent.length - before <= 2, `${sent.length - before} requests`);
  });
});

test('a province in small letters is not refused', async (t) => {
  const world = await start();
  t.after(world.close);
  const { crm, wave } = await linkedPair(world, 'customer', { Name: 'One', Country: 'CA' });
  await world.edit(crm, { Province: 'ca-on' });
  await ring(world, crm);
  assert.deepEqual((await linkOf(world, crm)).reasons, []);
  const { address } = await world.read(wave);
  assert.deepEqual((address as { readonly province: object }).province, { code: 'CA-ON' });
});

describe('the sum before tax that Wave computes', () => {
  const discount = { Discount: { Type: 'percentage', Value: '10', Name: null } };
  const inFractions = (world: SyncWorld) => ({
    ...world.engine,
    settings: {
      ...world.engine.settings,
      mapping: { ...world.engine.settings.mapping, wavePercentage: 'fraction' as const },
    },
  });
  const shown = ['totals: Wave computes another sum before tax'];

  test('shows when it is another one than ours after an update', async (t) => {
    const world = await start();
    t.after(world.close);
    const { crm } = await linkedOrder(world);
    await world.edit(crm, discount);
    await ring(world, crm, inFractions(world));
    const { state, reasons } = await linkOf(world, crm);
    assert.deepEqual([state, reasons], ['blocked', shown]);
    await ring(world, crm, inFractions(world));
    assert.equal((await linkOf(world, crm)).state, 'blocked', 'until it agrees');
  });

  test('shows when it is another one than ours after a create, and no longer when it is ours again', async (t) => {
    const world = await start();
    t.after(world.close);
    const { customer, product } = await linkedOrder(world);
    const crm = await world.make('customcrm', 'order', {
      CustomerId: customer.crm.id,
      Currency: 'CAD',
      OrderDate: '2026-10-01',
      Lines: [{ ProductId: product.crm.id, Quantity: '2', UnitPrice: '100', TaxCodes: [] }],
      ...discount,
    });
    await ring(world, crm, inFractions(world));
    assert.deepEqual((await linkOf(world, crm)).reasons, shown);
    await world.edit(crm, { Discount: null });
    await ring(world, crm, inFractions(world));
    assert.equal((await linkOf(world, crm)).state, 'in-sync');
  });

  test('says that Wave has the other unit of percentages: once that is set, the discount stays as it was typed', async (t) => {
    const world = await start();
    t.after(world.close);
    await world.behave({ percentage: 'fraction' });
    const { crm, wave } = await linkedOrder(world, discount);
    assert.deepEqual((await linkOf(world, crm)).reasons, shown);
    for (const ref of [crm, wave]) await ring(world, ref, inFractions(world));
    const { Discount } = await world.read(crm);
    assert.equal((Discount as { readonly Value: string }).Value, '10');
  });
});

test('a record that shows, but takes no write because it is not there, is asked less and less, and said in words', async (t) => {
  const world = await start();
  t.after(world.close);
  const { crm, wave } = await linkedPair(world, 'customer', { Name: 'One' });
  const errors = [{ message: 'not found', path: ['customerPatch'], extensions: { code: 'NOT_FOUND' } }];
  let writes = 0;
  const readOnly = withWave(
    world.engine,
    alteredWave(world, () => {
      writes += 1;
      return { data: { customerPatch: null }, errors, date: Date.now() };
    }),
  );
  await world.edit(crm, { Phone: '1' });
  const dueIn: number[] = [];
  const shown: unknown[] = [];
  for (let times = 0; times < 6; times++) {
    const handled = await ring(world, crm, readOnly);
    assert.ok(handled.did === 'parked' && handled.cause.name === 'not-found');
    dueIn.push(Math.round((handled.cause.due - world.engine.clock.now()) / 1000));
    shown.push(handled.cause.shows !== undefined);
  }
  assert.deepEqual(dueIn, [30, 60, 120, 240, 480, 900]);
  assert.deepEqual(shown, [false, false, false, true, true, true]);
  assert.equal(writes, 6 * 2);
  await ring(world, crm);
  assert.equal((await world.read(wave)).phone, '1', 'once it takes writes again');
});
