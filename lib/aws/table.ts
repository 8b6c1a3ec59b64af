import { setTimeout as sleep } from 'node:timers/promises';
import {
  type AttributeValue,
  BatchGetItemCommand,
  ConditionalCheckFailedException,
  DeleteItemCommand,
  type DeleteItemCommandInput,
  DescribeTableCommand,
  DynamoDBClient,
  type DynamoDBClientConfig,
  PutItemCommand,
  type PutItemCommandInput,
  QueryCommand,
  ResourceNotFoundException,
  TransactionCanceledException,
  TransactionConflictException,
  type TransactWriteItem,
  TransactWriteItemsCommand,
} from '@aws-sdk/client-dynamodb';
import { marshall, unmarshall } from '@aws-sdk/util-dynamodb';
import DataLoader from 'dataloader';
import type { Condition, Item, Key, Table, Write, WriteResult } from '../sync/ports.ts';

/** The SDK's own tries of one call: what is throttled is retried with jitter, then thrown. */
const maxAttempts = 4;
/** Tries of a write that meets another transaction, which the SDK does not repeat; the pause before the next one grows from here, ms. */
const conflictAttempts = 5;
const conflictPauseMs = 25;
/** The pause before keys that DynamoDB left undone are asked for again grows from here, ms. */
const firstPauseMs = 50;
/**
 * Reads wait this long for others to share a request with, while there is another one under way: then a batch is being worked on, whose
 * records would drift apart otherwise. A single change waits for nothing. ms
 */
const gatherMs = 3;
/** Keys of one BatchGetItem: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html */
const keysLimit = 100;

/** The table's own id, which a restore from a backup changes; undefined where it is not told. */
export async function tableIdOf(tableName: string): Promise<string | undefined> {
  const { Table } = await new DynamoDBClient({ maxAttempts }).send(
    new DescribeTableCommand({ TableName: tableName }),
  );
  return Table?.TableId;
}

/**
 * The one table, in DynamoDB. Key `pk`/`sk`, index `byState` on `state`/`due`. `where` is taken from the environment by default.
 * @param onMissing told whenever there is no such table
 */
export function dynamoTable(
  tableName: string,
  where: DynamoDBClientConfig = {},
  onMissing: () => void = () => undefined,
): Table {
  // What is sent stays the same: its chain of middleware is put together once for each command, and not for each call.
  const client = new DynamoDBClient({ ...where, maxAttempts, cacheMiddleware: true });
  client.middlewareStack.add(
    (next) => (args) =>
      next(args).catch((error: unknown) => {
        if (error instanceof ResourceNotFoundException) onMissing();
        throw error;
      }),
    { step: 'initialize' },
  );
  const gathering = gatheringWhileBusy();
  const reader = new DataLoader(
    (keys: readonly Key[]) => gathering.during(readEach(client, tableName, keys)),
    {
      cache: false,
      maxBatchSize: keysLimit,
      batchScheduleFn: (send) => void gathering.turn().then(send),
    },
  );
  /** Asked for, and not sent yet: the records of a batch look at the same open creates. */
  const queries = new Map<string, Promise<readonly Item[]>>();
  return {
    get: (key) => reader.load(key),
    query(pk, options) {
      const name = JSON.stringify([pk, options]);
      const known = queries.get(name);
      if (known !== undefined) return known;
      const answer = gathering.turn().then(() => {
        queries.delete(name);
        return gathering.during(queryOne(client, tableName, pk, options));
      });
      queries.set(name, answer);
      return answer;
    },
    async byState(state, dueBefore, limit) {
      return pagesOf(limit, (start, left) =>
        client.send(
          new QueryCommand({
            TableName: tableName,
            IndexName: 'byState',
            KeyConditionExpression: '#state = :state AND #due <= :due',
            ExpressionAttributeNames: { '#state': 'state', '#due': 'due' },
            ExpressionAttributeValues: marshall({ ':state': state, ':due': dueBefore }),
            Limit: left,
            ...(start && { ExclusiveStartKey: start }),
          }),
        ),
      );
    },
    async write(writes) {
      const items = writes.map((write) => transactItem(tableName, write));
      for (let attempt = 1; ; attempt++) {
        try {
          await send(client, items);
          return { done: true };
        } catch (error) {
          if (attempt === conflictAttempts || !isConflict(error)) return failedConditions(error);
          await sleep(conflictPauseMs * 2 ** attempt * Math.random());
        }
      }
    },
  };
}

