/** Times are ISO texts in UTC with milliseconds. */
interface Common {
  readonly id: string;
  readonly createdAt: string;
  readonly modifiedAt: string;
  /** Gone from lists and by-id queries; the API shows no trace. */
  readonly deleted?: boolean;
}

export interface AddressRecord {
  readonly addressLine1: string | null;
  readonly addressLine2: string | null;
  readonly city: string | null;
  readonly postalCode: string | null;
  readonly provinceCode: string | null;
  readonly countryCode: string | null;
}

export interface CustomerRecord extends Common {
  readonly name: string;
  readonly fields: Readonly<Record<string, string | null>>;
  readonly currency: string | null;
  readonly address: AddressRecord | null;
  readonly shipping: {
    readonly name: string | null;
    readonly phone: string | null;
    readonly instructions: string | null;
    readonly address: AddressRecord | null;
  } | null;
}

export interface ProductRecord extends Common {
  readonly name: string;
  readonly description: string | null;
  readonly unitPrice: string;
  readonly taxIds: readonly string[];
  readonly incomeAccountId: string | null;
  readonly expenseAccountId: string | null;
  readonly isArchived: boolean;
}

export interface ItemRecord {
  readonly id: string;
  readonly productId: string;
  readonly description: string | null;
  readonly quantity: string;
  readonly unitPrice: string;
  readonly taxIds: readonly string[];
}

export interface DiscountRecord {
  readonly type: 'FIXED' | 'PERCENTAGE';
  readonly name: string | null;
  readonly value: string;
}

export interface InvoiceRecord extends Common {
  readonly customerId: string;
  readonly invoiceNumber: string;
  readonly approved: boolean;
  readonly sentAt: string | null;
  readonly viewedAt: string | null;
  readonly currency: string;
  readonly invoiceDate: string;
  readonly dueDate: string;
  readonly title: string;
  readonly texts: Readonly<Record<string, string | null>>;
  readonly items: readonly ItemRecord[];
  readonly discounts: readonly DiscountRecord[];
}

export interface PaymentRecord extends Common {
  readonly invoiceId: string;
  readonly amount: string;
  readonly paymentDate: string;
  readonly memo: string | null;
}

export interface Records {
  customer: CustomerRecord;
  product: ProductRecord;
  invoice: InvoiceRecord;
  payment: PaymentRecord;
}
export type Kind = keyof Records;
export const kinds: readonly Kind[] = ['customer', 'product', 'invoice', 'payment'];
