import { initGraphQLTada } from 'gql.tada';
import type { introspection } from './graphql-env.d.ts';

/** Typed documents: a misspelt field or variable does not compile. Decimals, dates and ids are strings, and stay so. */
export const graphql = initGraphQLTada<{
  introspection: introspection;
  disableMasking: true;
  scalars: {
    ID: string;
    Decimal: string;
    Date: string;
    DateTime: string;
    URL: string;
    JSON: unknown;
    HexColorCode: string;
  };
}>();
