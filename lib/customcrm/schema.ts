import * as z from 'zod';

// The contract: docs/customcrm-openapi.yaml. Every property is optional here: an absent key means that this CRM does not show it.

const text = z.string().nullable().optional();
const decimal = z.string().regex(/^-?\d+(\.\d+)?$/);
const amount = decimal.nullable().optional();

/** What every record carries. Times are RFC 3339 UTC. */
const meta = z.object({
  Id: z.string().min(1),
  Version: z.int().min(1),
  CreatedAt: z.iso.datetime({ offset: true }),
  UpdatedAt: z.iso.datetime({ offset: true }),
  DeletedAt: z.iso.datetime({ offset: true }).nullable().optional(),
  ExternalId: text,
});

const customerSchema = meta.extend({
  Name: z.string(),
  Number: text,
  FirstName: text,
  LastName: text,
  Email: text,
  Phone: text,
  Mobile: text,
  TollFree: text,
  Fax: text,
  Website: text,
  Description: text,
  StreetAddress1: text,
  StreetAddress2: text,
  City: text,
  ZipCode: text,
  Province: text,
  Country: text,
  Currency: text,
  ShippingName: text,
  ShippingPhone: text,
  ShippingInstructions: text,
  ShippingStreetAddress1: text,
  ShippingStreetAddress2: text,
  ShippingCity: text,
  ShippingZipCode: text,
  ShippingProvince: text,
  ShippingCountry: text,
});

const productSchema = meta.extend({
  Name: z.string(),
  Sku: text,
  Description: text,
  UnitPrice: decimal,
  Active: z.boolean(),
  TaxCodes: z.array(z.string()).optional(),
});

const orderLine = z.object({
  Id: z.string().optional(),
  ProductId: text,
  Description: text,
  Quantity: decimal,
  UnitPrice: decimal,
  TaxCodes: z.array(z.string()).optional(),
});

const orderDiscount = z.object({ Type: z.enum(['fixed', 'percentage']), Value: decimal, Name: text });

const orderSchema = meta.extend({
  OrderNumber: z.string(),
  /** draft, confirmed, fulfilled, cancelled; a CRM may know more. */
  Status: z.string(),
  CustomerId: z.string(),
  Currency: z.string(),
  OrderDate: z.string(),
  DueDate: text,
  PurchaseOrderNumber: text,
  Title: text,
  Description: text,
  Footer: text,
  Lines: z.array(orderLine),
  Discount: orderDiscount.nullable().optional(),
  InvoiceNumber: text,
  InvoiceStatus: text,
  InvoiceUrl: text,
  SubtotalAmount: amount,
  TaxAmount: amount,
  TotalAmount: amount,
  AmountPaid: amount,
  AmountDue: amount,
});

export type CustomcrmCustomer = z.infer<typeof customerSchema>;
export type CustomcrmProduct = z.infer<typeof productSchema>;
export type CustomcrmOrder = z.infer<typeof orderSchema>;

export const recordSchemas = {
  customer: customerSchema,
  product: productSchema,
  order: orderSchema,
} as const;

/** A page whose rows are parsed one by one: a broken row is not to hide the others. */
export const pageSchema = z.object({ data: z.array(z.unknown()), next_cursor: z.string().nullable() });

/** RFC 9457 problem details. */
export const problemSchema = z.object({
  type: z.string().optional(),
  title: z.string().optional(),
  detail: z.string().optional(),
  errors: z
    .array(
      z.object({ field: z.string().optional(), code: z.string().optional(), message: z.string().optional() }),
    )
    .optional(),
});
