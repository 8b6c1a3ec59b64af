import type { Stack } from './stack.ts';
import { localToken } from './stand-ins.ts';
import { localBusinessId } from './wave/server.ts';

/** What to try, as lines to copy one after the other. `state` is named where it is not the standard directory. */
export function guide({ addresses, env }: Stack, state: string | undefined): string {
  const { functions, customcrm, wave } = addresses;
  const where = [
    'Running. Ctrl-C stops everything.',
    '',
    `  functions   ${functions}  (POST /webhooks/customcrm, POST /webhooks/wave)`,
  ];
  const sync = `npm run sync --${state === undefined ? '' : ` --state ${state}`}`;
  if (!customcrm || !wave) return [...where, '', ...withoutStandIns(env, sync)].join('\n');
  return [
    ...where,
    `  Customcrm   ${customcrm}`,
    `  Wave        ${wave}`,
    `  the token of both is "${localToken}"`,
    '',
    ...tour(customcrm, wave, sync),
    '',
    'What happens from now on, one line each:',
  ].join('\n');
}

function withoutStandIns(env: Stack['env'], sync: string): readonly string[] {
  const where = [
    `  Customcrm   ${env.CUSTOMCRM_API_URL}`,
    `  Wave        ${env.WAVE_API_URL || 'waveapps.com'}`,
  ];
  if (env.PAIRS_STARTED === 'true') return where;
  return [
    ...where,
    '',
    'Nothing is written before you have looked and started a pair:',
    `   ${sync} check`,
    `   ${sync} preview customer`,
    `   ${sync} start customer --without-webhook`,
  ];
}

function tour(customcrm: string, wave: string, sync: string): readonly string[] {
  const auth = `-H 'Authorization: Bearer ${localToken}' -H 'Content-Type: application/json'`;
  const first = (name: string) => `grep -o '"${name}": *"[^"]*"' | head -1 | cut -d'"' -f4`;
  const newest =
    'query ($b: ID!) { business(id: $b) { customers(page: 1, pageSize: 1, sort: [CREATED_AT_DESC]) { edges { node { id name email phone } } } } }';
  const look = JSON.stringify({ query: newest, variables: { b: localBusinessId } });
  const edit = JSON.stringify({
    query: 'mutation ($input: CustomerPatchInput!) { customerPatch(input: $input) { didSucceed } }',
    variables: { input: { id: 'WAVE_ID', phone: '+1 613 555 0100' } },
  }).replace('"WAVE_ID"', `"'$WAVE_ID'"`);
  return [
    '1. Make a customer in Customcrm. A line below says within seconds that it was created in Wave.',
    `   ID=$(curl -s ${customcrm}/customers ${auth} -d '{"Name":"Larch Interiors","Email":"desk@larch.example"}' | ${first('Id')}); echo $ID`,
    '2. Look at it in Wave.',
    `   WAVE_ID=$(curl -s ${wave} ${auth} -d '${look}' | tee /dev/stderr | ${first('id')})`,
    '3. Change it in Wave. The phone arrives in Customcrm.',
    `   curl -s ${wave} ${auth} -d '${edit}'`,
    `   curl -s ${customcrm}/customers/$ID ${auth}`,
    '4. Give it an order. It becomes a DRAFT invoice, and the totals that Wave works out come back.',
    `   curl -s ${customcrm}/orders ${auth} -d '{"CustomerId":"'$ID'","Currency":"CAD","OrderDate":"2026-11-01","Lines":[{"Description":"Fitting","Quantity":"2","UnitPrice":"40"}]}'`,
    '5. See how everything stands, and what happened to one record.',
    `   ${sync} status`,
    `   ${sync} show customer $ID`,
  ];
}
