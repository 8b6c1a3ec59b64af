import { type Context, Hono } from 'hono';
import { type CrmRecord, type RecordType, recordTypes, typeNames } from './contract.ts';
import type { Disturbances } from './disturbances.ts';
import type { idempotency } from './idempotency.ts';
import { readPage } from './paging.ts';
import { createRecord, deleteRecord, etagOf, patchRecord, readRecord, restoreRecord } from './records.ts';
import { bodyOf, type Env } from './request.ts';
import type { Store } from './store.ts';
import type { Webhooks } from './webhooks.ts';

interface Parts {
  readonly store: Store;
  readonly webhooks: Webhooks;
  readonly disturb: Disturbances;
  readonly remembered: ReturnType<typeof idempotency>;
}

/** Customers, products and orders, as the contract says, and `POST /{type}/{Id}/restore`, which is beyond it. */
export function recordRoutes(parts: Parts): Hono<Env> {
  const app = new Hono<Env>();
  for (const type of typeNames) addType(app, type, parts);
  return app;
}

function addType(app: Hono<Env>, type: RecordType, { store, webhooks, disturb, remembered }: Parts): void {
  const collection = `/${recordTypes[type].path}` as const;
  const item = `${collection}/:id` as const;

  app.get(collection, (c) => c.json(readPage(store, type, c.req.query(), disturb.lag())));

  app.get(item, (c) => answer(c, readRecord(store, type, c.req.param('id'), disturb.lag())));

  app.post(collection, remembered.guard, disturb.executeLate, async (c) => {
    const input = await bodyOf(c, 'application/json');
    const key = c.req.header('idempotency-key');
    const record = store.atomically(() => {
      const created = createRecord(store, type, input);
      store.counters.next('writes');
      if (key !== undefined) {
        const texts = { request: JSON.stringify(input), answer: JSON.stringify(created) };
        store.answers.save(key, { path: c.req.path, ...texts });
      }
      return created;
    });
    webhooks.announce(type, 'created', record);
    return answer(c, record, 201);
  });

  app.patch(item, disturb.executeLate, async (c) => {
    const patch = await bodyOf(c, 'application/merge-patch+json');
    const { record, changed } = write(store, () =>
      patchRecord(store, type, c.req.param('id'), patch, c.req.header('if-match')),
    );
    if (changed) webhooks.announce(type, 'updated', record);
    return answer(c, record);
  });

  app.delete(item, disturb.executeLate, (c) => {
    const record = write(store, () => deleteRecord(store, type, c.req.param('id'), c.req.header('if-match')));
    webhooks.announce(type, 'deleted', record);
    return c.body(null, 204);
  });

  app.post(`${item}/restore`, disturb.executeLate, (c) => {
    const { record, changed } = write(store, () => restoreRecord(store, type, c.req.param('id')));
    if (changed) webhooks.announce(type, 'updated', record);
    return answer(c, record);
  });
}

/** One write, counted when it succeeds, also when it had nothing to change: who watches for needless writes wants to see it. */
const write = <T>(store: Store, work: () => T): T =>
  store.atomically(() => {
    const result = work();
    store.counters.next('writes');
    return result;
  });

const answer = (c: Context<Env>, record: CrmRecord, status: 200 | 201 = 200): Response =>
  c.json(record, status, { ETag: etagOf(record) });
