import { readFileSync, writeFileSync } from 'node:fs';
import { packaged } from './local/package.ts';
import { namesIn } from './local/provision.ts';
import { readTemplate, type Template } from './local/template.ts';
import { functionsByName, grantedTo, impliedFor, type Right } from './role-actions.ts';

const document = new URL('../docs/ROLES.md', import.meta.url);
const template = new URL('../.serverless/cloudformation-template-update-stack.json', import.meta.url);
const start = '<!-- roles: made by npm run generate -->';
const end = '<!-- /roles -->';

/** What each role grants, one line a function: what the function calls, and what AWS does in its name. */
export function rolesTable(template: Template): string {
  const known = namesIn(template, { dynamodb: '', sqs: '' });
  const lines = [...functionsByName(template).keys()].map((name) => {
    const granted = [...grantedTo(template, known, name)];
    const implied = impliedFor(template, known, name);
    const called = granted.filter((right) => !implied.has(right));
    const cells = [called, granted.filter((right) => implied.has(right))].map(readable);
    return `| ${name} | ${cells.join(' | ')} | ${granted.length} |`;
  });
  return ['| Function | It calls | AWS does in its name | Granted |', '|---|---|---|---|', ...lines].join(
    '\n',
  );
}

/** Actions by resource, both without what is the same everywhere. */
function readable(rights: readonly Right[]): string {
  const byResource = new Map<string, string[]>();
  for (const right of rights) {
    const [action = '', arn = ''] = right.split(' ');
    const resource = arn.replace(/^arn:aws:\w+:[^:]*:[^:]*:/, '');
    byResource.set(resource, [...(byResource.get(resource) ?? []), action]);
  }
  return [...byResource]
    .map(([resource, actions]) => `${actions.join(', ')} on \`${resource}\``)
    .join('<br>');
}

/** The document with a fresh table. */
export function withRolesTable(text: string, template: Template): string {
  const [before, rest] = text.split(start);
  const [, after] = (rest ?? '').split(end);
  if (before === undefined || after === undefined)
    throw new Error(`docs/ROLES.md must hold ${start} and ${end}`);
  return `${before}${start}\n${rolesTable(template)}\n${end}${after}`;
}

if (import.meta.main) {
  await packaged((text) => void process.stdout.write(`${text}\n`));
  writeFileSync(
    document,
    withRolesTable(readFileSync(document, 'utf8'), await readTemplate(template.pathname)),
  );
}
