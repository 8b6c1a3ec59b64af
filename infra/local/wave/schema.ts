import { readFileSync } from 'node:fs';
import { buildSchema, GraphQLEnumType, GraphQLError, GraphQLScalarType, type GraphQLSchema } from 'graphql';

/** Wave's published schema, with scalars that take what Wave takes. */
export function waveSchema(): GraphQLSchema {
  const schema = buildSchema(
    readFileSync(new URL('../../../lib/wave/schema.graphql', import.meta.url), 'utf8'),
  );
  parseAs(schema, 'Decimal', /^-?\d+(\.\d+)?$/, 'a decimal number as text');
  parseAs(schema, 'Date', /^\d{4}-\d{2}-\d{2}$/, 'a date as yyyy-MM-dd');
  parseAs(schema, 'DateTime', /^\d{4}-\d{2}-\d{2}T/, 'a time in ISO 8601');
  const statuses = schema.getType('InvoiceStatus');
  // Enums grow: a new value is shown as it is.
  if (statuses instanceof GraphQLEnumType) statuses.serialize = String;
  return schema;
}

function parseAs(schema: GraphQLSchema, name: string, pattern: RegExp, what: string): void {
  const type = schema.getType(name);
  if (!(type instanceof GraphQLScalarType)) throw new Error(`The schema has no scalar ${name}`);
  type.parseValue = (value: unknown) => {
    const text = String(value);
    if (!pattern.test(text)) throw new GraphQLError(`${name} must be ${what}`);
    return text;
  };
}
