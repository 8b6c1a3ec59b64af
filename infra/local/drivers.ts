import { createRequire } from 'node:module';
import type { LocalFunction } from './containers.ts';
import { type Driver, pollQueue } from './event-sources.ts';
import type { Functions } from './functions.ts';
import { intervalOf, runOnSchedule } from './schedules.ts';
import { type Known, resolve, resourcesOf, type Template } from './template.ts';

type OnError = (error: unknown) => void;

const { workersFor, backgroundWorkersFor } = createRequire(import.meta.url)('../values.cjs') as {
  readonly workersFor: (inFlight: string) => number;
  readonly backgroundWorkersFor: (inFlight: string) => number;
};

/**
 * Invokes functions with what is in their queues, as the template's event source mappings say.
 * @param inFlight `WAVE_MAX_IN_FLIGHT`, where it is set: the template was perhaps packaged without it
 */
export function driveQueues(
  template: Template,
  known: Known,
  sqsUrl: string,
  functions: Functions,
  inFlight: string | undefined,
  onError: OnError,
): readonly Driver[] {
  const queues = new Map(
    resourcesOf(template, 'AWS::SQS::Queue').map(([id]) => [known.attributes[`${id}.Arn`], known.refs[id]]),
  );
  return resourcesOf(template, 'AWS::Lambda::EventSourceMapping').map(([, { Properties }]) => {
    const mapping = resolve(Properties, known) as {
      readonly EventSourceArn: string;
      readonly FunctionName: string;
      readonly BatchSize?: number;
      readonly FunctionResponseTypes?: readonly string[];
      readonly ScalingConfig?: { readonly MaximumConcurrency?: number };
    };
    const queueArn = mapping.EventSourceArn;
    const source = {
      queueArn,
      queueUrl: queues.get(queueArn) ?? '',
      batchSize: mapping.BatchSize ?? 10,
      concurrency: workersOf(queueArn, inFlight) ?? mapping.ScalingConfig?.MaximumConcurrency ?? 1,
      reportsFailures: mapping.FunctionResponseTypes?.includes('ReportBatchItemFailures') ?? false,
    };
    return pollQueue(sqsUrl, source, targetOf(functions, mapping.FunctionName), onError);
  });
}

function workersOf(queueArn: string, inFlight: string | undefined): number | undefined {
  if (!inFlight) return undefined;
  if (queueArn.endsWith('-background.fifo')) return backgroundWorkersFor(inFlight);
  return queueArn.endsWith('-changes.fifo') ? workersFor(inFlight) : undefined;
}

/** Invokes functions at the times of the template's rules, at once for the first time. */
export function driveSchedules(
  template: Template,
  known: Known,
  functions: Functions,
  env: Readonly<Record<string, string>>,
  onError: OnError,
): readonly Driver[] {
  return resourcesOf(template, 'AWS::Events::Rule').map(([, { Properties }]) => {
    const rule = resolve(Properties, known) as {
      readonly ScheduleExpression: string;
      readonly Targets: readonly { readonly Arn: string }[];
    };
    const target = targetOf(functions, rule.Targets[0]?.Arn);
    return runOnSchedule(target, paceOf(target.name, intervalOf(rule.ScheduleExpression), env), onError);
  });
}

function targetOf(functions: Functions, arn: string | undefined): LocalFunction {
  const found = [...functions.values()].find(({ name }) => arn?.endsWith(`:${name}`));
  if (!found) throw new Error(`Nothing answers to ${arn}`);
  return found;
}

/** A poll whose interval is shorter than its schedule repeats inside its invocation; here the next invocation follows at once. */
function paceOf(name: string, everyMs: number, env: Readonly<Record<string, string>>): number {
  const setting = name.endsWith('wave-poll')
    ? env.WAVE_POLL_INTERVAL_SECONDS
    : name.endsWith('customcrm-poll')
      ? env.CUSTOMCRM_POLL_INTERVAL_SECONDS
      : undefined;
  return setting ? Math.min(everyMs, Number(setting) * 1000) : everyMs;
}
