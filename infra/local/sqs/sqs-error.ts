/** Codes that AWS writes as `AWS.SimpleQueueService.<code>` in the header made for clients of the older query protocol. */
const prefixed = new Set([
  'BatchEntryIdsNotDistinct',
  'BatchRequestTooLong',
  'EmptyBatchRequest',
  'InvalidBatchEntryId',
  'MessageNotInflight',
  'PurgeQueueInProgress',
  'TooManyEntriesInBatchRequest',
  'UnsupportedOperation',
]);

/** Codes whose older name differs. */
const renamed: Readonly<Record<string, string>> = {
  QueueDoesNotExist: 'AWS.SimpleQueueService.NonExistentQueue',
  QueueNameExists: 'QueueAlreadyExists',
};

/** The request is refused: `code` is the name of the error in the SDK. */
export class SqsError extends Error {
  override readonly name = 'SqsError';
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }

  /** The name of the older query protocol: `x-amzn-query-error`, and the code of a failed batch entry. */
  get queryCode(): string {
    return (
      renamed[this.code] ?? (prefixed.has(this.code) ? `AWS.SimpleQueueService.${this.code}` : this.code)
    );
  }
}

export const missingParameter = (parameter: string): SqsError =>
  new SqsError('MissingParameter', `The request must contain the parameter ${parameter}.`);

export const invalidParameter = (parameter: string, reason: string): SqsError =>
  new SqsError('InvalidParameterValue', `The value of parameter ${parameter} is invalid. Reason: ${reason}`);

/** @throws SqsError `InvalidParameterValue` when `value` is no whole number from `least` to `most`. */
export function checkRange(parameter: string, value: number, least: number, most: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw invalidParameter(parameter, `Must be a whole number from ${least} to ${most}.`);
}
