import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { syncCommand } from '../support/sync-command.ts';

/** In Lambda's place: tells the settings of any function, with a clock that differs by so much. */
async function startLambda(aheadMs: number) {
  const server = createServer((_request, response) => {
    response.setHeader('date', new Date(Date.now() + aheadMs).toUTCString());
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ FunctionName: 'any', Environment: { Variables: {} } }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => new Promise((resolve) => server.close(resolve).closeAllConnections()),
  };
}

for (const [aheadMs, expected] of [
  [-60_000, /^The clock of this machine is (59|60) s ahead of that of AWS\. Set it right: /],
  [60_000, /^The clock of this machine is (59|60) s behind that of AWS\. Set it right: /],
  // Refused for something else: these are no settings.
  [0, /CUSTOMCRM_API_URL/],
] as const)
  test(`a deployed stage is not touched by a clock that is wrong: AWS is ${aheadMs} ms ahead`, async () => {
    const lambda = await startLambda(aheadMs);
    const aws = {
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'local',
      AWS_SECRET_ACCESS_KEY: 'local',
      AWS_ENDPOINT_URL_LAMBDA: lambda.url,
    };
    try {
      const { code, err } = await syncCommand(['--stage', 'trial', 'status'], aws);
      assert.equal(code, 1);
      assert.match(err, expected);
    } finally {
      await lambda.close();
    }
  });
