import type { Pair, System } from '../../lib/domain/record.ts';
import type { Fields } from './rows.ts';

/** How long a person waits for an answer, ms. */
const patienceMs = 15_000;

/** What a person knows after one request: it was done, it was not, or nobody can say. */
export type Outcome =
  | { readonly did: 'done'; readonly answer: Fields }
  | { readonly did: 'refused'; readonly why: string; readonly passing: boolean }
  | { readonly did: 'unknown' };

/** Both systems as they truly are: deleted records included, and without any fault. */
export interface Picture {
  readonly records: Readonly<Record<System, Readonly<Record<Pair, readonly Fields[]>>>>;
  readonly writes: number;
  readonly emailsSent: number;
}

export interface Addresses {
  readonly customcrm: string;
  readonly wave: string;
}

/** The hands of the people on both sides: each request is sent once, and nothing is repeated behind their backs. */
export interface Hands {
  readonly customcrm: (method: 'POST' | 'PATCH' | 'DELETE', path: string, body?: Fields) => Promise<Outcome>;
  readonly wave: (mutation: string, input: Fields) => Promise<Outcome>;
  readonly picture: () => Promise<Picture>;
  readonly setFaults: (rates: Readonly<Record<string, number>>) => Promise<void>;
  /** Faults by kind since the start of the stand-ins. */
  readonly faults: () => Promise<Readonly<Record<string, number>>>;
}

const headers = (method: string) => ({
  authorization: 'Bearer local',
  'content-type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json',
});

async function send(method: string, url: string, body?: unknown): Promise<{ status: number; body: Fields }> {
  const answer = await fetch(url, {
    method,
    headers: headers(method),
    signal: AbortSignal.timeout(patienceMs),
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  return { status: answer.status, body: text.startsWith('{') ? (JSON.parse(text) as Fields) : { text } };
}

async function attempt(method: string, url: string, body: unknown): Promise<Outcome> {
  try {
    const { status, body: answer } = await send(method, url, body);
    if (status < 300) return { did: 'done', answer };
    const passing = status === 429 || status >= 500;
    return { did: 'refused', why: passing ? String(status) : `${status} ${answer.detail ?? ''}`, passing };
  } catch {
    return { did: 'unknown' };
  }
}

async function mutate(url: string, name: string, input: Fields): Promise<Outcome> {
  const type = `${name[0]?.toUpperCase()}${name.slice(1)}Input`;
  const query = `mutation ($input: ${type}!) { ${name}(input: $input) { didSucceed inputErrors { path message } } }`;
  const outcome = await attempt('POST', url, { query, variables: { input } });
  if (outcome.did !== 'done') return outcome;
  const { data, errors } = outcome.answer as {
    data?: Readonly<Record<string, Fields | null>>;
    errors?: unknown;
  };
  const said = data?.[name];
  if (said?.didSucceed === true) return { did: 'done', answer: said };
  if (said?.didSucceed === false)
    return {
      did: 'refused',
      why: `${name}: ${JSON.stringify(said.inputErrors)}`,
      passing: isNodeFault(said),
    };
  // Without data nothing was executed: the document itself was refused.
  return data === undefined
    ? { did: 'refused', why: `${name}: ${JSON.stringify(errors)}`, passing: false }
    : { did: 'unknown' };
}

const isNodeFault = ({ inputErrors }: Fields): boolean =>
  JSON.stringify(inputErrors).includes('Node could not');

async function ask(url: string): Promise<Fields> {
  const { status, body } = await send('GET', url);
  if (status !== 200) throw new Error(`${url} answered ${status}`);
  return body;
}

export function handsAt({ customcrm, wave }: Addresses): Hands {
  const list = (state: Fields, name: string) => state[name] as readonly Fields[];
  return {
    customcrm: (method, path, body) => attempt(method, `${customcrm}/api/v1${path}`, body),
    wave: (name, input) => mutate(`${wave}/graphql/public`, name, input),
    async picture() {
      const [crm, books] = await Promise.all(
        [customcrm, wave].map((origin) => ask(`${origin}/_control/state`)),
      );
      if (!crm || !books) throw new Error('Both stand-ins must answer');
      return {
        records: {
          customcrm: {
            customer: list(crm, 'customers'),
            product: list(crm, 'products'),
            order: list(crm, 'orders'),
          },
          wave: {
            customer: list(books, 'customers'),
            product: list(books, 'products'),
            order: list(books, 'invoices'),
          },
        },
        writes: Number(crm.writes) + Number(books.writes),
        emailsSent: Number(books.emailsSent),
      };
    },
    async setFaults(rates) {
      for (const origin of [customcrm, wave]) await send('POST', `${origin}/_control/faults`, rates);
    },
    async faults() {
      const sums: Record<string, number> = {};
      for (const origin of [customcrm, wave])
        for (const [kind, count] of Object.entries(await ask(`${origin}/_control/faults`)))
          sums[kind] = (sums[kind] ?? 0) + Number(count);
      return sums;
    },
  };
}
