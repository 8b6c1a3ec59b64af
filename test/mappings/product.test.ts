import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { composeCreate } from '../../lib/mappings/creation.ts';
import { setPath } from '../../lib/mappings/mapping.ts';
import { product } from '../../lib/mappings/product.ts';
import { agreedOn, applied, pictured, writesAfterEdit } from '../support/linked-record.ts';
import { customcrmProduct, snapshotOf, waveProduct } from '../support/mapping-bodies.ts';
import { mappingFacts, mappingSettings } from '../support/mapping-facts.ts';
import { policiesOf } from '../support/plan-rows.ts';

const linked = pictured(product, customcrmProduct, waveProduct);
const gst = { id: 'T-gst' };
const pst = { id: 'T-pst' };

/** What an edit in Customcrm writes to Wave, and what an edit in Wave writes to Customcrm. */
// biome-ignore format: reads as the specification's table.
const table: [property: string, typed: unknown, waveProperty: string, there: unknown, back: { typed: unknown; there: unknown }][] = [
  ['Name',        'Steps',       'name',              'Steps',      { typed: 'Long ladder', there: 'Long ladder' }],
  ['Description', 'Four steps',  'description',       'Four steps', { typed: 'Five steps',  there: 'Five steps' }],
  ['UnitPrice',   '12.3456785',  'unitPrice',         '12.34568',   { typed: '1,234.50',    there: '1234.5' }],
  ['Active',      false,         'isArchived',        true,         { typed: true,          there: false }],
  ['TaxCodes',    ['pst'],       'defaultSalesTaxes', [pst],        { typed: [gst],         there: ['GST'] }],
];

const afterEdit = (body: object, facts = mappingFacts()) => {
  const agreed = agreedOn(product, customcrmProduct, waveProduct);
  return applied({ ...linked, facts, agreed, customcrm: { ...customcrmProduct, ...body } }).plan;
};

describe('a product', () => {
  test('is tested here in every row of its table', () => {
    assert.deepEqual(
      table.map(([property, , waveProperty]) => [property, waveProperty]),
      product.rows(mappingSettings).map((row) => [row.customcrm, row.wave]),
    );
    assert.deepEqual(product.everyRow, product.rows(mappingSettings));
  });

  for (const [property, typed, waveProperty, there, back] of table) {
    test(`${property} <-> ${waveProperty}: an edit of one side is written to the other, and nothing else is`, () => {
      assert.deepEqual(writesAfterEdit(linked, 'customcrm', property, typed), {
        wave: { rows: [property], paths: [waveProperty], next: setPath(linked.wave, waveProperty, there) },
      });
      assert.deepEqual(writesAfterEdit(linked, 'wave', waveProperty, back.typed), {
        customcrm: {
          rows: [property],
          paths: [property],
          next: setPath(linked.customcrm, property, back.there),
        },
      });
    });
  }

  // biome-ignore format: reads as a decision table.
  const refused: [string, object, string, string][] = [
    ['an empty name',            { Name: '' },              'Name',      'Name is empty, and Wave needs one'],
    ['an empty price',           { UnitPrice: '' },         'UnitPrice', 'UnitPrice is empty, and Wave needs one'],
    ['a tax code Wave lacks',    { TaxCodes: ['GST', 'XX'] }, 'TaxCodes', 'Wave has no sales tax with the abbreviation XX'],
  ];
  for (const [situation, edit, row, reason] of refused) {
    test(`is blocked with the reason, and nothing is written: ${situation}`, () => {
      const plan = afterEdit(edit);
      assert.deepEqual(plan.blocked, [{ row, reason }]);
      assert.deepEqual(plan.writes, {});
    });
  }

  test('without price in Wave is blocked, and Customcrm keeps the price it has', () => {
    const agreed = agreedOn(product, customcrmProduct, waveProduct);
    const { plan } = applied({ ...linked, agreed, wave: { ...waveProduct, unitPrice: null } });
    const reason = 'UnitPrice is empty in Wave, and Customcrm needs one';
    assert.deepEqual([plan.blocked, plan.writes], [[{ row: 'UnitPrice', reason }], {}]);
  });

  // biome-ignore format: reads as a decision table.
  const equal: [string, object][] = [
    ['the same price with other zeros',                { UnitPrice: '49.900000' }],
    ['a price that rounds to Wave’s 5 decimals',       { UnitPrice: '49.900004' }],
    ['the same taxes in another order and case',       { TaxCodes: ['pst', ' GST '] }],
    ['a tax named twice',                              { TaxCodes: ['GST', 'PST', 'gst'] }],
    ['taxes that this CRM does not show: unknown',     { TaxCodes: undefined }],
    ['another CRM-only property',                      { Sku: 'L-3' }],
  ];
  for (const [situation, edit] of equal) {
    test(`writes nothing for ${situation}`, () => assert.deepEqual(afterEdit(edit).writes, {}));
  }

  test('has no taxes in Wave when Customcrm says none', () => {
    assert.deepEqual(afterEdit({ TaxCodes: [] }).writes.wave?.next.defaultSalesTaxes, []);
  });

  test('keeps a tax that is archived in Wave', () => {
    assert.deepEqual(afterEdit({ TaxCodes: ['HST'] }).writes.wave?.next.defaultSalesTaxes, [{ id: 'T-hst' }]);
    const { customcrm } = writesAfterEdit(linked, 'wave', 'defaultSalesTaxes', [{ id: 'T-hst' }]);
    assert.deepEqual(customcrm?.next.TaxCodes, ['HST']);
  });

  test('archives in Wave when it is taken out of use, which the fuse counts', () => {
    assert.deepEqual(afterEdit({ Active: false }).archives, ['Active']);
    assert.deepEqual(afterEdit({ Name: 'Steps' }).archives, []);
  });

  test('cannot be un-archived in Wave: blocked, with that reason', () => {
    const archived = { ...waveProduct, isArchived: true };
    const agreed = agreedOn(product, { ...customcrmProduct, Active: false }, archived);
    const { plan } = applied({ ...linked, agreed, wave: archived });
    assert.deepEqual(plan.blocked, [
      { row: 'Active', reason: 'Wave cannot un-archive a product through its API: do it in the web app' },
    ]);
    assert.deepEqual(plan.writes, {});
  });

  test('whose life differs at the first link is held, whatever the policy', () => {
    for (const firstLink of ['customcrm', 'wave', 'latest', 'hold'] as const) {
      const { plan } = applied(
        { ...linked, customcrm: { ...customcrmProduct, Active: false } },
        policiesOf({ firstLink: () => firstLink }),
      );
      assert.deepEqual(plan.held, [{ row: 'Active', reason: 'irreversible' }]);
      assert.equal(plan.writes.wave?.rows.includes('Active'), undefined);
    }
  });

  test('is created in Wave unarchived, for a create cannot archive', () => {
    const made = composeCreate(product, 'customcrm', { ...customcrmProduct, Active: false }, mappingFacts());
    assert.deepEqual(made, {
      body: { name: 'Ladder', description: 'Three steps', unitPrice: '49.9', defaultSalesTaxes: [gst, pst] },
      rows: ['Name', 'Description', 'UnitPrice', 'TaxCodes'],
    });
  });

  test('is created in Customcrm with the life that it has in Wave', () => {
    const made = composeCreate(product, 'wave', { ...waveProduct, isArchived: true }, mappingFacts());
    assert.ok('body' in made);
    assert.equal(made.body.Active, false);
  });

  test('without price is not created in Wave', () => {
    assert.deepEqual(
      composeCreate(product, 'customcrm', { ...customcrmProduct, UnitPrice: '' }, mappingFacts()),
      {
        blocked: 'UnitPrice is empty, and wave needs one',
      },
    );
  });
});

