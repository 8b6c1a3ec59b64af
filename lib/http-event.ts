import type { APIGatewayProxyEventV2 } from 'aws-lambda';

/** The bytes that the sender signed, as text: never a body that was parsed and written again. */
export const rawBodyOf = ({ body = '', isBase64Encoded }: APIGatewayProxyEventV2): string =>
  isBase64Encoded ? Buffer.from(body, 'base64').toString('utf8') : body;
