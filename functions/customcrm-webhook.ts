import type { APIGatewayProxyHandlerV2 } from 'aws-lambda';
import { currentApp } from '../lib/app.ts';
import { rawBodyOf } from '../lib/http-event.ts';

/** Takes a signed webhook of Customcrm and queues the doorbell. */
export const handler: APIGatewayProxyHandlerV2 = async (event) => ({
  statusCode: await (await currentApp()).customcrmWebhook({
    rawBody: rawBodyOf(event),
    headers: event.headers,
  }),
});
