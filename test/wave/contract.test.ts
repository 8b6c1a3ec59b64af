import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  buildASTSchema,
  type DocumentNode,
  type InputValueDefinitionNode,
  Kind,
  parse,
  print,
  type TypeNode,
} from 'graphql';
import { prepare } from '../../infra/local/wave/execute.ts';
import { localIncomeAccountId, startWave } from '../../infra/local/wave/server.ts';
import { openDesk } from '../../lib/cli/probe/desk.ts';
import { probe } from '../../lib/cli/probe/probe.ts';
import { type Body, pairs, type Snapshot } from '../../lib/domain/record.ts';
import { mappings } from '../../lib/mappings/pairs.ts';
import type { WaveClient } from '../../lib/wave/client.ts';
import { everyDocument } from '../../lib/wave/contract.ts';
import { waveRecords } from '../../lib/wave/records.ts';
import { waveCustomer, waveInvoice, waveProduct } from '../support/mapping-bodies.ts';
import { startWaveScript } from '../support/wave-script.ts';
import { callIn, connected } from './connected.ts';

const script = fileURLToPath(new URL('../../infra/wave-contract.ts', import.meta.url));
const contract = (...args: string[]) =>
  new Promise<{ readonly code: number; readonly text: string }>((resolve) => {
    execFile(process.execPath, [script, ...args], (error, stdout, stderr) =>
      resolve({ code: Number(error?.code ?? 0), text: stdout + stderr }),
    );
  });

describe('the contract with Wave', () => {
  test("holds for every document, against Wave's schema", async () => {
    const wave = await startWave({ port: 0, path: ':memory:', token: 'local', sample: false });
    try {
      const { code, text } = await contract(wave.url);
      assert.equal(code, 0, text);
      const count = everyDocument().length;
      assert.match(text, new RegExp(`\\n${count} valid, 0 invalid, 0 unknown\\n`));
      assert.equal(text.match(/^valid .*UNAUTHENTICATED$/gm)?.length, count);
    } finally {
      await wave.close();
    }
  });

  test('is broken by one document that is not valid any more: it is named, and the end is 1', async () => {
    const server = await startWaveScript(({ query }) => ({
      body: {
        errors: [
          query.includes('mutation CustomerPatch')
            ? {
                message: 'Cannot query field "fax" on type "Customer".',
                extensions: { code: 'GRAPHQL_VALIDATION_FAILED' },
              }
            : { message: 'Who are you?', extensions: { code: 'UNAUTHENTICATED' } },
        ],
      },
    }));
    try {
      const { code, text } = await contract(server.url);
      assert.equal(code, 1);
      assert.match(text, /^invalid {2}customerPatch +GRAPHQL_VALIDATION_FAILED: Cannot query field "fax"/m);
      assert.ok(server.received.every(({ authorization }) => authorization === ''));
    } finally {
      await server.close();
    }
  });

  test('cannot be looked at where nobody answers: it says so and ends with 2', async () => {
    const { code, text } = await contract('http://127.0.0.1:9/graphql/public');
    assert.equal(code, 2);
    assert.match(text, /could not be asked/);
  });

  test('explains itself', async () => {
    const { code, text } = await contract('--help');
    assert.equal(code, 0);
    assert.match(text, /wave:contract/);
  });
});

/** `address.city`, `items.unitPrice`: every field that an input holds, whatever its value. */
function fieldsOf(input: unknown): readonly string[] {
  if (Array.isArray(input)) return input.flatMap(fieldsOf);
  if (input === null || typeof input !== 'object') return [];
  return Object.entries(input).flatMap(([name, inner]) => [
    name,
    ...fieldsOf(inner).map((path) => `${name}.${path}`),
  ]);
}

const optional = (type: TypeNode) => (type.kind === Kind.NON_NULL_TYPE ? type.type : type);
const namedIn = (type: TypeNode): string =>
  type.kind === Kind.NAMED_TYPE ? type.name.value : namedIn(type.type);

