import { GraphQLError } from 'graphql';
import { type Business, InputFault } from './business.ts';
import { customerCreate, customerDelete, customerPatch } from './customers.ts';
import { localBusinessId } from './ids.ts';
import {
  invoiceApprove,
  invoiceClone,
  invoiceCreate,
  invoiceDelete,
  invoicePatch,
  invoiceSent,
  paymentCreate,
  paymentDelete,
} from './invoices.ts';
import { productArchive, productCreate, productPatch } from './products.ts';
import { businessView, notFound } from './view.ts';

type Input = Readonly<Record<string, unknown>>;
type Resolver = (args: { readonly input: Input }) => object;

/** Every mutation of the stand-in, as Wave answers: refusals are `didSucceed: false`, not errors. */
export function mutations(
  business: Business,
  struckBy: (name: string) => boolean,
): Readonly<Record<string, Resolver>> {
  const view = () => businessView(business.store, business.behaviours());
  const answering =
    (name: string, act: (input: Input) => object): Resolver =>
    ({ input }) => {
      if (input.businessId !== undefined && input.businessId !== localBusinessId) throw notFound('Business');
      if (struckBy(name)) return refused(['customerId'], 'Node could not be found.', 'NOT_FOUND');
      try {
        const answer = act(input);
        business.store.add('writes');
        business.store.add(`mutation ${name}`);
        return { didSucceed: true, inputErrors: [], ...answer };
      } catch (error) {
        if (!(error instanceof InputFault)) throw error;
        business.store.add('refusals');
        return refused(error.path, error.message, error.code);
      }
    };
  const acts: Readonly<Record<string, (input: Input) => object>> = {
    customerCreate: (input) => ({ customer: view().customer(customerCreate(business, input)) }),
    customerPatch: (input) => ({ customer: view().customer(customerPatch(business, input)) }),
    customerDelete: (input) => done(customerDelete(business, input)),
    productCreate: (input) => ({ product: view().product(productCreate(business, input)) }),
    productPatch: (input) => ({ product: view().product(productPatch(business, input)) }),
    productArchive: (input) => ({ product: view().product(productArchive(business, input)) }),
    invoiceCreate: (input) => ({ invoice: view().invoice(invoiceCreate(business, input)) }),
    invoicePatch: (input) => ({ invoice: view().invoice(invoicePatch(business, input)) }),
    invoiceDelete: (input) => done(invoiceDelete(business, input)),
    invoiceApprove: (input) => ({ invoice: view().invoice(invoiceApprove(business, input)) }),
    invoiceMarkSent: (input) => ({ invoice: view().invoice(invoiceSent(business, input, 'marked')) }),
    invoiceSend: (input) => done(invoiceSent(business, input, 'sent')),
    invoiceClone: (input) => ({ invoice: view().invoice(invoiceClone(business, input)) }),
    invoicePaymentCreateManual(input) {
      const id = paymentCreate(business, input);
      const payment = business.store.find('payment', id);
      return { invoicePayment: payment && view().payment(payment) };
    },
    invoicePaymentDelete: (input) => done(paymentDelete(business, input)),
  };
  const unknown = [
    'accountCreate',
    'accountArchive',
    'accountPatch',
    'salesTaxCreate',
    'salesTaxPatch',
    'salesTaxArchive',
    'invoicePaymentReceiptSend',
    'invoicePaymentPatch',
    'convertEstimateToInvoice',
  ];
  return Object.fromEntries([
    ...Object.entries(acts).map(([name, act]) => [name, answering(name, act)]),
    ...unknown.map((name) => [
      name,
      () => {
        throw new GraphQLError(`${name} is not part of this stand-in`, {
          extensions: { code: 'INTERNAL_SERVER_ERROR' },
        });
      },
    ]),
  ]);
}

const done = (_result: unknown): object => ({});
const refused = (path: readonly string[], message: string, code: string): object => ({
  didSucceed: false,
  inputErrors: [{ path, message, code }],
});
