import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';
import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import { unmarshall } from '@aws-sdk/util-dynamodb';
import {
  at,
  counterpartInWave,
  eventually,
  listWave,
  mutate,
  startWorld,
  type World,
} from '../end-to-end/world.ts';

// What a change takes of what AWS counts: the calls of the functions on their way to the table and the queues, in the units of the bill.

const { values } = parseArgs({
  options: { changes: { type: 'string', default: '30' }, help: { type: 'boolean', default: false } },
});

/** List prices of us-east-1, USD a million: https://aws.amazon.com/dynamodb/pricing/on-demand, https://aws.amazon.com/sqs/pricing */
const prices = { reads: 0.125, writes: 0.625, messages: 0.5 } as const;
type Units = Record<keyof typeof prices, number>;
type Item = Record<string, AttributeValue>;

interface Meter {
  readonly units: () => Units;
  readonly before: (upstream: string) => Promise<string>;
  readonly close: () => Promise<void>;
}

const kilobytes = (item: Item): number =>
  Math.max(1, Math.ceil(Buffer.byteLength(JSON.stringify(unmarshall(item))) / 1024));
/** What is in the index of states is written there too. */
const writesOf = (item: Item): number => kilobytes(item) * ('state' in item ? 2 : 1);

interface Body {
  readonly Item?: Item;
  readonly TransactItems?: readonly { readonly Put?: { readonly Item: Item } }[];
  readonly ConsistentRead?: boolean;
  readonly RequestItems?: Readonly<Record<string, { readonly Keys: readonly unknown[] }>>;
}

/** In request units of DynamoDB, and requests to SQS. What an index or a deleted item holds beyond 1 KB is not seen from here. */
function unitsOf(target: string, body: Body, answered: number): Partial<Units> {
  const [service = '', name = ''] = target.split('.');
  if (service.startsWith('AmazonSQS')) return name.startsWith('SendMessage') ? { messages: 1 } : {};
  if (name === 'Query')
    return { reads: Math.max(1, Math.ceil(answered / 4096)) * (body.ConsistentRead ? 1 : 0.5) };
  // A unit for each key, whatever came back: items above 4 KB are not told apart from here.
  if (name === 'BatchGetItem')
    return { reads: Object.values(body.RequestItems ?? {}).reduce((sum, { Keys }) => sum + Keys.length, 0) };
  if (name === 'PutItem' && body.Item) return { writes: writesOf(body.Item) };
  if (name === 'TransactWriteItems') {
    const each = (body.TransactItems ?? []).map(({ Put }) => (Put ? kilobytes(Put.Item) * 2 : 2));
    return { writes: each.reduce((sum, units) => sum + units, 0) };
  }
  return { writes: 1 };
}

function meter(): Meter {
  const total: Units = { reads: 0, writes: 0, messages: 0 };
  const servers: Server[] = [];
  return {
    units: () => ({ ...total }),
    async before(upstream) {
      const server = createServer((incoming, outgoing) => {
        const { method = 'POST', headers } = incoming;
        const onward = request(new URL(incoming.url ?? '/', upstream), { method, headers }, (answer) => {
          let answered = 0;
          answer.on('data', (bytes: Buffer) => {
            answered += bytes.length;
          });
          answer.on('end', () => {
            const units = unitsOf(
              String(headers['x-amz-target']),
              JSON.parse(Buffer.concat(chunks).toString()) as Body,
              answered,
            );
            for (const [name, count] of Object.entries(units)) total[name as keyof Units] += count;
          });
          outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
          answer.pipe(outgoing);
        });
        const chunks: Buffer[] = [];
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
        onward.on('error', () => outgoing.destroy());
        outgoing.on('close', () => onward.destroy());
        incoming.pipe(onward);
      });
      servers.push(server);
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    },
    async close() {
      for (const server of servers) {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      }
    },
  };
}

const minus = (after: Units, before: Units): Units => ({
  reads: after.reads - before.reads,
  writes: after.writes - before.writes,
  messages: after.messages - before.messages,
});

async function during(counted: Meter, work: () => Promise<unknown>): Promise<Units> {
  const before = counted.units();
  await work();
  return minus(counted.units(), before);
}

function line(name: string, units: Units, changes: number): string {
  const cost = (Object.keys(prices) as (keyof Units)[]).reduce(
    (sum, unit) => sum + (units[unit] / changes) * prices[unit],
    0,
  );
  const each = (count: number) => (count / changes).toFixed(1).padStart(7);
  return `${name.padEnd(22)}${each(units.reads)} reads ${each(units.writes)} writes ${each(units.messages)} messages   ${cost.toFixed(2).padStart(6)} USD a million`;
}

async function measure(world: World, counted: Meter, changes: number): Promise<readonly string[]> {
  const numbers = Array.from({ length: changes }, (_, index) => index);
  const made: { readonly path: string; readonly waveId: string }[] = [];
  const creates = await during(counted, async () => {
    for (const number of numbers) {
      const { Id } = await world.customcrm('POST', '/customers', { Name: `Measured ${number}` });
      const path = `/customers/${Id}`;
      made.push({ path, waveId: await counterpartInWave(world, path) });
    }
  });
  const toWave = await during(counted, async () => {
    for (const { path } of made) await world.customcrm('PATCH', path, { Fax: 'here' });
    await eventually('all arrive in Wave', async () =>
      (await listWave(world, 'customer')).every((customer) => at(customer, 'fax') === 'here'),
    );
  });
  const toCustomcrm = await during(counted, async () => {
    for (const { waveId } of made) await mutate(world, 'customerPatch', { id: waveId, mobile: 'there' });
    for (const { path } of made)
      await eventually(`${path} has it`, async () => (await world.customcrm('GET', path)).Mobile === 'there');
  });
  return [
    line('create in Wave', creates, changes),
    line('edit to Wave', toWave, changes),
    line('edit to Customcrm', toCustomcrm, changes),
  ];
}

if (values.help) {
  process.stdout.write('npm run bench:costs -- [--changes N]\n');
} else {
  const counted = meter();
  const world = await startWorld(
    { WAVE_POLL_INTERVAL_SECONDS: '60', CUSTOMCRM_POLL_INTERVAL_SECONDS: '300' },
    async ({ dynamodb, sqs }) => ({
      dynamodb: await counted.before(dynamodb),
      sqs: await counted.before(sqs),
    }),
  );
  try {
    for (const text of await measure(world, counted, Number(values.changes)))
      process.stdout.write(`${text}\n`);
  } finally {
    await world.close();
    await counted.close();
  }
}
