import { customer } from '../../lib/mappings/customer.ts';
import type { Pictured } from '../../lib/mappings/record-plan.ts';
import { agreedOn, pictured } from './linked-record.ts';
import { customcrmCustomer, waveCustomer } from './mapping-bodies.ts';

/** A customer in both systems, in sync and agreed. */
export const linkedCustomer: Pictured = pictured(customer, customcrmCustomer, waveCustomer, {
  agreed: agreedOn(customer, customcrmCustomer, waveCustomer),
});

/** The same after edits of either side. */
export const editedCustomer = (
  customcrm: object,
  wave: object = {},
  parts: Partial<Pictured> = {},
): Pictured => ({
  ...linkedCustomer,
  customcrm: { ...customcrmCustomer, ...customcrm },
  wave: { ...waveCustomer, ...wave },
  ...parts,
});
