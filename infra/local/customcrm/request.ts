import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';
import { ProblemError } from './problem.ts';

/** The environment of every route: the Node request and response beneath it. */
export interface Env {
  readonly Bindings: HttpBindings;
}

/** The JSON body of a request. @throws ProblemError 400 for what is no JSON, 415 for another media type. */
export async function bodyOf(c: Context<Env>, mediaType: string): Promise<unknown> {
  const [given = ''] = (c.req.header('content-type') ?? '').split(';');
  if (given.trim().toLowerCase() !== mediaType)
    throw new ProblemError(415, `The body must be ${mediaType}, not ${given || 'of an unknown type'}`);
  try {
    return JSON.parse(await c.req.text());
  } catch (error) {
    if (error instanceof SyntaxError) throw new ProblemError(400, 'The body is not JSON');
    throw error;
  }
}

/** Breaks the connection: the client gets no answer. What the route still answers is thrown away. */
export function cut(c: Context<Env>): void {
  c.env.outgoing.destroy();
}
