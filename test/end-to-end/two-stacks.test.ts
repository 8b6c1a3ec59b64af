import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { packaged } from '../../infra/local/package.ts';
import { type Stack, startStack } from '../../infra/local/stack.ts';
import { type RecordedWorld, startRecordedWorld } from '../support/recorded-world.ts';
import { counterpartInWave, eventually, type Json, listWave } from './world.ts';

const main = new URL('../../lib/cli/main.ts', import.meta.url).pathname;
const configured = 'whk_configured';

// A second stack is deployed beside one that works. The tests stand in the order in which they must run.
describe('two stacks on one pair of systems', () => {
  let first: RecordedWorld;
  let second: Stack;
  let state: string;
  const lines: string[] = [];
  before(async () => {
    await packaged(() => undefined);
    first = await startRecordedWorld();
    state = await mkdtemp(join(tmpdir(), 'second-'));
    second = await startStack({
      port: 0,
      statePath: state,
      standIns: false,
      sample: false,
      env: first.env,
      onLine: (line) => lines.push(line),
    });
  });
  after(async () => {
    await second?.close();
    await rm(state, { recursive: true, force: true });
    await first?.close();
  });

  /** What a command of the second stack's operator printed, and how it ended. */
  async function sync(...args: string[]): Promise<{ readonly code: number; readonly text: string }> {
    const done = promisify(execFile)(process.execPath, [main, '--state', state, '--yes', ...args]);
    return done.then(
      ({ stdout }) => ({ code: 0, text: stdout }),
      (error: { code: number; stdout: string; stderr: string }) => ({
        code: error.code,
        text: `${error.stdout}${error.stderr}`,
      }),
    );
  }
  const pausedIn = async () => (await first.cli('status')).paused as readonly Json[];

  test('the second one runs nothing, and says why', async () => {
    const { Id } = await first.customcrm('POST', '/customers', { Name: 'Rowan' });
    await counterpartInWave(first, `/customers/${Id}`);
    const says = new RegExp(`does not start: another stack .* webhooks remove ${configured}, or`);
    await eventually('it says so', async () => lines.some((line) => says.test(line)));
    assert.equal((await listWave(first, 'customer')).length, 1);
    assert.match((await sync('status')).text, /Customcrm read +never/);
  });

  test('its operator can neither register nor start it', async () => {
    const register = await sync('webhooks', 'register', `${second.addresses.functions}/webhooks/customcrm`);
    assert.equal(register.code, 1);
    assert.match(register.text, /webhooks remove whk_configured/);
    const start = await sync('start', 'customer', '--without-webhook');
    assert.equal(start.code, 1);
    assert.match(start.text, /Not started: another stack .* webhooks remove whk_configured first/);
    assert.match((await sync('check')).text, /^!! +other stacks +another stack .* whk_configured$/m);
  });

  test('nor one that nobody would see', async () => {
    await first.cli('webhooks', 'remove', configured);
    const start = await sync('start', 'customer');
    assert.equal(start.code, 1);
    assert.match(start.text, /not registered in Customcrm.*--without-webhook/);
  });

  test('once the second one is registered, the first one stops', async () => {
    const register = await sync('webhooks', 'register', `${second.addresses.functions}/webhooks/customcrm`);
    assert.equal(register.code, 0);
    const [, id = ''] = /Registered as (\w+)\./.exec(register.text) ?? [];
    assert.match((await sync('check')).text, /^ok +other stacks /m);
    await first.invoke('customcrm-poll', { source: 'aws.events' });
    const [paused] = await pausedIn();
    assert.equal(paused?.scope, 'all');
    assert.match(
      String(paused?.reason),
      new RegExp(`another stack .* webhooks remove ${id}, then resume all$`),
    );
    await first.cli('webhooks', 'remove', id);
    await first.cli('resume', 'all');
    await first.invoke('customcrm-poll');
    assert.deepEqual(await pausedIn(), []);
  });

  test('Customcrm is read again when that is due, or when somebody asks for it', async () => {
    const pausedMs = 2_000;
    const readAgoMs = async () => Number(((await first.cli('status')).polledAgoMs as Json).customcrm);
    await first.invoke('customcrm-poll');
    const before = await readAgoMs();
    await sleep(pausedMs);
    await first.invoke('customcrm-poll', { source: 'aws.events' });
    const due = await readAgoMs();
    assert.ok(due >= before + pausedMs, 'five minutes are not over');
    await first.invoke('customcrm-poll');
    assert.ok((await readAgoMs()) < due);
  });

  test('a janitor that was there before stops a stack whose table was restored meanwhile', async () => {
    const janitor = await first.container('janitor');
    try {
      await janitor.invoke({});
      await first.restore();
      await janitor.invoke({});
    } finally {
      await janitor.close();
    }
    assert.match(JSON.stringify(await pausedIn()), /restored from a backup/);
  });
});
