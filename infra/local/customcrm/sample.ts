import { type Fields, typeNames } from './contract.ts';
import { createRecord } from './records.ts';
import type { Store } from './store.ts';

// Nobody here exists. The tax codes are those of the sales taxes that the stand-in of Wave has.

const minimal = { Name: 'Quiet Pond Kayaks' };
const canadian = {
  Name: 'Maple Lane Bakery',
  Number: 'C-100',
  FirstName: 'Robin',
  LastName: 'Fairweather',
  Email: 'orders@maple-lane.example',
  Phone: '+1 555 0100',
  StreetAddress1: '12 Flour Street',
  City: 'Toronto',
  ZipCode: 'M5V 0A1',
  Province: 'CA-ON',
  Country: 'CA',
  Currency: 'CAD',
};
const withShipping = {
  Name: 'Harbour Lights Theatre',
  Number: 'C-101',
  Email: 'box.office@harbour-lights.example',
  Phone: '+1 555 0110',
  Website: 'https://harbour-lights.example',
  StreetAddress1: '1 Quay Road',
  City: 'Halifax',
  ZipCode: 'B3H 0A2',
  Province: 'CA-NS',
  Country: 'CA',
  Currency: 'CAD',
  ShippingName: 'Stage door',
  ShippingPhone: '+1 555 0111',
  ShippingInstructions: 'Ring twice; not during a performance.',
  ShippingStreetAddress1: '3 Prompt Corner',
  ShippingStreetAddress2: 'Rear entrance',
  ShippingCity: 'Halifax',
  ShippingZipCode: 'B3H 0A3',
  ShippingProvince: 'CA-NS',
  ShippingCountry: 'CA',
};

const products: readonly Fields[] = [
  {
    Name: 'Menu design',
    Sku: 'D-1',
    Description: 'One design, two proofs',
    UnitPrice: '480.00',
    TaxCodes: ['HST'],
  },
  { Name: 'Consulting hour', Sku: 'H-1', UnitPrice: '120.00', TaxCodes: ['GST'] },
  { Name: 'Poster print', Sku: 'P-1', UnitPrice: '7.25' },
  { Name: 'Courier', UnitPrice: '18.5' },
];

/** Fills an empty store with a few records to look at; leaves any other as it is. */
export function addSample(store: Store): void {
  const everything = { includeDeleted: true };
  if (typeNames.some((type) => store.records.list(type, everything, 1, undefined).length > 0)) return;
  store.atomically(() => {
    const [buyer] = [canadian, withShipping, minimal].map((fields) =>
      createRecord(store, 'customer', fields),
    );
    const [design, hour] = products.map((fields) => createRecord(store, 'product', fields));
    createRecord(store, 'order', {
      CustomerId: buyer?.Id,
      Currency: 'CAD',
      OrderDate: '2026-09-14',
      DueDate: '2026-10-14',
      Title: 'Autumn menu',
      Lines: [
        { ProductId: design?.Id, Quantity: '1', UnitPrice: '480.00', TaxCodes: ['HST'] },
        { ProductId: hour?.Id, Description: 'Workshop', Quantity: '2.5', UnitPrice: '120.00' },
      ],
    });
  });
}
