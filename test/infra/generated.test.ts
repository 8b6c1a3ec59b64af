import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { generated } from '../../infra/generate-graphql-env.ts';
import { withTable } from '../../infra/generate-settings-table.ts';

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

test("the README's table of settings is that of the schema: run npm run generate", () => {
  assert.equal(read('README.md'), withTable(read('README.md')));
});

test("Wave's types are those of its schema: run npm run generate", () => {
  const files = generated(read('lib/wave/schema.graphql'));
  for (const [path, text] of Object.entries(files)) assert.equal(read(path), text, path);
});
