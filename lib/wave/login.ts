import type { Clock, Key, Table } from '../sync/ports.ts';

// A login goes through a person's browser. What comes back is believed only with the state that was sent along, however it comes back:
// to a listener, or pasted into a later command.

const key: Key = { pk: 'oauth#wave', sk: 'login' };
/** How long an answer is waited for, ms: Wave's code is good for ten minutes. */
export const loginPatienceMs = 10 * 60_000;

interface Surroundings {
  readonly table: Table;
  readonly clock: Clock;
}

/** From now on the answer with this state is the one that is waited for. */
export async function expectLogin({ table, clock }: Surroundings, state: string): Promise<void> {
  const until = clock.now() + loginPatienceMs;
  await table.write([{ put: { ...key, state, until, expiresAt: Math.ceil(until / 1000) } }]);
}

/** The state of the answer that is waited for; undefined when none is, any more. */
export async function expectedState({ table, clock }: Surroundings): Promise<string | undefined> {
  const item = await table.get(key);
  return item && Number(item.until) > clock.now() ? String(item.state) : undefined;
}

/** What the browser came back with. `strange`: not the answer to this login. */
export type LoginAnswer =
  | { readonly is: 'allowed'; readonly code: string }
  | { readonly is: 'refused'; readonly because: string }
  | { readonly is: 'strange' };

/** Reads the address that Wave sends the browser to. A refusal counts without a state too: it gives nothing away. */
export function loginAnswer(address: string, state: string | undefined): LoginAnswer {
  const parameters = new URLSearchParams(/\?([^#]*)/.exec(address)?.[1]);
  const [code, fault, theirs] = ['code', 'error', 'state'].map((name) => parameters.get(name));
  const isOurs = state !== undefined && theirs === state;
  if (fault != null && (isOurs || theirs == null))
    return { is: 'refused', because: /^[\w.-]{1,60}$/.test(fault) ? fault : 'no reason given' };
  return isOurs && code ? { is: 'allowed', code } : { is: 'strange' };
}
