import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { text } from '../../lib/mappings/conversions.ts';
import {
  canonical,
  getPath,
  putCell,
  readCell,
  rowsFor,
  sameCells,
  setPath,
} from '../../lib/mappings/mapping.ts';
import { mappingFacts } from '../support/mapping-facts.ts';

const facts = mappingFacts();

describe('the canonical text of a value', () => {
  // biome-ignore format: reads as a decision table.
  const table: [Parameters<typeof canonical>[0], string][] = [
    [null,                             'null'],
    [undefined,                        ''],
    ['a"b',                            '"a\\"b"'],
    [true,                             'true'],
    [[],                               '[]'],
    [['b', 'a'],                       '["b","a"]'],
    [{ b: 'x', a: null, c: undefined, d: ['y'] }, '{"a":null,"b":"x","d":["y"]}'],
    [{},                               '{}'],
  ];
  for (const [value, expected] of table)
    test(`of ${JSON.stringify(value)} is ${expected || 'empty'}`, () =>
      assert.equal(canonical(value), expected));

  test('does not depend on the order in which keys were set', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.string()), (value) => {
        const reversed = Object.fromEntries(Object.entries(value).reverse());
        assert.equal(canonical(reversed), canonical(value));
      }),
    );
  });
});

describe('a path', () => {
  const body = { a: { b: { c: 1 } }, n: null, u: undefined };

  // biome-ignore format: reads as a decision table.
  const table: [string, unknown][] = [
    ['a.b.c', 1], ['a.b', { c: 1 }], ['n', null], ['n.x', null], ['n.x.y', null], ['u', undefined], ['u.x', undefined],
    ['missing', undefined], ['missing.x', undefined], ['a.missing.x', undefined],
  ];
  for (const [path, expected] of table)
    test(`reads ${JSON.stringify(expected) ?? 'unknown'} at ${path}`, () =>
      assert.deepEqual(getPath(body, path), expected));

  test('sets a cell in a copy, and makes the objects on the way', () => {
    const before = structuredClone(body);
    assert.deepEqual(setPath(body, 'a.b.d', 2), { ...body, a: { b: { c: 1, d: 2 } } });
    assert.deepEqual(setPath(body, 'n.x', 2), { ...body, n: { x: 2 } });
    assert.deepEqual(setPath({}, 'x.y.z', null), { x: { y: { z: null } } });
    assert.deepEqual(setPath(body, 'a', 2), { ...body, a: 2 });
    assert.deepEqual(body, before);
  });
});

describe('a row', () => {
  const { both, toWave, toCustomcrm } = rowsFor<
    { Name: string | null },
    { inner: { name: string | null } | null }
  >();
  const row = both('Name', 'inner.name', text);

  test('is named after its Customcrm property and knows its direction', () => {
    assert.deepEqual(row, {
      id: 'Name',
      direction: 'both',
      customcrm: 'Name',
      wave: 'inner.name',
      conversion: text,
      rules: {},
    });
    assert.equal(toWave('Name', 'inner.name', text).direction, 'toWave');
    assert.deepEqual(toCustomcrm('Name', 'inner.name', text, { required: true }).rules, { required: true });
    assert.equal(toCustomcrm('Name', 'inner.name', text).direction, 'toCustomcrm');
  });

  test('is unknown where its key is absent, and empty where the object around it is null', () => {
    assert.equal(readCell(row, 'customcrm', {}, facts), undefined);
    assert.equal(readCell(row, 'wave', {}, facts), undefined);
    assert.equal(readCell(row, 'wave', { inner: {} }, facts), undefined);
    assert.deepEqual(readCell(row, 'wave', { inner: null }, facts), { value: null, form: '' });
    assert.deepEqual(readCell(row, 'customcrm', { Name: ' North ' }, facts), {
      value: ' North ',
      form: 'North',
    });
  });

  test('has its canonical text as form, and equal forms as equality, when its conversion says nothing else', () => {
    const { form: _form, ...bare } = text;
    const plainRow = { ...row, conversion: bare };
    assert.equal(readCell(plainRow, 'customcrm', { Name: 'North ' }, facts)?.form, '"North "');
    const cell = (form: string, value: string) => ({ form, value });
    assert.equal(sameCells(plainRow, cell('x', 'a'), cell('x', 'b'), facts), true);
    assert.equal(sameCells(plainRow, cell('x', 'a'), cell('y', 'a'), facts), false);
    const alike = { ...row, conversion: { ...bare, same: () => true } };
    assert.equal(sameCells(alike, cell('x', 'a'), cell('y', 'b'), facts), true);
  });

  test('keeps the spelling of a cell that holds the value already, and gives its conversion the current one', () => {
    assert.deepEqual(putCell(row, 'customcrm', 'North', { Name: ' North' }, facts), { cell: ' North' });
    assert.deepEqual(putCell(row, 'wave', 'South', { inner: { name: 'North' } }, facts), { cell: 'South' });
    const currents: unknown[] = [];
    const spy = {
      ...text,
      toWave: (_value: unknown, current: unknown) => ({ cell: currents.push(['wave', current]) }),
      toCustomcrm: (_value: unknown, current: unknown) => ({ cell: currents.push(['customcrm', current]) }),
    };
    putCell({ ...row, conversion: spy }, 'wave', 'South', { inner: { name: 'North' } }, facts);
    putCell({ ...row, conversion: spy }, 'wave', 'South', { inner: null }, facts);
    putCell({ ...row, conversion: spy }, 'customcrm', 'South', { Name: 'North' }, facts);
    putCell({ ...row, conversion: spy }, 'customcrm', 'South', {}, facts);
    assert.deepEqual(currents, [
      ['wave', 'North'],
      ['wave', undefined],
      ['customcrm', 'North'],
      ['customcrm', undefined],
    ]);
  });
});
