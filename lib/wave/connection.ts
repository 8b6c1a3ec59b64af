import type { FingerprintKeys } from '../domain/fingerprint.ts';
import type { Clock, Table } from '../sync/ports.ts';
import { type RequestBudget, requestBudget, type Slot } from '../sync/request-budget.ts';
import type { Want } from '../sync/request-slots.ts';
import { type RequestMeasure, type WaveClient, waveClient } from './client.ts';
import type { OAuthApplication } from './oauth.ts';
import type { WaveOptions } from './options.ts';
import { tokensInUse } from './refusals.ts';
import { fullAccessToken, oauthTokens } from './tokens.ts';

export interface WaveSettings {
  /** The GraphQL endpoint, such as `https://gql.waveapps.com/graphql/public`. */
  readonly url: string;
  readonly businessId: string;
  readonly incomeAccountId: string | undefined;
  /** A full-access token, or the application whose login is kept in the table. */
  readonly access: string | OAuthApplication;
  /** The longest that one request may take, ms. */
  readonly timeoutMs: number;
  readonly perMinute: number;
  readonly inFlight: number;
  readonly perDay: number;
  /** Whether each aliased field counts as a request. */
  readonly countsFields: boolean;
  /** The most records that one document reads or writes. */
  readonly operations: number;
}

/** What the connection works with. */
export interface WaveSurroundings {
  readonly table: Table;
  readonly clock: Clock;
  readonly newId: () => string;
  readonly keys: FingerprintKeys;
  readonly onRequest?: (request: RequestMeasure) => void;
}

export interface WaveConnection {
  readonly client: WaveClient;
  readonly options: WaveOptions;
  /** As {@link RequestBudget.rest}. */
  readonly rest: RequestBudget['rest'];
  readonly ready: RequestBudget['ready'];
}

/** Operations wait this long for others to share a document with: about what the table calls before them drift apart, ms... */
const windowMs = 30;
/** ...while there are more changes than requests, until the last of them is there; and where nobody waits, until the rest of a batch is. */
const pressedWindowMs = 150;
const backgroundWindowMs = 350;
const minuteMs = 60_000;
/** A slot outlives its request by this, ms. */
const leaseMarginMs = 10_000;

/** Wave within its limits: one budget of requests for all containers, tokens in the table, documents that are shared. */
export function connectWave(settings: WaveSettings, surroundings: WaveSurroundings): WaveConnection {
  const { access, countsFields, timeoutMs, perMinute, inFlight, perDay } = settings;
  const { onRequest } = surroundings;
  // Where each field counts, nothing is saved by gathering.
  const gathers = !countsFields;
  const leaseMs = timeoutMs + leaseMarginMs;
  const budget = requestBudget({
    ...surroundings,
    limits: { perMinute, inFlight, perDay, leaseMs, windowMs: minuteMs },
  });
  const tokens = tokensInUse(
    typeof access === 'string'
      ? fullAccessToken(access)
      : oauthTokens({ ...surroundings, application: access }),
    surroundings,
  );

  async function takeSlot(want: Want): Promise<Slot> {
    const startedAt = surroundings.clock.now();
    try {
      return await budget.take(want);
    } catch (error) {
      const { intention, call } = want;
      const waitedMs = surroundings.clock.now() - startedAt;
      onRequest?.({ intention, priority: call.priority, waitedMs, tookMs: 0, did: 'no slot', slotsLeft: 0 });
      throw error;
    }
  }

  const client = waveClient({ url: settings.url, tokens, timeoutMs, takeSlot, countsFields, onRequest });
  const options: WaveOptions = {
    businessId: settings.businessId,
    incomeAccountId: settings.incomeAccountId,
    sharing: {
      clock: surroundings.clock,
      windowMs(lane) {
        if (!gathers) return windowMs;
        if (lane === 'background') return backgroundWindowMs;
        return budget.isPressed() ? pressedWindowMs : windowMs;
      },
      operations: settings.operations,
      async reserve(intention, call, operations) {
        // Without a token nothing is taken from the budget.
        await tokens.ready(call);
        const cost = countsFields ? operations : 1;
        const slot = await takeSlot({ cost, intention, call, records: operations });
        return { slot, operations: countsFields ? slot.cost : settings.operations };
      },
    },
  };
  return { client, options, rest: gathers ? budget.rest : async () => undefined, ready: budget.ready };
}
