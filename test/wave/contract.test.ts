import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startWave } from '../../infra/local/wave/server.ts';
import { everyDocument } from '../../lib/wave/contract.ts';
import { startWaveScript } from '../support/wave-script.ts';

const script = fileURLToPath(new URL('../../infra/wave-contract.ts', import.meta.url));
const contract = (...args: string[]) =>
  new Promise<{ readonly code: number; readonly text: string }>((resolve) => {
    execFile(process.execPath, [script, ...args], (error, stdout, stderr) =>
      resolve({ code: Number(error?.code ?? 0), text: stdout + stderr }),
    );
  });

describe('the contract with Wave', () => {
  test("holds for every document, against Wave's schema", async () => {
    const wave = await startWave({ port: 0, path: ':memory:', token: 'local', sample: false });
    try {
      const { code, text } = await contract(wave.url);
      assert.equal(code, 0, text);
      const count = everyDocument().length;
      assert.match(text, new RegExp(`\\n${count} valid, 0 invalid, 0 unknown\\n`));
      assert.equal(text.match(/^valid .*UNAUTHENTICATED$/gm)?.length, count);
    } finally {
      await wave.close();
    }
  });

  test('is broken by one document that is not valid any more: it is named, and the end is 1', async () => {
    const server = await startWaveScript(({ query }) => ({
      body: {
        errors: [
          query.includes('mutation CustomerPatch')
            ? {
                message: 'Cannot query field "fax" on type "Customer".',
                extensions: { code: 'GRAPHQL_VALIDATION_FAILED' },
              }
            : { message: 'Who are you?', extensions: { code: 'UNAUTHENTICATED' } },
        ],
      },
    }));
    try {
      const { code, text } = await contract(server.url);
      assert.equal(code, 1);
      assert.match(text, /^invalid {2}customerPatch +GRAPHQL_VALIDATION_FAILED: Cannot query field "fax"/m);
      assert.ok(server.received.every(({ authorization }) => authorization === ''));
    } finally {
      await server.close();
    }
  });

  test('cannot be looked at where nobody answers: it says so and ends with 2', async () => {
    const { code, text } = await contract('http://127.0.0.1:9/graphql/public');
    assert.equal(code, 2);
    assert.match(text, /could not be asked/);
  });

  test('explains itself', async () => {
    const { code, text } = await contract('--help');
    assert.equal(code, 0);
    assert.match(text, /wave:contract/);
  });
});
