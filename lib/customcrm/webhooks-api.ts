import * as z from 'zod';
import { RemoteUnavailableError } from '../errors.ts';
import type { Call } from '../sync/ports.ts';
import type { CustomcrmClient } from './client.ts';

/** The events that the synchronisation needs: all of them. */
const neededEvents = ['customer', 'product', 'order'].flatMap((type) =>
  ['created', 'updated', 'deleted'].map((what) => `${type}.${what}`),
);

const subscription = z.object({
  Id: z.string(),
  Url: z.string(),
  Events: z.array(z.string()),
  Status: z.string(),
  Description: z.string().optional(),
  Secret: z.string().optional(),
});
export type Subscription = z.infer<typeof subscription>;
const list = z.object({ data: z.array(subscription) });

/** The webhook subscriptions of the CRM. */
export function webhooksApi(client: CustomcrmClient) {
  const parsed = <T>(schema: z.ZodType<T>, body: unknown): T => {
    const result = schema.safeParse(body);
    if (!result.success)
      throw new RemoteUnavailableError(
        'customcrm',
        'the answer about webhooks is not what the contract says',
      );
    return result.data;
  };
  return {
    all: async (call: Call): Promise<readonly Subscription[]> =>
      parsed(list, (await client({ method: 'GET', path: 'webhooks' }, call)).body).data,
    /** The answer holds the secret, once. */
    register: async (url: string, description: string, call: Call): Promise<Subscription> =>
      parsed(
        subscription,
        (
          await client(
            {
              method: 'POST',
              path: 'webhooks',
              body: { Url: url, Events: neededEvents, Description: description },
            },
            call,
          )
        ).body,
      ),
    test: (id: string, call: Call) =>
      client({ method: 'POST', path: `webhooks/${encodeURIComponent(id)}/test` }, call),
    remove: (id: string, call: Call) =>
      client({ method: 'DELETE', path: `webhooks/${encodeURIComponent(id)}` }, call),
  };
}
