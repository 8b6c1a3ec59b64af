import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

/** The part of a JSON Schema that this file looks into. */
export interface Schema {
  readonly type?: string | readonly string[];
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly oneOf?: readonly Schema[];
}
interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly schema: Schema;
}
interface OpenApi {
  readonly paths: Readonly<
    Record<
      string,
      {
        readonly get?: { readonly parameters: readonly Parameter[] };
        readonly post?: {
          readonly requestBody: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
        };
      }
    >
  >;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

const file = new URL('../../../docs/customcrm-openapi.yaml', import.meta.url);
const document: unknown = parse(readFileSync(file, 'utf8'));
/** docs/customcrm-openapi.yaml with every reference resolved. */
const openapi = inlined(document) as OpenApi;

/** @throws Error when the contract has no such schema. */
export function schemaNamed(name: string): Schema {
  const schema = openapi.components.schemas[name];
  if (!schema) throw new Error(`The contract has no schema ${name}`);
  return schema;
}

/** The query of a list as one object; a filter that the contract does not name is refused. */
export function querySchema(path: string) {
  const parameters = openapi.paths[path]?.get?.parameters ?? [];
  const filters = parameters.filter((parameter) => parameter.in === 'query');
  const properties: Readonly<Record<string, Schema>> = Object.fromEntries(
    filters.map(({ name, schema }) => [name, schema]),
  );
  return { type: 'object', properties, additionalProperties: false } as const;
}

/** What is posted to a path. @throws Error when the contract posts no JSON there. */
export function postedSchema(path: string): Schema {
  const schema = openapi.paths[path]?.post?.requestBody.content['application/json']?.schema;
  if (!schema) throw new Error(`The contract has no POST ${path}`);
  return schema;
}

/** The schema without room for properties that it does not name: a misspelt one is refused, not lost in silence. */
export const closed = (schema: Schema): Schema => withoutRoom(schema) as Schema;

function withoutRoom(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(withoutRoom);
  if (node === null || typeof node !== 'object') return node;
  const inner = Object.fromEntries(Object.entries(node).map(([key, value]) => [key, withoutRoom(value)]));
  return 'properties' in node ? { ...inner, additionalProperties: false } : inner;
}

/** The document with every `$ref` replaced by what it points at. */
function inlined(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(inlined);
  if (node === null || typeof node !== 'object') return node;
  if ('$ref' in node) return inlined(pointed(String(node.$ref)));
  return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, inlined(value)]));
}

function pointed(ref: string): unknown {
  const keys = ref.slice('#/'.length).split('/');
  return keys.reduce((node, key) => (node as Readonly<Record<string, unknown>>)[key], document);
}
