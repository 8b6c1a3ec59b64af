import { SyncError } from '../../errors.ts';
import { customerQuestions } from './customer-questions.ts';
import { type Desk, NotAskedError } from './desk.ts';
import { invoiceQuestions } from './invoice-questions.ts';
import { statusQuestions } from './status-questions.ts';

/** What a probe found out about one unconfirmed behaviour. */
export interface Found {
  readonly answer: string;
  /** Whether it is what this product assumes; absent where nothing depends on it. */
  readonly asAssumed?: boolean;
  /** The settings that follow. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface Question {
  readonly question: string;
  readonly ask: (desk: Desk) => Promise<Found>;
}

export interface Answer extends Partial<Found> {
  readonly question: string;
  /** Why it stays open. */
  readonly open?: string;
}

const questions: readonly Question[] = [...customerQuestions, ...invoiceQuestions, ...statusQuestions];

/** Nothing that a test business could answer, or that would cost more than the answer is worth. */
export const notAsked: readonly string[] = [
  'the real limits of rate and concurrency, the form of a 429: finding out means to offend',
  'whether aliased fields are charged one by one: the same',
  'the life of refresh tokens, and what a reused one does: it would end the connection; what a login gave, `--json wave status` shows',
  "retries, order, time-outs, rotation, disabling, accepted hosts and the first call of webhooks, and the names of estimate events: they belong to the portal's test page",
  'whether viewing, sending or a due date that passes moves modifiedAt: a person or a day is needed; nothing is ever sent from here',
  'whether hidden customers are listed: only the web app hides one',
  'whether documents show the account number of a customer: a person looks at one',
];

/** So many questions in a row that Wave does not answer are the last ones. */
const patience = 3;

/** Asks one question after another. What is refused or not answered stays open, and the next one is asked. Never throws a SyncError. */
export async function probe(desk: Desk, say: (question: string) => void): Promise<readonly Answer[]> {
  const answers: Answer[] = [];
  let unanswered = 0;
  for (const { question, ask } of questions) {
    if (unanswered === patience) {
      answers.push({ question, open: 'not asked, as Wave stopped answering: run the probe again' });
      continue;
    }
    say(question);
    try {
      answers.push({ question, ...(await ask(desk)) });
      unanswered = 0;
    } catch (error) {
      if (!(error instanceof NotAskedError || error instanceof SyncError)) throw error;
      unanswered = error instanceof SyncError && error.retryable ? unanswered + 1 : 0;
      answers.push({ question, open: error.message });
    }
  }
  return answers;
}
