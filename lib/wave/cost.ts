import { type DocumentNode, type FieldNode, Kind } from 'graphql';

/**
 * How many fields of a document may count as requests of their own: those of the root, and, below a business, each record or list that
 * is asked for. What `@include(if: false)` leaves out does not count. (That Wave counts fields at all is unconfirmed.)
 */
export function fieldsIn(document: DocumentNode, variables: unknown): number {
  const operation = document.definitions.find((each) => each.kind === Kind.OPERATION_DEFINITION);
  const given = (variables ?? {}) as Readonly<Record<string, unknown>>;
  const roots = fieldsOf(operation?.selectionSet.selections ?? []);
  const costs = roots.map((root) =>
    root.name.value === 'business' ? Math.max(1, below(root, given).length) : 1,
  );
  return costs.reduce((sum: number, cost) => sum + cost, 0);
}

const fieldsOf = (selections: readonly { readonly kind: string }[]): readonly FieldNode[] =>
  selections.filter((each): each is FieldNode => each.kind === Kind.FIELD);

const below = ({ selectionSet }: FieldNode, given: Readonly<Record<string, unknown>>): readonly FieldNode[] =>
  fieldsOf(selectionSet?.selections ?? []).filter(
    (field) => field.selectionSet !== undefined && isIncluded(field, given),
  );

const isIncluded = ({ directives = [] }: FieldNode, given: Readonly<Record<string, unknown>>): boolean =>
  directives.every(({ name, arguments: [condition] = [] }) =>
    name.value === 'include' && condition?.value.kind === Kind.VARIABLE
      ? given[condition.value.name.value] === true
      : true,
  );
