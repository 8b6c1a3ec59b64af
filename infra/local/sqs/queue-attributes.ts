import * as z from 'zod';
import { SqsError } from './sqs-error.ts';

/** Values of queue attributes, as SQS writes them: every value is text. */
export type Attributes = Readonly<Record<string, string>>;

/** The limit of one message and of the messages of one batch together, since August 2025. */
export const largestMessageBytes = 1_048_576;

interface Rule {
  /** Answers the value as it is kept, or undefined when it is not valid. */
  readonly accept: (value: string) => string | undefined;
  readonly initial?: string;
  readonly fifoOnly?: true;
}

const whole = (least: number, most: number, initial?: string): Rule => ({
  accept(value) {
    const fits = /^\d{1,10}$/.test(value) && Number(value) >= least && Number(value) <= most;
    return fits ? String(Number(value)) : undefined;
  },
  ...(initial === undefined ? {} : { initial }),
});

const oneOf = (values: readonly string[]): Rule => ({
  accept: (value) => (values.includes(value) ? value : undefined),
});

const ofFifo = (rule: Rule, initial?: string): Rule => ({
  ...rule,
  fifoOnly: true,
  ...(initial === undefined ? {} : { initial }),
});

const anyText: Rule = { accept: (value) => value };

const redrivePolicy = z.object({
  deadLetterTargetArn: z.string().min(1),
  maxReceiveCount: z.coerce.number().int().min(1).max(1000).default(10),
});

const redriveAllowPolicy = z.union([
  z.strictObject({ redrivePermission: z.enum(['allowAll', 'denyAll']) }),
  z.strictObject({
    redrivePermission: z.literal('byQueue'),
    sourceQueueArns: z.array(z.string()).min(1).max(10),
  }),
]);

/** JSON of one shape, kept without the spelling that the caller chose, so that equal policies compare equal. */
const policy = (shape: z.ZodType): Rule => ({
  accept(value) {
    try {
      return JSON.stringify(shape.parse(JSON.parse(value)));
    } catch {
      return undefined;
    }
  },
});

/** https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html */
const rules: Readonly<Record<string, Rule>> = {
  DelaySeconds: whole(0, 900, '0'),
  MaximumMessageSize: whole(1024, largestMessageBytes, String(largestMessageBytes)),
  MessageRetentionPeriod: whole(60, 1_209_600, '345600'),
  ReceiveMessageWaitTimeSeconds: whole(0, 20, '0'),
  VisibilityTimeout: whole(0, 43_200, '30'),
  Policy: anyText,
  RedrivePolicy: policy(redrivePolicy),
  RedriveAllowPolicy: policy(redriveAllowPolicy),
  // Nothing is encrypted on one machine: these are kept and answered so that a template can be applied unchanged.
  KmsMasterKeyId: anyText,
  KmsDataKeyReusePeriodSeconds: whole(60, 86_400),
  SqsManagedSseEnabled: oneOf(['true', 'false']),
  FifoQueue: ofFifo(oneOf(['true'])),
  ContentBasedDeduplication: ofFifo(oneOf(['true', 'false']), 'false'),
  DeduplicationScope: ofFifo(oneOf(['queue', 'messageGroup']), 'queue'),
  FifoThroughputLimit: ofFifo(oneOf(['perQueue', 'perMessageGroupId']), 'perQueue'),
};

const computed = [
  'All',
  'QueueArn',
  'CreatedTimestamp',
  'LastModifiedTimestamp',
  'ApproximateNumberOfMessages',
  'ApproximateNumberOfMessagesNotVisible',
  'ApproximateNumberOfMessagesDelayed',
];

/** Whether `GetQueueAttributes` may be asked for the name. */
export const isAttributeName = (name: string): boolean => name in rules || computed.includes(name);

/** The attributes of a new queue before its own are applied. */
export function initialAttributes(fifo: boolean): Attributes {
  const initial = Object.entries(rules).flatMap(([name, rule]) =>
    rule.initial === undefined || (rule.fifoOnly && !fifo) ? [] : [[name, rule.initial] as const],
  );
  return { ...Object.fromEntries(initial), ...(fifo ? { FifoQueue: 'true' } : {}) };
}

/** The given attributes in the form in which they are kept. @throws SqsError for an unknown name or a bad value. */
export function checkAttributes(given: Attributes, fifo: boolean): Attributes {
  const checked = Object.entries(given).map(([name, value]) => {
    const rule = Object.hasOwn(rules, name) ? rules[name] : undefined;
    if (!rule || (rule.fifoOnly && !fifo))
      throw new SqsError('InvalidAttributeName', `Unknown attribute ${name}.`);
    // An empty policy removes the policy.
    const kept = value === '' ? '' : rule.accept(value);
    if (kept === undefined || (kept === '' && rule.initial !== undefined))
      throw new SqsError('InvalidAttributeValue', `Invalid value for the attribute ${name}.`);
    return [name, kept] as const;
  });
  return Object.fromEntries(checked);
}

/** The attributes after a change. @throws SqsError when they contradict each other. */
export function mergeAttributes(before: Attributes, change: Attributes): Attributes {
  const merged = { ...before, ...change };
  if (merged.FifoThroughputLimit === 'perMessageGroupId' && merged.DeduplicationScope !== 'messageGroup')
    throw new SqsError(
      'InvalidAttributeValue',
      'FifoThroughputLimit perMessageGroupId needs DeduplicationScope messageGroup.',
    );
  return Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== ''));
}

/** Where messages go that were received too often; undefined without a `RedrivePolicy`. */
export function redriveOf(attributes: Attributes): z.infer<typeof redrivePolicy> | undefined {
  return attributes.RedrivePolicy ? redrivePolicy.parse(JSON.parse(attributes.RedrivePolicy)) : undefined;
}

/** Whether the `RedriveAllowPolicy` of a dead-letter queue lets this queue use it. */
export function allowsRedriveFrom(attributes: Attributes, sourceArn: string): boolean {
  if (!attributes.RedriveAllowPolicy) return true;
  const allow = redriveAllowPolicy.parse(JSON.parse(attributes.RedriveAllowPolicy));
  if (allow.redrivePermission === 'byQueue') return allow.sourceQueueArns.includes(sourceArn);
  return allow.redrivePermission === 'allowAll';
}
