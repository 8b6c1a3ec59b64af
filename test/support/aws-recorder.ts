import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { region } from '../../infra/local/provision.ts';
import type { Right } from '../../infra/role-actions.ts';

type Json = Readonly<Record<string, unknown>>;
const account = '000000000000';
/** Powertools adds itself to the name. */
const callerIn = /\bapp\/(\S*?)-?(?:PT-\S+)?(?:\s|$)/;

/** Everything that passed, by who called: the name of a function, or `''` for the event sources, the operator and the test. */
export type Calls = ReadonlyMap<string, ReadonlySet<Right>>;

export interface Recorder {
  readonly calls: Calls;
  /** The address of a server before `upstream`, which notes every call and passes it on. */
  readonly before: (upstream: string) => Promise<string>;
  /** The address of a Parameter Store that holds these under `path`. */
  readonly parameters: (path: string, values: Readonly<Record<string, string>>) => Promise<string>;
  readonly close: () => Promise<void>;
}

/** Notes what callers of AWS need the right to, as IAM counts it. Callers are known by the `app/` of their user agent. */
export function awsRecorder(): Recorder {
  const calls = new Map<string, Set<Right>>();
  const servers: Server[] = [];

  const listen = async (answer: (call: Incoming) => void): Promise<string> => {
    const server = createServer((incoming, outgoing) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('end', () => {
        const body = Buffer.concat(chunks);
        const [, caller = ''] = callerIn.exec(String(incoming.headers['user-agent'])) ?? [];
        const target = String(incoming.headers['x-amz-target']);
        note(calls, caller, rightsIn(target, JSON.parse(body.toString()) as Json));
        answer({ incoming, outgoing, body });
      });
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  };

  return {
    calls,
    before: (upstream) => listen((call) => passOn(upstream, call)),
    parameters: (path, values) =>
      listen(({ outgoing }) => {
        const Parameters = Object.entries(values).map(([name, Value]) => ({
          Name: `${path}/${name}`,
          Type: 'SecureString',
          Value,
        }));
        outgoing.setHeader('content-type', 'application/x-amz-json-1.1').end(JSON.stringify({ Parameters }));
      }),
    async close() {
      for (const server of servers) {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      }
    },
  };
}

interface Incoming {
  readonly incoming: import('node:http').IncomingMessage;
  readonly outgoing: import('node:http').ServerResponse;
  readonly body: Buffer;
}

/** A client that hangs up is hung up for. */
function passOn(upstream: string, { incoming, outgoing, body }: Incoming): void {
  const onward = request(
    new URL(incoming.url ?? '/', upstream),
    { method: incoming.method ?? 'POST', headers: incoming.headers },
    (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    },
  );
  onward.on('error', () => outgoing.destroy());
  outgoing.on('close', () => onward.destroy());
  onward.end(body);
}

function note(calls: Map<string, Set<Right>>, caller: string, rights: readonly Right[]): void {
  const noted = calls.get(caller) ?? new Set<Right>();
  calls.set(caller, noted);
  for (const right of rights) noted.add(right);
}

/** https://docs.aws.amazon.com/service-authorization/latest/reference/: transactions, and batches of SQS, are rights to what they consist of. */
function rightsIn(target: string, input: Json): readonly Right[] {
  const [service = '', action = ''] = target.split('.');
  if (service.startsWith('DynamoDB_')) {
    if (action === 'TransactWriteItems')
      return (input.TransactItems as readonly Json[]).flatMap((item) =>
        Object.entries(item).map(([kind, write]) => onTable(kindsOfWrite[kind] ?? kind, write as Json)),
      );
    if (action === 'BatchGetItem')
      return Object.keys(input.RequestItems as Json).map((TableName) => onTable(action, { TableName }));
    return [onTable(action, input)];
  }
  if (service === 'AmazonSQS') {
    const name = String(input.QueueUrl ?? '')
      .split('/')
      .at(-1);
    return [`sqs:${action.replace(/Batch$/, '')} arn:aws:sqs:${region}:${account}:${name}`];
  }
  if (service === 'AmazonSSM')
    return [`ssm:${action} arn:aws:ssm:${region}:${account}:parameter${input.Path ?? `/${input.Name}`}`];
  throw new Error(`Nobody knows what right ${target} needs`);
}

const kindsOfWrite: Readonly<Record<string, string>> = {
  Put: 'PutItem',
  Delete: 'DeleteItem',
  Update: 'UpdateItem',
  ConditionCheck: 'ConditionCheckItem',
};

function onTable(action: string, { TableName, IndexName }: Json): Right {
  const index = IndexName === undefined ? '' : `/index/${IndexName}`;
  return `dynamodb:${action} arn:aws:dynamodb:${region}:${account}:table/${TableName}${index}`;
}
