import { CreateQueueCommand, GetQueueAttributesCommand, SQSClient } from '@aws-sdk/client-sqs';
import { startSqs } from '../../infra/local/sqs/server.ts';

const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };

/** The four queues of a stack, for processes that read their settings from an environment. */
export async function startQueues() {
  const { url, close } = await startSqs({ port: 0, path: ':memory:' });
  const client = new SQSClient({ endpoint: url, region: 'us-east-1', credentials });
  const make = async (name: string) => {
    const command = new CreateQueueCommand({
      QueueName: `${name}.fifo`,
      Attributes: { FifoQueue: 'true' },
    });
    return (await client.send(command)).QueueUrl ?? '';
  };
  const env = {
    AWS_ENDPOINT_URL_SQS: url,
    CUSTOMCRM_CHANGES_QUEUE_URL: await make('customcrm-changes'),
    CUSTOMCRM_BACKGROUND_QUEUE_URL: await make('customcrm-background'),
    WAVE_CHANGES_QUEUE_URL: await make('wave-changes'),
    WAVE_BACKGROUND_QUEUE_URL: await make('wave-background'),
  };
  client.destroy();
  return { env, close };
}

/** How many messages a queue holds, those that somebody has in hand included. */
export async function messagesIn(sqs: SQSClient, QueueUrl: string): Promise<number> {
  const { Attributes = {} } = await sqs.send(
    new GetQueueAttributesCommand({
      QueueUrl,
      AttributeNames: ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible'],
    }),
  );
  return Object.values(Attributes).reduce((sum, count) => sum + Number(count), 0);
}
