import { SettingsError } from '../errors.ts';

/** Errors of AWS by the name that the SDK gives them, and what a person can do. */
const advice: Readonly<Record<string, string>> = {
  CredentialsProviderError:
    'No AWS credentials were found. Log in, or set AWS_PROFILE; `aws sts get-caller-identity` must answer.',
  ExpiredTokenException: 'The AWS credentials have expired: log in again.',
  ExpiredToken: 'The AWS credentials have expired: log in again.',
  UnrecognizedClientException: 'AWS does not know these credentials: check AWS_PROFILE and AWS_REGION.',
  InvalidSignatureException: 'AWS does not know these credentials: check AWS_PROFILE and AWS_REGION.',
  ResourceNotFoundException:
    'The table or function is not there. Is it the right stage, the right AWS_REGION, and is it deployed?',
};
const unreachable = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ECONNRESET',
  'ETIMEDOUT',
  'EHOSTUNREACH',
]);

interface Failure {
  readonly name?: string;
  readonly code?: string;
  readonly message?: string;
  readonly $metadata?: unknown;
  readonly cause?: unknown;
}

/** What AWS, or the way to it, made impossible, in one line for people; undefined for an error that has another cause. */
export function awsFailure(error: unknown): SettingsError | undefined {
  const { name = '', code = '', message = '', $metadata, cause } = (error ?? {}) as Failure;
  if (unreachable.has(code) || name === 'TimeoutError')
    return new SettingsError(
      `AWS, or the local stack in its place, cannot be reached (${code || name}): is the network up, or the local stack running?`,
    );
  if (advice[name]) return new SettingsError(`${advice[name]} (${name})`);
  // Powertools wraps what the SDK threw.
  if ($metadata === undefined) return cause === undefined ? undefined : awsFailure(cause);
  return new SettingsError(`AWS refused it: ${name}: ${message}`);
}
