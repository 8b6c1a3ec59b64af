import { localToken, type Stack } from './stack.ts';
import { localBusinessId } from './wave/server.ts';

/** What to try, as lines to copy. */
export function guide({ addresses }: Stack): string {
  const { functions, customcrm, wave } = addresses;
  const where = [
    `  functions   ${functions}  (POST /webhooks/customcrm, POST /webhooks/wave)`,
    ...(customcrm ? [`  Customcrm   ${customcrm}`] : []),
    ...(wave ? [`  Wave        ${wave}`] : []),
  ];
  if (!customcrm || !wave) return ['Running. Ctrl-C stops everything.', '', ...where].join('\n');
  const auth = `-H 'Authorization: Bearer ${localToken}' -H 'Content-Type: application/json'`;
  const graphql = (query: string, variables: unknown) =>
    `curl -s ${wave} ${auth} -d '${JSON.stringify({ query, variables })}'`;
  const list =
    '{ business(id: $b) { customers(page: 1, pageSize: 5, sort: [MODIFIED_AT_DESC]) { edges { node { id name email phone } } } } }';
  return [
    'Running. Ctrl-C stops everything.',
    '',
    ...where,
    '',
    '1. Make a customer in Customcrm. A line below says within seconds that it was created in Wave.',
    `   curl -s ${customcrm}/customers ${auth} -d '{"Name":"Larch Interiors","Email":"desk@larch.example"}'`,
    '2. Look at it in Wave, and copy its id.',
    `   ${graphql(`query ($b: ID!) ${list}`, { b: localBusinessId })}`,
    '3. Change it in Wave (put the id in). The phone arrives in Customcrm.',
    `   ${graphql('mutation ($input: CustomerPatchInput!) { customerPatch(input: $input) { didSucceed } }', {
      input: { id: 'PUT-THE-ID-HERE', phone: '+1 613 555 0100' },
    })}`,
    '4. See it in Customcrm, and how everything stands.',
    `   curl -s '${customcrm}/customers?email=desk@larch.example' ${auth}`,
    '   npm run sync -- status',
    '5. Make an order (put a CustomerId and a ProductId in, from the lists). It becomes a DRAFT invoice.',
    `   curl -s ${customcrm}/products ${auth}`,
    `   curl -s ${customcrm}/orders ${auth} -d '{"CustomerId":"...","Currency":"CAD","OrderDate":"2026-11-01","Lines":[{"ProductId":"...","Quantity":"2","UnitPrice":"40"}]}'`,
    '',
    'What happens from now on, one line each:',
  ].join('\n');
}
