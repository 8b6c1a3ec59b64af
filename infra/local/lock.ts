import { DatabaseSync } from 'node:sqlite';

/** SQLite's answer when another connection holds the file. https://www.sqlite.org/rescode.html#busy */
const busy = 5;

/**
 * Takes the lock that a file stands for, or answers undefined when somebody holds it. SQLite locks through the operating system, which
 * lets go when a process ends, however it ends: no lock is ever left behind.
 */
export function takeLock(path: string): (() => void) | undefined {
  const file = new DatabaseSync(path);
  try {
    file.exec('BEGIN EXCLUSIVE');
    return () => file.close();
  } catch (error) {
    file.close();
    if ((error as { readonly errcode?: number }).errcode === busy) return undefined;
    throw error;
  }
}
