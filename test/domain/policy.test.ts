import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type ConflictPolicy, type ObservedAt, winner } from '../../lib/domain/policy.ts';
import type { System } from '../../lib/domain/record.ts';

describe('winner', () => {
  const t = 1_000_000;
  // biome-ignore format: reads as a decision table.
  const table: [string, ConflictPolicy, ObservedAt, System | undefined][] = [
    ['hold: a person says',                          'hold',      { customcrm: t, wave: t + 60_000 }, undefined],
    ['customcrm: always Customcrm',                  'customcrm', { customcrm: t, wave: t + 60_000 }, 'customcrm'],
    ['wave: always Wave',                            'wave',      { customcrm: t + 60_000, wave: t }, 'wave'],
    ['latest: nothing was observed',                 'latest',    {},                                 'customcrm'],
    ['latest: only Wave was observed',               'latest',    { wave: t },                        'customcrm'],
    ['latest: only Customcrm was observed',          'latest',    { customcrm: t },                   'customcrm'],
    ['latest: Customcrm was observed later',         'latest',    { customcrm: t + 60_000, wave: t }, 'customcrm'],
    ['latest: both at once',                         'latest',    { customcrm: t, wave: t },          'customcrm'],
    ['latest: Wave 5 s later is still at once',      'latest',    { customcrm: t, wave: t + 5_000 },  'customcrm'],
    ['latest: Wave more than 5 s later',             'latest',    { customcrm: t, wave: t + 5_001 },  'wave'],
    ['latest: a time of zero is a known time',       'latest',    { customcrm: 0, wave: 5_001 },      'wave'],
  ];
  for (const [situation, policy, observed, expected] of table) {
    test(`${situation}: ${expected ?? 'nobody'}`, () => assert.equal(winner(policy, observed), expected));
  }
});
