import type { APIGatewayProxyHandlerV2 } from 'aws-lambda';
import { createApp } from '../lib/app.ts';
import { loadConfig } from '../lib/config.ts';
import { rawBodyOf } from '../lib/http-event.ts';

const app = createApp(loadConfig(process.env));

/** Takes a signed webhook of Wave and queues the doorbell. */
export const handler: APIGatewayProxyHandlerV2 = async (event) => ({
  statusCode: await app.waveWebhook({ rawBody: rawBodyOf(event), headers: event.headers }),
});
