import type { Engine } from '../../lib/sync/engine.ts';
import { handleBatch, type Message } from '../../lib/sync/handle-batch.ts';
import { tidy } from '../../lib/sync/janitor.ts';
import { markFailed } from '../../lib/sync/mark-failed.ts';
import { pollCustomcrm } from '../../lib/sync/poll-customcrm.ts';
import { pollWave } from '../../lib/sync/poll-wave.ts';
import type { Call } from '../../lib/sync/ports.ts';
import { startSweep, sweep } from '../../lib/sync/sweep.ts';
import { clockOf, kill } from './container.ts';
import type { QueueName, Sandbox, World } from './world.ts';

/** Runs the functions of the product as Lambda does: schedules, queues, sandboxes that are used again, and a time-out. */
export interface Lambda {
  readonly wavePoll: () => void;
  readonly customcrmPoll: () => void;
  readonly janitor: () => void;
  /** Works on a comparison of everything; begins one when `anew`. */
  readonly sweep: (anew: boolean) => void;
  /** Runs something else in a sandbox of its own, such as an operator's command. */
  readonly run: (name: string, body: (engine: Engine, call: Call) => Promise<unknown>) => void;
  readonly running: () => number;
  /** Invocations that ended with an error, by name. */
  readonly failures: () => Readonly<Record<string, number>>;
}

/** As serverless.yml sets them, ms. */
const invocationMs = 60_000;
const reserveMs = 3_000;
/** A frozen sandbox thaws after its invocation is over; it still must do no harm. */
const latestEndMs = 600_000;
const workerLimit = 3;
const batchLimit = 10;

export function lambda(world: World): Lambda {
  const { wires } = world;
  const { scheduler, faults, latency, trace } = wires;
  const idle: Sandbox[] = [];
  const failures: Record<string, number> = {};
  const workers: Partial<Record<QueueName, number>> = {};
  let running = 0;

  function invoke<T>(
    name: string,
    body: (engine: Engine, call: Call) => Promise<T>,
    ended: (answer: T | undefined) => void,
  ): void {
    const chosen =
      idle.length > 0 && latency.chance(0.8)
        ? idle.splice(latency.between(0, idle.length - 1), 1)[0]
        : undefined;
    const reused = chosen?.container.alive ? chosen : undefined;
    const sandbox = reused ?? world.makeSandbox();
    const { container, engine } = sandbox;
    container.busy = true;
    running += 1;
    let isOver = false;
    const over = (answer: T | undefined) => {
      if (isOver) return;
      isOver = true;
      running -= 1;
      ended(answer);
    };
    trace.note(`${container.name} starts ${name}`);
    if (faults.strikes('killed'))
      container.fate = {
        steps: faults.dice.between(1, 60),
        kind: faults.dice.pick(['killed before', 'killed after']),
      };
    else if (faults.strikes('frozen')) container.fate = { steps: faults.dice.between(1, 60), kind: 'frozen' };
    scheduler.after(invocationMs, () => {
      if (isOver) return;
      if (container.frozenUntil <= scheduler.now()) kill(wires, container, 'at its time-out');
      else
        scheduler.after(latestEndMs, () => {
          if (container.busy) container.alive = false;
        });
      over(undefined);
    });
    const call: Call = { deadline: clockOf(wires, container) + invocationMs - reserveMs, priority: 'live' };
    body(engine, call).then(
      (answer) => {
        finish(sandbox);
        over(answer);
      },
      (error: unknown) => {
        const what = `${name}: ${error instanceof Error ? `${error.name} ${error.message}` : 'unknown'}`;
        failures[what] = (failures[what] ?? 0) + 1;
        trace.note(`${container.name} ${what}`);
        finish(sandbox);
        over(undefined);
      },
    );
  }

  function finish(sandbox: Sandbox): void {
    sandbox.container.busy = false;
    sandbox.container.fate = undefined;
    if (sandbox.container.alive) idle.push(sandbox);
  }

  function work(name: QueueName): void {
    const from = world.queues[name];
    const atWork = workers[name] ?? 0;
    dead(name);
    if (atWork >= workerLimit || !from.hasFree()) return;
    const messages = from.receive(latency.between(1, batchLimit));
    dead(name);
    if (messages.length === 0) return;
    workers[name] = atWork + 1;
    if (world.acknowledgesEarly) from.remove(messages.map(({ messageId }) => messageId));
    invoke(
      `apply ${name}`,
      (engine, call) => handleBatch(engine, messages, call),
      (failed) => {
        workers[name] = (workers[name] ?? 1) - 1;
        if (failed)
          from.remove(messages.map(({ messageId }) => messageId).filter((id) => !failed.includes(id)));
        scheduler.after(latency.between(5, 50), () => work(name));
      },
    );
    scheduler.after(latency.between(5, 50), () => work(name));
  }

  function dead(name: QueueName): void {
    const messages: readonly Message[] = world.queues[name].takeDead();
    if (messages.length > 0)
      invoke(
        'markFailed',
        (engine) => markFailed(engine, messages),
        () => undefined,
      );
  }

  function poll(name: string, body: (engine: Engine, call: Call) => Promise<unknown>): void {
    if (faults.strikes('pollFails')) trace.note(`${name} is not run`);
    else invoke(name, body, () => undefined);
  }

  world.onWork((name, delayMs) => scheduler.after(delayMs + latency.between(5, 100), () => work(name)));
  return {
    wavePoll: () => poll('wavePoll', pollWave),
    customcrmPoll: () => poll('customcrmPoll', pollCustomcrm),
    sweep: (anew) =>
      invoke(
        'sweep',
        async (engine, call) => {
          if (anew) await startSweep(engine);
          await sweep(engine, call);
        },
        () => undefined,
      ),
    janitor: () =>
      invoke(
        'janitor',
        (engine) => tidy(engine),
        () => undefined,
      ),
    run: (name, body) => invoke(name, body, () => undefined),
    running: () => running,
    failures: () => ({ ...failures }),
  };
}
