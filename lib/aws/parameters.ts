import { SSMProvider } from '@aws-lambda-powertools/parameters/ssm';

/** A rotated secret is in use after this long at the latest, seconds. */
const maxAge = 300;

let provider: SSMProvider | undefined;

/**
 * The SecureString parameters directly under a path, by their last name: `/sync/prod/WAVE_ACCESS_TOKEN` -> `WAVE_ACCESS_TOKEN`.
 * Read once in five minutes for each container. @throws when Parameter Store does not answer and nothing is cached.
 */
export async function parametersUnder(path: string): Promise<Readonly<Record<string, string>>> {
  provider ??= new SSMProvider();
  const found = await provider.getMultiple(path, { decrypt: true, maxAge, recursive: false });
  return Object.fromEntries(Object.entries(found ?? {}).map(([name, value]) => [name, String(value)]));
}
