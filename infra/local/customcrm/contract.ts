import { Ajv2020, type ErrorObject } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { closed, postedSchema, querySchema, type Schema, schemaNamed } from './openapi.ts';
import { type FieldError, ProblemError } from './problem.ts';

// Every rule here is read from docs/customcrm-openapi.yaml, so that the contract and its stand-in cannot drift apart.

/** The three types of records: their path, the name of their schema, the prefix of their ids. */
export const recordTypes = {
  customer: { path: 'customers', schema: 'Customer', prefix: 'cus' },
  product: { path: 'products', schema: 'Product', prefix: 'prd' },
  order: { path: 'orders', schema: 'Order', prefix: 'ord' },
} as const;
export type RecordType = keyof typeof recordTypes;
export const typeNames = ['customer', 'product', 'order'] as const;

/** What a client may send of a record. */
export type Fields = Readonly<Record<string, unknown>>;

/** A record as it is answered. Times are RFC 3339 UTC with milliseconds. */
export interface CrmRecord extends Fields {
  readonly Id: string;
  readonly Version: number;
  readonly CreatedAt: string;
  readonly UpdatedAt: string;
  readonly DeletedAt: string | null;
}

/** The filters of a list, as the contract types them. */
export interface ListQuery {
  readonly limit?: number;
  readonly cursor?: string;
  readonly updatedSince?: string;
  readonly includeDeleted?: boolean;
  readonly ids?: string;
  readonly email?: string;
  readonly name?: string;
  readonly orderNumber?: string;
  readonly customerId?: string;
  readonly externalId?: string;
}

const options = {
  allErrors: true,
  allowUnionTypes: true,
  strictTypes: false,
  strictRequired: false,
} as const;
const bodies = withFormats(new Ajv2020(options));
const queries = withFormats(new Ajv2020({ ...options, coerceTypes: true }));
const metaNames = new Set(Object.keys(schemaNamed('Meta').properties ?? {}));

const checks = { customer: checksOf('customer'), product: checksOf('product'), order: checksOf('order') };
const subscription = bodies.compile(closed(postedSchema('/webhooks')));

function checksOf(type: RecordType) {
  const { path, schema } = recordTypes[type];
  const inputSchema = schemaNamed(`${schema}Input`);
  return {
    inputSchema,
    input: bodies.compile(closed(inputSchema)),
    record: bodies.compile(schemaNamed(schema)),
    query: queries.compile(querySchema(`/${path}`)),
  };
}

/** What a client sends of a record: a new one, or a merge patch. @throws ProblemError 422. */
export function checkInput(type: RecordType, value: unknown): Fields {
  if (!checks[type].input(value)) throw refusal(checks[type].input.errors ?? []);
  return value as Fields;
}

/** A record that is about to be kept. @throws ProblemError 422, which also says what is required and missing. */
export function checkRecord(type: RecordType, record: CrmRecord): CrmRecord {
  if (!checks[type].record(record)) throw refusal(checks[type].record.errors ?? []);
  return record;
}

/** The query of a list. @throws ProblemError 400. */
export function checkQuery(type: RecordType, query: Readonly<Record<string, string>>): ListQuery {
  const typed = { ...query };
  if (!checks[type].query(typed)) throw refusal(checks[type].query.errors ?? [], 400);
  return typed as ListQuery;
}

/** Rows of a page when no `limit` is given. */
export const defaultLimit = Number(querySchema('/customers').properties.limit?.default);

interface SubscriptionInput {
  readonly Url: string;
  readonly Events: readonly string[];
  readonly Description?: string;
}

/** @throws ProblemError 422. */
export function checkSubscription(value: unknown): SubscriptionInput {
  if (!subscription(value)) throw refusal(subscription.errors ?? []);
  return value as unknown as SubscriptionInput;
}

/** The fields with what the contract says of unset ones: its default, or null where it allows null, all the way down. */
export const complete = (type: RecordType, fields: Fields): Fields =>
  completed(checks[type].inputSchema, fields) as Fields;

function completed(schema: Schema, value: unknown): unknown {
  if (value === undefined) return schema.default ?? (nullable(schema) ? null : undefined);
  if (value === null) return null;
  if (Array.isArray(value)) return value.map((item) => (schema.items ? completed(schema.items, item) : item));
  const properties = schema.properties ?? schema.oneOf?.find((branch) => branch.properties)?.properties;
  if (!properties) return value;
  const given = value as Fields;
  const entries = Object.entries(properties).map(([name, inner]) => [name, completed(inner, given[name])]);
  return Object.fromEntries(entries.filter(([, filled]) => filled !== undefined));
}

const nullable = ({ type, oneOf }: Schema): boolean =>
  type === 'null' || (Array.isArray(type) && type.includes('null')) || (oneOf ?? []).some(nullable);

function withFormats(ajv: Ajv2020): Ajv2020 {
  addFormats.default(ajv);
  return ajv;
}

/** At most this many errors are told at once. */
const errorLimit = 20;

function refusal(faults: readonly ErrorObject[], status = 422): ProblemError {
  const errors = faults.slice(0, errorLimit).map(fieldError);
  const detail = errors.map(({ field, message }) => `${field || 'the body'} ${message}`).join('; ');
  return new ProblemError(status, detail, { errors });
}

function fieldError({ instancePath, keyword, params, message = 'is refused' }: ErrorObject): FieldError {
  const path = instancePath
    .slice(1)
    .replace(/\/(\d+)(?=\/|$)/g, '[$1]')
    .replaceAll('/', '.');
  const within = (name: unknown) => (path ? `${path}.${name}` : String(name));
  if (keyword === 'required')
    return { field: within(params.missingProperty), code: 'required', message: 'is required' };
  if (keyword !== 'additionalProperties') return { field: path, code: keyword, message };
  const name = String(params.additionalProperty);
  return metaNames.has(name) && !path
    ? { field: name, code: 'read-only', message: 'is read-only' }
    : { field: within(name), code: 'unknown-property', message: 'is not in the contract' };
}
