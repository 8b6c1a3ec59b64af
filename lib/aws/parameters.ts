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

/** Stores a SecureString under this name, in place of what was there. Functions use it within {@link maxAge}. @throws when it is refused. */
export async function putSecret(name: string, value: string): Promise<void> {
  provider ??= new SSMProvider();
  await provider.set(name, { value, parameterType: 'SecureString', overwrite: true });
}
