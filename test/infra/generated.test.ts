import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { generated } from '../../infra/generate-graphql-env.ts';
import { withRolesTable } from '../../infra/generate-roles-table.ts';
import { withTable } from '../../infra/generate-settings-table.ts';
import { packaged } from '../../infra/local/package.ts';
import { readTemplate } from '../../infra/local/template.ts';

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

test("the README's table of settings is that of the schema: run npm run generate", () => {
  assert.equal(read('README.md'), withTable(read('README.md')));
});

test("docs/ROLES.md's table is that of the packaged template: run npm run generate", async () => {
  await packaged(() => undefined);
  const template = await readTemplate(
    new URL('../../.serverless/cloudformation-template-update-stack.json', import.meta.url).pathname,
  );
  assert.equal(read('docs/ROLES.md'), withRolesTable(read('docs/ROLES.md'), template));
});

test("Wave's types are those of its schema: run npm run generate", () => {
  const files = generated(read('lib/wave/schema.graphql'));
  for (const [path, text] of Object.entries(files)) assert.equal(read(path), text, path);
});
