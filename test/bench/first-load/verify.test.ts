import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Pair } from '../../../lib/domain/record.ts';
import { entryOf, type PreviewEntry } from '../../../lib/sync/preview-entry.ts';
import type { Json } from './outside.ts';
import type { Seeded } from './seed.ts';
import { type Aftermath, applyFaults, duplicateFaults } from './verify.ts';

const none = <T>(): ReadonlyMap<string, T> => new Map();
const empty = <T>(): Record<Pair, ReadonlyMap<string, T>> => ({
  customer: none<T>(),
  product: none<T>(),
  order: none<T>(),
});

/** P1 is on both sides, P2 was only in Customcrm, P3 only in Wave; C1's phone was empty in Wave. */
const seeded: readonly Seeded[] = [
  { pair: 'product', fate: 'equal', customcrmId: 'P1', waveIds: ['W1'] },
  { pair: 'product', fate: 'only in Customcrm', customcrmId: 'P2', waveIds: [] },
  { pair: 'product', fate: 'only in Wave', waveIds: ['W3'] },
  { pair: 'customer', fate: 'fills', customcrmId: 'C1', waveIds: ['V1'] },
];
const said = (ref: Parameters<typeof entryOf>[0], more: Partial<PreviewEntry>): PreviewEntry => ({
  ...entryOf(ref, 'link'),
  ...more,
});
const entries: readonly PreviewEntry[] = [
  said({ system: 'customcrm', pair: 'product', id: 'P1' }, { counterpart: 'W1' }),
  said({ system: 'customcrm', pair: 'product', id: 'P2' }, { action: 'create', rows: ['name', 'unitPrice'] }),
  said({ system: 'wave', pair: 'product', id: 'W3' }, { action: 'create', rows: ['Name', 'UnitPrice'] }),
  said({ system: 'wave', pair: 'product', id: 'fallback' }, { action: 'excluded' }),
  said({ system: 'customcrm', pair: 'customer', id: 'C1' }, { counterpart: 'V1', rows: ['Phone->wave'] }),
];
const inWave = (name: string): Json => ({ name, unitPrice: '1', description: null });
const inCustomcrm = (Name: string, more: Json = {}): Json => ({
  Id: '',
  Version: 1,
  Name,
  UnitPrice: '1',
  ...more,
});

const right: Aftermath = {
  customcrm: {
    ...empty<Json>(),
    customer: new Map([['C1', { Phone: '+1 555' }]]),
    product: new Map([
      ['P1', inCustomcrm('One')],
      ['P2', inCustomcrm('Two')],
      ['P3', inCustomcrm('Three')],
    ]),
  },
  wave: {
    ...empty<Json>(),
    customer: new Map([['V1', { fields: {} }]]),
    product: new Map(['W1', 'W2', 'W3', 'fallback'].map((id) => [id, inWave(id)])),
  },
  links: {
    ...empty<string>(),
    customer: new Map([['C1', 'V1']]),
    product: new Map([
      ['P1', 'W1'],
      ['P2', 'W2'],
      ['P3', 'W3'],
    ]),
  },
  firstRows: { ...empty<readonly string[]>(), customer: new Map([['C1', ['Phone->wave']]]) },
  ambiguous: new Set(),
  held: new Set(),
};

describe('what the bench takes for a fault', () => {
  test('is nothing where everything was done as it was said', () => {
    assert.deepEqual(applyFaults(seeded, entries, right), []);
    assert.deepEqual(duplicateFaults(right, new Set(['fallback'])), []);
  });

  test('is a double that was imported, and linked like any other record', () => {
    const doubled: Aftermath = {
      ...right,
      wave: { ...right.wave, product: new Map([...right.wave.product, ['W1b', inWave('One')]]) },
      customcrm: {
        ...right.customcrm,
        product: new Map([...right.customcrm.product, ['P1b', inCustomcrm('One')]]),
      },
      links: { ...right.links, product: new Map([...right.links.product, ['P1b', 'W1b']]) },
    };
    assert.deepEqual(applyFaults(seeded, entries, doubled), [
      '4 records of product are in Customcrm, and 3 should be',
      '5 records of product are in Wave, and 4 should be',
      '4 records of product are linked, and 3 should be',
    ]);
  });

  test('are rows that were written and not said, and the other way round', () => {
    const faultsWith = (rows: readonly string[], kills: number) => {
      const firstRows = { ...right.firstRows, customer: new Map([['C1', rows]]) };
      return applyFaults(seeded, entries, { ...right, firstRows }, kills).length;
    };
    const written = [['Phone->wave'], [], ['Phone->wave', 'Name->wave']];
    assert.deepEqual(
      written.map((rows) => faultsWith(rows, 0)),
      [0, 1, 1],
    );
    assert.deepEqual(
      written.map((rows) => faultsWith(rows, 1)),
      [0, 0, 1],
    );
  });

  test('are more links without a history than a kill explains', () => {
    const ids = Array.from({ length: 101 }, (_, index) => `C${index}`);
    const faultsWith = (kills: number) =>
      applyFaults(
        ids.map((id) => ({ pair: 'customer', fate: 'fills', customcrmId: id, waveIds: [`V${id}`] })),
        ids.map((id) =>
          said(
            { system: 'customcrm', pair: 'customer', id },
            { counterpart: `V${id}`, rows: ['Phone->wave'] },
          ),
        ),
        {
          ...right,
          customcrm: { ...empty<Json>(), customer: new Map(ids.map((id) => [id, {}])) },
          wave: { ...empty<Json>(), customer: new Map(ids.map((id) => [`V${id}`, {}])) },
          links: { ...empty<string>(), customer: new Map(ids.map((id) => [id, `V${id}`])) },
          firstRows: empty<readonly string[]>(),
        },
        kills,
      ).length;
    assert.deepEqual([0, 1, 2].map(faultsWith), [101, 1, 0]);
  });

  test('are properties of a new record that nobody said, and such as it lacks', () => {
    const faultsWith = (wave: Json, customcrm: Json) =>
      applyFaults(seeded, entries, {
        ...right,
        wave: { ...right.wave, product: new Map([...right.wave.product, ['W2', wave]]) },
        customcrm: { ...right.customcrm, product: new Map([...right.customcrm.product, ['P3', customcrm]]) },
      }).length;
    const [there, here] = [inWave('Two'), inCustomcrm('Three')];
    assert.equal(faultsWith(there, here), 0);
    assert.equal(faultsWith({ ...there, description: 'Somebody else' }, here), 1);
    assert.equal(faultsWith({ ...there, unitPrice: null }, here), 1);
    assert.equal(faultsWith(there, { ...here, Sku: 'S' }), 1);
    assert.equal(faultsWith(there, { ...here, UnitPrice: null }), 1);
  });
});
