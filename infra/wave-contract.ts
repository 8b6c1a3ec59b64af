import { parseArgs } from 'node:util';
import got from 'got';
import * as z from 'zod';
import { type ContractDocument, everyDocument } from '../lib/wave/contract.ts';

const standardUrl = 'https://gql.waveapps.com/graphql/public';
const timeoutMs = 20_000;
/** Between two requests: there is no budget here, ms. */
const pauseMs = 1_000;

const help = `npm run wave:contract -- [url]

Sends every document that this product uses to Wave, without a token. Wave validates a document and its variables before it asks who is
calling: UNAUTHENTICATED means that the document is valid. Nothing is read or written.

  url       the GraphQL endpoint (${standardUrl})
  --help    this

Ends with 1 when a document is not valid any more, with 2 when Wave did not say.`;

const answerSchema = z.object({
  errors: z
    .array(
      z.object({
        message: z.string().default(''),
        extensions: z.object({ code: z.string().nullish() }).nullish(),
      }),
    )
    .nullish(),
});

type Verdict = { readonly is: 'valid' | 'invalid' | 'unknown'; readonly because: string };

/** What the endpoint says of one document. */
async function verdictOn(url: string, { query, variables }: ContractDocument): Promise<Verdict> {
  const answer = await got
    .post(url, {
      json: { query, variables },
      retry: { limit: 0 },
      throwHttpErrors: false,
      followRedirect: false,
      timeout: { request: timeoutMs },
    })
    .catch((error: Error & { code?: string }) => error);
  if (answer instanceof Error) return { is: 'unknown', because: answer.code ?? answer.name };
  const parsed = answerSchema.safeParse(jsonOf(answer.body));
  const errors = parsed.success ? (parsed.data.errors ?? []) : [];
  const fault = errors.find(({ extensions }) => extensions?.code !== 'UNAUTHENTICATED');
  if (fault) {
    const code = fault.extensions?.code ?? 'no code';
    const isOurs = /VALIDATION|PARSE|VARIABLE|BAD_USER_INPUT/.test(code);
    return { is: isOurs ? 'invalid' : 'unknown', because: `${code}: ${fault.message}` };
  }
  if (errors.length > 0) return { is: 'valid', because: 'UNAUTHENTICATED' };
  return { is: 'unknown', because: `HTTP ${answer.statusCode} without a GraphQL error` };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const print = (text: string): void => void process.stdout.write(`${text}\n`);

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: { help: { type: 'boolean', default: false } },
    allowPositionals: true,
  });
  if (values.help) {
    print(help);
    return 0;
  }
  const url = positionals[0] ?? standardUrl;
  const isLocal = ['127.0.0.1', 'localhost'].includes(new URL(url).hostname);
  const verdicts: Verdict[] = [];
  for (const document of everyDocument()) {
    const verdict = await verdictOn(url, document);
    verdicts.push(verdict);
    print(`${verdict.is.padEnd(8)} ${document.name.padEnd(16)} ${verdict.because}`);
    if (verdict.is === 'unknown' && verdicts.length === 1) {
      print(`\nThe endpoint ${url} could not be asked. Is it reachable from here, and is it Wave's?`);
      return 2;
    }
    if (!isLocal) await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
  const count = (is: Verdict['is']) => verdicts.filter((verdict) => verdict.is === is).length;
  print(`\n${count('valid')} valid, ${count('invalid')} invalid, ${count('unknown')} unknown`);
  return count('invalid') > 0 ? 1 : count('unknown') > 0 ? 2 : 0;
}

process.exitCode = await main();