describe('a product without a link', () => {
  const fallback = snapshotOf('wave', 'product', 'WP-fallback', waveProduct);

  test('is recognised by its marker, then by its name', () => {
    const body = { ExternalId: 'wave:W-1', Name: ' Ladder ' };
    assert.deepEqual(product.matchKeys(snapshotOf('customcrm', 'product', '1', body), mappingSettings), [
      { name: 'externalId', form: 'wave:W-1' },
      { name: 'name', form: 'ladder' },
    ]);
    assert.deepEqual(
      product.matchKeys(snapshotOf('wave', 'product', 'W-1', { name: 'LADDER' }), mappingSettings),
      [
        { name: 'externalId', form: 'wave:W-1' },
        { name: 'name', form: 'ladder' },
      ],
    );
    assert.deepEqual(product.matchKeys(snapshotOf('customcrm', 'product', '1', {}), mappingSettings), []);
  });

  // biome-ignore format: reads as a decision table.
  const preferred: ['customcrm' | 'wave', object, boolean][] = [
    ['wave',      { isSold: true },  true],
    ['wave',      { isSold: false }, false],
    ['wave',      {},                true],
    ['customcrm', { isSold: false }, true],
  ];
  for (const [system, body, expected] of preferred) {
    test(`comes ${expected ? 'first' : 'after those that are sold'}: ${system} ${JSON.stringify(body)}`, () =>
      assert.equal(product.preferred(snapshotOf(system, 'product', '1', body)), expected));
  }

  test('is excluded when it is the fallback product, and only then', () => {
    assert.equal(
      product.excluded(fallback, mappingSettings),
      'the fallback product stands for lines without product',
    );
    assert.equal(product.excluded({ ...fallback, id: 'WP-1' }, mappingSettings), undefined);
    assert.equal(product.excluded({ ...fallback, system: 'customcrm' }, mappingSettings), undefined);
    const none = { ...mappingSettings, waveFallbackProductId: undefined };
    assert.equal(product.excluded(fallback, none), undefined);
  });

  test('contradicts nothing, needs no parent and is never locked or given up', () => {
    assert.equal(product.contradicts({}, {}, 'name', mappingFacts()), false);
    assert.deepEqual(product.parents('wave', {}, mappingSettings), []);
    assert.equal(product.locked('Name', {}, mappingSettings), undefined);
    assert.equal(product.givenUp({}), false);
    assert.equal(product.totalsAgree({}, {}, mappingFacts()), true);
  });

  test('is archived in Wave, or made inactive in Customcrm, when its counterpart is deleted', () => {
    assert.deepEqual(product.afterDeletion('customcrm', waveProduct), {
      do: 'write',
      path: 'isArchived',
      cell: true,
    });
    assert.deepEqual(product.afterDeletion('wave', customcrmProduct), {
      do: 'write',
      path: 'Active',
      cell: false,
    });
    assert.deepEqual(product.afterDeletion('customcrm', { isArchived: true }), { do: 'keep' });
    assert.deepEqual(product.afterDeletion('wave', { Active: false }), { do: 'keep' });
  });
});
