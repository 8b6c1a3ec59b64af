import type { DocumentNode, FieldNode, SelectionNode } from 'graphql';
import type { Body, Pair } from '../../lib/domain/record.ts';
import type { Slot } from '../../lib/sync/request-budget.ts';
import type { Ending as RequestEnding, Want } from '../../lib/sync/request-slots.ts';
import { DocumentRefusedError, type WaveAnswer, type WaveError } from '../../lib/wave/answer.ts';
import type { WaveClient } from '../../lib/wave/client.ts';
import * as documents from '../../lib/wave/documents.ts';
import { type Container, exchange, kill, type Wires } from './container.ts';
import type { Desk } from './desk.ts';
import type { Author, Truth } from './truth.ts';
import { taxes, type Wave, WaveRefusal } from './wave.ts';

export interface WaveDoor {
  readonly wave: Wave;
  readonly truth: Truth;
  readonly businessId: string;
  /** By Wave's own clock, ms. */
  readonly now: () => number;
  /** Until then the token shows nothing, ms by the true clock. */
  noRightsUntil: number;
  /** A record of which no read succeeds; with `poisonKills` one that kills whoever reads it. */
  poisoned: string | undefined;
  /** When each request set out, ms by the true clock. */
  readonly requests: number[];
  /** What any minute may hold of them; anything goes while undefined. */
  readonly perMinute: number | undefined;
}

const lagMs = 30_000;

interface Answer {
  readonly data: Body;
  readonly errors: readonly WaveError[];
}
type Variables = Readonly<Record<string, unknown>>;

/** Wave's GraphQL endpoint as its client answers it: the documents of lib/wave, executed over plain memory. */
export function waveClientOf(
  wires: Wires,
  container: Container,
  door: WaveDoor,
  claim: Desk['claim'],
  takeSlot?: (want: Want) => Promise<Slot>,
): WaveClient {
  return async (document, variables, intention, call) => {
    const slot = await takeSlot?.({ cost: 1, intention, call, records: 1 });
    let ending: RequestEnding = { did: 'unsent' };
    const sent = JSON.parse(JSON.stringify(variables)) as Variables;
    const writes = writesOf(document as unknown as DocumentNode, sent, claim);
    const label = writes.map(({ field, target }) => `${field} ${target ?? ''}`.trim()).join(', ') || 'query';
    const request = {
      system: 'wave',
      intention,
      label,
      call,
      creates: writes.length > 0 && writes.every(({ field }) => field.endsWith('Create')),
      sent: () => door.requests.push(wires.scheduler.now()),
      ended(how: RequestEnding) {
        ending = how;
      },
    } as const;
    return exchange(wires, container, request, () => {
      if (wires.faults.strikes('noRights')) {
        door.noRightsUntil = wires.scheduler.now() + wires.faults.dice.between(60_000, 1_500_000);
        wires.trace.note('the token shows nothing for a while');
      }
      const answer =
        writes.length > 0
          ? together(writes.map((each) => mutate(wires, door, each)))
          : query(wires, container, door, document as unknown as DocumentNode, sent);
      return { ...answer, date: Math.floor(door.now() / 1000) * 1000 } as unknown as WaveAnswer<never>;
    }).finally(() => slot?.end(ending));
  };
}

type Mutation = (wave: Wave, input: Body, by: Author) => Body | undefined;
interface Operation {
  readonly pair: Pair;
  readonly run: Mutation;
  /** The field of its answer that holds the record. */
  readonly record: string | undefined;
}

/** By the name of the mutation. */
const operations: Readonly<Record<string, Operation>> = {
  ...Object.fromEntries(
    Object.entries({ customer: 'customer', product: 'product', order: 'invoice' } as const).flatMap(
      ([name, record]) => {
        const pair = name as Pair;
        const make: Operation = { pair, record, run: (wave, input, by) => wave.create(pair, input, by) };
        const patch: Operation = {
          pair,
          record,
          run: (wave, input, by) => wave.patch(pair, String(input.id), input, by),
        };
        return [
          [`${record}Create`, make],
          [`${record}Patch`, patch],
        ];
      },
    ),
  ),
  productArchive: {
    pair: 'product',
    record: 'product',
    run: (wave, input, by) => wave.archive(String(input.id), by),
  },
  invoiceApprove: {
    pair: 'order',
    record: 'invoice',
    run: (wave, input, by) => wave.approve(String(input.invoiceId), by),
  },
  invoiceDelete: {
    pair: 'order',
    record: undefined,
    run(wave, input, by) {
      wave.remove('order', String(input.invoiceId), by);
      return undefined;
    },
  },
};

