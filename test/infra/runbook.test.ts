import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { linkStates } from '../../lib/domain/link.ts';
import { causeNames } from '../../lib/sync/engine.ts';
import { fuseNames } from '../../lib/sync/fuses.ts';
import { recordStates } from '../../lib/sync/record-state.ts';

const runbook = readFileSync(new URL('../../docs/RUNBOOK.md', import.meta.url), 'utf8');

/** The first column of the table under a heading. */
function rowsUnder(heading: string): readonly string[] {
  const [, section = ''] = runbook.split(`\n## ${heading}\n`);
  return [...(section.split('\n## ')[0] ?? '').matchAll(/^\| `([a-z-]+)` \|/gm)].map(([, name = '']) => name);
}

test('the runbook explains every state that a record or a link can show, and no other', () => {
  const states = new Set([...linkStates, ...recordStates, 'waiting']);
  assert.deepEqual(rowsUnder('States').toSorted(), [...states].sort());
});

test('the runbook says of every cause when the waiting ends, and of no other', () => {
  assert.deepEqual(rowsUnder('Waiting').toSorted(), [...causeNames].sort());
});

test('the runbook names every fuse', () => {
  const [, fuses = ''] = runbook.split('\n### fuse\n');
  for (const name of fuseNames) assert.match(fuses.split('\n### ')[0] ?? '', new RegExp(`\`${name}\``));
});
