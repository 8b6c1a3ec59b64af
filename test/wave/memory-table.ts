import type { Condition, Item, Key, Table, Write } from '../../lib/sync/ports.ts';

/** The table port over plain memory. `before` runs ahead of each call, `after` once a write has happened: to be slow, or to fail. */
export function memoryTable(
  hooks: {
    readonly before?: () => Promise<void>;
    readonly after?: (writes: readonly Write[]) => Promise<void>;
  } = {},
): Table & { readonly items: ReadonlyMap<string, Item> } {
  const items = new Map<string, Item>();
  const nameOf = ({ pk, sk }: Key) => `${pk} ${sk}`;
  const keyOf = (write: Write): Key =>
    'put' in write ? write.put : 'delete' in write ? write.delete : write.check;
  return {
    items,
    async get(key) {
      await hooks.before?.();
      return structuredClone(items.get(nameOf(key)));
    },
    async query(pk, { prefix = '', limit }) {
      await hooks.before?.();
      return [...items.values()]
        .filter((item) => item.pk === pk && item.sk.startsWith(prefix))
        .slice(0, limit);
    },
    byState: async () => [],
    async write(writes) {
      await hooks.before?.();
      const failed = new Map<number, Item | undefined>();
      for (const [position, write] of writes.entries()) {
        const there = items.get(nameOf(keyOf(write)));
        if (write.when !== undefined && !holds(write.when, there))
          failed.set(position, structuredClone(there));
      }
      if (failed.size > 0) return { done: false, failed };
      for (const write of writes) {
        if ('put' in write) items.set(nameOf(write.put), JSON.parse(JSON.stringify(write.put)) as Item);
        else if ('delete' in write) items.delete(nameOf(write.delete));
      }
      await hooks.after?.(writes);
      return { done: true };
    },
  };
}

function holds(condition: Condition, item: Item | undefined): boolean {
  if (condition === 'absent') return item === undefined;
  if (condition === 'present') return item !== undefined;
  const equal = (attributes: Readonly<Record<string, string | number>>) =>
    item !== undefined && Object.entries(attributes).every(([name, value]) => item[name] === value);
  if ('equals' in condition) return equal(condition.equals);
  const { attribute, before, or } = condition.absentOrExpired;
  return item === undefined || Number(item[attribute]) < before || (or !== undefined && equal(or));
}
