import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { buildSchema, type GraphQLType, getNamedType, isObjectType } from 'graphql';
import { parse } from 'yaml';
import { type Pair, pairs } from '../../lib/domain/record.ts';
import { mappings } from '../../lib/mappings/pairs.ts';
import { mappingSettings } from '../support/mapping-facts.ts';
import { specifiedRows } from '../support/specification.ts';

// docs/dataflow.md is the specification and lib/mappings is the code: here they are held against each other, and both
// against Wave's schema and Customcrm's contract, so that none of the four can drift alone.

const specified = specifiedRows();
const rowsOf = (pair: Pair, poNumberFrom = mappingSettings.poNumberFrom) =>
  mappings[pair].rows({ ...mappingSettings, poNumberFrom });
const signs = { both: '<->', toWave: '->', toCustomcrm: '<-' } as const;

/** Lines are one row in code, and money is a whole object there. */
const asInCode = (path: string): string =>
  path
    .replace(/^Lines\[\]\..*/, 'Lines')
    .replace(/^items\..*/, 'items')
    .replace(/\.minorUnitValue$/, '');

describe('the tables of lib/mappings', () => {
  for (const pair of pairs) {
    test(`hold the rows of docs/dataflow.md for the pair ${pair}, in the same order`, () => {
      const inCode = rowsOf(pair).map((row) => ({
        customcrm: row.customcrm,
        direction: row.rules.ratchet ? 'special' : signs[row.direction],
        wave: row.wave,
      }));
      const inDocs = specified[pair].map((row) => ({
        customcrm: asInCode(row.customcrm),
        direction: row.direction,
        wave: asInCode(row.wave),
      }));
      const once = inDocs.filter(
        (row, index) => index === inDocs.findIndex(({ customcrm }) => customcrm === row.customcrm),
      );
      assert.ok(once.length > 0);
      assert.deepEqual(inCode, once);
    });

    test(`name each row of the pair ${pair} once, after its Customcrm property`, () => {
      const ids = rowsOf(pair).map((row) => row.id);
      assert.deepEqual(
        ids,
        rowsOf(pair).map((row) => row.customcrm),
      );
      assert.equal(new Set(ids).size, ids.length);
    });

    test(`keep two-way what is irreversible or cannot be empty in the pair ${pair}`, () => {
      const { irreversible, emptyInWave, required } = {
        irreversible: true,
        emptyInWave: true,
        required: true,
      };
      const special = { irreversible, emptyInWave, required };
      const oneWay = rowsOf(pair).filter((row) => row.direction !== 'both' || row.rules.ratchet);
      for (const row of oneWay)
        assert.deepEqual(
          Object.keys(row.rules).filter((rule) => rule in special),
          [],
          row.id,
        );
    });
  }

  test('send the lines of an order as one property, which covers each of the specified cells', () => {
    const cells = specified.order.filter(({ customcrm }) => customcrm.startsWith('Lines[].'));
    assert.deepEqual(
      cells.map(({ customcrm, wave }) => [customcrm.slice('Lines[].'.length), wave.slice('items.'.length)]),
      [
        ['ProductId', 'product.id'],
        ['Description', 'description'],
        ['Quantity', 'quantity'],
        ['UnitPrice', 'unitPrice'],
        ['TaxCodes', 'taxes'],
      ],
    );
  });

  test('let the buyer’s number flow both ways, and ours not at all, with poNumberFrom: PurchaseOrderNumber', () => {
    const usual = rowsOf('order');
    const swapped = rowsOf('order', 'PurchaseOrderNumber');
    assert.deepEqual(
      swapped.map((row) => row.id),
      usual.map((row) => row.id).filter((id) => id !== 'OrderNumber'),
    );
    const buyers = swapped.find((row) => row.id === 'PurchaseOrderNumber');
    assert.deepEqual(
      { direction: buyers?.direction, wave: buyers?.wave, rules: buyers?.rules },
      { direction: 'both', wave: 'poNumber', rules: {} },
    );
    for (const row of swapped.filter(({ id }) => id !== 'PurchaseOrderNumber'))
      assert.ok(usual.includes(row));
  });

  test('know their pairs by name', () => {
    for (const pair of pairs) assert.equal(mappings[pair].pair, pair);
  });
});

describe('docs/dataflow.md', () => {
  const schema = buildSchema(readFileSync('lib/wave/schema.graphql', 'utf8'));
  const waveType = { customer: 'Customer', product: 'Product', order: 'Invoice' } as const;

  /** The type at a dotted path of Wave's schema, without its exclamation marks: a null on the way decides those. */
  function typeAt(pair: Pair, path: string): string {
    let at: GraphQLType | undefined = schema.getType(waveType[pair]);
    for (const step of path.split('.')) {
      const inner: unknown = at && getNamedType(at);
      at = isObjectType(inner) ? inner.getFields()[step]?.type : undefined;
    }
    return String(at).replaceAll('!', '');
  }

  for (const pair of pairs) {
    test(`names properties and types of the pair ${pair} that Wave's schema has`, () => {
      for (const { wave, type } of specified[pair])
        assert.equal(typeAt(pair, wave.replace(/\.minorUnitValue$/, '')), type.replaceAll('!', ''), wave);
    });
  }

  const contract = parse(readFileSync('docs/customcrm-openapi.yaml', 'utf8')) as {
    components: { schemas: Record<string, { properties: Record<string, unknown> }> };
  };
  const notMapped: Readonly<Record<Pair, readonly string[]>> = {
    customer: ['ExternalId'],
    product: ['ExternalId', 'Sku'],
    order: ['ExternalId'],
  };
  const inputs = { customer: 'CustomerInput', product: 'ProductInput', order: 'OrderInput' } as const;

  for (const pair of pairs) {
    test(`maps every property of Customcrm's contract for the pair ${pair}, but for ${notMapped[pair]}`, () => {
      const inContract = Object.keys(contract.components.schemas[inputs[pair]]?.properties ?? {});
      const mapped = rowsOf(pair).map((row) => row.customcrm);
      assert.deepEqual(inContract.toSorted(), [...mapped, ...notMapped[pair]].toSorted());
    });
  }

  test("maps every property of an order line in Customcrm's contract", () => {
    const inContract = Object.keys(contract.components.schemas.OrderLine?.properties ?? {});
    const cells = specified.order
      .map(({ customcrm }) => customcrm)
      .filter((name) => name.startsWith('Lines[].'));
    assert.deepEqual(
      inContract.filter((name) => name !== 'Id').toSorted(),
      cells.map((name) => name.slice(8)).toSorted(),
    );
  });
});
