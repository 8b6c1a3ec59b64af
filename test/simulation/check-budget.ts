import type { Notebook } from './checks.ts';
import type { Ending } from './ending.ts';

/** The clocks of containers differ by so much where they are skewed, ms; in AWS by milliseconds. */
const skewMs = 3_000;
const minuteMs = 60_000;

/** No minute holds more requests to Wave than the budget of all containers together. */
export function checkBudget({ world }: Ending, { look }: Notebook): void {
  const { requests, perMinute } = world.waveDoor;
  // A table that was set back has forgotten what was sent.
  if (perMinute === undefined || world.restored) return;
  const windowMs = minuteMs - (world.wires.faults.has('clockSkew') ? skewMs : 0);
  let first = 0;
  for (const [position, at] of requests.entries()) {
    while ((requests[first] ?? at) <= at - windowMs) first += 1;
    const count = position - first + 1;
    look(
      'request budget',
      count > perMinute ? `${count} requests to Wave within ${windowMs} ms, ${perMinute} may` : undefined,
    );
  }
}
