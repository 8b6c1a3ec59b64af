import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { localBusinessId, localIncomeAccountId, startWave } from '../../infra/local/wave/server.ts';
import type { Body, Snapshot } from '../../lib/domain/record.ts';
import type { Call, Records } from '../../lib/sync/ports.ts';
import type { RequestMeasure, WaveClient } from '../../lib/wave/client.ts';
import { connectWave, type WaveSettings, type WaveSurroundings } from '../../lib/wave/connection.ts';
import { authorizeUrl, exchangeCode } from '../../lib/wave/oauth.ts';
import type { WaveOptions } from '../../lib/wave/options.ts';
import { waveRecords } from '../../lib/wave/records.ts';
import { memoryTable } from './memory-table.ts';

export interface Connected {
  readonly records: Records;
  readonly client: WaveClient;
  readonly options: WaveOptions;
  readonly measured: readonly RequestMeasure[];
}

/** The real adapter, over a table in memory: one of its own, unless several containers share one. */
export function connected(
  url: string,
  given: Partial<WaveSettings> = {},
  shared: Partial<Pick<WaveSurroundings, 'table' | 'clock'>> = {},
): Connected {
  const measured: RequestMeasure[] = [];
  const { client, options } = connectWave(
    {
      url,
      businessId: localBusinessId,
      incomeAccountId: localIncomeAccountId,
      access: 'local',
      timeoutMs: 10_000,
      perMinute: 10_000,
      inFlight: 20,
      perDay: 1_000_000,
      countsFields: false,
      operations: 10,
      ...given,
    },
    {
      table: memoryTable(),
      clock: { now: Date.now, sleep: (ms) => sleep(ms) },
      newId: randomUUID,
      keys: [{ id: 'k1', secret: new Uint8Array(32).fill(7) }],
      onRequest: (request) => measured.push(request),
      ...shared,
    },
  );
  return { records: waveRecords(client, options), client, options, measured };
}

export const callIn = (ms = 60_000, priority: Call['priority'] = 'live'): Call => ({
  deadline: Date.now() + ms,
  priority,
});

/** A customer as Wave reads it. */
export const customerBody = (name: string): Body => ({
  name,
  firstName: null,
  lastName: null,
  email: `${name.replaceAll(' ', '-')}@example.com`,
  currency: { code: 'CAD' },
});

/** Gives a customer another name. */
export const rename = (records: Records, customer: Snapshot, name: string, call = callIn()) =>
  records.update('customer', customer, { ...customer.body, name }, ['name'], call);

/** The stand-in, and what it counted. */
export async function startCountedWave(behaviours: Parameters<typeof startWave>[0]['behaviours'] = {}) {
  const wave = await startWave({ port: 0, path: ':memory:', token: 'local', sample: false, behaviours });
  const control = async (path: string, body?: unknown) => {
    const answer = await fetch(`${wave.origin}/_control/${path}`, {
      headers: { authorization: 'Bearer local', 'content-type': 'application/json' },
      ...(body !== undefined && { method: 'POST', body: JSON.stringify(body) }),
    });
    return (await answer.json()) as Readonly<Record<string, unknown>>;
  };
  const application = {
    clientId: 'local',
    clientSecret: 'local',
    tokenUrl: `${wave.origin}/oauth2/token/`,
    redirectUri: 'http://127.0.0.1:9/callback',
  };
  /** What a browser brings back after the person said yes. */
  async function codeFor(state: string): Promise<string> {
    const answer = await fetch(authorizeUrl(application, { state }), { redirect: 'manual' });
    const target = new URL(answer.headers.get('location') ?? '');
    assert.equal(`${target.origin}${target.pathname}`, application.redirectUri);
    assert.equal(target.searchParams.get('state'), state);
    return target.searchParams.get('code') ?? '';
  }
  return {
    ...wave,
    application,
    codeFor,
    login: async () => exchangeCode(application, await codeFor('state')),
    requests: async () => Number((await control('state')).requests),
    /** Requests that were refused, and bans. */
    async refusals() {
      const { refused, bans } = await control('state');
      return [refused, bans];
    },
    /** Requests that were answered 403. */
    forbidden: async () => Number((await control('seen')).forbidden),
    writes: async () => Number((await control('state')).writes),
    faults: (rates: Readonly<Record<string, number>>) => control('faults', rates),
    behave: (changed: Readonly<Record<string, unknown>>) => control('behaviours', changed),
  };
}
