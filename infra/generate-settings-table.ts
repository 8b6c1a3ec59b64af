import { readFileSync, writeFileSync } from 'node:fs';
import type * as z from 'zod';
import { settings } from '../lib/config.ts';

const readme = new URL('../README.md', import.meta.url);
const start = '<!-- settings: made by npm run generate -->';
const end = '<!-- /settings -->';

interface Definition {
  readonly defaultValue?: unknown;
  readonly innerType?: z.ZodType;
  readonly in?: z.ZodType;
  readonly out?: z.ZodType;
}

/** The standard value of a setting, however deep its schema is wrapped. */
function standardOf(schema: z.ZodType): unknown {
  const { defaultValue, innerType, in: first, out } = schema.def as Definition;
  if (defaultValue !== undefined) return defaultValue;
  for (const inner of [out, innerType, first]) {
    const found = inner && standardOf(inner);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The README's table, one line a setting. */
export function settingsTable(): string {
  const lines = Object.entries(settings.shape).map(([name, schema]) => {
    const standard = standardOf(schema);
    const needed = schema.safeParse(undefined).success ? '-' : '**needed**';
    return `| \`${name}\` | ${standard === undefined ? needed : `\`${standard}\``} | ${schema.description} |`;
  });
  return ['| Setting | Standard | What it is |', '|---|---|---|', ...lines].join('\n');
}

/** The README with a fresh table. */
export function withTable(text: string): string {
  const [before, rest] = text.split(start);
  const [, after] = (rest ?? '').split(end);
  if (before === undefined || after === undefined) throw new Error(`README.md must hold ${start} and ${end}`);
  return `${before}${start}\n${settingsTable()}\n${end}${after}`;
}

if (import.meta.main) writeFileSync(readme, withTable(readFileSync(readme, 'utf8')));
