import { randomUUID } from 'node:crypto';
import type { LocalFunction } from './containers.ts';
import type { Driver } from './event-sources.ts';

/** `rate(5 minutes)` in ms. @throws Error for another kind of expression. */
export function intervalOf(expression: string): number {
  const [, count, unit = ''] = /^rate\((\d+) (minute|hour|day)s?\)$/.exec(expression) ?? [];
  const units: Readonly<Record<string, number>> = { minute: 60_000, hour: 3_600_000, day: 86_400_000 };
  const length = units[unit];
  if (!count || !length) throw new Error(`The local stack does not know the schedule ${expression}`);
  return Number(count) * length;
}

/** Invokes a function at once and then at its interval. A run that takes longer than the interval is not overtaken by the next. */
export function runOnSchedule(
  target: LocalFunction,
  everyMs: number,
  onError: (error: unknown) => void,
): Driver {
  let running: Promise<unknown> | undefined;
  const run = () => {
    running ??= target
      .invoke(eventAt(new Date()))
      .catch(onError)
      .finally(() => {
        running = undefined;
      });
  };
  run();
  const timer = setInterval(run, everyMs);
  return {
    stop: () => clearInterval(timer),
    ended: () => running ?? Promise.resolve(),
  };
}

const eventAt = (now: Date) => ({
  version: '0',
  id: randomUUID(),
  'detail-type': 'Scheduled Event',
  source: 'aws.events',
  time: now.toISOString(),
  detail: {},
});