/** One mutation of a document, under its alias. */
interface OneWrite {
  readonly alias: string;
  readonly field: string;
  readonly target: string | undefined;
  readonly operation: Operation;
  readonly input: Body;
  readonly by: Author;
}

function writesOf(document: DocumentNode, variables: Variables, claim: Desk['claim']): readonly OneWrite[] {
  const [first] = document.definitions;
  if (first?.kind !== 'OperationDefinition' || first.operation !== 'mutation') return [];
  return fieldsOf(first.selectionSet.selections).map((node) => {
    const field = node.name.value;
    const operation = operations[field];
    if (!operation) throw new Error(`The simulated Wave does not know the mutation ${field}`);
    const input = variableOf(node, variables) as Body;
    const target = (input.id ?? input.invoiceId) as string | undefined;
    const attempt = claim('wave', operation.pair, target === undefined ? { input } : { id: target });
    return {
      alias: node.alias?.value ?? field,
      field,
      target,
      operation,
      input,
      by: { who: 'engine', attempt },
    };
  });
}

/** What the one argument of a field names. */
function variableOf(node: FieldNode, variables: Variables): unknown {
  const value = node.arguments?.[0]?.value;
  return value?.kind === 'Variable' ? variables[value.name.value] : undefined;
}

const fieldsOf = (selections: readonly SelectionNode[]): readonly FieldNode[] =>
  selections.filter((selection): selection is FieldNode => selection.kind === 'Field');

/** Mutations of one document run one after another; each has its own answer. */
const together = (answers: readonly Answer[]): Answer => ({
  data: Object.assign({}, ...answers.map(({ data }) => data)) as Body,
  errors: answers.flatMap(({ errors }) => errors),
});

/** Where pages are small, one document shows this many rows of lists, or records. */
export const fewRows = 6;

function query(
  wires: Wires,
  container: Container,
  door: WaveDoor,
  document: DocumentNode,
  variables: Variables,
): Answer {
  if (wires.faults.has('smallPages') && rowsAskedFor(document, variables) > fewRows) {
    wires.faults.note('smallPages');
    throw new DocumentRefusedError('the query is too expensive', true);
  }
  if (document === asDocument(documents.changes)) return lists(wires, door, variables);
  if (document === asDocument(documents.namedChanges)) return lists(wires, door, variables);
  if (document === asDocument(documents.list)) return everything(wires, door, variables);
  if (document === asDocument(documents.salesTaxes)) return salesTaxes(door);
  return readings(wires, container, door, document, variables);
}
function rowsAskedFor(document: DocumentNode, variables: Variables): number {
  const lists = Object.values(listNames).filter((name) => variables[name] === true).length;
  return lists > 0 ? lists * Number(variables.pageSize) : recordsAskedFor(document).length;
}

const asDocument = (document: unknown): DocumentNode => document as DocumentNode;

function mutate(
  { faults, scheduler }: Wires,
  { wave, noRightsUntil }: WaveDoor,
  { alias, field, operation, input, by }: OneWrite,
): Answer {
  if (noRightsUntil > scheduler.now()) return notFound(alias);
  if (field === 'invoiceCreate' && faults.strikes('nodeNotFound'))
    return refused(alias, 'Node could not be found');
  try {
    const made = operation.run(wave, input, by);
    if (!operation.record || !made) return succeeded(alias, {}, []);
    const { body, errors } = withHoles(faults, made, [alias, operation.record]);
    return succeeded(alias, { [operation.record]: body }, errors);
  } catch (error) {
    if (!(error instanceof WaveRefusal)) throw error;
    return error.code === 'NOT_FOUND' ? notFound(alias) : refused(alias, error.message);
  }
}

