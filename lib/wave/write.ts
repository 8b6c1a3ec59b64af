import type { TadaDocumentNode } from 'gql.tada';
import { type DocumentNode, type FieldNode, Kind, type OperationDefinitionNode } from 'graphql';
import type { Call } from '../sync/ports.ts';
import type { Slot } from '../sync/request-budget.ts';
import { DocumentRefusedError, type WaveAnswer, type WaveError } from './answer.ts';
import { batcher } from './batch.ts';
import type { WaveClient } from './client.ts';
import { documentsKept, gatheringOf, type WaveOptions } from './options.ts';

/** A mutation of one field `name(input: $input)`, as lib/wave/documents.ts writes them. */
type Mutation<Data, Input> = TadaDocumentNode<Data, { input: Input }>;

interface Op {
  readonly document: DocumentNode;
  readonly field: string;
  readonly input: unknown;
  /** The record that it changes; undefined when it makes one. */
  readonly key: string | undefined;
}

/** What one answer says of one mutation. */
export interface Written<Outcome> {
  readonly outcome: Outcome | undefined;
  /** Those under its path, and those without one. */
  readonly errors: readonly WaveError[];
}

/** Sends one mutation, in a document with others that are wanted at the same time. */
export type Mutate = <Data, Input>(
  document: Mutation<Data, Input>,
  input: Input,
  key: string | undefined,
  call: Call,
) => Promise<Written<NonNullable<Data[keyof Data]>>>;

/** Mutations that come together share documents, an alias each; Wave runs them one after another. */
export function mutations(client: WaveClient, options: WaveOptions): Mutate {
  const gathering = gatheringOf(options, 'write', 1);
  const send = (ops: readonly Op[], call: Call, slot: Slot | undefined) =>
    sendTogether(client, ops, call, slot, gathering.shrink);
  const add = batcher<Op, Written<unknown>>({ ...gathering, keyOf: ({ key }) => key, send });
  return async (document, input, key, call) => {
    const plain = document as unknown as DocumentNode;
    const op = { document: plain, field: fieldOf(plain).name.value, input, key };
    if (options.sharing) return (await add(op, call)) as Written<never>;
    const [written] = await sendTogether(client, [op], call, undefined, gathering.shrink);
    if (!written || written instanceof Error) throw written;
    return written as Written<never>;
  };
}

/** A refusal of the whole document executed nothing: its parts are sent by themselves, until the guilty one is alone. */
async function sendTogether(
  client: WaveClient,
  ops: readonly Op[],
  call: Call,
  slot: Slot | undefined,
  shrink: (most: number) => void,
): Promise<readonly (Written<unknown> | Error)[]> {
  const sorted = [...ops.keys()].sort((a, b) => ((ops[a]?.field ?? '') < (ops[b]?.field ?? '') ? -1 : 1));
  const inOrder = sorted.flatMap((position) => ops[position] ?? []);
  const answer = await sendOnce(client, inOrder, call, slot).catch((error: Error) => error);
  const answers = new Map<number, Written<unknown> | Error>();
  const parts = answer instanceof DocumentRefusedError ? partsOf(ops, sorted, answer) : [sorted];
  if (answer instanceof DocumentRefusedError && parts.length > 1) {
    if (answer.isTooMuch) shrink(Math.floor(ops.length / 2));
    for (const part of parts) {
      const own = part.flatMap((position) => ops[position] ?? []);
      // They were in time, and must come to an end however long the cutting takes.
      const { sendBy: _sendBy, ...onward } = call;
      const inner = await sendTogether(client, own, onward, undefined, shrink);
      for (const [index, position] of part.entries()) {
        const one = inner[index];
        if (one) answers.set(position, one);
      }
    }
  } else {
    for (const [index, position] of sorted.entries())
      answers.set(
        position,
        answer instanceof Error ? answer : writtenOf(answer, ops.length === 1 ? undefined : `m${index}`),
      );
  }
  return [...ops.keys()].flatMap((position) => answers.get(position) ?? []);
}

/**
 * How a refused document is cut: those whose variable the refusal names, and the others; by their fields, when the text itself is
 * wrong; else in halves. One part: there is nothing to cut.
 */
