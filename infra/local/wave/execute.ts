import { randomUUID } from 'node:crypto';
import {
  type DocumentNode,
  type ExecutionResult,
  execute,
  type FieldNode,
  type GraphQLSchema,
  Kind,
  parse,
  validate,
} from 'graphql';
import { getVariableValues } from 'graphql/execution/values.js';
import type { Faults } from '../faults.ts';
import type { Business } from './business.ts';
import { localBusinessId } from './ids.ts';
import { mutations } from './mutations.ts';
import { businessView, notFound } from './view.ts';

export interface GraphQlRequest {
  readonly query?: unknown;
  readonly variables?: unknown;
  readonly operationName?: unknown;
}

/** A document that is known to be valid, and its variables as the schema takes them. */
export interface Prepared {
  readonly document: DocumentNode;
  readonly variables: Record<string, unknown>;
  readonly isMutation: boolean;
  readonly isIntrospection: boolean;
  /** Fields that cost something: those of the root, and those directly below a business. */
  readonly fields: number;
  /** What it costs: each of these fields, times the rows that a page of it may hold. */
  readonly cost: number;
}

type Variables = Readonly<Record<string, unknown>>;

const fault = (message: string, code: string): ExecutionResult =>
  ({ errors: [{ message, extensions: { code, id: randomUUID() } }] }) as unknown as ExecutionResult;

export const unauthenticated = (): ExecutionResult =>
  fault('You are not authenticated. To perform this action you must be authenticated', 'UNAUTHENTICATED');

/** Validates the document and coerces its variables, which Wave does before it asks who is calling. */
export function prepare(schema: GraphQLSchema, request: GraphQlRequest): Prepared | ExecutionResult {
  if (typeof request.query !== 'string') return fault('Must provide query string.', 'BAD_USER_INPUT');
  let document: DocumentNode;
  try {
    document = parse(request.query);
  } catch (error) {
    return fault((error as Error).message, 'GRAPHQL_PARSE_FAILED');
  }
  const [invalid] = validate(schema, document);
  if (invalid) return fault(invalid.message, 'GRAPHQL_VALIDATION_FAILED');
  const operation = document.definitions.find((each) => each.kind === Kind.OPERATION_DEFINITION);
  if (!operation) return fault('The document holds no operation.', 'GRAPHQL_VALIDATION_FAILED');
  const given = (request.variables ?? {}) as Variables;
  const { coerced, errors } = getVariableValues(schema, operation.variableDefinitions ?? [], given);
  if (errors) return fault(errors[0]?.message ?? 'A variable is invalid', 'VARIABLE_VALUE');
  const roots = operation.selectionSet.selections.filter(
    (each): each is FieldNode => each.kind === Kind.FIELD,
  );
  const charged = roots.flatMap((root) => chargedIn(root, given));
  return {
    document,
    variables: coerced ?? given,
    isMutation: operation.operation === 'mutation',
    isIntrospection: roots.every(({ name }) => name.value.startsWith('__')),
    fields: charged.length,
    cost: charged.reduce((sum, field) => sum + rowsOf(field, given), 0),
  };
}

/** For a business what is asked below it counts; fields that a directive leaves out do not. */
function chargedIn(root: FieldNode, variables: Variables): readonly FieldNode[] {
  if (root.name.value !== 'business') return [root];
  const below = (root.selectionSet?.selections ?? []).filter(
    (each): each is FieldNode =>
      each.kind === Kind.FIELD && each.selectionSet !== undefined && included(each, variables),
  );
  return below.length > 0 ? below : [root];
}

/** Wave's `@cost` has multipliers, and which, nobody knows: here each `pageSize` is one. */
function rowsOf({ arguments: given = [] }: FieldNode, variables: Variables): number {
  const size = given.find(({ name }) => name.value === 'pageSize')?.value;
  if (size?.kind === Kind.INT) return Number(size.value);
  return size?.kind === Kind.VARIABLE ? Number(variables[size.name.value]) : 1;
}

