import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import * as z from 'zod';
import { packaged } from '../../infra/local/package.ts';
import { pythonTools } from './python.ts';

// `npm run lint:template`: cfn-lint and checkov over the packaged template. Every finding is explained in infra/lint-template.yml, or an error.

const root = fileURLToPath(new URL('../..', import.meta.url));
const template = '.serverless/cloudformation-template-update-stack.json';
/** One linter takes no longer than this, ms. */
const limitMs = 300_000;

const linters = ['cfn-lint', 'checkov'] as const;
type Linter = (typeof linters)[number];

interface Finding {
  readonly rule: string;
  /** Logical id of the resource. */
  readonly resource: string;
  readonly says: string;
}

const explanation = z.strictObject({
  rule: z.string(),
  resources: z.array(z.string()).optional(),
  because: z.string().min(20),
});
type Explanation = z.infer<typeof explanation>;
const explanations = z.strictObject({
  'cfn-lint': z.array(explanation),
  checkov: z.array(explanation),
});

/** https://github.com/aws-cloudformation/cfn-lint#--format */
const cfnLintReport = z.array(
  z.object({
    Rule: z.object({ Id: z.string() }),
    Message: z.string(),
    Location: z.object({ Path: z.array(z.union([z.string(), z.number()])).nullable() }),
  }),
);
const checkovReport = z.object({
  results: z.object({
    passed_checks: z.array(z.unknown()).min(1),
    failed_checks: z.array(z.object({ check_id: z.string(), check_name: z.string(), resource: z.string() })),
    parsing_errors: z.array(z.unknown()).length(0),
  }),
});

async function findings(linter: Linter, bin: string): Promise<readonly Finding[]> {
  if (linter === 'cfn-lint') {
    const report = cfnLintReport.parse(await run(bin, 'cfn-lint', ['--format', 'json', '--', template]));
    return report.map(({ Rule, Message, Location }) => ({
      rule: Rule.Id,
      resource: String(Location.Path?.[1] ?? ''),
      says: Message,
    }));
  }
  const { results } = checkovReport.parse(
    await run(bin, 'checkov', [
      ...'--framework cloudformation --output json --compact --skip-download --soft-fail --file'.split(' '),
      template,
    ]),
  );
  return results.failed_checks.map(({ check_id, check_name, resource }) => ({
    rule: check_id,
    resource: resource.split('.').at(-1) ?? '',
    says: check_name,
  }));
}

/**
 * What a linter prints, read as JSON. That it found something is no failure. Its Python runs it: its own first line may name the folder
 * in which it was installed. @throws Error with its last words when it did not work
 */
async function run(bin: string, linter: Linter, args: readonly string[]): Promise<unknown> {
  const { stdout, stderr } = await promisify(execFile)(join(bin, 'python'), [join(bin, linter), ...args], {
    cwd: root,
    timeout: limitMs,
    maxBuffer: 50_000_000,
  }).catch((error: { stdout?: string; stderr?: string }) => ({ stdout: '', stderr: '', ...error }));
  try {
    return JSON.parse(stdout);
  } catch (cause) {
    throw new Error(`${linter} made no report:\n${stdout}\n${stderr}`.slice(0, 5_000), { cause });
  }
}

const explains = ({ rule, resources }: Explanation, finding: Finding): boolean =>
  rule === finding.rule && (resources?.includes(finding.resource) ?? true);

/** Entries that explain nothing, as a whole or for one of the resources that they name. */
function outdated(known: readonly Explanation[], found: readonly Finding[]): readonly string[] {
  return known.flatMap((entry) =>
    (entry.resources ?? [undefined]).flatMap((resource) =>
      found.some(
        (finding) => explains(entry, finding) && (resource === undefined || resource === finding.resource),
      )
        ? []
        : [`${entry.rule} is not found${resource === undefined ? '' : ` for ${resource}`} any more`],
    ),
  );
}

async function lint(): Promise<number> {
  const say = (text: string) => void process.stdout.write(`${text}\n`);
  await packaged(say);
  const bin = await pythonTools('requirements-lint.txt');
  const known = explanations.parse(parse(await readFile(join(root, 'infra/lint-template.yml'), 'utf8')));
  let faults = 0;
  for (const linter of linters) {
    const found = await findings(linter, bin);
    const unexplained = found.filter((finding) => !known[linter].some((entry) => explains(entry, finding)));
    const old = outdated(known[linter], found);
    for (const { rule, resource, says } of unexplained) say(`${linter}: ${rule} ${resource}: ${says}`);
    for (const line of old) say(`infra/lint-template.yml: ${line}`);
    const explained = found.length - unexplained.length;
    say(`${linter}: ${found.length} findings, ${explained} explained by ${known[linter].length} entries`);
    faults += unexplained.length + old.length;
  }
  return faults;
}

if ((await lint()) > 0) process.exitCode = 1;