describe('the variables of the contract', () => {
  const samples = new Map(
    everyDocument().flatMap(({ query, variables }) => {
      const [, name = ''] = /^mutation \w+\(\$input: (\w+)!\)/.exec(query) ?? [];
      return name === '' ? [] : [[name, new Set(fieldsOf(variables.input))] as const];
    }),
  );

  test('hold every input field that the product, or its probe, sends', async () => {
    const sent = new Map<string, Set<string>>();
    const wave = await startWave({ port: 0, path: ':memory:', token: 'local', sample: false });
    try {
      const { client, options } = connected(wave.url);
      const recording: WaveClient = (document, variables, ...rest) => {
        const [, name = ''] = /\$input: (\w+)!/.exec(print(document as unknown as DocumentNode)) ?? [];
        const known = sent.get(name) ?? new Set();
        const { input } = variables as { readonly input?: unknown };
        for (const path of fieldsOf(input)) known.add(path);
        if (name !== '') sent.set(name, known);
        return client(document, variables, ...rest);
      };
      const { businessId, incomeAccountId } = options;
      const records = waveRecords(recording, { businessId, incomeAccountId });
      const bodies = { customer: waveCustomer, product: waveProduct, order: waveInvoice };
      for (const pair of pairs) {
        const body = bodies[pair] as unknown as Body;
        const current: Snapshot = { system: 'wave', pair, id: 'W-1', body, createdAt: 0, modifiedAt: 0 };
        const rows = mappings[pair].everyRow.filter(({ direction, wave: path }) => {
          return direction !== 'toCustomcrm' && path !== 'status';
        });
        const paths = rows.map((row) => row.wave);
        const picked = new Set(paths.map((path) => path.split('.')[0]));
        const made = Object.fromEntries(Object.entries(body).filter(([name]) => picked.has(name)));
        const fixed = { __typename: 'FixedInvoiceDiscount', name: null, amount: '1' };
        // What they come to is another test's business.
        await records.create(pair, made, '', callIn()).catch(() => undefined);
        await records
          .update(pair, current, { ...body, discounts: [fixed] }, paths, callIn())
          .catch(() => undefined);
        await records
          .update(pair, current, { ...body, isArchived: true }, paths, callIn())
          .catch(() => undefined);
        await records.update(pair, current, body, ['status'], callIn()).catch(() => undefined);
        await records.remove(pair, current, callIn()).catch(() => undefined);
      }
      const { desk, clear } = await openDesk({
        client: recording,
        business: businessId,
        incomeAccountId: localIncomeAccountId,
        callNow: () => callIn(),
        sleep: async () => undefined,
        mark: 'Probe',
      });
      await probe(desk, () => undefined);
      await clear();
    } finally {
      await wave.close();
    }
    assert.deepEqual([...sent.keys()].sort(), [...samples.keys()].sort());
    for (const [name, fields] of sent)
      assert.deepEqual(
        [...fields].filter((path) => !samples.get(name)?.has(path)),
        [],
        name,
      );
  });

  test('tell when Wave takes any one of their fields away', () => {
    const schema = parse(readFileSync(new URL('../../lib/wave/schema.graphql', import.meta.url), 'utf8'));
    const documents = everyDocument();
    const isValid = (without: DocumentNode) => {
      const built = buildASTSchema(without, { assumeValidSDL: true });
      return documents.every(({ query, variables }) => 'document' in prepare(built, { query, variables }));
    };
    assert.equal(isValid(schema), true);
    const inputs = new Map(
      schema.definitions.flatMap((each) =>
        each.kind === Kind.INPUT_OBJECT_TYPE_DEFINITION ? [[each.name.value, each] as const] : [],
      ),
    );
    /** As `Type.field`, with the types that lie below. */
    function used(typeName: string, value: unknown): readonly string[] {
      if (Array.isArray(value)) return value.flatMap((inner) => used(typeName, inner));
      return Object.entries(value ?? {}).flatMap(([name, inner]) => {
        const field = inputs.get(typeName)?.fields?.find((each) => each.name.value === name);
        return field ? [`${typeName}.${name}`, ...used(namedIn(field.type), inner)] : [];
      });
    }
    const sent = new Set(
      documents.flatMap(({ query, variables }) => {
        const [, name = ''] = /^mutation \w+\(\$input: (\w+)!\)/.exec(query) ?? [];
        return used(name, variables.input);
      }),
    );
    assert.ok(sent.size > 70, `${sent.size} fields`);
    for (const path of sent) {
      const [typeName, fieldName] = path.split('.');
      const renamed = (field: InputValueDefinitionNode) =>
        field.name.value === fieldName
          ? { ...field, name: { ...field.name, value: `${fieldName}Now` }, type: optional(field.type) }
          : field;
      const definitions = schema.definitions.map((each) =>
        each === inputs.get(typeName ?? '') ? { ...each, fields: each.fields?.map(renamed) ?? [] } : each,
      );
      assert.equal(isValid({ ...schema, definitions }), false, path);
    }
  });
});
