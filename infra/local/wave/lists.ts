import type { Behaviours } from './behaviours.ts';
import type { InvoiceRecord, ProductRecord, Records } from './records.ts';

/** Arguments of the three lists together, as the schema coerced them. */
export interface ListArguments {
  readonly page?: number | null;
  readonly pageSize?: number | null;
  readonly sort?: readonly string[];
  readonly modifiedAtAfter?: string | null;
  readonly modifiedAtBefore?: string | null;
  readonly email?: string | null;
  readonly isArchived?: boolean | null;
  readonly isSold?: boolean | null;
  readonly isBought?: boolean | null;
  readonly status?: string | null;
  readonly customerId?: string | null;
  readonly currency?: string | null;
  readonly invoiceNumber?: string | null;
  readonly invoiceDateStart?: string | null;
  readonly invoiceDateEnd?: string | null;
}

const pageSizeLimit = 200;
type Listed = Records['customer'] | Records['product'] | Records['invoice'];

/** One page of a list: filtered, sorted, cut by offset. */
export function connection<T extends Listed>(
  kind: 'customer' | 'product' | 'invoice',
  records: readonly T[],
  args: ListArguments,
  behaviours: Behaviours,
  show: (record: T) => object,
  statusOf: (record: InvoiceRecord) => string = () => '',
) {
  const page = Math.max(1, args.page ?? 1);
  const pageSize = Math.min(pageSizeLimit, Math.max(1, args.pageSize ?? 45));
  const found = records
    .filter((record) => inWindow(record, args, behaviours))
    .filter((record) => matches(kind, record, args, statusOf));
  const sorted = [...found].sort((a, b) => compare(a, b, args.sort ?? ['CREATED_AT_DESC']));
  const start = (page - 1) * pageSize;
  return {
    pageInfo: {
      currentPage: page,
      totalPages: Math.ceil(sorted.length / pageSize),
      totalCount: sorted.length,
    },
    edges: sorted.slice(start, start + pageSize).map((record) => ({ node: () => show(record) })),
  };
}

function inWindow(record: Listed, args: ListArguments, { modifiedAfterInclusive }: Behaviours): boolean {
  const at = Date.parse(record.modifiedAt);
  if (args.modifiedAtAfter != null) {
    const after = Date.parse(args.modifiedAtAfter);
    if (modifiedAfterInclusive ? at < after : at <= after) return false;
  }
  return args.modifiedAtBefore == null || at <= Date.parse(args.modifiedAtBefore);
}

function matches(
  kind: 'customer' | 'product' | 'invoice',
  record: Listed,
  args: ListArguments,
  statusOf: (record: InvoiceRecord) => string,
): boolean {
  if (kind === 'customer')
    return (
      args.email == null ||
      (record as Records['customer']).fields.email?.toLowerCase() === args.email.toLowerCase()
    );
  if (kind === 'product') {
    const product = record as ProductRecord;
    const asked = args.isArchived;
    return (
      (asked == null || product.isArchived === asked) &&
      (args.isSold == null || (product.incomeAccountId !== null) === args.isSold) &&
      (args.isBought == null || (product.expenseAccountId !== null) === args.isBought)
    );
  }
  const invoice = record as InvoiceRecord;
  return (
    (args.status == null || statusOf(invoice) === args.status) &&
    (args.customerId == null || invoice.customerId === args.customerId) &&
    (args.currency == null || invoice.currency === args.currency) &&
    (args.invoiceNumber == null || invoice.invoiceNumber.includes(args.invoiceNumber)) &&
    (args.invoiceDateStart == null || invoice.invoiceDate >= args.invoiceDateStart) &&
    (args.invoiceDateEnd == null || invoice.invoiceDate <= args.invoiceDateEnd)
  );
}

/** `MODIFIED_AT_ASC` -> the property and the direction; what is equal is told apart by id. */
function compare(a: Listed, b: Listed, sorts: readonly string[]): number {
  for (const sort of sorts) {
    const [, property = '', direction] = /^(.*)_(ASC|DESC)$/.exec(sort) ?? [];
    const sign = direction === 'DESC' ? -1 : 1;
    const [left, right] = [keyOf(a, property), keyOf(b, property)];
    if (left !== right) return left < right ? -sign : sign;
  }
  return a.id < b.id ? -1 : 1;
}

function keyOf(record: Listed, property: string): string {
  const names: Readonly<Record<string, string>> = {
    CREATED_AT: 'createdAt',
    MODIFIED_AT: 'modifiedAt',
    NAME: 'name',
    INVOICE_DATE: 'invoiceDate',
    DUE_AT: 'dueDate',
    INVOICE_NUMBER: 'invoiceNumber',
  };
  return String((record as unknown as Record<string, unknown>)[names[property] ?? 'createdAt'] ?? '');
}