/** A transaction costs twice as much as a plain write. */
async function send(client: DynamoDBClient, items: TransactWriteItem[]): Promise<void> {
  const [only] = items;
  if (items.length === 1 && only?.Put) await client.send(new PutItemCommand(only.Put as PutItemCommandInput));
  else if (items.length === 1 && only?.Delete)
    await client.send(new DeleteItemCommand(only.Delete as DeleteItemCommandInput));
  else await client.send(new TransactWriteItemsCommand({ TransactItems: items }));
}

/** Another transaction was at one of the items: nothing was written, and it is over in a moment. */
function isConflict(error: unknown): boolean {
  if (error instanceof TransactionConflictException) return true;
  if (!(error instanceof TransactionCanceledException)) return false;
  const codes = new Set((error.CancellationReasons ?? []).map(({ Code }) => Code));
  return codes.has('TransactionConflict') && !codes.has('ConditionalCheckFailed');
}

/** Reads that are asked for in one tick share a request, or within {@link gatherMs} while another one is under way. Nothing is cached. */
function gatheringWhileBusy() {
  let underWay = 0;
  return {
    turn: (): Promise<void> =>
      new Promise((resolve) => {
        if (underWay > 0) setTimeout(resolve, gatherMs);
        else void Promise.resolve().then(() => process.nextTick(resolve));
      }),
    async during<T>(request: Promise<T>): Promise<T> {
      underWay += 1;
      try {
        return await request;
      } finally {
        underWay -= 1;
      }
    },
  };
}

async function readEach(
  client: DynamoDBClient,
  tableName: string,
  keys: readonly Key[],
): Promise<(Item | undefined)[]> {
  const found = await readAll(client, tableName, new Map(keys.map((key) => [nameOf(key), keyOf(key)])));
  return keys.map((key) => found.get(nameOf(key)));
}

function queryOne(
  client: DynamoDBClient,
  tableName: string,
  pk: string,
  { prefix, after, last, limit }: Parameters<Table['query']>[1],
): Promise<readonly Item[]> {
  return pagesOf(limit, (start, left) =>
    client.send(
      new QueryCommand({
        TableName: tableName,
        ConsistentRead: true,
        Limit: left,
        ...(last && { ScanIndexForward: false }),
        ...partition(pk, prefix, after),
        ...(start && { ExclusiveStartKey: start }),
      }),
    ),
  );
}

const nameOf = ({ pk, sk }: Key): string => JSON.stringify([pk, sk]);

/** Consistent. What DynamoDB leaves undone is asked for again. @throws Error when that does not help */
async function readAll(
  client: DynamoDBClient,
  tableName: string,
  keys: ReadonlyMap<string, Raw>,
): Promise<ReadonlyMap<string, Item>> {
  const found = new Map<string, Item>();
  let left: readonly Raw[] = [...keys.values()];
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    const request = { [tableName]: { Keys: [...left], ConsistentRead: true } };
    const answer = await client.send(new BatchGetItemCommand({ RequestItems: request }));
    for (const each of answer.Responses?.[tableName] ?? []) {
      const item = unmarshall(each) as Item;
      found.set(nameOf(item), item);
    }
    left = answer.UnprocessedKeys?.[tableName]?.Keys ?? [];
    if (left.length === 0) return found;
    await sleep(firstPauseMs * 2 ** attempt);
  }
  throw new Error(`DynamoDB left ${left.length} of ${keys.size} reads undone`);
}

type Raw = Record<string, AttributeValue>;
type Page = { readonly Items?: Raw[] | undefined; readonly LastEvaluatedKey?: Raw | undefined };

/** A page ends after 1 MB even below its limit; go on until the limit or the end. */
async function pagesOf(
  limit: number,
  page: (start: Raw | undefined, left: number) => Promise<Page>,
): Promise<readonly Item[]> {
  const items: Item[] = [];
  let start: Raw | undefined;
  do {
    const answer = await page(start, limit - items.length);
    items.push(...(answer.Items ?? []).map((item) => unmarshall(item) as Item));
    start = answer.LastEvaluatedKey;
  } while (start && items.length < limit);
  return items;
}