const succeeded = (alias: string, shown: object, errors: readonly WaveError[]): Answer => ({
  data: { [alias]: { didSucceed: true, inputErrors: [], ...shown } },
  errors,
});

/** A part of a record could not be shown: null, and an error under its path. */
function withHoles(
  faults: Wires['faults'],
  body: Body,
  path: readonly string[],
): { readonly body: Body; readonly errors: readonly WaveError[] } {
  if (!faults.strikes('partialAnswer')) return { body, errors: [] };
  const name = faults.dice.pick(Object.keys(body).filter((each) => each !== 'id'));
  return {
    body: { ...body, [name]: null },
    errors: [errorAt([...path, name], 'INTERNAL_SERVER_ERROR')],
  };
}

const refused = (alias: string, message: string): Answer => ({
  data: { [alias]: { didSucceed: false, inputErrors: [{ path: ['input'], code: 'INVALID', message }] } },
  errors: [],
});
const notFound = (alias: string): Answer => ({
  data: { [alias]: null },
  errors: [errorAt([alias], 'NOT_FOUND')],
});
const errorAt = (path: readonly string[], code: string): WaveError => ({
  message: code,
  path: [...path],
  extensions: { code },
});

const listNames = { customer: 'customers', product: 'products', order: 'invoices' } as const;
const pairsOfFields: Readonly<Record<string, Pair>> = {
  customer: 'customer',
  product: 'product',
  invoice: 'order',
};

/** Oldest change first, from a bound on; what changes while pages are read moves. */
function lists(wires: Wires, door: WaveDoor, variables: Variables): Answer {
  if (door.noRightsUntil > wires.scheduler.now()) return noLists(door, variables);
  const business: Record<string, unknown> = { id: door.businessId };
  const errors: WaveError[] = [];
  const pageSize = Number(variables.pageSize);
  for (const [pair, name] of Object.entries(listNames) as [Pair, string][]) {
    if (variables[name] !== true) continue;
    const after = Date.parse(String(variables[`${name}After`]));
    const page = Number(variables[`${name}Page`]);
    const rows = shownNow(wires, door, pair)
      .filter((body) => Date.parse(String(body.modifiedAt)) >= after)
      .sort((a, b) => (`${a.modifiedAt}|${a.id}` < `${b.modifiedAt}|${b.id}` ? -1 : 1));
    const shown = pageOf(wires.faults, door, name, rows, page, pageSize);
    business[name] = shown.list;
    business[`named${name[0]?.toUpperCase()}${name.slice(1)}`] = shown.names;
    errors.push(...shown.errors);
  }
  return { data: { business }, errors };
}

/** One page of a list, of which a row may be missing under an error; nobody reads a poisoned one. */
function pageOf(
  faults: Wires['faults'],
  { poisoned }: Pick<WaveDoor, 'poisoned'>,
  name: string,
  rows: readonly Body[],
  page: number,
  pageSize: number,
): { readonly list: unknown; readonly names: unknown; readonly errors: readonly WaveError[] } {
  const own = rows.slice((page - 1) * pageSize, page * pageSize);
  const bad = own.findIndex(({ id }) => id === poisoned);
  const isStruck = own.length > 0 && faults.strikes('partialAnswer');
  const hole = bad < 0 && isStruck ? faults.dice.between(0, own.length - 1) : bad;
  return {
    list: {
      pageInfo: { currentPage: page, totalPages: Math.ceil(rows.length / pageSize) },
      edges: own.map((node, index) => ({ node: index === hole ? null : node })),
    },
    names: { edges: own.map((node) => ({ node })) },
    errors:
      hole < 0 ? [] : [errorAt(['business', name, 'edges', String(hole), 'node'], 'INTERNAL_SERVER_ERROR')],
  };
}

