import { customcrmRecords } from '../../lib/customcrm/records.ts';
import type { ConflictPolicy } from '../../lib/domain/policy.ts';
import type { Body, Pair, RecordRef, System } from '../../lib/domain/record.ts';
import type { MappingSettings } from '../../lib/mappings/mapping.ts';
import type { Engine, EngineSettings, OutcomeLine } from '../../lib/sync/engine.ts';
import { receive } from '../../lib/sync/receive-webhook.ts';
import { requestBudget } from '../../lib/sync/request-budget.ts';
import { waveFeed } from '../../lib/wave/feed.ts';
import type { WaveOptions } from '../../lib/wave/options.ts';
import { waveRecords } from '../../lib/wave/records.ts';
import { waveTaxes } from '../../lib/wave/taxes.ts';
import { type Container, clockOf, deliver, type Wires } from './container.ts';
import { type Customcrm, customcrm } from './customcrm.ts';
import { customcrmClientOf } from './customcrm-client.ts';
import { desk } from './desk.ts';
import { type Dice, diceOf } from './dice.ts';
import { type FaultName, type Faults, faultsOf } from './faults.ts';
import { lanesOf, type Queue, queue } from './queue.ts';
import { scheduler } from './scheduler.ts';
import { type Store, store } from './table.ts';
import { type Trace, traceOf } from './trace.ts';
import { type Attempt, type Truth, truthOf } from './truth.ts';
import { taxes, type Wave, wave } from './wave.ts';
import { type WaveDoor, waveClientOf } from './wave-client.ts';

/** Both systems, the table, the queues, and the sandboxes in which the engine runs: everything that one seed makes. */
export interface World {
  readonly wires: Wires;
  readonly dice: Dice;
  readonly trace: Trace;
  readonly truth: Truth;
  readonly customcrm: Customcrm;
  readonly wave: Wave;
  readonly waveDoor: WaveDoor;
  readonly store: Store;
  /** The live queue of each system, and behind it the one of sweeps. */
  readonly queues: Readonly<Record<QueueName, Queue>>;
  readonly settings: EngineSettings;
  readonly hidden: ReadonlySet<string>;
  readonly makeSandbox: () => Sandbox;
  /** Called when a queue may have something to deliver, so much later. */
  readonly onWork: (listener: (name: QueueName, delayMs: number) => void) => void;
  /** With the time at which each was said, ms. */
  readonly outcomes: (OutcomeLine & { readonly at: number })[];
  /** Records that were poisoned for a while. */
  readonly poisoned: Set<string>;
  /** The table was set back: what it learnt between these times is forgotten, and all stood still until a person said otherwise, ms. */
  restored: { readonly from: number; readonly at: number; readonly until: number } | undefined;
  /** When a person replaced a blown fuse, ms. */
  readonly mended: number[];
  /** What an operator said, about which records, and when, ms; he may not have been heard. */
  readonly decided: { readonly what: string; readonly about: readonly string[]; readonly at: number }[];
  /** Before, people worked without us; ms. */
  installedAt: number;
  /** Messages are deleted before they are dealt with: a planted bug. */
  acknowledgesEarly: boolean;
  /** Everything that runs is gone at once. */
  readonly killAll: () => void;
  /** Contracts of ports that the engine broke. */
  readonly broken: string[];
  /** Every remote write that set out, in order. */
  readonly attempts: readonly Attempt[];
  /** Records of which two people typed the same, one in each system. */
  readonly twins: (readonly RecordRef[])[];
  readonly counterpartOf: (ref: RecordRef) => string | undefined;
}

export type QueueName = System | `${System} background`;

/** A container with the engine that lives in it. */
export interface Sandbox {
  readonly container: Container;
  readonly engine: Engine;
}

/** How a planted bug changes the engine or what is below it. */
export type Plant = (engine: Engine, world: World) => Engine;

export interface WorldOptions {
  readonly seed: number;
  readonly keepTrace: boolean;
  /** Exactly these; unless said, each seed draws its own part of all of them. */
  readonly faults?: readonly FaultName[];
  readonly plant?: Plant;
}

const businessId = 'B-1';
/** As lib/app.ts has it, ms. */
const sharingMs = 30;
/** As lib/wave/connection.ts has them, for a time-out of 20 s. */
const budgetLimits = { inFlight: 2, perDay: 50_000, leaseMs: 30_000, windowMs: 60_000 };

