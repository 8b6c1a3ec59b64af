import { randomBytes } from 'node:crypto';
import type { Hono } from 'hono';
import type { Behaviours } from './behaviours.ts';

const codeMs = 10 * 60_000;
const client = { id: 'local', secret: 'local' };

interface Pair {
  readonly access: string;
  readonly refresh: string;
  readonly until: number;
}

/** Wave's OAuth 2: a refresh gives a new pair and kills the old one; a lapsed plan answers 403. */
export function openOAuth(behaviours: () => Behaviours) {
  const codes = new Map<string, number>();
  const pairs = new Set<Pair>();
  const token = () => randomBytes(24).toString('base64url');
  const issue = () => {
    const { accessTokenSeconds } = behaviours();
    const pair = { access: token(), refresh: token(), until: Date.now() + accessTokenSeconds * 1000 };
    pairs.add(pair);
    return {
      access_token: pair.access,
      refresh_token: pair.refresh,
      token_type: 'Bearer',
      expires_in: accessTokenSeconds,
    };
  };
  return {
    accepts: (access: string): boolean =>
      [...pairs].some((pair) => pair.access === access && pair.until > Date.now()),
    mount(app: Hono): void {
      app.get('/oauth2/authorize/', (c) => {
        const { redirect_uri: redirect = '', state = '', client_id: id } = c.req.query();
        if (id !== client.id || !URL.canParse(redirect)) return c.json({ error: 'invalid_request' }, 400);
        const code = token();
        codes.set(code, Date.now() + codeMs);
        const target = new URL(redirect);
        target.searchParams.set('code', code);
        target.searchParams.set('state', state);
        return c.redirect(target.href);
      });
      app.post('/oauth2/token/', async (c) => {
        const form = Object.fromEntries(new URLSearchParams(await c.req.text()));
        if (form.client_id !== client.id || form.client_secret !== client.secret)
          return c.json({ error: 'invalid_client' }, 401);
        if (behaviours().planLapsed) return c.json({ error: 'access_denied' }, 403);
        if (form.grant_type === 'authorization_code') {
          const until = codes.get(form.code ?? '') ?? 0;
          codes.delete(form.code ?? '');
          return until > Date.now() ? c.json(issue()) : c.json({ error: 'invalid_grant' }, 400);
        }
        const old = [...pairs].find((pair) => pair.refresh === form.refresh_token);
        if (form.grant_type !== 'refresh_token' || !old) return c.json({ error: 'invalid_grant' }, 400);
        pairs.delete(old);
        return c.json(issue());
      });
      app.post('/oauth2/token-revoke/', async (c) => {
        const form = Object.fromEntries(new URLSearchParams(await c.req.text()));
        for (const pair of pairs)
          if (pair.access === form.token || pair.refresh === form.token) pairs.delete(pair);
        return c.json({});
      });
    },
  };
}