/** All rows of the lists that are asked for, in the order in which they were made. */
function everything(wires: Wires, door: WaveDoor, variables: Variables): Answer {
  if (door.noRightsUntil > wires.scheduler.now()) return noLists(door, variables);
  const business: Record<string, unknown> = { id: door.businessId };
  const errors: WaveError[] = [];
  const page = Number(variables.page);
  const pageSize = Number(variables.pageSize);
  for (const [pair, name] of Object.entries(listNames) as [Pair, string][]) {
    if (variables[name] !== true) continue;
    const rows = shownNow(wires, door, pair).sort((a, b) =>
      `${a.createdAt}|${a.id}` < `${b.createdAt}|${b.id}` ? -1 : 1,
    );
    const shown = pageOf(wires.faults, door, name, rows, page, pageSize);
    business[name] = shown.list;
    errors.push(...shown.errors);
  }
  return { data: { business }, errors };
}

/** Without access each list is null, under an error. */
function noLists({ businessId }: WaveDoor, variables: Variables): Answer {
  const asked = Object.values(listNames).filter((name) => variables[name] === true);
  return {
    data: { business: { id: businessId, ...Object.fromEntries(asked.map((name) => [name, null])) } },
    errors: asked.map((name) => errorAt(['business', name], 'NOT_FOUND')),
  };
}

function shownNow({ faults, scheduler }: Wires, { wave, truth }: WaveDoor, pair: Pair): Body[] {
  const now = scheduler.now();
  if (!faults.strikes('listLag')) return [...wave.living(pair)];
  const at = now - faults.dice.between(1, lagMs);
  return wave.living(pair).flatMap((body) => {
    const last = truth.lastAt({ system: 'wave', pair, id: String(body.id) }, at);
    return last ? [last.after] : [];
  });
}

const salesTaxes = ({ businessId }: WaveDoor): Answer => ({
  data: {
    business: {
      id: businessId,
      salesTaxes: {
        pageInfo: { currentPage: 1, totalPages: 1 },
        edges: taxes.map(({ id, abbreviation, archived }) => ({
          node: { id, abbreviation, isArchived: archived },
        })),
      },
    },
  },
  errors: [],
});

/** Several records in one document, an alias each: one may fail while the others are fine. */
function readings(
  wires: Wires,
  container: Container,
  door: WaveDoor,
  document: DocumentNode,
  variables: Variables,
): Answer {
  const { faults } = wires;
  const business: Record<string, unknown> = { id: door.businessId };
  const errors: WaveError[] = [];
  for (const field of recordsAskedFor(document)) {
    const alias = field.alias?.value ?? field.name.value;
    const pair = pairsOfFields[field.name.value] ?? 'customer';
    const id = String(variableOf(field, variables));
    const body = shownById(wires, door, pair, id);
    const isPoison = door.poisoned === id;
    if (isPoison) faults.note('poisoned');
    if (isPoison && faults.has('poisonKills')) kill(wires, container, `by ${id}`);
    const fails = isPoison || faults.strikes('aliasFails');
    business[alias] = null;
    if (fails) errors.push(errorAt(['business', alias], 'INTERNAL_SERVER_ERROR'));
    else if (!body) errors.push(errorAt(['business', alias], 'NOT_FOUND'));
    else {
      const shown = withHoles(faults, body, ['business', alias]);
      business[alias] = shown.body;
      errors.push(...shown.errors);
    }
  }
  return { data: { business }, errors };
}

function shownById(
  { faults, scheduler }: Wires,
  { wave, truth, noRightsUntil }: WaveDoor,
  pair: Pair,
  id: string,
): Body | undefined {
  const now = scheduler.now();
  if (noRightsUntil > now) return undefined;
  if (!faults.strikes('readLag')) return wave.find(pair, id);
  const last = truth.lastAt({ system: 'wave', pair, id }, now - faults.dice.between(1, lagMs));
  return last?.did === 'deleted' ? undefined : last?.after;
}

function recordsAskedFor(document: DocumentNode): readonly FieldNode[] {
  const [operation] = document.definitions;
  const [business] =
    operation?.kind === 'OperationDefinition' ? fieldsOf(operation.selectionSet.selections) : [];
  return fieldsOf(business?.selectionSet?.selections ?? []).filter(({ name }) => name.value !== 'id');
}
