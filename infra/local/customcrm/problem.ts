import { STATUS_CODES } from 'node:http';

/** One thing that is wrong with a request. `field` is a path such as `Lines[0].Quantity`. */
export interface FieldError {
  readonly field: string;
  readonly code: string;
  readonly message: string;
}

interface ProblemOptions {
  readonly type?: string;
  readonly errors?: readonly FieldError[];
  readonly headers?: Readonly<Record<string, string>>;
}

/** An answer that is not a success: it becomes RFC 9457 problem details. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError';
  readonly status: number;
  readonly type: string;
  readonly errors: readonly FieldError[];
  readonly headers: Readonly<Record<string, string>>;
  constructor(status: number, detail: string, { type, errors, headers }: ProblemOptions = {}) {
    super(detail);
    this.status = status;
    this.type = type ?? 'about:blank';
    this.errors = errors ?? [];
    this.headers = headers ?? {};
  }
}

/** 422 because of one property. */
export const refusedField = (field: string, code: string, message: string): ProblemError =>
  new ProblemError(422, `${field}: ${message}`, { errors: [{ field, code, message }] });

/** The answer that `error` stands for; what nobody foresaw is a 500. */
export function answerProblem(error: unknown): Response {
  const problem = error instanceof ProblemError ? error : new ProblemError(500, String(error));
  const { type, status, message, errors, headers } = problem;
  const body = { type, title: STATUS_CODES[status] ?? 'Problem', status, detail: message, errors };
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'content-type': 'application/problem+json', ...headers },
  });
}
