import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** Nobody answers here: whatever asks AWS fails. */
const nobody = 'http://127.0.0.1:9';

/** What a script said that must not come to its end. */
async function refused(script: string, args: readonly string[], env: Record<string, string> = {}) {
  const bare = { PATH: process.env.PATH, HOME: process.env.HOME };
  const aws = {
    AWS_ENDPOINT_URL: nobody,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'none',
    AWS_SECRET_ACCESS_KEY: 'none',
    AWS_MAX_ATTEMPTS: '1',
  };
  return promisify(execFile)('npm', ['run', '--silent', script, '--', ...args], {
    cwd: root,
    env: { ...bare, ...aws, ...env },
  }).then(
    () => assert.fail('it should have refused'),
    ({ stderr, code }: { stderr: string; code: number }) => {
      assert.equal(code, 1);
      return stderr.trim();
    },
  );
}

for (const script of ['deploy', 'remove', 'adopt'])
  test(`npm run ${script} wants to know which stage`, async () => {
    assert.match(await refused(script, []), /^Say which stage, such as: --stage prod/);
    assert.match(await refused(script, ['--stage', '../prod']), /^Say which stage/);
  });

test('a deployment without a region is refused: a standard would be another stack', async () => {
  for (const script of ['deploy', 'remove', 'adopt'])
    assert.match(
      await refused(script, ['--stage', 'unset'], { AWS_REGION: '' }),
      /^Say in which region: AWS_REGION=\.\.\. in \.env\.unset or in the shell, or --region NAME\.$/,
    );
});

test('a deployment without its settings is refused before anything is replaced', async () => {
  assert.match(
    await refused('deploy', ['--stage', 'unset'], { WAVE_BUSINESS_ID: ' ' }),
    /^CUSTOMCRM_API_URL and WAVE_BUSINESS_ID must be set, in the shell or in \.env\.unset: /,
  );
  assert.match(
    await refused('deploy', ['--stage', 'unset'], { WAVE_BUSINESS_ID: 'QnVz' }),
    /^CUSTOMCRM_API_URL must be set/,
  );
});

test('settings are taken from the file of the stage, and from no other', async (t) => {
  const stage = `test-${process.pid}`;
  await settingsFile(t, stage, 'CUSTOMCRM_API_URL=https://crm.example.com\nWAVE_BUSINESS_ID=QnVz\n');
  assert.match(
    await refused('deploy', ['--stage', stage]),
    /^AWS, .* cannot be reached \(ECONNREFUSED\): .*$/,
  );
  assert.match(await refused('deploy', ['--stage', `${stage}-2`]), /must be set/);
});

async function settingsFile(t: TestContext, stage: string, text: string): Promise<void> {
  const path = `${root}/.env.${stage}`;
  t.after(() => rm(path, { force: true }));
  await writeFile(path, text);
}