export function makeWorld({ seed, keepTrace, faults: allowed, plant }: WorldOptions): World {
  const dice = diceOf(seed);
  const time = scheduler();
  const trace = traceOf(time.now, keepTrace);
  const qualities = dice.fork('qualities');
  const faults = faultsOf(dice.fork('faults'), allowed);
  const wires: Wires = { scheduler: time, faults, latency: dice.fork('latency'), trace };
  const skew = (most: number) => (faults.has('clockSkew') ? qualities.between(-most, most) : 0);
  const mapping = mappingSettings(qualities);
  const truth = truthOf(time.now, mapping, taxes, trace);
  const hidden = new Set(
    faults.has('absentKeys') ? ['Fax', 'Footer', 'InvoiceUrl'].filter(() => qualities.chance(0.6)) : [],
  );
  const broken: string[] = [];
  const attempts: Attempt[] = [];
  const listeners: ((name: QueueName, delayMs: number) => void)[] = [];
  const queueOf = (name: QueueName) =>
    queue(wires, name, (delayMs) => {
      for (const listener of listeners) listener(name, delayMs);
    });
  const queues = {
    customcrm: queueOf('customcrm'),
    wave: queueOf('wave'),
    'customcrm background': queueOf('customcrm background'),
    'wave background': queueOf('wave background'),
  };
  // The clocks of the two systems are their owners' business.
  const most = qualities.chance(0.3) ? 12 * 60_000 : 60_000;
  const skews = { customcrm: skew(most), wave: skew(most) };
  const hooks = webhooks(wires, dice.fork('webhooks'));
  const customcrmNow = () => time.now() + skews.customcrm;
  const crm = customcrm({
    now: customcrmNow,
    truth,
    trims: faults.has('customcrmTrims'),
    onChange: (ref, body) =>
      hooks.send({ ref, version: String(body.Version), updatedAt: String(body.UpdatedAt) }),
  });
  const waveNow = () => time.now() + skews.wave;
  const waveState = wave({
    now: waveNow,
    truth,
    trims: faults.has('waveTrims'),
    reformats: faults.has('waveReformats'),
    wholeSeconds: faults.has('wholeSeconds'),
    keepsLineOrder: mapping.waveKeepsLineOrder,
    onChange: (ref, event) => event && hooks.send({ ref }),
  });
  const waveDoor: WaveDoor = {
    wave: waveState,
    truth,
    businessId,
    now: waveNow,
    noRightsUntil: 0,
    poisoned: undefined,
    requests: [],
    perMinute: faults.has('tightBudget') ? dice.fork('budget').pick([90, 120, 150]) : undefined,
  };
  const remembered = new Map<string, { readonly sent: unknown; readonly answer: Body }>();
  const tableStore = store(wires, (what) => broken.push(what));
  const settings = engineSettings(qualities, mapping, faults);
  let ids = 0;
  const newId = () => `id${++ids}`;
  let containers = 0;
  const outcomes: World['outcomes'] = [];
  const everyContainer: Container[] = [];

  /** Reads and writes wait for others to travel with, as lib/app.ts has it; or those of one tick do. */
  const operations = dice.fork('sharing').pick([0, 0, 2, 20]);
  const makeSandbox = (): Sandbox => {
    const container: Container = {
      name: `c${++containers}`,
      skewMs: skew(1_500),
      alive: true,
      busy: false,
      frozenUntil: 0,
      freezes: [],
      fate: undefined,
    };
    everyContainer.push(container);
    const now = () => clockOf(wires, container);
    const own = desk(
      container,
      tableStore,
      time.now,
      (what) => broken.push(what),
      (attempt) => attempts.push(attempt),
    );
    const crmClient = customcrmClientOf(wires, container, {
      now: customcrmNow,
      customcrm: crm,
      truth,
      remembered,
      hidden,
      claim: own.claim,
    });
    const table = tableStore.tableOf(container);
    const clock = {
      now,
      sleep: (ms: number) => new Promise<void>((resolve) => deliver(wires, container, ms, resolve)),
    };
    const { perMinute } = waveDoor;
    const budget =
      perMinute === undefined
        ? undefined
        : requestBudget({
            table,
            clock,
            newId,
            random: dice.fork(`budget of ${container.name}`).next,
            limits: { ...budgetLimits, perMinute },
          });
    const client = waveClientOf(wires, container, waveDoor, own.claim, budget?.take);
    const waveOptions: WaveOptions = {
      businessId,
      incomeAccountId: 'A-income',
      ...(operations > 0 && {
        sharing: {
          clock,
          windowMs: () => sharingMs,
          operations,
          reserve: async () => ({ slot: undefined, operations }),
        },
      }),
    };
    const plain: Engine = {
      systems: {
        customcrm: own.watched(
          customcrmRecords(crmClient, operations === 0 ? {} : { wait: () => clock.sleep(sharingMs) }),
        ),
        wave: own.watched(waveRecords(client, waveOptions)),
      },
      feed: waveFeed(client, waveOptions),
      taxes: waveTaxes(client, waveOptions, now),
      table,
      queues: {
        customcrm: lanesOf(
          queues.customcrm.portOf(container),
          queues['customcrm background'].portOf(container),
        ),
        wave: lanesOf(queues.wave.portOf(container), queues['wave background'].portOf(container)),
      },
      clock,
      newId,
      report(line) {
        outcomes.push({ ...line, at: wires.scheduler.now() });
        trace.note(
          `${container.name} reports ${line.message} ${line.system}#${line.pair}#${line.id} ${line.because ?? ''} ${line.rows?.join(',') ?? ''}`,
        );
      },
      settings,
    };
    return { container, engine: plant ? plant(plain, world) : plain };
  };
  const world: World = {
    wires,
    dice,
    trace,
    truth,
    customcrm: crm,
    wave: waveState,
    waveDoor,
    store: tableStore,
    queues,
    settings,
    hidden,
    makeSandbox,
    outcomes,
    poisoned: new Set(),
    restored: undefined,
    killAll() {
      for (const container of everyContainer) container.alive = false;
    },
    broken,
    attempts,
    twins: [],
    mended: [],
    decided: [],
    installedAt: Number.POSITIVE_INFINITY,
    acknowledgesEarly: false,
    onWork: (listener) => listeners.push(listener),
    counterpartOf(ref) {
      const item = tableStore.item({ pk: `${ref.system}#${ref.pair}#${ref.id}`, sk: 'link' });
      return item && String(ref.system === 'wave' ? item.customcrmId : item.waveId);
    },
  };
  hooks.connect(world);
  if (mapping.waveFallbackProductId !== undefined)
    waveState.create(
      'product',
      { name: 'Anything', unitPrice: '0', defaultSalesTaxIds: [] },
      { who: 'user' },
    );
  return world;
}

