import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import {
  at,
  counterpartInWave,
  eventually,
  mutate,
  readWave,
  startWorld,
  type World,
} from '../end-to-end/world.ts';

// How long an edit takes to arrive, through the local stack, one edit at a time.

const { values } = parseArgs({
  options: {
    edits: { type: 'string', default: '60' },
    help: { type: 'boolean', default: false },
  },
});

async function measure(world: World, edits: number): Promise<Record<string, number[]>> {
  const { Id } = await world.customcrm('POST', '/customers', { Name: 'Measured' });
  const record = `/customers/${Id}`;
  const waveId = await counterpartInWave(world, record);
  const times: Record<string, number[]> = { 'Customcrm -> Wave': [], 'Wave -> Customcrm': [] };
  for (let edit = 0; edit < edits; edit++) {
    // Polls have a rhythm; edits have none.
    await sleep(Math.random() * 2_000);
    const started = performance.now();
    await world.customcrm('PATCH', record, { Phone: `here ${edit}` });
    await eventually(
      'it arrives in Wave',
      async () => {
        return at(await readWave(world, 'customer', waveId), 'phone') === `here ${edit}`;
      },
      25,
    );
    times['Customcrm -> Wave']?.push(performance.now() - started);
    await sleep(Math.random() * 2_000);
    const again = performance.now();
    await mutate(world, 'customerPatch', { id: waveId, fax: `there ${edit}` });
    await eventually(
      'it arrives in Customcrm',
      async () => {
        return (await world.customcrm('GET', record)).Fax === `there ${edit}`;
      },
      25,
    );
    times['Wave -> Customcrm']?.push(performance.now() - again);
    process.stderr.write(`\r${edit + 1} of ${edits} edits each way`);
  }
  process.stderr.write('\n');
  return times;
}

const percentile = (sorted: readonly number[], share: number): number =>
  Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0);

if (values.help) {
  process.stdout.write('npm run bench:latency -- [--edits N]\n');
} else {
  const world = await startWorld({ WAVE_POLL_INTERVAL_SECONDS: '2', CUSTOMCRM_POLL_INTERVAL_SECONDS: '2' });
  try {
    for (const [way, times] of Object.entries(await measure(world, Number(values.edits)))) {
      const sorted = times.sort((a, b) => a - b);
      process.stdout.write(`${way}: p50 ${percentile(sorted, 0.5)} ms, p95 ${percentile(sorted, 0.95)} ms\n`);
    }
  } finally {
    await world.close();
  }
}
