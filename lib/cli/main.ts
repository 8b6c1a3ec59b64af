#!/usr/bin/env node
import { awsFailure } from '../aws/failure.ts';
import { SettingsError, SyncError } from '../errors.ts';
import { BrokenLinkError } from '../sync/links.ts';
import { program } from './program.ts';

/** What a person can do something about, in one line; undefined for a mistake of ours, whose stack is worth seeing. */
function inOneLine(error: unknown): string | undefined {
  if (error instanceof SettingsError || error instanceof SyncError || error instanceof RangeError)
    return error.message;
  if (error instanceof BrokenLinkError) return `${error.message}. Mend it with: unlink`;
  const { code, path } = (error ?? {}) as NodeJS.ErrnoException;
  if (path !== undefined) return `The file ${path} cannot be used (${code}).`;
  return awsFailure(error)?.message;
}

try {
  await program.parseAsync();
} catch (error) {
  const line = inOneLine(error);
  if (line === undefined) throw error;
  process.stderr.write(`${line}\n`);
  process.exitCode = 1;
}