function included({ directives = [] }: FieldNode, variables: Variables): boolean {
  return directives.every(({ name, arguments: given = [] }) => {
    const [condition] = given;
    if (name.value !== 'include' || condition?.value.kind !== Kind.VARIABLE) return true;
    return variables[condition.value.name.value] === true;
  });
}

/** Padding makes no other id. */
const decoded = (id: string): string => Buffer.from(id, 'base64').toString('utf8');

/** Runs a prepared document. `lagMs`: queries answer from that long ago. */
export async function run(
  schema: GraphQLSchema,
  business: Business,
  { document, variables, isMutation }: Prepared,
  faults: Faults,
  lagMs: number,
): Promise<ExecutionResult> {
  const time = lagMs > 0 ? Date.now() - lagMs : Number.POSITIVE_INFINITY;
  const view = () => businessView(business.store, business.behaviours(), time).business;
  const struck = (name: string) => name === 'invoiceCreate' && faults.strikes('nodeNotFound');
  const rootValue = {
    business({ id }: { id?: string | null }) {
      if (id != null && decoded(id) !== decoded(localBusinessId)) throw notFound('Business');
      return view();
    },
    businesses: () => ({
      pageInfo: { currentPage: 1, totalPages: 1, totalCount: 1 },
      edges: [{ node: view() }],
    }),
    user: {
      id: Buffer.from('User:1').toString('base64'),
      defaultEmail: 'owner@maple.example',
      createdAt: '2026-01-01T00:00:00.000Z',
      modifiedAt: '2026-01-01T00:00:00.000Z',
    },
    currencies: [],
    countries: [],
    accountTypes: [],
    accountSubtypes: [],
    ...mutations(business, struck),
  };
  const result = await execute({ schema, document, rootValue, variableValues: variables });
  const withIds = result.errors?.map((error) => ({
    ...error.toJSON(),
    extensions: { code: 'INTERNAL_SERVER_ERROR', id: randomUUID(), ...error.extensions },
  }));
  const plain = { ...result, ...(withIds && { errors: withIds }) } as unknown as ExecutionResult;
  const answer = isMutation && faults.strikes('nullPayload') ? withoutRecords(plain) : plain;
  const grown = business.behaviours().additions ? { ...answer, ...additions } : answer;
  return faults.strikes('partialErrors') ? withHole(grown, faults) : grown;
}

const additions = { extensions: { cost: { requested: 3 } }, warnings: [{ code: 'NEW', since: 2031 }] };

/** `didSucceed: true` with null in the place of what was made or changed. */
function withoutRecords(answer: ExecutionResult): ExecutionResult {
  const payloads = Object.entries(answer.data ?? {}).map(([alias, payload]) => {
    const bare = Object.entries((payload ?? {}) as Record<string, unknown>).map(([key, value]) => [
      key,
      key === 'didSucceed' || key === 'inputErrors' ? value : null,
    ]);
    return [alias, payload && Object.fromEntries(bare)];
  });
  return { ...answer, data: Object.fromEntries(payloads) };
}

/** Makes one field null under an error: a root alias of several, or a list or record below the business. */
function withHole(answer: ExecutionResult, faults: Faults): ExecutionResult {
  const data = JSON.parse(JSON.stringify(answer.data ?? null)) as Record<string, unknown> | null;
  if (!data) return answer;
  const business = data.business as Record<string, unknown> | null | undefined;
  const [target, path] = business ? [business, ['business']] : [data, []];
  const holes = Object.keys(target).filter((key) => target[key] !== null && typeof target[key] === 'object');
  const hole = holes[faults.between(0, Math.max(0, holes.length - 1))];
  if (hole === undefined) return answer;
  target[hole] = null;
  const error = {
    message: 'Internal server error',
    path: [...path, hole],
    extensions: { code: 'INTERNAL_SERVER_ERROR', id: randomUUID() },
  };
  return { data, errors: [...(answer.errors ?? []), error] } as unknown as ExecutionResult;
}