/** DynamoDB allows one condition on the sort key: a prefix and a start are a range. */
function partition(pk: string, prefix: string | undefined, after: string | undefined) {
  const names = { '#pk': 'pk', ...((prefix !== undefined || after !== undefined) && { '#sk': 'sk' }) };
  if (after !== undefined) {
    const last = prefix === undefined ? '\u{10ffff}' : `${prefix}\u{10ffff}`;
    // BETWEEN is inclusive; nothing sorts between `after` and `after` with the lowest character behind it.
    const values = marshall({ ':pk': pk, ':first': `${after}\u0000`, ':last': last });
    return {
      KeyConditionExpression: '#pk = :pk AND #sk BETWEEN :first AND :last',
      ExpressionAttributeNames: names,
      ExpressionAttributeValues: values,
    };
  }
  if (prefix !== undefined) {
    const values = marshall({ ':pk': pk, ':prefix': prefix });
    return {
      KeyConditionExpression: '#pk = :pk AND begins_with(#sk, :prefix)',
      ExpressionAttributeNames: names,
      ExpressionAttributeValues: values,
    };
  }
  return {
    KeyConditionExpression: '#pk = :pk',
    ExpressionAttributeNames: names,
    ExpressionAttributeValues: marshall({ ':pk': pk }),
  };
}

function transactItem(TableName: string, write: Write): TransactWriteItem {
  const condition = write.when === undefined ? undefined : expressionOf(write.when);
  if ('put' in write)
    return { Put: { TableName, Item: marshall(write.put, { removeUndefinedValues: true }), ...condition } };
  if ('delete' in write) return { Delete: { TableName, Key: keyOf(write.delete), ...condition } };
  const { ReturnValuesOnConditionCheckFailure, ...check } = expressionOf(write.when);
  return {
    ConditionCheck: { TableName, Key: keyOf(write.check), ...check, ReturnValuesOnConditionCheckFailure },
  };
}

const keyOf = ({ pk, sk }: Key) => marshall({ pk, sk });

/** Every clause of a condition, spelled out. A failed one answers the item that is there. */
function expressionOf(condition: Condition) {
  const itemIsAbsent = 'attribute_not_exists(pk)';
  const itemIsPresent = 'attribute_exists(pk)';
  const names: Record<string, string> = {};
  const values: Record<string, string | number> = {};
  const equal = (attributes: Readonly<Record<string, string | number>>) =>
    Object.entries(attributes).map(([name, value]) => {
      names[`#${name}`] = name;
      values[`:${name}`] = value;
      return `#${name} = :${name}`;
    });
  let ConditionExpression: string;
  if (condition === 'absent') ConditionExpression = itemIsAbsent;
  else if (condition === 'present') ConditionExpression = itemIsPresent;
  else if ('equals' in condition)
    ConditionExpression = [itemIsPresent, ...equal(condition.equals)].join(' AND ');
  else {
    const { attribute, before, or } = condition.absentOrExpired;
    names['#expiry'] = attribute;
    values[':before'] = before;
    const itHasExpired = '#expiry < :before';
    const itIsOurs = or ? [`(${equal(or).join(' AND ')})`] : [];
    ConditionExpression = [itemIsAbsent, itHasExpired, ...itIsOurs].join(' OR ');
  }
  return {
    ConditionExpression,
    ...(Object.keys(names).length > 0 && {
      ExpressionAttributeNames: names,
      ExpressionAttributeValues: marshall(values),
    }),
    ReturnValuesOnConditionCheckFailure: 'ALL_OLD' as const,
  };
}

/** Failed conditions are an answer; everything else (throttling, conflicts that last, no answer) is thrown. */
function failedConditions(error: unknown): WriteResult {
  if (error instanceof ConditionalCheckFailedException)
    return { done: false, failed: new Map([[0, error.Item && (unmarshall(error.Item) as Item)]]) };
  if (!(error instanceof TransactionCanceledException)) throw error;
  const reasons = error.CancellationReasons ?? [];
  const failed = new Map(
    reasons.flatMap((reason, position) =>
      reason.Code === 'ConditionalCheckFailed'
        ? [[position, reason.Item && (unmarshall(reason.Item) as Item)] as const]
        : [],
    ),
  );
  if (failed.size === 0) throw error;
  return { done: false, failed };
}
