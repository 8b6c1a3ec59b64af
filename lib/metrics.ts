import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import type { LinkState } from './domain/link.ts';
import type { Cause, OutcomeLine, OutcomeMessage } from './sync/engine.ts';

/** Every metric that is ever sent, with its unit. The dashboard and the alarms name these and no other; a test says so. */
export const metricUnits = {
  ChangesTaken: MetricUnit.Count,
  ChangesApplied: MetricUnit.Count,
  NothingToDo: MetricUnit.Count,
  Echoes: MetricUnit.Count,
  Created: MetricUnit.Count,
  Linked: MetricUnit.Count,
  Unlinked: MetricUnit.Count,
  Blocked: MetricUnit.Count,
  Conflicts: MetricUnit.Count,
  Held: MetricUnit.Count,
  Ambiguous: MetricUnit.Count,
  Waiting: MetricUnit.Count,
  Retried: MetricUnit.Count,
  Failed: MetricUnit.Count,
  FuseTrips: MetricUnit.Count,
  ReconnectNeeded: MetricUnit.Count,
  WaveConnected: MetricUnit.Count,
  Paused: MetricUnit.Count,
  LagMs: MetricUnit.Milliseconds,
  ReadToWriteMs: MetricUnit.Milliseconds,
  OldestIntentMs: MetricUnit.Milliseconds,
  PollAgeMs: MetricUnit.Milliseconds,
  SweepAgeMs: MetricUnit.Milliseconds,
  WaveRequests: MetricUnit.Count,
  WaveSlotsLeft: MetricUnit.Count,
  SweepRepairs: MetricUnit.Count,
} as const;
export type MetricName = keyof typeof metricUnits;

const metricsNamespace = 'CustomcrmWaveSync';

const metrics = new Metrics({
  namespace: metricsNamespace,
  serviceName: process.env.STAGE ?? 'local',
});

/** Adds to the metrics of this invocation; {@link sendMetrics} sends them. */
export const count = (name: MetricName, value = 1): void =>
  void metrics.addMetric(name, metricUnits[name], value);

/** By what happened: each time that it does. */
const metricOf: Readonly<Partial<Record<OutcomeMessage, MetricName>>> = {
  'change applied': 'ChangesApplied',
  'nothing to do': 'NothingToDo',
  'counterpart created': 'Created',
  'records linked': 'Linked',
  'change failed': 'Retried',
  'fuse blown': 'FuseTrips',
  'missed change found': 'SweepRepairs',
  'conflict decided': 'Conflicts',
};
/** By what a record without a link shows, once. */
const metricOfShown: Readonly<Partial<Record<OutcomeMessage, MetricName>>> = {
  'record unlinked': 'Unlinked',
  'record blocked': 'Blocked',
  'record ambiguous': 'Ambiguous',
  'record failed': 'Failed',
};
/** By what a record waits for that shows something all the same, once. */
const metricOfWait: Readonly<Record<string, MetricName>> = {
  parent: 'Blocked',
  fence: 'Ambiguous',
} satisfies Partial<Record<Cause['name'], MetricName>>;
/** By what a link shows after it was worked on, once. */
const metricOfState: Readonly<Record<string, MetricName>> = {
  conflict: 'Conflicts',
  held: 'Held',
  blocked: 'Blocked',
} satisfies Partial<Record<LinkState, MetricName>>;

/** Counts one outcome: what is shown only when it is news, and a lag only when something arrived. */
export function countOutcome(line: OutcomeLine): void {
  const { message, because = '', again, lagMs, readToWriteMs } = line;
  if (message === 'record waits') countWaiting(because);
  if (because === 'reconnect') count('ReconnectNeeded');
  if (because === 'echo') count('Echoes');
  const name = metricOf[message];
  if (name) count(name);
  const shown = shownBy(line);
  if (shown && !again) count(shown);
  if (lagMs !== undefined && (name === 'ChangesApplied' || name === 'Created')) count('LagMs', lagMs);
  if (readToWriteMs !== undefined) count('ReadToWriteMs', readToWriteMs);
}

function shownBy({ message, because = '', reason }: OutcomeLine): MetricName | undefined {
  if (message === 'record waits') return reason === undefined ? undefined : metricOfWait[because];
  return metricOfShown[message] ?? metricOfState[because];
}

/** Records that wait, by cause: a dimension of its own, so that each cause has its own curve. */
function countWaiting(cause: string): void {
  const single = metrics.singleMetric();
  single.addDimension('cause', cause);
  single.addMetric('Waiting', metricUnits.Waiting, 1);
}

/** Writes one line in CloudWatch's embedded metric format, when there is anything to say. */
export const sendMetrics = (): void => {
  if (metrics.hasStoredMetrics()) metrics.publishStoredMetrics();
};
