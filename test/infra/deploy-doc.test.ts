import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { packaged } from '../../infra/local/package.ts';
import { readTemplate, resourcesOf } from '../../infra/local/template.ts';
import { metricUnits } from '../../lib/metrics.ts';
import { causeNames } from '../../lib/sync/engine.ts';
import { deviations } from '../deploy/deviations.ts';

// What docs/DEPLOY.md counts, counted.
const root = new URL('../../', import.meta.url);
const text = readFileSync(new URL('docs/DEPLOY.md', root), 'utf8');
await packaged(() => undefined);
const template = await readTemplate(
  new URL('.serverless/cloudformation-template-update-stack.json', root).pathname,
);

test('the page lists every deviation of the emulated deployment, and no other', () => {
  const [, listed = ''] = text.split('<!-- deviations: test/deploy/deviations.ts -->\n');
  const expected = deviations.map((each) => `- ${each}\n`).join('');
  assert.equal(listed.split('<!-- /deviations -->')[0], expected);
});

test('the costs are those of as many alarms, curves and metrics as there are', () => {
  const alarms = resourcesOf(template, 'AWS::CloudWatch::Alarm');
  const curves = alarms.reduce((sum, [, { Properties }]) => {
    const math = Properties.Metrics as readonly { readonly MetricStat?: unknown }[] | undefined;
    return sum + (math?.filter(({ MetricStat }) => MetricStat).length ?? 1);
  }, 0);
  assert.ok(
    text.includes(`| ${alarms.length} over ${curves} curves at 0.10 | ${(curves / 10).toFixed(2)} |`),
  );
  const single = Object.keys(metricUnits).length - 1;
  const all = single + causeNames.length;
  assert.ok(
    text.includes(
      `| ${all} at 0.30: ${single} with one curve, and \`Waiting\` with one for each of ${causeNames.length} causes;`,
    ),
  );
  assert.ok(text.includes(`up to ${(all * 0.3).toFixed(2)} |`));
  const sources = resourcesOf(template, 'AWS::Lambda::EventSourceMapping').length;
  assert.ok(text.includes(`| ${sources} event sources that ask`));
});

test('every script and command that the page and the runbook name is there', () => {
  const { scripts } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8')) as {
    readonly scripts: Readonly<Record<string, string>>;
  };
  for (const path of ['docs/DEPLOY.md', 'docs/RUNBOOK.md', 'README.md'])
    for (const [, name = ''] of readFileSync(new URL(path, root), 'utf8').matchAll(
      /npm run (?:-s )?([a-z:]+)/g,
    ))
      assert.ok(name in scripts, `${path}: ${name}`);
});
