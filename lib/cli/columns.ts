/** Rows of text as aligned columns; every column but the last is cut at `widest` characters. */
export function columns(head: readonly string[], rows: readonly (readonly string[])[], widest = 44): string {
  const last = head.length - 1;
  const fit = (text: string, column: number) =>
    column < last && text.length > widest ? `${text.slice(0, widest - 1)}…` : text;
  const all = [head, ...rows].map((row) => row.map(fit));
  const widths = head.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  return all
    .map((row) =>
      row
        .map((text, column) => (column < last ? text.padEnd(widths[column] ?? 0) : text))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** `90 s`, `12 min`, `3 h`, `5 d`. */
export function ago(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}
