import { fileURLToPath } from 'node:url';
import { namesIn } from '../../infra/local/provision.ts';
import { readTemplate, type Template } from '../../infra/local/template.ts';
import { functionsByName, grantedTo, impliedFor, type Right } from '../../infra/role-actions.ts';
import type { Calls } from './aws-recorder.ts';

const path = fileURLToPath(
  new URL('../../.serverless/cloudformation-template-update-stack.json', import.meta.url),
);

/** What one function may, by its policies, and what of it AWS does in its name. */
export interface Rights {
  /** As AWS knows it. */
  readonly functionName: string;
  readonly granted: ReadonlySet<Right>;
  readonly implied: ReadonlySet<Right>;
}

/** By the short name of each function of the packaged template. */
export async function rightsOf(): Promise<ReadonlyMap<string, Rights>> {
  const template: Template = await readTemplate(path);
  // Only ARNs count here, and they are the same wherever the services listen.
  const known = namesIn(template, { dynamodb: '', sqs: '' });
  return new Map(
    [...functionsByName(template)].map(([name, [, { Properties }]]) => [
      name,
      {
        functionName: String(Properties.FunctionName),
        granted: grantedTo(template, known, name),
        implied: impliedFor(template, known, name),
      },
    ]),
  );
}

/** What functions called that their roles do not grant. */
export async function refusedByRoles(calls: Calls): Promise<readonly string[]> {
  return [...(await rightsOf()).values()].flatMap(({ functionName, granted }) =>
    [...(calls.get(functionName) ?? [])]
      .filter((right) => !granted.has(right))
      .map((right) => `${functionName} ${right}`),
  );
}
