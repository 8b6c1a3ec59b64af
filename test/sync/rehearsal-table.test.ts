import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Condition, Item } from '../../lib/sync/ports.ts';
import { rehearsalTable } from '../../lib/sync/rehearsal-table.ts';
import { type Database, startDatabase, startSyncWorld } from '../support/sync-world.ts';

let database: Database;
before(async () => {
  database = await startDatabase();
});
after(() => database.close());

const conditions: readonly (Condition | undefined)[] = [
  undefined,
  'absent',
  'present',
  { equals: { revision: 1 } },
  { equals: { revision: 2, owner: 'a' } },
  { absentOrExpired: { attribute: 'until', before: 5 } },
  { absentOrExpired: { attribute: 'until', before: 50 } },
  { absentOrExpired: { attribute: 'until', before: 5, or: { owner: 'a' } } },
  { absentOrExpired: { attribute: 'until', before: 5, or: { owner: 'b' } } },
];

test('a rehearsed table decides like the real one, and shows what the real one holds without changing it', async (t) => {
  const world = await startSyncWorld(database);
  t.after(world.close);
  const { table } = world.engine;
  const stored: Item = { pk: 'there', sk: 'a', revision: 1, owner: 'a', until: 10 };
  await table.write([{ put: stored }, { put: { pk: 'there', sk: 'b', owner: 'b' } }]);
  const before = await world.items();
  for (const sk of ['a', 'b', 'none'])
    for (const when of conditions) {
      const put = { put: { pk: 'there', sk, revision: 9 }, ...(when && { when }) };
      const beside = { put: { pk: 'beside', sk } };
      const rehearsed = await rehearsalTable(table).write([put, beside]);
      const real = await table.write([put, beside, { check: { pk: 'nowhere', sk }, when: 'present' }]);
      assert.equal(real.done, false);
      assert.equal(rehearsed.done, !real.failed.has(0), JSON.stringify([sk, when]));
      if (!rehearsed.done) assert.deepEqual(rehearsed.failed.get(0), real.failed.get(0));
    }
  assert.deepEqual(await world.items(), before);
});

test('a rehearsed table shows its own writes over what is stored, in the order of the keys', async (t) => {
  const world = await startSyncWorld(database);
  t.after(world.close);
  const { table } = world.engine;
  for (const sk of ['k#1', 'k#3', 'z']) await table.write([{ put: { pk: 'p', sk } }]);
  const rehearsed = rehearsalTable(table);
  await rehearsed.write([{ put: { pk: 'p', sk: 'k#2' } }, { delete: { pk: 'p', sk: 'k#3' } }]);
  const keys = async (options: Parameters<typeof table.query>[1]) =>
    (await rehearsed.query('p', options)).map(({ sk }) => sk);
  assert.deepEqual(await keys({ limit: 10 }), ['k#1', 'k#2', 'z']);
  assert.deepEqual(await keys({ prefix: 'k#', after: 'k#1', limit: 10 }), ['k#2']);
  assert.deepEqual(await keys({ limit: 1 }), ['k#1']);
  assert.equal(await rehearsed.get({ pk: 'p', sk: 'k#3' }), undefined);
  assert.ok(await table.get({ pk: 'p', sk: 'k#3' }));
});