function mappingSettings(dice: Dice): MappingSettings {
  return {
    createInvoicesFrom: dice.chance(0.2) ? 'confirmed' : 'draft',
    poNumberFrom: dice.chance(0.2) ? 'PurchaseOrderNumber' : 'OrderNumber',
    approveInvoices: dice.chance(0.3) ? 'on-confirm' : 'never',
    editIssuedInvoices: dice.chance(0.3),
    waveFallbackProductId: dice.chance(0.5) ? 'W-product-1' : undefined,
    wavePercentage: 'percent',
    waveKeepsLineOrder: dice.chance(0.5),
  };
}

function engineSettings(dice: Dice, mapping: MappingSettings, faults: Faults): EngineSettings {
  const policy = (): ConflictPolicy =>
    dice.chance(0.6) ? 'latest' : dice.pick(['customcrm', 'wave', 'hold']);
  const conflict: Record<Pair, ConflictPolicy> = { customer: policy(), product: policy(), order: policy() };
  const firstLink: ConflictPolicy = dice.chance(0.6) ? 'hold' : dice.pick(['customcrm', 'wave', 'latest']);
  return {
    mapping,
    keys: [{ id: 'k1', secret: new Uint8Array(32).fill(7) }],
    conflict: (pair) => conflict[pair],
    firstLink: () => firstLink,
    settleMs: 120_000,
    lookupPauseMs: 30_000,
    fenceMarginMs: 300_000,
    leaseReserveMs: 50_000,
    maxReadToWriteMs: 2_000,
    fuseLimit: dice.chance(0.2) || faults.has('massDeletion') ? 2 : 20,
    startedPairs: () => true,
  };
}

interface Hook {
  readonly ref: RecordRef;
  readonly version?: string;
  readonly updatedAt?: string;
}

/** Webhooks on their way: late, repeated, overtaking each other, or lost. A refused one comes again a few times. */
function webhooks({ scheduler: time, faults, trace }: Wires, dice: Dice) {
  let world: World | undefined;
  let sandbox: Sandbox | undefined;
  let count = 0;
  const deliverHook = (hook: Hook, eventId: string, attempts: number): void => {
    if (!world) return;
    sandbox = sandbox?.container.alive ? sandbox : world.makeSandbox();
    const { ref, version, updatedAt } = hook;
    const delivery = {
      outcome: 'event' as const,
      eventId,
      ref,
      ...(version !== undefined && { version }),
      ...(updatedAt !== undefined && { updatedAt }),
    };
    receive(sandbox.engine, ref.system, delivery, () => undefined).then(
      (status) => {
        if (status >= 500 && attempts < 3)
          time.after(dice.between(5_000, 30_000), () => deliverHook(hook, eventId, attempts + 1));
      },
      () => undefined,
    );
  };
  return {
    connect(made: World) {
      world = made;
    },
    send(hook: Hook) {
      if (!world || time.now() < world.installedAt) return;
      const eventId = `evt${++count}`;
      if (faults.strikes('webhookDropped')) {
        trace.note(`webhook ${eventId} of ${hook.ref.system}#${hook.ref.pair}#${hook.ref.id} is dropped`);
        return;
      }
      const times = faults.strikes('webhookRepeated') ? 3 : 1;
      for (let time_ = 0; time_ < times; time_++) {
        const delayMs = faults.strikes('webhookDelayed')
          ? dice.between(1_000, 400_000)
          : dice.between(20, 800);
        time.after(delayMs, () => deliverHook(hook, eventId, 1));
      }
    },
  };
}
