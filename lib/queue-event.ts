import type { SQSBatchResponse, SQSEvent } from 'aws-lambda';
import type { QueueMessage } from './app.ts';

export const messagesOf = (event: SQSEvent): readonly QueueMessage[] =>
  event.Records.map(({ messageId, body, attributes }) => ({
    messageId,
    body,
    receiveCount: Number(attributes.ApproximateReceiveCount),
  }));

/** https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html */
export const failuresOf = (ids: readonly string[]): SQSBatchResponse => ({
  batchItemFailures: ids.map((itemIdentifier) => ({ itemIdentifier })),
});
