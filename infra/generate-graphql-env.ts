import { readFileSync, writeFileSync } from 'node:fs';
import { minifyIntrospection, outputIntrospectionFile } from '@gql.tada/internal';
import { buildSchema, GraphQLEnumType, introspectionFromSchema } from 'graphql';

/**
 * Writes what the compiler and the adapter know of Wave's schema: `lib/wave/graphql-env.d.ts` (types for every document) and
 * `lib/wave/enums.ts` (the codes that Wave takes). Run `npm run generate` after a change of `lib/wave/schema.graphql`.
 */
export function generated(sdl: string): Readonly<Record<string, string>> {
  const schema = buildSchema(sdl);
  const introspection = minifyIntrospection(
    introspectionFromSchema(schema) as Parameters<typeof minifyIntrospection>[0],
  );
  return {
    'lib/wave/graphql-env.d.ts': outputIntrospectionFile(introspection, {
      fileType: '.d.ts',
      shouldPreprocess: true,
    }),
    'lib/wave/enums.ts': [
      '// Written by infra/generate-graphql-env.ts from lib/wave/schema.graphql.',
      ...['CurrencyCode', 'CountryCode'].map((name) => {
        const type = schema.getType(name);
        if (!(type instanceof GraphQLEnumType)) throw new Error(`The schema has no enum ${name}`);
        const values = type.getValues().map((value) => value.name);
        return `/** The values of Wave's enum ${name}. */\nexport const ${name[0]?.toLowerCase()}${name.slice(1)}s: ReadonlySet<string> = new Set(\n  '${values.join(' ')}'.split(' '),\n);`;
      }),
      '',
    ].join('\n'),
  };
}

if (import.meta.main) {
  const files = generated(readFileSync('lib/wave/schema.graphql', 'utf8'));
  for (const [path, text] of Object.entries(files)) writeFileSync(path, text);
}
