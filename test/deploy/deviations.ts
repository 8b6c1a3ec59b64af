/** What `npm run test:deploy` does otherwise than AWS would, or than a person would. Printed by it, and held against docs/DEPLOY.md by a test. */
export const deviations: readonly string[] = [
  'The saved queries (`AWS::Logs::QueryDefinition`) are not deployed: the emulator refuses templates with them.',
  'The alarms about queues and failing functions are not deployed: the emulator knows no alarm over several curves.',
  'Roles may read every parameter: the emulator looks for `ssm:GetParametersByPath` on `*`, and not on the path.',
  'Roles may `sqs:SendMessageBatch` as well: for AWS a batch is as many times `sqs:SendMessage`, for the emulator an action of its own.',
  'A dead letter is put straight into its queue: twenty receives, five minutes apart, would take too long.',
  'The poll of Customcrm is asked for once, as its interval of five minutes would take too long.',
  "Webhooks go to the emulator's address with the id of the API in the path: no name server knows the host name of the API.",
  'Functions run on the Node and the processor of this machine, without a limit of memory, and their loader is told about `.cjs` files.',
  'Secrets are put by the AWS SDK with the same request that `aws ssm put-parameter` sends, and Wave is a stand-in, as is Customcrm.',
  'Alarms, dashboard, time to live, point-in-time recovery, throttling, access logs and traces are created, and nothing shows that they work.',
];