function partsOf(
  ops: readonly Op[],
  sorted: readonly number[],
  { isTooMuch, reason }: DocumentRefusedError,
): readonly (readonly number[])[] {
  if (sorted.length < 2) return [sorted];
  const named = new Set([...reason.matchAll(/\$m(\d+)\b/g)].map(([, index]) => Number(index)));
  const guilty = sorted.filter((_, index) => named.has(index));
  const others = sorted.filter((_, index) => !named.has(index));
  if (!isTooMuch && guilty.length > 0 && others.length > 0) return [guilty, others];
  if (!isTooMuch && reason.startsWith('GRAPHQL_'))
    return [...Map.groupBy(sorted, (position) => ops[position]?.field).values()];
  const middle = Math.ceil(sorted.length / 2);
  return [sorted.slice(0, middle), sorted.slice(middle)];
}

function sendOnce(
  client: WaveClient,
  ops: readonly Op[],
  call: Call,
  slot: Slot | undefined,
): Promise<WaveAnswer<Record<string, unknown>>> {
  const [only] = ops;
  const document = ops.length === 1 && only ? only.document : composed(ops.map((op) => op.document));
  const variables =
    ops.length === 1 && only
      ? { input: only.input }
      : Object.fromEntries(ops.map(({ input }, index) => [`m${index}`, input]));
  return client(
    document as unknown as TadaDocumentNode<Record<string, unknown>, Record<string, unknown>>,
    variables,
    'write',
    call,
    slot,
  );
}

/** Without an alias the answer is of this mutation alone. */
function writtenOf(
  { data, errors }: WaveAnswer<Record<string, unknown>>,
  alias: string | undefined,
): Written<unknown> {
  if (alias === undefined) return { outcome: Object.values(data ?? {})[0] ?? undefined, errors };
  return {
    outcome: data?.[alias] ?? undefined,
    errors: errors.filter(({ path }) => path == null || path.length === 0 || path[0] === alias),
  };
}

const operationOf = (document: DocumentNode): OperationDefinitionNode => {
  const operation = document.definitions.find((each) => each.kind === Kind.OPERATION_DEFINITION);
  if (!operation) throw new Error('A document without an operation');
  return operation;
};

function fieldOf(document: DocumentNode): FieldNode {
  const [field] = operationOf(document).selectionSet.selections;
  if (field?.kind !== Kind.FIELD) throw new Error('A mutation document has exactly one field');
  return field;
}

const kept = documentsKept();

/** One document of several mutations: `m0: customerPatch(input: $m0) { ... }`, with the typed fragments of each. */
export function composed(documents: readonly DocumentNode[]): DocumentNode {
  const shape = documents.map((document) => fieldOf(document).name.value).join(' ');
  return kept(shape, () => {
    const operations = documents.map((document, index) => renamed(operationOf(document), `m${index}`));
    const fragments = new Map(
      documents
        .flatMap(({ definitions }) => definitions)
        .flatMap((each) => (each.kind === Kind.FRAGMENT_DEFINITION ? [[each.name.value, each]] : [])),
    );
    const [first] = operations;
    if (!first) throw new Error('A document without an operation');
    const operation: OperationDefinitionNode = {
      ...first,
      name: { kind: Kind.NAME, value: 'Write' },
      variableDefinitions: operations.flatMap((each) => each.variableDefinitions ?? []),
      selectionSet: {
        kind: Kind.SELECTION_SET,
        selections: operations.flatMap((each) => each.selectionSet.selections),
      },
    };
    return { kind: Kind.DOCUMENT, definitions: [operation, ...fragments.values()] };
  });
}

/** The same operation with its field under an alias, and its one variable, `$input`, under the alias's name. */
function renamed(operation: OperationDefinitionNode, alias: string): OperationDefinitionNode {
  const name = { kind: Kind.NAME, value: alias } as const;
  const variable = { kind: Kind.VARIABLE, name } as const;
  return {
    ...operation,
    variableDefinitions: operation.variableDefinitions?.map((each) => ({ ...each, variable })) ?? [],
    selectionSet: {
      ...operation.selectionSet,
      selections: operation.selectionSet.selections.map((field) =>
        field.kind === Kind.FIELD
          ? {
              ...field,
              alias: name,
              arguments: field.arguments?.map((given) => ({ ...given, value: variable })) ?? [],
            }
          : field,
      ),
    },
  };
}
