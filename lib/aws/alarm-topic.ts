import { ListSubscriptionsByTopicCommand, SNSClient } from '@aws-sdk/client-sns';

/** Who hears the alarms: subscriptions that are confirmed, and those whose owner has not said yes yet. At most a page of a hundred. */
export async function alarmSubscribers(
  TopicArn: string,
): Promise<{ readonly confirmed: number; readonly pending: number }> {
  const client = new SNSClient({});
  const { Subscriptions = [] } = await client.send(new ListSubscriptionsByTopicCommand({ TopicArn }));
  client.destroy();
  // https://docs.aws.amazon.com/sns/latest/api/API_ListSubscriptionsByTopic.html
  const pending = Subscriptions.filter(
    ({ SubscriptionArn }) => SubscriptionArn === 'PendingConfirmation',
  ).length;
  return { confirmed: Subscriptions.length - pending, pending };
}
