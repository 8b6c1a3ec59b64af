import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import got, { TimeoutError } from 'got';
import type { TadaDocumentNode } from 'gql.tada';
import { type DocumentNode, print } from 'graphql';
import { RemoteUnavailableError } from '../errors.ts';
import { type Intention, noAnswer } from '../remote-failure.ts';
import type { Call } from '../sync/ports.ts';
import type { Slot } from '../sync/request-budget.ts';
import type { Ending, Want } from '../sync/request-slots.ts';
import { meaningOf, type Sent, TokenRefusedError, type WaveAnswer } from './answer.ts';
import { fieldsIn } from './cost.ts';
import type { TokensInUse } from './refusals.ts';
import type { AccessToken } from './tokens.ts';

export interface WaveClientOptions {
  /** The GraphQL endpoint, such as `https://gql.waveapps.com/graphql/public`. */
  readonly url: string;
  readonly tokens: TokensInUse;
  /** The longest that one request may take, ms. */
  readonly timeoutMs: number;
  /** Waits for the right to send one request. @throws RemoteUnavailableError */
  readonly takeSlot: (want: Want) => Promise<Slot>;
  /** Whether Wave counts each aliased field as a request. */
  readonly countsFields: boolean;
  /** Told of each request that set out, or got no slot. */
  readonly onRequest?: ((request: RequestMeasure) => void) | undefined;
}

/** What one request took: for metrics. */
export interface RequestMeasure {
  readonly intention: Intention;
  readonly priority: Call['priority'];
  /** For a slot of the budget, ms. */
  readonly waitedMs: number;
  /** From sending to the answer, ms. */
  readonly tookMs: number;
  readonly did: Ending['did'] | 'no slot';
  /** What the budget still allowed when it set out. */
  readonly slotsLeft: number;
}

/** One GraphQL request. `slot` was taken for it before; without one, the request waits for its own. */
export type WaveClient = <Data, Variables>(
  document: TadaDocumentNode<Data, Variables>,
  variables: Variables,
  intention: Intention,
  call: Call,
  slot?: Slot,
) => Promise<WaveAnswer<Data>>;

/** Nothing is sent when less than this remains before the deadline, ms. */
const leastTimeMs = 200;
/** A slot that waits longer for a token might be taken for that of a dead worker before its request is over, ms. */
const tokenPatienceMs = 5_000;

/** POST is never repeated by itself, but for an access token that was refused. @throws SyncError for transport failures and refused requests. */
export function waveClient(options: WaveClientOptions): WaveClient {
  const { tokens, takeSlot, countsFields, onRequest } = options;
  const post = poster(options);
  return async (document, variables, intention, call, reserved) => {
    const cost = countsFields ? fieldsIn(document as DocumentNode, variables) : 1;
    const send = async (token: AccessToken, slot: Slot) => {
      const sentAt = Date.now();
      const sent = await post(document, variables, intention, call, token);
      await slot.end(sent.ending);
      onRequest?.({
        intention,
        priority: call.priority,
        waitedMs: slot.waitedMs,
        tookMs: Date.now() - sentAt,
        did: sent.ending.did,
        slotsLeft: slot.left,
      });
      return sent.outcome;
    };
    /** With the token that is good once there is a slot: waiting for one takes time. */
    const attempt = async (slot: Slot) => {
      const latest = Math.min(Date.now() + tokenPatienceMs, call.sendBy ?? Number.POSITIVE_INFINITY);
      try {
        const token = await tokens.current(call);
        if (Date.now() > latest) throw tookTooLong();
        return { token, outcome: await send(token, slot) };
      } catch (error) {
        await slot.end({ did: 'unsent' });
        throw error;
      }
    };
    const slotOf = async () => {
      await tokens.ready(call);
      return takeSlot({ cost, intention, call, isWhole: true });
    };
    const first = await attempt(reserved ?? (await slotOf()));
    if (!(first.outcome instanceof TokenRefusedError)) return taken(first);
    // It was certainly not executed: once more, with another token.
    await tokens.insteadOf(first.token, call);
    const second = await attempt(await slotOf());
    // Noted as well, so that the next one does not ask.
    if (second.outcome instanceof TokenRefusedError) await tokens.insteadOf(second.token, call);
    return taken(second);
  };

  async function taken({ outcome, token }: Attempt): Promise<WaveAnswer<never>> {
    if (!(outcome instanceof Error)) await tokens.accepted(token);
    return unwrapped(outcome);
  }
}

const tookTooLong = () => new RemoteUnavailableError('wave', 'the slot or the token came too late');

interface Attempt {
  readonly token: AccessToken;
  readonly outcome: Sent['outcome'];
}

function unwrapped(outcome: WaveAnswer<unknown> | Error): WaveAnswer<never> {
  if (outcome instanceof Error) throw outcome;
  return outcome as WaveAnswer<never>;
}

function poster({ url, timeoutMs }: WaveClientOptions) {
  const http = got.extend({
    agent: { http: new HttpAgent({ keepAlive: true }), https: new HttpsAgent({ keepAlive: true }) },
    retry: { limit: 0 },
    throwHttpErrors: false,
    followRedirect: false,
  });
  const printed = new WeakMap<object, string>();
  const textOf = (document: object): string => {
    const known = printed.get(document) ?? print(document as DocumentNode);
    printed.set(document, known);
    return known;
  };
  return async (
    document: object,
    variables: unknown,
    intention: Intention,
    call: Call,
    token: AccessToken,
  ): Promise<Sent> => {
    const remaining = Math.min(timeoutMs, call.deadline - Date.now());
    if (remaining < leastTimeMs)
      return {
        outcome: new RemoteUnavailableError('wave', 'no time is left for a request'),
        ending: { did: 'unsent' },
      };
    const request = { query: textOf(document), variables };
    const answer = await http
      .post(url, {
        json: request,
        headers: { authorization: `Bearer ${token.text}` },
        timeout: { request: remaining },
      })
      .catch((error: unknown): Sent => {
        const isUnsent = noAnswer('wave', 'write', error) instanceof RemoteUnavailableError;
        const lost = error instanceof TimeoutError ? 'abandoned' : 'unanswered';
        const ending = { did: isUnsent ? 'unsent' : lost } as const;
        return { outcome: noAnswer('wave', intention, error), ending };
      });
    return 'outcome' in answer ? answer : meaningOf(answer, intention, request);
  };
}
