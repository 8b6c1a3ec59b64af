import type { Condition, Item, Key, Table, Write } from './ports.ts';

/** Items of one partition that a rehearsal looks at. */
const partitionLimit = 1_000_000;

/**
 * A table that shows what `base` holds and keeps every write to itself. Each partition is read once, when it is first needed.
 * What only says that somebody stands still or is at work right now is left out: leases, pauses, and who would be woken.
 */
export function rehearsalTable(base: Table): Table {
  const partitions = new Map<string, Promise<Map<string, Item>>>();
  const partition = (pk: string): Promise<Map<string, Item>> => {
    const known = partitions.get(pk) ?? load(base, pk);
    partitions.set(pk, known);
    return known;
  };
  return {
    async get({ pk, sk }) {
      return (await partition(pk)).get(sk);
    },
    async query(pk, { prefix = '', after, last, limit }) {
      const items = [...(await partition(pk)).values()];
      return items
        .filter(({ sk }) => sk.startsWith(prefix) && (after === undefined || sk > after))
        .sort((a, b) => (a.sk < b.sk === (last === undefined) ? -1 : 1))
        .slice(0, limit);
    },
    byState: (state, dueBefore, limit) => base.byState(state, dueBefore, limit),
    async write(writes) {
      const loaded = new Map<string, Map<string, Item>>();
      for (const { pk } of writes.map(keyOf)) loaded.set(pk, await partition(pk));
      const find = ({ pk, sk }: Key) => loaded.get(pk)?.get(sk);
      const failed = new Map<number, Item | undefined>();
      for (const [position, write] of writes.entries())
        if (write.when !== undefined && !holds(write.when, find(keyOf(write))))
          failed.set(position, find(keyOf(write)));
      if (failed.size > 0) return { done: false, failed };
      for (const write of writes) {
        const { pk, sk } = keyOf(write);
        if ('put' in write) loaded.get(pk)?.set(sk, write.put);
        else if ('delete' in write) loaded.get(pk)?.delete(sk);
      }
      return { done: true };
    },
  };
}

async function load(base: Table, pk: string): Promise<Map<string, Item>> {
  if (pk === 'paused' || pk.startsWith('parked#')) return new Map();
  const items = await base.query(pk, { limit: partitionLimit });
  return new Map(items.filter(({ sk }) => sk !== 'lease').map((item) => [item.sk, item]));
}

const keyOf = (write: Write): Key =>
  'put' in write ? write.put : 'delete' in write ? write.delete : write.check;

/** The conditions of the port, over plain memory. */
function holds(condition: Condition, item: Item | undefined): boolean {
  if (condition === 'absent') return item === undefined;
  if (condition === 'present') return item !== undefined;
  const equal = (attributes: Readonly<Record<string, string | number>>) =>
    item !== undefined && Object.entries(attributes).every(([name, value]) => item[name] === value);
  if ('equals' in condition) return equal(condition.equals);
  const { attribute, before, or } = condition.absentOrExpired;
  return item === undefined || Number(item[attribute]) < before || (or !== undefined && equal(or));
}
